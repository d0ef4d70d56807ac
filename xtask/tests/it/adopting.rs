//! `db baseline`: a running database is taken over, and nothing is taken for what it is not.

mod from_database;
mod templates;

use diesel::connection::SimpleConnection as _;

use crate::support::{Run, Workspace, adopting as workspace, wait_until};

const FIRST: &str = "2026-01-01-000000_create";

/// What a database says of itself: Diesel's rows, and our owner.
fn marked(workspace: &Workspace, database: &str) -> String {
    let query = "SELECT concat_ws(' ', (SELECT count(*) FROM pg_tables WHERE tablename = 'owner'),
        (SELECT count(*) FROM pg_tables WHERE tablename = '__diesel_schema_migrations'))";
    workspace.value(database, query)
}

#[test]
fn an_owned_database_wants_the_versions_by_name() {
    let workspace = workspace(&["arc"]);
    let arc = workspace.database("arc");
    workspace.db("create").exits(0);
    workspace.db("migrate").exits(0);
    for (version, table) in [
        ("2026-01-03-000000_more", "more"),
        ("2026-01-04-000000_most", "most"),
    ] {
        let (up, down) = (
            format!("CREATE TABLE {table} ();"),
            format!("DROP TABLE {table};"),
        );
        workspace.migration("arc", version, &up, &down);
    }
    workspace
        .db("baseline arc")
        .exits(2)
        .says("is service `arc`'s already")
        .says("2026-01-03-000000_more")
        .says("2026-01-04-000000_most")
        .says("cargo xtask db baseline arc --to VERSION");
    // By name, and made by nobody.
    workspace
        .db("baseline arc --to 2026-01-03-000000")
        .exits(6)
        .says("table public.more: only in the migrations")
        .does_not_say("public.most");
    assert_eq!(workspace.applied(&arc), "20260101000000 20260102000000");
    workspace.execute(&arc, "CREATE TABLE more ()");
    workspace
        .db("baseline arc --to 2026-01-03-000000")
        .exits(0)
        .says("marked 1 migration as applied");
    workspace.db("migrate").exits(0).says("applied 1 migration");
    assert_eq!(workspace.tables(&arc), "arc_items more most");
}

#[test]
fn a_migration_that_is_not_written_yet_is_not_marked() {
    let workspace = workspace(&["arc"]);
    let arc = workspace.database("arc");
    workspace.create_database(&arc);
    workspace.execute(
        &arc,
        "CREATE TABLE arc_items (id bigint PRIMARY KEY, note text)",
    );
    workspace.migration("arc", "2026-01-03-000000_later", "-- to do\n", "");
    workspace
        .db("baseline arc")
        .exits(2)
        .says("2026-01-03-000000_later/up.sql` is empty");
    workspace
        .db("baseline arc --to 2026-01-02-000000")
        .exits(0)
        .says("marked 2 migrations");
    workspace
        .db("status")
        .exits(0)
        .says("pending: 20260103000000");
    workspace.db("migrate").exits(2).says("is empty");
}

#[test]
fn a_foreign_table_is_not_taken_for_the_migrations() {
    let workspace = workspace(&["arc"]);
    let arc = workspace.database("arc");
    workspace.create_database(&arc);
    workspace.execute(&arc, "CREATE TABLE unrelated (x int)");
    workspace
        .db("baseline arc")
        .exits(6)
        .says("table public.arc_items: only in the migrations")
        .says("table public.unrelated: only in the database")
        .says("--accept-difference")
        .says("--claim-only");
    assert_eq!(marked(&workspace, &arc), "0 0", "a refusal has written");
    // Its objects may stay beside the service's.
    workspace
        .db("baseline arc --claim-only")
        .exits(0)
        .says("claimed for service `arc`");
    workspace
        .db("migrate")
        .exits(0)
        .says("applied 2 migrations");
    assert_eq!(workspace.tables(&arc), "arc_items unrelated");
}

#[test]
fn the_version_that_fits_is_named() {
    let workspace = workspace(&["arc"]);
    let arc = workspace.database("arc");
    workspace.create_database(&arc);
    workspace.execute(
        &arc,
        "CREATE TABLE arc_items (id bigint PRIMARY KEY); CREATE TABLE alembic_version (version_num text);",
    );
    workspace
        .db("baseline arc")
        .exits(6)
        .says("column public.arc_items.note: only in the migrations")
        .says(FIRST)
        .says("cargo xtask db baseline arc --to 20260101000000");
    workspace
        .db("baseline arc --to 20260101000000")
        .exits(0)
        .says("marked 1 migration")
        // Another tool's bookkeeping is not compared, and said to be there.
        .says("alembic_version");
    workspace.db("migrate").exits(0).says("applied 1 migration");
}

#[test]
fn a_difference_that_is_acknowledged_is_shown_and_marked() {
    let workspace = workspace(&["arc"]);
    let arc = workspace.database("arc");
    workspace.create_database(&arc);
    workspace.execute(
        &arc,
        "CREATE TABLE arc_items (id bigint PRIMARY KEY, note text, own int)",
    );
    workspace
        .db("baseline arc")
        .exits(6)
        .says("column public.arc_items.own: only in the database");
    workspace
        .db("baseline arc --accept-difference")
        .exits(0)
        .says("column public.arc_items.own: only in the database")
        .says("marked 2 migrations");
    workspace.db("migrate").exits(0).says("up to date");
    workspace
        .db("baseline arc --accept-difference --claim-only")
        .exits(2);
}

#[test]
fn without_a_throwaway_server_nothing_is_marked_unasked() {
    let mut workspace = workspace(&["arc"]);
    let arc = workspace.database("arc");
    workspace.create_database(&arc);
    workspace.execute(
        &arc,
        "CREATE TABLE arc_items (id bigint PRIMARY KEY, note text)",
    );
    workspace.set("LOCAL_POSTGRES_URL", "postgres://127.0.0.1:1/postgres");
    workspace
        .db("baseline arc")
        .exits(3)
        .says("LOCAL_POSTGRES_URL")
        .says("install Docker or PostgreSQL")
        .says("--accept-difference");
    assert_eq!(marked(&workspace, &arc), "0 0");
    workspace
        .db("baseline arc --accept-difference")
        .exits(0)
        .says("not compared")
        .says("marked 2 migrations");
}

#[test]
fn migrations_that_cannot_be_built_are_not_marked_unasked() {
    let workspace = workspace(&["arc"]);
    let arc = workspace.database("arc");
    workspace.migration(
        "arc",
        "2026-01-03-000000_bad",
        "CREATE TABLE bad (x nothing);",
        "DROP TABLE bad;",
    );
    workspace.create_database(&arc);
    workspace.execute(
        &arc,
        "CREATE TABLE arc_items (id bigint PRIMARY KEY, note text)",
    );
    workspace
        .db("baseline arc")
        .exits(4)
        .says("type \"nothing\" does not exist");
    assert_eq!(marked(&workspace, &arc), "0 0");
}

#[test]
fn what_changes_while_it_is_compared_is_not_marked() {
    let workspace = workspace(&["arc"]);
    let arc = workspace.database("arc");
    workspace.create_database(&arc);
    workspace.execute(
        &arc,
        "CREATE TABLE arc_items (id bigint PRIMARY KEY, note text)",
    );
    // Another run is at work.
    let mut other = workspace.session(&arc);
    let lock = (0x6462_6c67, 1);
    other
        .batch_execute(&format!("SELECT pg_advisory_lock({}, {})", lock.0, lock.1))
        .unwrap();
    let mut child = workspace.start("baseline arc");
    let waits = format!(
        "SELECT count(*) FROM pg_stat_activity WHERE datname = '{arc}' AND query LIKE '%pg_try_advisory_lock%' AND pid <> pg_backend_pid()"
    );
    wait_until(&mut child, || workspace.value("postgres", &waits) == "1");
    other
        .batch_execute("ALTER TABLE arc_items DROP COLUMN note; SELECT pg_advisory_unlock_all()")
        .unwrap();
    Run::from(child.wait_with_output().unwrap(), "baseline arc")
        .exits(6)
        .says("was changed while it was compared, and nothing was marked")
        .says("cargo xtask db baseline arc --to 20260102000000");
    assert_eq!(workspace.applied(&arc), "");
}
