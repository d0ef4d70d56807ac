//! The first run, adding a service, and the settings that the documents show: done as they say.

use std::process::Command;

use super::{BROKEN, TEAM, migrated};
use crate::support::{
    Files, Run, Section, Shown, Workspace, diesel_program, repository, shown, value,
};
use crate::up::Up;

/// This workspace's own services, without what they are built from.
fn services() -> Workspace {
    let workspace = Workspace::empty();
    for service in ["ai", "arc", "cv", "user"] {
        let folder = repository().join("services").join(service);
        for file in ["Cargo.toml", "diesel.toml"] {
            if let Ok(text) = std::fs::read_to_string(folder.join(file)) {
                workspace.write(&format!("services/{service}/{file}"), &text);
            }
        }
        let migrations = std::fs::read_dir(folder.join("migrations")).into_iter();
        for migration in migrations.flatten().flatten() {
            let name = migration.file_name().into_string().unwrap();
            for file in std::fs::read_dir(migration.path()).into_iter().flatten() {
                let file = file.unwrap();
                let text = std::fs::read_to_string(file.path()).unwrap();
                let file = file.file_name().into_string().unwrap();
                workspace.write(
                    &format!("services/{service}/migrations/{name}/{file}"),
                    &text,
                );
            }
        }
    }
    workspace
}

pub(super) fn first_run(mut section: Section) {
    let up = Up(services());
    // The version of the server, what runs it, and the folder of its data are the machine's.
    let started = |run: &Run| {
        let line = |text: &str| {
            text.lines()
                .find(|it| it.contains(" started on "))
                .map(str::to_owned)
        };
        let document = std::fs::read_to_string(repository().join("docs/first-run.md")).unwrap();
        Some((line(&document)?, line(&run.stderr)?))
    };
    section.run_and_learn(&up.0, &[], 0, started);
    section.run(&up.0, &[], 0);
    up.0.migration("arc", TEAM, BROKEN, "DROP TABLE team;");
    section.run(&up.0, &[], 4);
    section.ends();
}

/// The blocks of a document in one language.
fn blocks(document: &str, language: &str) -> Vec<String> {
    let text = std::fs::read_to_string(repository().join(document)).unwrap();
    let mut blocks = Vec::new();
    for piece in text.split(&format!("```{language}\n")).skip(1) {
        let lines = piece.lines().take_while(|line| line.trim() != "```");
        let indent = piece.len() - piece.trim_start().len();
        let lines = lines.map(|line| format!("{}\n", line.get(indent..).unwrap_or_default()));
        blocks.push(lines.collect());
    }
    blocks
}

#[test]
fn a_service_is_added_as_the_document_says() {
    const DOCUMENT: &str = "docs/add-a-service.md";
    let [settings, diesel]: [String; 2] = blocks(DOCUMENT, "toml").try_into().unwrap();
    let mut workspace = crate::support::adopting(&[]);
    workspace.set("DIESEL_CLI", diesel_program().to_str().unwrap());
    workspace.write(".gitignore", ".env\n/backups/\n/migration_backups/\n");
    let up = Up(workspace);
    let commands = shown(DOCUMENT);
    let typed = |it: &Shown| it.text.starts_with("cargo ") && it.text.contains("team");
    let mut typed: Vec<_> = commands
        .iter()
        .filter(|it| typed(it))
        .map(|it| it.text.clone())
        .collect();
    typed.extend(
        commands
            .into_iter()
            .map(|it| it.text)
            .filter(|it| ["cargo xtask db up", "cargo xtask db check"].contains(&it.as_str())),
    );
    for line in &typed {
        match line.as_str() {
            "cargo new --lib services/team" => {
                let words: Vec<_> = line.split(' ').skip(1).collect();
                let mut cargo = up.0.prepared(Command::new("cargo"), &words);
                Run::of(&mut cargo, line).exits(0);
                up.0.append("services/team/Cargo.toml", &format!("\n{settings}"));
                up.0.write("services/team/diesel.toml", &diesel);
                continue;
            }
            "cargo xtask db up" => {
                up.0.write(".env.template", "TEAM_DATABASE_URL=\n");
            }
            _ => {}
        }
        up.0.db(line.strip_prefix("cargo xtask db ").unwrap())
            .exits(0);
        if line.contains(" new ") {
            let [migration] = up.0.list("services/team/migrations").try_into().unwrap();
            let up_sql = "CREATE TABLE teams (id bigint PRIMARY KEY, name text NOT NULL);";
            up.0.migration("team", &migration, up_sql, "DROP TABLE teams;");
        }
    }
    assert_eq!(typed.len(), 6, "{typed:?}");
    assert!(
        up.0.read("services/team/src/schema.rs")
            .contains("teams (id)")
    );
    assert!(up.0.read("services/team/SCHEMA.md").contains("teams"));
    let env = up.0.read(".env");
    let url = env.trim().strip_prefix("TEAM_DATABASE_URL=").unwrap();
    use diesel::Connection as _;
    let mut session = diesel::PgConnection::establish(url).unwrap();
    assert_eq!(value(&mut session, "SELECT current_database()"), "team_db");
    assert_eq!(value(&mut session, "SELECT count(*) FROM teams"), "0");
}

/// The settings that the documents show are ones that the tool knows.
#[test]
fn the_settings_that_are_shown_are_sound() {
    let mut number = 0;
    for document in ["docs/another-workspace.md", "docs/check.md", "docs/ci.md"] {
        for block in blocks(document, "toml") {
            // A block may show the workspace's and a service's.
            for section in
                block
                    .split("\n\n[package.metadata.db]")
                    .enumerate()
                    .map(|(index, it)| {
                        if index == 0 {
                            it.to_owned()
                        } else {
                            format!("[package.metadata.db]{it}")
                        }
                    })
            {
                number += 1;
                let files = Files::with(&["arc"]);
                if section.starts_with("[workspace") {
                    files.append("Cargo.toml", &format!("\n{section}"));
                    files.copy("services", "crates");
                } else if section.starts_with("[package.metadata.db.allow]") {
                    files.append("services/arc/Cargo.toml", &section);
                    let up = "CREATE TABLE n (id int PRIMARY KEY);";
                    files.migration("arc", "2026-01-03-000000_n", up, "DROP TABLE n;");
                } else {
                    let name = "name = \"arc_db\"\n";
                    let section = section.replace("name = \"team_db\"\n", "");
                    let section = section.strip_prefix("[package.metadata.db]").unwrap();
                    files.edit("services/arc/Cargo.toml", name, &format!("{name}{section}"));
                }
                files.db("check --offline").exits(0);
            }
        }
    }
    assert!(number >= 6, "{number}");
}

/// Nor is the suppressed statement a finding any more.
#[test]
fn a_suppression_as_the_document_shows_it_is_one() {
    let [up] = blocks("docs/check.md", "sql").try_into().unwrap();
    let files = Files::with(&["arc"]);
    let timeouts = "SET LOCAL lock_timeout = '2s';\nSET LOCAL statement_timeout = '30s';\n";
    let (_, bare) = up.split_once('\n').unwrap();
    let name = "2026-01-03-000000_drop";
    files.migration("arc", name, &format!("{timeouts}{bare}"), "SELECT 1;");
    files.db("check --offline").exits(1).says("ban-drop-column");
    files.migration("arc", name, &format!("{timeouts}{up}"), "SELECT 1;");
    files.db("check --offline").exits(0);
}

/// The words in quotation marks, each at its first place.
fn quoted_words(text: &str, is_one: impl Fn(&str) -> bool) -> Vec<String> {
    let pieces: Vec<_> = text.split('"').collect();
    let mut words = Vec::new();
    for (word, after) in pieces[1..]
        .iter()
        .step_by(2)
        .zip(pieces[2..].iter().step_by(2))
    {
        if is_one(after) && !words.contains(&(*word).to_owned()) {
            words.push((*word).to_owned());
        }
    }
    words
}

#[test]
fn the_json_has_the_keys_that_are_shown() {
    let workspace = migrated();
    let up = "CREATE TABLE team (id bigint PRIMARY KEY);";
    workspace.migration("arc", TEAM, up, "-- nothing");
    workspace.write(".env.template", "ARC_DATABASE_URL=\n");
    let shown = blocks("docs/json.md", "text");
    let lines = [
        "status --json",
        "history arc --json",
        "check --offline --json",
    ];
    assert_eq!(shown.len(), lines.len());
    for (line, shown) in lines.iter().zip(shown) {
        let said = workspace.db(line).stdout;
        let keys = quoted_words(&said, |after| after.trim_start().starts_with(':'));
        assert_eq!(keys, quoted_words(&shown, |_| true), "{line}");
    }
}
