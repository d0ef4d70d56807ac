//! The README and the documents say what is so.

use std::collections::BTreeSet;
use std::path::Path;

use crate::support::{Files, Run, Workspace, commands, repository};

fn readme() -> String {
    read("README.md")
}

fn read(path: &str) -> String {
    std::fs::read_to_string(repository().join(path)).unwrap()
}

/// The documents, by path; the README is the first.
fn documents() -> Vec<(String, String)> {
    let folder = std::fs::read_dir(repository().join("docs")).unwrap();
    let names = folder.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let names = names.filter(|name| name.ends_with(".md"));
    let mut paths: Vec<_> = names.map(|name| format!("docs/{name}")).collect();
    paths.sort();
    paths.insert(0, "README.md".to_owned());
    let documents = paths.into_iter().map(|path| (read(&path), path));
    documents.map(|(text, path)| (path, text)).collect()
}

/// The rows of the table whose first heading is this, as cells.
fn table(heading: &str) -> Vec<Vec<String>> {
    let all: String = documents().into_iter().map(|(_, text)| text).collect();
    let rows: Vec<_> = all
        .lines()
        .skip_while(|line| !line.starts_with(&format!("| {heading} |")))
        .skip(2)
        .take_while(|line| line.starts_with('|'))
        .map(|line| {
            let cells = line.replace("\\|", "\u{0}");
            cells
                .trim_matches('|')
                .split('|')
                .map(|cell| cell.replace('\u{0}', "|").trim().to_owned())
                .collect()
        })
        .collect();
    assert!(!rows.is_empty(), "no table `{heading}`");
    rows
}

/// The words in backquotes of a cell.
fn code(cell: &str) -> Vec<String> {
    cell.split('`')
        .skip(1)
        .step_by(2)
        .map(str::to_owned)
        .collect()
}

/// All sources below a folder, as one text.
fn sources(folder: &Path) -> String {
    let mut text = String::new();
    for entry in std::fs::read_dir(folder).unwrap().flatten() {
        let path = entry.path();
        if path.is_dir() {
            text.push_str(&sources(&path));
        } else {
            text.push_str(&std::fs::read_to_string(path).unwrap());
        }
    }
    text
}

#[test]
fn every_command_and_its_options_are_in_the_table() {
    let workspace = Workspace::empty();
    let help = workspace.db("--help").exits(0).stdout;
    let verbs: BTreeSet<_> = commands(&help).into_iter().collect();
    let global = [
        "--jobs",
        "--lock-timeout",
        "--quiet",
        "--verbose",
        "--help",
        "--yes",
        "--force",
    ];
    let mut listed = BTreeSet::new();
    for row in table("command") {
        let command = row[0].trim_matches('`');
        let verb = command
            .strip_prefix("cargo xtask db ")
            .unwrap()
            .split(' ')
            .next()
            .unwrap();
        listed.insert(verb.to_owned());
        let help = Run::of(&mut workspace.command(&["db", verb, "--help"]), verb)
            .exits(0)
            .stdout;
        let options = |text: &str| -> BTreeSet<String> {
            text.split(|c: char| !(c.is_ascii_alphanumeric() || c == '-'))
                .filter(|word| word.starts_with("--") && word.len() > 2 && !global.contains(word))
                .map(str::to_owned)
                .collect()
        };
        // The help's own text mentions options of other commands; those it takes begin a line.
        let taken: String = help
            .lines()
            .filter(|line| line.trim_start().starts_with('-'))
            .collect::<Vec<_>>()
            .join("\n");
        assert_eq!(options(command), options(&taken), "options of `{verb}`");
    }
    assert_eq!(listed, verbs);
}

#[test]
fn the_exit_codes_are_those_of_the_help() {
    let help = Workspace::empty()
        .db("--help")
        .exits(0)
        .stdout
        .replace('\n', " ");
    let codes = table("exit code");
    let numbers: Vec<_> = codes.iter().map(|row| row[0].as_str()).collect();
    assert_eq!(numbers, ["0", "1", "2", "3", "4", "5", "6", "7", "130"]);
    for row in &codes {
        let number = &row[0];
        let meaning = row[1]
            .split([':', ','])
            .next()
            .unwrap()
            .split(" by ")
            .next()
            .unwrap();
        assert!(
            help.contains(&format!("{number} {meaning}")),
            "{number} {meaning}: {help}"
        );
    }
}

#[test]
fn the_variables_are_those_that_the_code_reads() {
    let read = sources(&repository().join("xtask/local-postgres/src"));
    let words = |text: &str| -> BTreeSet<String> {
        text.split(|c: char| !(c.is_ascii_uppercase() || c == '_'))
            .filter(|word| {
                word.starts_with("LOCAL_POSTGRES_") && word.len() > "LOCAL_POSTGRES_".len()
            })
            .map(str::to_owned)
            .collect()
    };
    let table: String = table("variable")
        .into_iter()
        .map(|row| row[0].clone() + "\n")
        .collect();
    assert_eq!(words(&table), words(&read));
}

#[test]
fn the_checks_are_those_of_the_code() {
    let names = |heading: &str| -> BTreeSet<String> {
        let rows = table(heading);
        rows.iter().flat_map(|row| code(&row[0])).collect()
    };
    let list = Files::with(&["arc"]).db("check --list").exits(0).stdout;
    let (checks, left_out) = list
        .split_once("\n\nrules of squawk that are not used:\n")
        .unwrap();
    let first = |line: &str| line.split(' ').next().unwrap().to_owned();
    // The rules that are used have pages of their own.
    let checks = checks
        .lines()
        .filter(|line| !line.contains("https://squawkhq.com/"));
    assert_eq!(names("check"), checks.map(first).collect());
    assert_eq!(
        names("rule of squawk"),
        left_out.lines().map(first).collect()
    );
}

#[test]
fn the_services_are_those_of_the_workspace() {
    let rows = table("service");
    let mut folders: Vec<_> = std::fs::read_dir(repository().join("services"))
        .unwrap()
        .flatten()
        .collect();
    folders.sort_by_key(std::fs::DirEntry::file_name);
    let mut names: Vec<_> = rows.iter().map(|row| code(&row[0])[0].clone()).collect();
    names.sort();
    assert_eq!(
        names,
        folders
            .iter()
            .map(|entry| entry.file_name().to_string_lossy().into_owned())
            .collect::<Vec<_>>()
    );
    for row in rows {
        let service = &code(&row[0])[0];
        let manifest = read(&format!("services/{service}/Cargo.toml"));
        if row[1] == "none" {
            assert!(manifest.contains("\ndb = false\n"));
            continue;
        }
        assert!(manifest.contains(&format!("name = {:?}", code(&row[1])[0])));
        assert!(manifest.contains(&format!("url = {:?}", code(&row[2])[0])));
        let schema = read(&format!("services/{service}/src/schema.rs"));
        for table in code(&row[3]) {
            assert!(
                schema.contains(&format!("    {table} (")),
                "{service} has no table {table}"
            );
        }
        assert!(read(".env.template").contains(&format!("\n{}=", code(&row[2])[0])));
    }
}

#[test]
fn every_message_of_the_troubleshooting_is_one_that_is_printed() {
    let folders = ["xtask/db/src", "xtask/service-url/src"];
    let sources = folders
        .map(|folder| sources(&repository().join(folder)))
        .concat();
    for row in table("message") {
        for piece in code(&row[0])[0]
            .split('…')
            .map(str::trim)
            .filter(|piece| !piece.is_empty())
        {
            // Parts that are filled in at run time end a piece in the sources.
            let found =
                sources.contains(piece) || piece.split(", ").all(|part| sources.contains(part));
            assert!(found, "nothing prints {piece:?}");
        }
    }
}

#[test]
fn ci_runs_the_test_command_of_the_readme() {
    let readme = readme();
    let commands: Vec<_> = readme
        .split("```sh\n")
        .skip(1)
        .map(|block| block.split("\n```").next().unwrap())
        .collect();
    assert_eq!(commands, ["cargo xtask db up", "cargo test --workspace"]);
    let ci = read(".ci/run");
    for command in commands {
        assert!(ci.contains(command), "{command}");
    }
}

/// A blank line within a table ends it, and the rest is shown as it is typed.
#[test]
fn every_table_is_whole() {
    for (path, text) in documents() {
        let cells = |row: &str| row.replace("\\|", "").matches('|').count();
        let lines: Vec<_> = text.lines().collect();
        let mut tables = 0;
        for (index, line) in lines.iter().enumerate() {
            if !line.starts_with('|') {
                continue;
            }
            let place = format!("{path}:{}: {line}", index + 1);
            let before = index.checked_sub(1).map_or("", |it| lines[it]);
            if before.starts_with('|') {
                assert_eq!(cells(before), cells(line), "{place}");
            } else {
                tables += 1;
                assert_eq!(before, "", "{place}");
                assert!(lines[index + 1].starts_with("|---"), "no heading: {place}");
            }
        }
        assert_eq!(text.matches("\n|---").count(), tables, "{path}");
    }
}

#[test]
fn the_readme_is_short_and_leads_to_every_document() {
    let readme = readme();
    assert!(readme.lines().count() <= 160);
    for (path, text) in documents() {
        if path != "README.md" {
            assert!(readme.contains(&format!("]({path})")), "{path}");
        }
        let folder = repository().join(&path);
        let folder = folder.parent().unwrap();
        for link in text.split("](").skip(1) {
            let link = link.split([')', '#']).next().unwrap();
            let is_there = link.is_empty() || link.starts_with("https://");
            assert!(is_there || folder.join(link).exists(), "{path}: {link}");
        }
    }
    for picture in readme.split(['"']).filter(|word| word.ends_with(".svg")) {
        assert!(repository().join(picture).exists(), "{picture}");
    }
}
