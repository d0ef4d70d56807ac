//! `db resolve`: migrations without a transaction that were interrupted after the server had done their work.

use crate::support::Workspace;

const X: &str = "2026-01-03-000000_x";

/// The run is killed between the server's answer and its own next word: `started` is what the ledger says.
fn interrupt(workspace: &Workspace, direction: &str, done: &str) {
    let arc = workspace.database("arc");
    workspace.execute(
        &arc,
        &format!(
            "INSERT INTO db_ledger.run (version, name, direction, checksum, run_by, outcome, indexes_before)
             SELECT '20260103000000', '{X}', '{direction}', 'old', 'test', 'started', (SELECT array_agg(indexrelid) FROM pg_index)"
        ),
    );
    workspace.execute(&arc, done);
}

/// Follows the advice of a failed run, word for word.
fn advised(workspace: &Workspace, line: &str, advice: &str) {
    workspace
        .db(line)
        .exits(4)
        .says(&format!("cargo xtask db {advice}"));
    // As often as one likes.
    workspace
        .db(line)
        .exits(4)
        .says(&format!("cargo xtask db {advice}"));
    workspace.db(advice).exits(0).says("resolved");
}

#[test]
fn a_label_that_was_added_is_applied() {
    let workspace = Workspace::with(&["arc"]);
    let arc = workspace.database("arc");
    workspace.db("create").exits(0);
    workspace.db("migrate").exits(0);
    workspace.execute(&arc, "CREATE TYPE mood AS ENUM ('sad')");
    let up = "ALTER TYPE mood ADD VALUE 'glad';";
    workspace.migration_without_transaction("arc", X, up, "SELECT 1;");
    interrupt(&workspace, "up", up);
    advised(
        &workspace,
        "migrate",
        "resolve arc 20260103000000 --applied",
    );
    workspace.db("status --exit-code").exits(0);
    workspace.db("migrate").exits(0).says("up to date");
    workspace
        .db("resolve arc 20260103000000 --applied")
        .exits(2)
        .says("nothing to resolve")
        .says("it is applied");
    workspace
        .db("resolve arc 2026-01-01-000000 --applied")
        .exits(2)
        .says("in a transaction");
    workspace.db("resolve arc 20260103000000").exits(2);
}

#[test]
fn an_index_that_was_dropped_on_the_way_up_and_one_on_the_way_down() {
    let workspace = Workspace::with(&["arc"]);
    let arc = workspace.database("arc");
    workspace.db("create").exits(0);
    workspace.db("migrate").exits(0);
    let (create, drop) = (
        "CREATE INDEX CONCURRENTLY by_note ON arc_items (note);",
        "DROP INDEX CONCURRENTLY by_note;",
    );
    workspace.execute(&arc, create);
    workspace.migration_without_transaction("arc", X, drop, create);
    interrupt(&workspace, "up", drop);
    advised(
        &workspace,
        "migrate",
        "resolve arc 20260103000000 --applied",
    );
    workspace.db("revert arc").exits(0);
    workspace.db("migrate").exits(0);
    // And the other way round.
    workspace.migration_without_transaction("arc", X, create, drop);
    workspace.db("migrate --accept-edited").exits(0);
    workspace.execute(&arc, create);
    interrupt(&workspace, "down", drop);
    advised(
        &workspace,
        "revert arc",
        "resolve arc 20260103000000 --reverted",
    );
    assert_eq!(workspace.applied(&arc), "20260101000000 20260102000000");
    workspace.db("migrate").exits(0).says("applied 1 migration");
}

#[test]
fn an_invalid_index_is_not_applied_and_what_is_said_the_other_way_is_kept() {
    let workspace = Workspace::with(&["arc"]);
    let arc = workspace.database("arc");
    workspace.db("create").exits(0);
    workspace.db("migrate").exits(0);
    let up = "CREATE UNIQUE INDEX CONCURRENTLY by_note ON arc_items (note);";
    workspace.migration_without_transaction("arc", X, up, "DROP INDEX CONCURRENTLY by_note;");
    workspace.execute(
        &arc,
        "INSERT INTO arc_items VALUES (1, 'same'), (2, 'same')",
    );
    workspace.db("migrate").exits(4);
    workspace
        .db("resolve arc 20260103000000 --applied")
        .exits(2)
        .says("index by_note")
        .says("is INVALID");
    workspace
        .db("resolve arc 20260103000000 --reverted")
        .exits(0);
    workspace.execute(&arc, "DELETE FROM arc_items WHERE id = 2");
    workspace.db("migrate").exits(0).says("applied 1 migration");
    interrupt(&workspace, "down", "SELECT 1");
    workspace
        .db("resolve arc 20260103000000 --applied")
        .exits(0);
    workspace.db("status --exit-code").exits(0);
    workspace
        .db("history arc")
        .exits(0)
        .says("resolved: it is still applied");
}

#[test]
fn what_another_program_has_said_since_is_not_said_again() {
    let workspace = Workspace::with(&["arc"]);
    let up = "CREATE INDEX CONCURRENTLY by_note ON arc_items (note);";
    workspace.db("create").exits(0);
    workspace.db("migrate").exits(0);
    workspace.migration_without_transaction("arc", X, up, "DROP INDEX CONCURRENTLY by_note;");
    let history = [
        (
            "up",
            "INSERT INTO __diesel_schema_migrations VALUES ('20260103000000')",
            "it is applied",
        ),
        (
            "down",
            "DELETE FROM __diesel_schema_migrations WHERE version = '20260103000000'",
            "it is not applied",
        ),
    ];
    for (direction, change, state) in history {
        interrupt(&workspace, direction, change);
        for answer in ["--applied", "--reverted"] {
            workspace
                .db(&format!("resolve arc 20260103000000 {answer}"))
                .exits(2)
                .says("nothing to resolve")
                .says(state);
        }
    }
}

/// Another program has reverted and applied again what a killed revert of ours left: its application is a run since.
#[test]
fn what_another_program_has_applied_since_is_recorded_and_not_resolved() {
    let workspace = Workspace::with(&["arc"]);
    let arc = workspace.database("arc");
    let (up, down) = (
        "CREATE INDEX CONCURRENTLY by_note ON arc_items (note);",
        "DROP INDEX CONCURRENTLY by_note;",
    );
    workspace.migration_without_transaction("arc", X, up, down);
    workspace.db("create").exits(0);
    workspace.db("migrate").exits(0);
    interrupt(
        &workspace,
        "down",
        "UPDATE __diesel_schema_migrations SET run_on = '2030-01-01' WHERE version = '20260103000000'",
    );
    for answer in ["--applied", "--reverted"] {
        workspace
            .db(&format!("resolve arc 20260103000000 {answer}"))
            .exits(2)
            .says("nothing to resolve")
            .says("it is applied");
    }
    let last =
        "SELECT concat_ws(' ', direction, outcome) FROM db_ledger.run ORDER BY id DESC LIMIT 1";
    assert_eq!(workspace.value(&arc, last), "adopt done");
    assert!(workspace.applied(&arc).ends_with("20260103000000"));
}

#[test]
fn a_way_down_that_was_interrupted_is_a_problem_and_one_that_was_rolled_back_is_none() {
    let workspace = Workspace::with(&["arc"]);
    let arc = workspace.database("arc");
    workspace.db("create").exits(0);
    let (up, down) = (
        "CREATE INDEX CONCURRENTLY x ON arc_items (id);",
        "DROP INDEX CONCURRENTLY x;",
    );
    workspace.migration_without_transaction("arc", X, up, down);
    workspace.migration("arc", "2026-01-04-000000_y", "SELECT 1;", "SELECT 1/0;");
    workspace.db("migrate").exits(0);
    workspace.db("revert arc").exits(4);
    workspace.db("status --exit-code").exits(0);
    workspace.execute(
        &arc,
        "DELETE FROM __diesel_schema_migrations WHERE version = '20260104000000'",
    );
    workspace.remove("services/arc/migrations/2026-01-04-000000_y");
    interrupt(&workspace, "down", down);
    workspace
        .db("status --exit-code")
        .exits(1)
        .says(&format!("{X} was interrupted"));
}
