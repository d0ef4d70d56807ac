//! `db check --live`: what differs between a configured database and what its migrations make.

use crate::support::{Workspace, findings, on_throwaway as workspace, only, variable};

/// One service whose database is migrated.
fn migrated() -> (Workspace, String) {
    let mut workspace = workspace(&["arc"]);
    let database = workspace.database("arc");
    let url = workspace.url(&database);
    workspace.set(&variable("arc"), &url);
    workspace.db("create").exits(0);
    workspace.db("migrate").exits(0);
    (workspace, database)
}

#[test]
fn a_database_that_its_migrations_made_has_no_findings() {
    let (workspace, database) = migrated();
    workspace.execute(&database, "INSERT INTO arc_items VALUES (1, 'x')");
    assert_eq!(findings(&workspace, "check --live"), []);
    // Diesel's own bookkeeping, and ours, are no difference; another owner of the tables neither.
    workspace.execute(&database, "CREATE ROLE live_owner");
    workspace.execute(&database, "ALTER TABLE arc_items OWNER TO live_owner");
    let found = findings(&workspace, "check --live");
    workspace.execute(&database, "DROP OWNED BY live_owner; DROP ROLE live_owner");
    assert_eq!(found, []);
}

#[test]
fn how_a_database_reads_strings_is_no_difference() {
    let (workspace, database) = migrated();
    workspace.execute(
        "postgres",
        &format!("ALTER DATABASE \"{database}\" SET standard_conforming_strings = off"),
    );
    assert_eq!(findings(&workspace, "check --live"), []);
}

#[test]
fn what_went_with_the_session_that_made_it_is_no_difference() {
    let (workspace, _) = migrated();
    workspace.migration(
        "arc",
        "2026-01-03-000000_temporary",
        "CREATE TEMP TABLE kept (a int); CREATE DOMAIN of_kept AS kept",
        "SELECT 1",
    );
    workspace.db("migrate").exits(0);
    assert_eq!(findings(&workspace, "check --live"), []);
}

#[test]
fn changes_made_by_hand_are_named() {
    let (workspace, database) = migrated();
    workspace.migration(
        "arc",
        "2026-01-03-000000_i",
        "CREATE INDEX i ON arc_items (note)",
        "DROP INDEX i",
    );
    workspace.db("migrate").exits(0);
    let changes = [
        (
            "ALTER TABLE arc_items ADD hand int",
            "column public.arc_items.hand: only in the database\n    integer",
            "ALTER TABLE arc_items DROP hand",
        ),
        (
            "DROP INDEX i",
            "index public.i: only in the migrations\n    CREATE INDEX i",
            "CREATE INDEX i ON arc_items (note)",
        ),
        (
            "ALTER TABLE arc_items ALTER note SET NOT NULL",
            "in the migrations: text\n    in the database: text NOT NULL",
            "ALTER TABLE arc_items ALTER note DROP NOT NULL",
        ),
    ];
    for (change, message, back) in changes {
        workspace.execute(&database, change);
        let (check, service, file, found) = only(&workspace, "check --live");
        assert_eq!(
            (check.as_str(), service.as_str(), file.as_str()),
            ("live-drift", "arc", "")
        );
        assert!(found.contains(message), "{found}");
        workspace.execute(&database, back);
        assert_eq!(findings(&workspace, "check --live"), []);
    }
}

#[test]
fn pending_unknown_and_edited_migrations() {
    let (workspace, _) = migrated();
    workspace.migration(
        "arc",
        "2026-01-03-000000_x",
        "CREATE TABLE x (a int)",
        "DROP TABLE x",
    );
    let (check, _, file, message) = only(&workspace, "check --live");
    assert_eq!(
        (check.as_str(), file.as_str()),
        (
            "live-pending",
            "services/arc/migrations/2026-01-03-000000_x/up.sql"
        ),
        "{message}"
    );

    workspace.db("migrate").exits(0);
    workspace.migration(
        "arc",
        "2026-01-03-000000_x",
        "CREATE TABLE x (a int) -- edited",
        "DROP TABLE x",
    );
    let (check, _, file, message) = only(&workspace, "check --live");
    assert_eq!(
        (check.as_str(), file.as_str()),
        (
            "live-edited",
            "services/arc/migrations/2026-01-03-000000_x/up.sql"
        ),
        "{message}"
    );

    workspace.remove("services/arc/migrations/2026-01-03-000000_x");
    let found = findings(&workspace, "check --live");
    let checks: Vec<_> = found.iter().map(|seen| seen.0.as_str()).collect();
    // What it made is a difference, too.
    assert_eq!(checks, ["live-drift", "live-unknown"], "{found:#?}");
    assert!(
        found[0].3.contains("table public.x: only in the database"),
        "{found:#?}"
    );
}

#[test]
fn an_invalid_index() {
    let (workspace, database) = migrated();
    workspace.execute(&database, "INSERT INTO arc_items VALUES (1, 'x'), (2, 'x')");
    let mut session = workspace.session(&database);
    let failed = diesel::connection::SimpleConnection::batch_execute(
        &mut session,
        "CREATE UNIQUE INDEX CONCURRENTLY broken ON arc_items (note)",
    );
    assert!(failed.is_err());
    let (check, _, _, message) = only(&workspace, "check --live");
    assert_eq!(check, "live-invalid-index");
    assert!(message.contains("index broken of database"), "{message}");

    // One that a migration made is not told a second time as drift, although pg_dump leaves it out.
    workspace.execute(&database, "DROP INDEX broken");
    workspace.migration(
        "arc",
        "2026-01-03-000000_i",
        "CREATE INDEX i ON arc_items (note)",
        "DROP INDEX i",
    );
    workspace.db("migrate").exits(0);
    let invalid = "UPDATE pg_index SET indisvalid = false WHERE indexrelid = 'i'::regclass";
    workspace.execute(&database, invalid);
    assert_eq!(only(&workspace, "check --live").0, "live-invalid-index");
}

#[test]
fn another_services_database_a_missing_one_and_no_url() {
    let (mut workspace, database) = migrated();
    workspace.execute(&database, "UPDATE db_ledger.owner SET service = 'cv'");
    let (check, service, _, message) = only(&workspace, "check --live");
    assert_eq!((check.as_str(), service.as_str()), ("live-owner", "arc"));
    // Where the URL comes from is the first thing that one has to know.
    workspace
        .db("check --live")
        .says("help: ARC_DATABASE_URL in the environment: postgres://");
    assert!(
        message.contains("belongs to service `cv`, not to service `arc`"),
        "{message}"
    );

    let url = workspace.url(&format!("{database}_nowhere"));
    workspace.set(&variable("arc"), &url);
    assert_eq!(only(&workspace, "check --live").0, "live-missing");
    let nowhere = format!("{database}_nowhere");
    assert!(!workspace.exists(&nowhere));

    workspace.unset(&variable("arc"));
    assert_eq!(only(&workspace, "check --live").0, "live-url");
}

#[test]
fn the_configured_database_is_only_read() {
    let (workspace, database) = migrated();
    // A database in which every transaction is read-only lets it through.
    workspace.execute(
        "postgres",
        &format!("ALTER DATABASE \"{database}\" SET default_transaction_read_only = on"),
    );
    assert_eq!(findings(&workspace, "check --live"), []);
}

#[test]
fn a_role_that_may_only_read_looks_at_status_and_history_and_checks() {
    let (mut workspace, database) = migrated();
    let role = workspace.database("reader");
    workspace.execute(
        &database,
        &format!(
            "CREATE ROLE {role} LOGIN PASSWORD 'pw'; GRANT pg_read_all_data TO {role};
             ALTER ROLE {role} SET default_transaction_read_only = on"
        ),
    );
    let url = workspace.url(&database);
    let (_, place) = url.rsplit_once('@').unwrap();
    workspace.set(&variable("arc"), &format!("postgres://{role}:pw@{place}"));
    workspace.db("status --exit-code").exits(0);
    workspace
        .db("history arc")
        .exits(0)
        .says("2026-01-02-000000_note");
    assert_eq!(findings(&workspace, "check --live"), []);
    workspace.execute(&database, "ALTER TABLE arc_items ADD by_hand int");
    let (check, _, _, message) = only(&workspace, "check --live");
    assert_eq!(check, "live-drift");
    assert!(message.contains("by_hand"), "{message}");
    workspace.execute("postgres", &format!("DROP ROLE {role}"));
}
