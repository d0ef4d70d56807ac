//! Plain Diesel and the tool agree, in both directions.

use std::process::Command;

use diesel_migrations::{FileBasedMigrations, MigrationHarness as _};

use crate::support::{Run, Workspace, diesel_program};

fn diesel(workspace: &Workspace, arguments: &str) -> Run {
    let arguments: Vec<_> = arguments.split_whitespace().collect();
    // Diesel reads a .env in any parent folder; the test's folder has none.
    let url = workspace.get("ARC_DATABASE_URL");
    let mut command = workspace.prepared(Command::new(diesel_program()), &arguments);
    Run::of(
        command
            .current_dir(workspace.path("services/arc"))
            .env("DATABASE_URL", url),
        "diesel",
    )
}

#[test]
fn the_diesel_cli_and_the_tool_continue_each_other() {
    let workspace = Workspace::with(&["arc"]);
    let arc = workspace.database("arc");
    workspace.migration(
        "arc",
        "2026-01-03-000000_more",
        "CREATE TABLE more (id int PRIMARY KEY);",
        "DROP TABLE more;",
    );
    workspace.db("create").exits(0);
    workspace.db("migrate --to 2026-01-01-000000").exits(0);
    diesel(&workspace, "migration list")
        .exits(0)
        .says("[X] 2026-01-01-000000_create")
        .says("[ ] 2026-01-02-000000_note");
    diesel(&workspace, "migration run")
        .exits(0)
        .says("2026-01-02-000000_note")
        .does_not_say("2026-01-01-000000_create");
    workspace
        .db("status --exit-code")
        .exits(0)
        .says("up to date");
    workspace
        .db("migrate")
        .exits(0)
        .says("up to date at 20260103000000");
    // What Diesel applied is known from now on, so that an edit of it is seen.
    workspace.db("history arc").exits(0).says("adopt");
    diesel(&workspace, "migration revert")
        .exits(0)
        .says("2026-01-03-000000_more");
    workspace
        .db("status --exit-code")
        .exits(1)
        .says("pending: 20260103000000");
    workspace.db("migrate").exits(0).says("applied 1 migration");
    workspace.db("revert arc").exits(0);
    diesel(&workspace, "migration pending")
        .exits(0)
        .says("true");
    diesel(&workspace, "migration run")
        .exits(0)
        .says("2026-01-03-000000_more");
    diesel(&workspace, "migration redo --all").exits(0);
    workspace.db("status --exit-code").exits(0);
    assert_eq!(workspace.tables(&arc), "arc_items more");
    // Diesel applied another text since: what the ledger knew of the old one no longer counts.
    workspace.migration(
        "arc",
        "2026-01-03-000000_more",
        "CREATE TABLE more (id bigint PRIMARY KEY);",
        "DROP TABLE more;",
    );
    diesel(&workspace, "migration redo").exits(0);
    workspace.db("migrate").exits(0).says("up to date");
    workspace.migration(
        "arc",
        "2026-01-03-000000_more",
        "CREATE TABLE more (id text PRIMARY KEY);",
        "DROP TABLE more;",
    );
    workspace
        .db("migrate")
        .exits(6)
        .says("were edited after they were applied");
}

#[test]
fn a_database_migrated_by_diesel_is_claimed_without_ceremony() {
    let workspace = Workspace::with(&["arc"]);
    let arc = workspace.database("arc");
    workspace.create_database(&arc);
    let source = FileBasedMigrations::from_path(workspace.path("services/arc/migrations")).unwrap();
    workspace
        .session(&arc)
        .run_pending_migrations(source)
        .unwrap();
    workspace
        .db("status --exit-code")
        .exits(0)
        .says("up to date");
    workspace.db("migrate").exits(0).says("up to date");
    assert_eq!(
        workspace.value(&arc, "SELECT service FROM db_ledger.owner"),
        "arc"
    );
    // And a service that migrates at its start finds nothing to do in what the tool did.
    workspace.db(&format!("redo arc -n 2 --yes {arc}")).exits(0);
    let source = FileBasedMigrations::from_path(workspace.path("services/arc/migrations")).unwrap();
    assert!(
        workspace
            .session(&arc)
            .run_pending_migrations(source)
            .unwrap()
            .is_empty()
    );
}
