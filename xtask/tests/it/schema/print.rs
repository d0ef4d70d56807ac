//! `db schema`: what it writes is what plain Diesel writes.

use crate::support::{PRINT, Printed, diesel_program};

const NOTES: &str = "services/notes/src/schema.rs";
const USER: &str = "services/user/src/schema.rs";

#[test]
fn one_column_off_is_shown_and_mended_and_nothing_else_is_touched() {
    let workspace = Printed::new();
    workspace.db("schema", 0).says("written");
    let (good, modified) = (workspace.read(NOTES), || {
        let metadata = std::fs::metadata(workspace.path(USER)).unwrap();
        metadata.modified().unwrap()
    });
    assert!(good.starts_with("// @generated automatically by Diesel CLI.\n"));
    let before = modified();
    workspace.edit(NOTES, "body -> Text", "body -> Nullable<Text>");
    let bad = workspace.read(NOTES);

    let run = workspace.db("schema --check", 1);
    run.says("\n-        body -> Nullable<Text>,\n+        body -> Text,\n")
        .says(&format!("--- {NOTES}"))
        .says(&format!("{USER} up to date"));
    assert_eq!(workspace.read(NOTES), bad, "--check changed it");
    workspace.db("schema --check user", 0);

    std::thread::sleep(std::time::Duration::from_millis(20));
    workspace.db("schema", 0).says(&format!("{NOTES} written"));
    assert_eq!(workspace.read(NOTES), good);
    assert_eq!(modified(), before, "an unchanged file was touched");
    workspace.db("schema --check", 0);
    // A checkout on Windows is no difference, and stays as it is.
    workspace.write(NOTES, &good.replace('\n', "\r\n"));
    workspace.db("schema --check", 0);
    workspace.db("schema", 0);
    assert!(workspace.read(NOTES).contains("\r\n"));
    assert_eq!(workspace.list("services/notes/src"), ["schema.rs"]);
}

#[test]
fn a_missing_file_is_found_and_written_and_one_that_nobody_wants_is_not() {
    let workspace = Printed::new();
    workspace.write(
        "services/user/diesel.toml",
        "[migrations_directory]\ndir = \"migrations\"\n",
    );
    workspace
        .db("schema --check", 1)
        .says("+++ services/notes/src/schema.rs")
        .says("no `file` in `[print_schema]`");
    assert!(!workspace.path("services/notes/src").exists());
    workspace.db("schema", 0);
    assert!(workspace.path(NOTES).is_file());
    assert!(!workspace.path("services/user/src").exists());
}

/// Custom types, generated columns, views, arrays, comments.
const EVERYTHING: &str = "
CREATE SCHEMA other;
CREATE TYPE mood AS ENUM ('good', 'bad');
CREATE TYPE other.\"Level\" AS ENUM ('a');
CREATE DOMAIN email AS text CHECK (value LIKE '%@%');
CREATE TABLE people (
    id uuid PRIMARY KEY, name varchar(30) NOT NULL, born integer NOT NULL, mail email,
    century integer GENERATED ALWAYS AS (born / 100) STORED, mood mood NOT NULL, tags text[] NOT NULL, \"type\" text
);
COMMENT ON TABLE people IS 'Who is here';
CREATE VIEW adults AS SELECT id, name FROM people WHERE born < 2008;
CREATE MATERIALIZED VIEW names AS SELECT name FROM people;
CREATE TABLE pets (id bigserial PRIMARY KEY, owner uuid NOT NULL REFERENCES people, name text NOT NULL, a_long_name_for_a_column text);
CREATE TABLE secret_things (id int PRIMARY KEY);
CREATE TABLE other.things (id int PRIMARY KEY, level other.\"Level\" NOT NULL);
";

#[test]
fn one_section_with_all_that_diesel_can_do_is_what_plain_diesel_prints() {
    let workspace = Printed::new();
    workspace.migration("notes", "2026-01-02-000000_all", EVERYTHING, "SELECT 1;");
    // Diesel has rustfmt format it, which reads its settings from the folders above.
    workspace.write("rustfmt.toml", "max_width = 60\n");
    workspace.write(
        "services/notes/diesel.toml",
        "[print_schema]\nfile = \"src/schema.rs\"\ncolumn_sorting = \"name\"\nfilter = { except_tables = [\"secret_.*\"] }\n\
         custom_type_derives = [\"Clone\"]\nwith_docs = \"only-database-comments\"\nimport_types = [\"diesel::sql_types::*\"]\n\n\
         [migrations_directory]\ndir = \"migrations\"\n",
    );
    workspace.db("schema notes", 0);
    let (plain, database) = workspace.plain_diesel("notes");
    let printed = workspace.read(NOTES);
    assert_eq!(printed, workspace.read(&format!("{plain}/src/schema.rs")));
    assert_eq!(
        printed,
        workspace.diesel(&plain, &database, &["print-schema"])
    );
    for text in [
        "century",
        "pub struct Mood",
        "Who is here",
        "(\n    items, people, pets,\n)",
    ] {
        assert!(printed.contains(text), "{text}:\n{printed}");
    }
    assert!(!printed.contains("secret_things"), "{printed}");

    // A patch is applied to what is printed, and its path is relative to the diesel.toml.
    let line = 1 + printed
        .lines()
        .position(|line| line.trim() == "born -> Int4,")
        .unwrap();
    workspace.write(
        "services/notes/schema.patch",
        &format!(
            "--- a\n+++ b\n@@ -{line},1 +{line},1 @@\n-        born -> Int4,\n+        born -> crate::Year,\n"
        ),
    );
    workspace.edit(
        "services/notes/diesel.toml",
        "file = ",
        "patch_file = \"schema.patch\"\nfile = ",
    );
    workspace.db("schema notes --check", 1);
    workspace.db("schema notes", 0);
    let (plain, _database) = workspace.plain_diesel("notes");
    assert_eq!(
        workspace.read(NOTES),
        workspace.read(&format!("{plain}/src/schema.rs"))
    );
    assert!(workspace.read(NOTES).contains("born -> crate::Year,"));
}

#[test]
fn several_sections_are_written_as_plain_diesel_writes_them() {
    let workspace = Printed::new();
    workspace.migration("notes", "2026-01-02-000000_all", EVERYTHING, "SELECT 1;");
    workspace.write(
        "services/notes/diesel.toml",
        "[print_schema]\nfile = \"src/schema.rs\"\nfilter = { only_tables = [\"items\"] }\n\n\
         [print_schema.people]\nfile = \"src/people/schema.rs\"\nfilter = { only_tables = [\"people\", \"pets\"] }\n\
         patch_file = \"people.patch\"\n\n\
         [print_schema.other]\nfile = \"src/other.rs\"\nschema = \"other\"\n\n\
         [print_schema.unwritten]\nfilter = { only_tables = [\"pets\"] }\n\n\
         [migrations_directory]\ndir = \"migrations\"\n",
    );
    workspace.write(
        "services/notes/people.patch",
        "--- a\n+++ b\n@@ -1,1 +1,2 @@\n // @generated automatically by Diesel CLI.\n+// and patched\n",
    );
    workspace.db("schema notes", 0);
    let (plain, _database) = workspace.plain_diesel("notes");
    for file in ["src/schema.rs", "src/people/schema.rs", "src/other.rs"] {
        let printed = workspace.read(&format!("services/notes/{file}"));
        assert_eq!(
            printed,
            workspace.read(&format!("{plain}/{file}")),
            "{file}"
        );
    }
    assert!(
        workspace
            .read("services/notes/src/people/schema.rs")
            .contains("// and patched")
    );
    assert_eq!(
        workspace.list("services/notes/src"),
        ["other.rs", "people", "schema.rs"]
    );
    workspace.edit("services/notes/src/other.rs", "id -> Int4", "id -> Int8");
    workspace
        .db("schema --check notes", 1)
        .says("--- services/notes/src/other.rs")
        .does_not_say("--- services/notes/src/schema.rs");
}

#[test]
fn nothing_of_the_surroundings_leaks_in() {
    let workspace = Printed::new();
    let nowhere = "postgres://nobody:hidden@127.0.0.1:1/nowhere";
    workspace.write(
        "services/notes/.env",
        &format!("DATABASE_URL={nowhere}\nPGOPTIONS=-c search_path=pg_temp\nPGSSLMODE=nonsense\n"),
    );
    workspace.write("services/user/.env", "this is no assignment\n");
    workspace.write(
        "config/diesel.toml",
        "[print_schema]\nfilter = { only_tables = [] }\n",
    );
    let mut command = workspace.command("schema");
    command
        .env("DATABASE_URL", nowhere)
        .env("NOTES_DATABASE_URL", nowhere)
        .env("DIESEL_CONFIG_FILE", workspace.path("config/diesel.toml"))
        .env("MIGRATION_DIRECTORY", workspace.path("config"))
        .env("DIESEL_LOG", "debug");
    workspace.run(command, 0).does_not_say("hidden");
    for file in [NOTES, USER] {
        let text = workspace.read(file);
        assert!(text.contains("body -> Text,"), "{text}");
        assert!(!text.contains("DEBUG"), "{text}");
    }
    // By default the tool works below the root, where Diesel would find the root's own file.
    workspace.write(".env", "PGSSLMODE=nonsense\n");
    let mut command = workspace.command("schema --check");
    command
        .env_remove("CARGO_TARGET_DIR")
        .env("DIESEL_CLI", diesel_program());
    workspace.run(command, 0);
    assert!(workspace.list("target/xtask-tools/run").is_empty());
}

#[test]
fn a_migration_that_fails_is_shown_and_the_other_services_are_written() {
    let workspace = Printed::new();
    workspace.migration(
        "notes",
        "2026-01-02-000000_bad",
        "ALTER TABLE items\n    ADD COLUMN at tyme;",
        "SELECT 1;",
    );
    workspace
        .db("schema", 4)
        .says("services/notes/migrations/2026-01-02-000000_bad/up.sql:2:19")
        .says("type \"tyme\" does not exist")
        .says(&format!("{USER} written"))
        .does_not_say("throwaway_");
    assert!(!workspace.path(NOTES).exists());
}

#[test]
fn a_fault_in_diesel_toml_is_diesels_to_name() {
    let workspace = Printed::new();
    workspace.write(
        "services/notes/diesel.toml",
        &PRINT.replace("file", "column_sort = \"name\"\nfile"),
    );
    workspace.db("schema notes", 2).says("failed to print `services/notes/src/schema.rs` of service `notes`: Failed to parse config file");
    assert!(!workspace.path(NOTES).exists());
}

#[test]
fn a_file_that_cannot_be_printed_is_one_finding_among_others() {
    let workspace = Printed::new();
    workspace.migration(
        "notes",
        "2026-01-02-000000_log",
        "CREATE TABLE log (line text); CREATE TABLE half (id bigint PRIMARY KEY);",
        "DROP TABLE log;",
    );
    let (notes, user) = ("services/notes/src/schema.rs", USER);
    let run = workspace.db("check --json", 1);
    let json: serde_json::Value = serde_json::from_str(&run.stdout).unwrap();
    let of = |check: &str| -> Vec<_> {
        let findings = json["findings"].as_array().unwrap().iter();
        let text = |value: &serde_json::Value| value.as_str().unwrap_or_default().to_owned();
        findings
            .filter(|finding| finding["check"] == check)
            .map(|finding| {
                (
                    text(&finding["file"]),
                    text(&finding["message"]),
                    text(&finding["help"]),
                )
            })
            .collect()
    };
    assert_eq!(of("not-undone").len(), 1, "{json:#}");
    let schema = of("schema");
    let files: Vec<_> = schema.iter().map(|(file, ..)| file.as_str()).collect();
    assert_eq!(files, [notes, user]);
    assert!(schema[0].1.contains("primary key"), "{schema:?}");
    assert!(schema[0].1.contains("log"), "{schema:?}");
    // As the help says.
    let filter = "except_tables = [\"…\"]";
    assert!(schema[0].2.contains(filter), "{schema:?}");
    let settings = PRINT.replace("file =", "filter = { except_tables = [\"log\"] }\nfile =");
    workspace.write("services/notes/diesel.toml", &settings);
    workspace.db("schema", 0);
    workspace.db("check", 1).does_not_say("[schema]");
}
