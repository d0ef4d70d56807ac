//! Verbs that do their work, and migrations that fail.

use std::time::Duration;

use diesel::connection::SimpleConnection as _;

use crate::support::{Workspace, snapshot, snapshot_with};

/// The widths of the columns depend on how long something took.
const HISTORY: [(&str, &str); 1] = [(r" {2,}", "  ")];

#[test]
fn from_create_to_history() {
    let workspace = Workspace::with(&["arc", "cv"]);
    workspace.migration_without_transaction(
        "arc",
        "2026-01-03-000000_index",
        "CREATE INDEX CONCURRENTLY by_note ON arc_items (note);",
        "DROP INDEX CONCURRENTLY by_note;",
    );
    snapshot(
        &workspace,
        "status_missing",
        &workspace.db("status --exit-code"),
    );
    snapshot(&workspace, "create_sql", &workspace.db("create arc --sql"));
    snapshot(&workspace, "create", &workspace.db("create --jobs 1"));
    snapshot(&workspace, "create_again", &workspace.db("create --jobs 1"));
    snapshot(&workspace, "wait", &workspace.db("wait arc"));
    snapshot(
        &workspace,
        "status_pending",
        &workspace.db("status --exit-code"),
    );
    snapshot(
        &workspace,
        "migrate_dry_run",
        &workspace.db("migrate --dry-run"),
    );
    snapshot(
        &workspace,
        "migrate_sql",
        &workspace.db("migrate arc --sql"),
    );
    snapshot(&workspace, "migrate", &workspace.db("migrate --jobs 1"));
    snapshot(
        &workspace,
        "migrate_again",
        &workspace.db("migrate --jobs 1"),
    );
    snapshot(&workspace, "status", &workspace.db("status --exit-code"));
    snapshot(&workspace, "status_json", &workspace.db("status --json"));
    snapshot(&workspace, "revert", &workspace.db("revert arc"));
    workspace.db("migrate arc").exits(0);
    snapshot(
        &workspace,
        "redo",
        &workspace.db(&format!(
            "redo arc -n 2 --yes {}",
            workspace.database("arc")
        )),
    );
    let run = workspace.db("history arc");
    snapshot_with(&workspace, "history", &run, &HISTORY);
    let run = workspace.db("history cv --json");
    snapshot(&workspace, "history_json", &run);
}

#[test]
fn a_failure_in_a_transaction() {
    let workspace = Workspace::with(&["arc", "cv"]);
    workspace.migration(
        "arc",
        "2026-01-03-000000_broken",
        "-- a comment\nCREATE TABLE fine (id int);\nCREATE TABLE wrong (\n    id int,\n    name txet\n);\n",
        "SELECT 1;",
    );
    workspace.migration("arc", "2026-01-04-000000_later", "SELECT 1;", "SELECT 1;");
    workspace.db("create").exits(0);
    snapshot(
        &workspace,
        "migrate_fails",
        &workspace.db("migrate --jobs 1"),
    );
    snapshot(
        &workspace,
        "status_failed",
        &workspace.db("status --exit-code"),
    );
    let run = workspace.db("history arc");
    snapshot_with(&workspace, "history_failed", &run, &HISTORY);
}

#[test]
fn failures_without_a_position() {
    let workspace = Workspace::with(&["arc"]);
    workspace.db("create").exits(0);
    workspace.db("migrate").exits(0);
    let failing = |up: &str| {
        workspace.migration("arc", "2026-01-03-000000_x", up, "SELECT 1;");
        workspace.db("migrate").exits(4)
    };
    let run =
        failing("INSERT INTO arc_items VALUES (1);\n\n  INSERT INTO arc_items\n  VALUES (1);\n");
    snapshot(&workspace, "migrate_fails_by_counting", &run);
    let run = failing("CREATE TABLE gone (); ROLLBACK;");
    snapshot(&workspace, "migrate_rolls_itself_back", &run);
    let run = failing("CREATE INDEX CONCURRENTLY i ON arc_items (note);");
    snapshot(&workspace, "migrate_concurrently_in_transaction", &run);
    let run = failing("CREATE TABLE kept (); COMMIT; CREATE TABLE z (i nope);");
    snapshot(&workspace, "migrate_commits_itself", &run);
}

#[test]
fn notes_of_a_migration() {
    let workspace = Workspace::with(&["arc"]);
    workspace.db("create").exits(0);
    workspace.db("migrate").exits(0);
    workspace.migration(
        "arc",
        "2026-01-01-120000_late",
        "DO $$ BEGIN RAISE NOTICE 'mind the gap'; END $$; CREATE TABLE own ();",
        "DROP TABLE own;",
    );
    snapshot(
        &workspace,
        "status_out_of_order",
        &workspace.db("status --exit-code"),
    );
    snapshot(&workspace, "migrate_with_notes", &workspace.db("migrate"));
}

#[test]
fn a_failure_without_a_transaction() {
    let workspace = Workspace::with(&["arc"]);
    workspace.db("create").exits(0);
    workspace.db("migrate").exits(0);
    let arc = workspace.database("arc");
    workspace.execute(
        &arc,
        "INSERT INTO arc_items VALUES (1, 'same'), (2, 'same')",
    );
    workspace.migration_without_transaction(
        "arc",
        "2026-01-03-000000_unique",
        "-- one of each\nCREATE UNIQUE INDEX CONCURRENTLY one_note ON arc_items (note);\n",
        "DROP INDEX CONCURRENTLY one_note;",
    );
    snapshot(
        &workspace,
        "migrate_leaves_an_invalid_index",
        &workspace.db("migrate"),
    );
    snapshot(
        &workspace,
        "status_invalid_index",
        &workspace.db("status --exit-code"),
    );
    workspace.execute(&arc, "DELETE FROM arc_items WHERE id = 2");
    snapshot(
        &workspace,
        "migrate_drops_the_invalid_index",
        &workspace.db("migrate"),
    );
}

#[test]
fn a_way_down_that_fails_or_is_missing() {
    let workspace = Workspace::with(&["arc"]);
    let down = "services/arc/migrations/2026-01-02-000000_note/down.sql";
    workspace.write(down, "\nDROP TABLE nothing_there;\n");
    workspace.db("create").exits(0);
    workspace.db("migrate").exits(0);
    snapshot(&workspace, "revert_fails", &workspace.db("revert arc"));
    workspace.write(down, "\n");
    snapshot(&workspace, "revert_empty_down", &workspace.db("revert arc"));
}

#[test]
fn a_lock_that_another_run_holds() {
    let workspace = Workspace::with(&["arc"]);
    let arc = workspace.database("arc");
    workspace.db("create").exits(0);
    workspace.migration(
        "arc",
        "2026-01-03-000000_slow",
        "SELECT pg_sleep(600);",
        "SELECT 1;",
    );
    let mut child = workspace.start("migrate");
    let sleeping = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND query LIKE '%pg_sleep(600)%' \
                    AND state = 'active' AND pid <> pg_backend_pid()";
    while workspace.value(&arc, sleeping) != "1" {
        assert!(child.try_wait().unwrap().is_none(), "it ended");
        std::thread::sleep(Duration::from_millis(20));
    }
    let run = workspace.db("migrate --lock-timeout 0");
    // One that waits says so, once.
    let waited = workspace.db("migrate --lock-timeout 1").exits(5);
    let said = "arc: waiting for another run to finish\n";
    assert_eq!(waited.stderr.matches(said).count(), 1, "{waited:?}");
    workspace
        .session("postgres")
        .batch_execute(&format!(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{arc}'"
        ))
        .unwrap();
    child.wait().unwrap();
    snapshot(&workspace, "lock_not_obtained", &run);
}
