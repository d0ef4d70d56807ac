//! `db new`: empty ones, and those that Diesel's diff writes.

use crate::support::Printed;

const SCHEMA: &str = "services/notes/src/schema.rs";
const MIGRATIONS: &str = "services/notes/migrations";

/// The two files of the one migration that is not the first.
fn made(workspace: &Printed, stdout: &str) -> (String, String) {
    let paths: Vec<_> = stdout.lines().collect();
    let [up, down] = paths.as_slice() else {
        panic!("not two paths: {stdout}")
    };
    assert_eq!(workspace.list(MIGRATIONS).len(), 2, "{stdout}");
    (workspace.read(up), workspace.read(down))
}

#[test]
fn an_empty_one_comes_after_the_others_in_their_style() {
    let workspace = Printed::new();
    let run = workspace.db("new notes add_things", 0);
    let (up, down) = made(&workspace, &run.stdout);
    assert_eq!(up, "-- Your SQL goes here\n");
    assert_eq!(down, "-- This file should undo anything in `up.sql`\n");
    let name = workspace.list(MIGRATIONS).pop().unwrap();
    let shape = name.replace(|c: char| c.is_ascii_digit(), "0");
    assert_eq!(shape, "0000-00-00-000000_add_things");
    // Plain Diesel takes it, once there is something in it.
    workspace.write(&format!("{MIGRATIONS}/{name}/up.sql"), "SELECT 1;");
    workspace.plain_diesel("notes");
}

#[test]
fn a_version_that_is_not_the_newest_is_refused() {
    let workspace = Printed::new();
    let newer = "2999-01-01-000000_from_the_future";
    workspace.migration("notes", newer, "SELECT 1;", "SELECT 1;");
    for line in ["new notes late", "new notes late --diff"] {
        workspace
            .db(line, 2)
            .says("does not come after 29990101000000")
            .says(newer);
    }
    assert_eq!(workspace.list(MIGRATIONS).len(), 2);
    workspace.db("new user on_time", 0);
    // One that is equal: all that a clock can say in the style of this folder is there.
    workspace.migration("user", "99999999999999_last", "SELECT 1;", "SELECT 1;");
    workspace.db("new user late", 2);
}

#[test]
fn a_name_is_part_of_a_folders_name() {
    let workspace = Printed::new();
    for name in ["../up", "a/b", "ä", "_", "a.b"] {
        workspace
            .db(&format!("new notes {name}"), 2)
            .says(&format!("`{name}` is not a valid name for a migration"));
    }
    workspace
        .db("new notes Add.Things", 2)
        .says("did you mean `add_things`?");
    workspace
        .db("new nots add_things", 2)
        .says("did you mean `notes`?");
    assert_eq!(workspace.list(MIGRATIONS).len(), 1);
}

#[test]
fn an_added_column_becomes_a_migration_that_applies_and_reverts() {
    let workspace = Printed::new();
    workspace.db("schema", 0);
    workspace.edit(
        SCHEMA,
        "        body -> Text,\n",
        "        body -> Text,\n        author -> Nullable<Text>,\n",
    );
    let run = workspace
        .db("new notes add_author --diff", 0)
        .says("indexes, defaults, unique and check constraints")
        .does_not_say("deletes data")
        .does_not_say("it does not make");
    let (up, down) = made(&workspace, &run.stdout);
    assert!(
        up.ends_with("\nALTER TABLE \"items\" ADD COLUMN \"author\" TEXT;\n"),
        "{up}"
    );
    assert!(
        down.ends_with("\nALTER TABLE \"items\" DROP COLUMN \"author\";\n"),
        "{down}"
    );

    workspace.db("schema notes", 0);
    workspace.db("schema --check", 0);
    let schema = workspace.read(SCHEMA);
    assert!(schema.contains("author -> Nullable<Text>"), "{schema}");
    let (plain, database) = workspace.plain_diesel("notes");
    assert_eq!(workspace.read(&format!("{plain}/src/schema.rs")), schema);
    workspace.diesel(&plain, &database, &["migration", "revert"]);
    assert!(
        !workspace
            .read(&format!("{plain}/src/schema.rs"))
            .contains("author")
    );
    workspace.diesel(&plain, &database, &["migration", "redo", "--all"]);
}

#[test]
fn a_column_of_a_custom_type_is_neither_dropped_nor_misspelt() {
    let workspace = Printed::new();
    workspace.migration(
        "notes",
        "2026-01-01-000000_create",
        "CREATE TYPE note_state AS ENUM ('new', 'read');
         CREATE TABLE items (id bigint PRIMARY KEY, body text NOT NULL, state note_state NOT NULL, twice bigint GENERATED ALWAYS AS (id * 2) STORED);
         CREATE VIEW bodies AS SELECT body FROM items;",
        "DROP VIEW bodies; DROP TABLE items; DROP TYPE note_state;",
    );
    workspace.db("schema notes", 0);
    workspace
        .db("new notes nothing --diff", 0)
        .says("there is nothing to migrate");
    assert_eq!(workspace.list(MIGRATIONS).len(), 1);

    workspace.edit(
        SCHEMA,
        "        body -> Text,\n",
        "        body -> Text,\n        last_state -> Nullable<NoteState>,\n",
    );
    let run = workspace.db("new notes last_state --diff", 0);
    let (up, down) = made(&workspace, &run.stdout);
    let added = "ALTER TABLE \"items\" ADD COLUMN \"last_state\" \"note_state\";\n";
    assert_eq!(up, format!("-- Your SQL goes here\n{added}"));
    assert!(!down.contains("\"state\""), "{down}");
    workspace.db("schema notes", 0);
    workspace.plain_diesel("notes");
}

#[test]
fn what_the_diff_gets_wrong_is_said_and_what_it_cannot_see_leaves_nothing() {
    let workspace = Printed::new();
    workspace.write("services/notes/diesel.toml", "[print_schema]\nfile = \"src/schema.rs\"\nwith_docs = true\n\n[migrations_directory]\ndir = \"migrations\"\n");
    workspace.db("schema notes", 0);
    let good = workspace.read(SCHEMA);

    workspace.edit(
        SCHEMA,
        "Representation of the `items` table",
        "What is noted",
    );
    workspace
        .db("new notes comment --diff", 1)
        .says("Diesel's diff sees only tables, columns and types")
        .says("What is noted");
    workspace.write(SCHEMA, &good.replace("body -> Text", "body -> Nonsense"));
    workspace
        .db("new notes nonsense --diff", 4)
        .says("type \"nonsense\" does not exist")
        .says("ADD COLUMN \"body\" NONSENSE NOT NULL");
    workspace.write(SCHEMA, "diesel::table! {");
    workspace
        .db("new notes broken --diff", 2)
        .says("Failed to parse schema");
    std::fs::remove_file(workspace.path(SCHEMA)).unwrap();
    workspace
        .db("new notes gone --diff", 2)
        .says("there is no such file");
    assert_eq!(workspace.list(MIGRATIONS), ["2026-01-01-000000_create"]);

    workspace.write(
        SCHEMA,
        &good.replace(
            "body -> Text",
            "#[sql_name = \"text\"]\n        body -> Nullable<Varchar>",
        ),
    );
    let run = workspace
        .db("new notes change --diff", 0)
        .says("DROP COLUMN \"body\" deletes data")
        .says("it does not make `items: #[sql_name = \"text\"] body -> Nullable<Varchar>`");
    made(&workspace, &run.stdout);
}
