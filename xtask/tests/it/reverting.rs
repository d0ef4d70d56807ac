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
        .db(&format!("redo arc -n 3 --yes {arc}"))
        .exits(0)
        .says("reverted and applied 3 migrations");
    assert_eq!(
        workspace.applied(&arc),
        "20260101000000 20260102000000 20260103000000"
    );
    workspace.db("revert arc -n 2").exits(0);
    workspace
        .db(&format!("revert arc -n 9 --yes {arc}"))
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

#[test]
fn what_changed_while_the_lock_was_waited_for_is_not_what_was_chosen() {
    let workspace = Workspace::with(&["arc"]);
    let arc = workspace.database("arc");
    workspace.migration(
        "arc",
        "2026-01-03-000000_more",
        "CREATE TABLE more ();",
        "DROP TABLE more;",
    );
    workspace.db("create").exits(0);
    // As the other run reverts, or applies: two of three were not all, two of two are.
    let revert =
        "DROP TABLE more; DELETE FROM __diesel_schema_migrations WHERE version = '20260103000000'";
    let older = "DELETE FROM __diesel_schema_migrations WHERE version = '20260101000000'";
    for (line, change) in [
        ("revert arc -n 2", revert),
        ("redo arc -n 2", revert),
        ("revert arc --to 2026-01-01-000000", revert),
        ("revert arc -n 2", older),
        ("revert arc", "UPDATE db_ledger.owner SET protected = true"),
    ] {
        workspace.db("migrate").exits(0);
        let run = workspace.db_while_changed(line, "arc", change);
        run.exits(7)
            .says("changed while the lock was waited for")
            .says("nothing was reverted")
            .does_not_say("reverting");
        assert!(workspace.tables(&arc).starts_with("arc_items"), "{line}");
        let note = "SELECT count(*) FROM pg_attribute WHERE attrelid = 'arc_items'::regclass AND attname = 'note'";
        assert_eq!(workspace.value(&arc, note), "1", "{line}");
        if change == older {
            workspace.execute(
                &arc,
                "INSERT INTO __diesel_schema_migrations VALUES ('20260101000000')",
            );
        }
    }
}

#[test]
fn a_failed_redo_is_not_repeated_one_migration_further_down() {
    let workspace = Workspace::with(&["arc"]);
    let arc = workspace.database("arc");
    workspace.migration(
        "arc",
        "2026-01-03-000000_more",
        "CREATE TABLE more ();",
        "DROP TABLE more;",
    );
    workspace.db("create").exits(0);
    workspace.db("migrate").exits(0);
    let up = "services/arc/migrations/2026-01-03-000000_more/up.sql";
    workspace.write(up, "CREATE TABLE more (nonsense);");
    let advice = "cargo xtask db migrate arc --to 20260103000000";
    workspace
        .db("redo arc")
        .exits(4)
        .says("nothing was applied; fix its up.sql, then:")
        .says(advice)
        .does_not_say("run the command again");
    workspace.execute(&arc, "INSERT INTO arc_items VALUES (1, 'kept')");
    workspace
        .db("redo arc")
        .exits(2)
        .says("was reverted and is not applied again yet")
        .says("cargo xtask db migrate arc");
    workspace.write(up, "CREATE TABLE more ();");
    // As the advice says.
    workspace
        .db(advice.strip_prefix("cargo xtask db ").unwrap())
        .exits(0);
    workspace.db("redo arc").exits(0);
    assert_eq!(workspace.value(&arc, "SELECT note FROM arc_items"), "kept");
    assert_eq!(workspace.tables(&arc), "arc_items more");
}

#[test]
fn a_failed_way_down_says_what_to_do_for_the_rest() {
    let workspace = Workspace::with(&["arc"]);
    let arc = workspace.database("arc");
    for name in ["2026-01-03-000000_three", "2026-01-04-000000_four"] {
        let table = name.rsplit('_').next().unwrap();
        workspace.migration(
            "arc",
            name,
            &format!("CREATE TABLE {table} ();"),
            &format!("DROP TABLE {table};"),
        );
    }
    workspace.db("create").exits(0);
    workspace.db("migrate").exits(0);
    let down = "services/arc/migrations/2026-01-03-000000_three/down.sql";
    workspace.write(down, "DROP TABLE nothing_there;");
    let advice = "cargo xtask db revert arc --to 20260102000000";
    workspace
        .db("revert arc -n 2")
        .exits(4)
        .says("nothing was reverted; fix its down.sql, then:")
        .says(advice)
        .does_not_say("run the command again");
    workspace.write(down, "DROP TABLE three;");
    workspace
        .db(advice.strip_prefix("cargo xtask db ").unwrap())
        .exits(0);
    assert_eq!(workspace.applied(&arc), "20260101000000 20260102000000");
    // In the middle of a redo, what is reverted is applied again.
    workspace.db("migrate").exits(0);
    workspace.write(down, "DROP TABLE nothing_there;");
    workspace
        .db("redo arc -n 2")
        .exits(4)
        .says("apply again what was reverted: cargo xtask db migrate arc --to 20260104000000");
    workspace.db("migrate arc --to 20260104000000").exits(0);
    assert_eq!(workspace.tables(&arc), "arc_items four three");
    // Everything: there is no version that stays.
    workspace
        .db(&format!("revert arc --all --yes {arc}"))
        .exits(4)
        .says("cargo xtask db revert arc --all");
}

#[test]
fn nothing_is_reverted_without_a_record() {
    let workspace = Workspace::with(&["arc"]);
    let arc = workspace.database("arc");
    // As if another program had reverted it at this very moment.
    workspace.migration(
        "arc",
        "2026-01-03-000000_more",
        "CREATE TABLE more ();",
        "DROP TABLE IF EXISTS more; DELETE FROM __diesel_schema_migrations WHERE version = '20260103000000';",
    );
    workspace.db("create").exits(0);
    workspace.db("migrate").exits(0);
    workspace
        .db("revert arc")
        .exits(4)
        .says("version 20260103000000 is not applied any more")
        .does_not_say("reverted 1 migration");
    assert_eq!(workspace.tables(&arc), "arc_items more");
    let downs = "SELECT count(*) FROM db_ledger.run WHERE direction = 'down' AND outcome = 'done'";
    assert_eq!(workspace.value(&arc, downs), "0");
}

#[test]
fn after_a_lost_connection_it_is_known_whether_the_version_is_applied() {
    let workspace = Workspace::with(&["arc"]);
    let arc = workspace.database("arc");
    let end = "SELECT pg_terminate_backend(pg_backend_pid());";
    workspace.migration(
        "arc",
        "2026-01-03-000000_more",
        "CREATE TABLE more ();",
        end,
    );
    workspace.db("create").exits(0);
    workspace.db("migrate").exits(0);
    let migrate = "or, if it is reverted by now: cargo xtask db migrate arc --to 20260103000000";
    for (line, advice) in [
        (
            "revert arc",
            "to continue: cargo xtask db revert arc --to 20260102000000",
        ),
        ("redo arc", &format!("run the command again; {migrate}")),
    ] {
        workspace
            .db(line)
            .exits(4)
            .says(&format!(
                "the connection was lost; `2026-01-03-000000_more` is applied; {advice}\n"
            ))
            .does_not_say("fix its")
            .does_not_say("goes on where this stopped");
        assert_eq!(
            workspace.applied(&arc),
            "20260101000000 20260102000000 20260103000000"
        );
    }
    workspace.remove("services/arc/migrations/2026-01-03-000000_more");
    let new = "2026-01-04-000000_new";
    workspace.execute(
        &arc,
        "DELETE FROM __diesel_schema_migrations WHERE version = '20260103000000'",
    );
    workspace.migration("arc", new, end, "SELECT 1;");
    workspace
        .db("migrate")
        .exits(4)
        .says("the connection was lost; `2026-01-04-000000_new` is not applied; to continue: cargo xtask db migrate arc\n");
}

#[test]
fn the_line_of_a_service_tells_how_far_a_revert_came() {
    let workspace = Workspace::with(&["arc"]);
    let arc = workspace.database("arc");
    workspace.db("create").exits(0);
    workspace.db("migrate").exits(0);
    let all = format!("revert arc --all --yes {arc}");
    let line = |state: &str| format!("arc  {arc}  {state}");
    workspace
        .db("revert arc --all")
        .exits(7)
        .says(&line("not reverted"));
    workspace
        .db("revert arc")
        .exits(0)
        .says(&line("reverted 1 migration"))
        .says("\n       2026-01-02-000000_note  ");
    let down = "services/arc/migrations/2026-01-01-000000_create/down.sql";
    workspace.write(down, "SELECT 1 / 0;");
    workspace
        .db(&all)
        .exits(4)
        .says(&line("failed after 0 migrations"));
    workspace.write(down, "DROP TABLE arc_items;");
    workspace.db(&all).exits(0);
    workspace.db(&all).exits(0).says(&line("nothing to revert"));
}
