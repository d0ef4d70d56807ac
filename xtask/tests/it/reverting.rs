//! `revert` and `redo`.

use crate::support::Workspace;

#[test]
fn newest_first_by_number_by_version_or_all() {
    let workspace = Workspace::with(&["arc"]);
    let arc = workspace.database("arc");
    workspace.migration_without_transaction(
        "arc",
        "2026-01-03-000000_index",
        "CREATE INDEX CONCURRENTLY by_note ON arc_items (note);",
        "DROP INDEX CONCURRENTLY by_note;",
    );
    workspace.db("create").exits(0);
    workspace.db("migrate").exits(0);
    workspace
        .db("revert arc")
        .exits(0)
        .says("reverted 1 migration")
        .says("2026-01-03-000000_index");
    assert_eq!(workspace.applied(&arc), "20260101000000 20260102000000");
    workspace.db("migrate").exits(0);
    workspace
        .db("revert arc --to 2026-01-01-000000")
        .exits(0)
        .says("reverted 2 migrations");
    assert_eq!(workspace.applied(&arc), "20260101000000");
    workspace.db("migrate").exits(0);
    workspace
        .db("redo arc -n 3")
        .exits(0)
        .says("reverted and applied 3 migrations");
    assert_eq!(
        workspace.applied(&arc),
        "20260101000000 20260102000000 20260103000000"
    );
    workspace.db("revert arc -n 2").exits(0);
    workspace
        .db("revert arc -n 9")
        .exits(0)
        .says("reverted 1 migration");
    workspace
        .db("revert arc")
        .exits(0)
        .says("nothing to revert");
    assert_eq!(workspace.tables(&arc), "");
}

#[test]
fn all_of_them_must_be_confirmed_by_name() {
    let workspace = Workspace::with(&["arc"]);
    let arc = workspace.database("arc");
    workspace.db("create").exits(0);
    workspace.db("migrate").exits(0);
    workspace
        .db("revert arc --all")
        .exits(7)
        .says("every table and row of 2 migrations")
        .says(&format!("--yes '{arc}'"));
    workspace
        .db("revert arc --all --yes arc")
        .exits(7)
        .says("is not the name");
    workspace
        .db("revert arc -n 99")
        .exits(7)
        .says("every table and row of 2 migrations");
    workspace.db("revert arc -n 2").exits(7);
    assert_eq!(workspace.tables(&arc), "arc_items");
    workspace
        .db(&format!("revert arc --all --yes {arc}"))
        .exits(0)
        .says("reverted 2 migrations");
    assert_eq!(workspace.tables(&arc), "");
}

#[test]
fn nothing_is_reverted_when_one_of_them_has_no_way_down() {
    let workspace = Workspace::with(&["arc"]);
    let arc = workspace.database("arc");
    workspace.db("create").exits(0);
    workspace.db("migrate").exits(0);
    for nothing in ["\n", "-- no way back\n;\n"] {
        workspace.write(
            "services/arc/migrations/2026-01-01-000000_create/down.sql",
            nothing,
        );
        workspace
            .db("revert arc -n 2")
            .exits(2)
            .says("2026-01-01-000000_create/down.sql` is empty");
    }
    workspace.remove("services/arc/migrations/2026-01-01-000000_create/down.sql");
    workspace
        .db("revert arc -n 2")
        .exits(2)
        .says("failed to read");
    assert_eq!(workspace.applied(&arc), "20260101000000 20260102000000");
    workspace.db("revert arc").exits(0);
}

#[test]
fn a_failing_down_is_shown_in_its_file() {
    let workspace = Workspace::with(&["arc"]);
    workspace.write(
        "services/arc/migrations/2026-01-02-000000_note/down.sql",
        "\nDROP TABLE nothing_there;\n",
    );
    workspace.db("create").exits(0);
    workspace.db("migrate").exits(0);
    workspace
        .db("revert arc")
        .exits(4)
        .says("failed to revert migration")
        .says("note/down.sql:2:1")
        .says("42P01");
    workspace
        .db("history arc")
        .exits(0)
        .says("failed: table \"nothing_there\" does not exist");
    assert_eq!(
        workspace.applied(&workspace.database("arc")),
        "20260101000000 20260102000000"
    );
}

#[test]
fn what_libpq_takes_from_the_environment_counts_as_elsewhere() {
    let mut workspace = Workspace::with(&["arc"]);
    let arc = workspace.database("arc");
    workspace.db("create").exits(0);
    workspace.db("migrate").exits(0);
    workspace.set("PGHOSTADDR", "127.0.0.1");
    let confirmed = format!("revert arc --all --yes {arc}");
    workspace.db("status --exit-code").exits(0);
    // Never reached: the refusal comes before anything is run there.
    let url = workspace.get("ARC_DATABASE_URL");
    workspace.set("ARC_DATABASE_URL", &url.replace("127.0.0.1", "localhost"));
    workspace.set("PGHOSTADDR", "192.0.2.2");
    workspace.set(
        "ARC_DATABASE_URL",
        &format!("{}?connect_timeout=2", workspace.get("ARC_DATABASE_URL")),
    );
    let run = workspace.db(&confirmed);
    assert!([3, 7].contains(&run.code), "{run:?}");
    workspace.unset("PGHOSTADDR");
    assert_eq!(workspace.tables(&arc), "arc_items");
}
