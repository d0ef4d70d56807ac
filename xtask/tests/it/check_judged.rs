//! `pg_dump` decides: what it does not print is no finding, and what only it prints is one.

use serde_json::Value;

use crate::support::{Workspace, findings, on_throwaway as workspace, only, superuser};

const X: &str = "2026-01-03-000000_x";
const Y: &str = "2026-01-04-000000_y";
const Z: &str = "2026-01-05-000000_z";

/// Sets something of subscription `news` that no snapshot of the catalog has.
fn set(value: &str) -> String {
    format!("ALTER SUBSCRIPTION news SET (synchronous_commit = {value})")
}

/// What is ignored: the file and the message.
fn ignored(workspace: &Workspace, line: &str) -> Vec<(String, String)> {
    let run = workspace.db(&format!("{line} --json"));
    let json: Value = serde_json::from_str(&run.stdout).unwrap();
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let ignored = json["ignored"].as_array().unwrap().iter();
    ignored
        .map(|ignored| (text(&ignored["file"]), text(&ignored["message"])))
        .collect()
}

#[test]
fn what_only_the_catalog_shows_is_no_finding_and_is_named() {
    let workspace = workspace(&["arc"]);
    superuser(&workspace, "arc");
    // pg_dump says nothing of the triggers that PostgreSQL makes for a foreign key.
    workspace.migration(
        "arc",
        X,
        "CREATE TABLE child (item bigint CONSTRAINT its REFERENCES arc_items)",
        "DROP TABLE child",
    );
    workspace.migration(
        "arc",
        Y,
        "ALTER TABLE child DISABLE TRIGGER ALL",
        "SELECT 1",
    );
    workspace.migration("arc", Z, "CREATE TABLE half ()", "SELECT 1");
    let found = only(&workspace, "check");
    let place = format!("services/arc/migrations/{Z}/down.sql:1");
    assert_eq!(
        (found.0.as_str(), found.2.as_str()),
        ("not-undone", place.as_str())
    );
    let up = format!("services/arc/migrations/{Y}/up.sql");
    let ignored = ignored(&workspace, "check");
    assert_eq!(ignored.len(), 1, "{ignored:?}");
    assert_eq!(ignored[0].0, up);
    assert!(
        ignored[0].1.contains("constraint its on public.child"),
        "{ignored:?}"
    );
    workspace
        .db("check -v")
        .says("ignored: table constraint its on public.child")
        .says(&format!("--> {up}"));
    workspace.db("check").does_not_say("ignored");
}

#[test]
fn a_large_object_that_is_left_is_found_although_pg_dump_takes_it_for_data() {
    let workspace = workspace(&["arc"]);
    superuser(&workspace, "arc");
    let (create, remove) = ("SELECT lo_create(4711)", "SELECT lo_unlink(4711)");
    let comment = "COMMENT ON LARGE OBJECT 4711 IS 'logo'";
    workspace.migration("arc", X, create, remove);
    workspace.migration("arc", Y, comment, &comment.replace("'logo'", "NULL"));
    assert_eq!(findings(&workspace, "check"), []);
    let not_undone = |migration: &str, shown: &str| {
        let found = only(&workspace, "check");
        let place = format!("services/arc/migrations/{migration}/down.sql:1");
        assert_eq!((found.0.as_str(), found.2), ("not-undone", place));
        assert!(found.3.ends_with(shown), "{}", found.3);
    };
    workspace.migration("arc", Y, comment, "SELECT 1");
    not_undone(
        Y,
        "large objects of the database: not the same\n    before up.sql: a large object\n    after down.sql: a large object COMMENT logo",
    );
    // What pg_dump could have shown, and does not, is ignored beside it.
    workspace.migration(
        "arc",
        X,
        "CREATE TABLE child (item bigint CONSTRAINT its REFERENCES arc_items)",
        "DROP TABLE child",
    );
    workspace.migration(
        "arc",
        Y,
        &format!("{create}; ALTER TABLE child DISABLE TRIGGER ALL"),
        "SELECT 1",
    );
    not_undone(
        Y,
        ":\nlarge objects of the database: only after down.sql\n    a large object",
    );
    let ignored = ignored(&workspace, "check");
    assert_eq!(ignored.len(), 1, "{ignored:?}");
    assert!(
        ignored[0].1.contains("constraint its on public.child"),
        "{ignored:?}"
    );
}

#[test]
fn what_only_pg_dump_shows_is_found_at_its_migration() {
    let workspace = workspace(&["arc"]);
    superuser(&workspace, "arc");
    workspace.migration(
        "arc",
        X,
        "CREATE SUBSCRIPTION news CONNECTION 'dbname=x password=hush' PUBLICATION p WITH (connect = false, slot_name = NONE)",
        "DROP SUBSCRIPTION news",
    );
    workspace.migration("arc", Y, &set("local"), &set("off"));
    workspace.migration("arc", Z, "CREATE TABLE z ()", "DROP TABLE z");
    assert_eq!(findings(&workspace, "check"), []);
    // Its own down.sql would hide it, if it dropped the subscription.
    workspace.migration("arc", X, "SELECT 1", "SELECT 1");
    let create = "2026-01-01-000000_create";
    workspace.migration(
        "arc",
        create,
        "CREATE TABLE arc_items (id bigint PRIMARY KEY); CREATE SUBSCRIPTION news CONNECTION 'dbname=x password=hush' PUBLICATION p WITH (connect = false, slot_name = NONE)",
        "-- db-check-ignore not-undone: it stays\nDROP TABLE arc_items; ALTER SUBSCRIPTION news RENAME TO old",
    );
    workspace.migration("arc", Y, &set("local"), "\nSELECT 1");
    let found = only(&workspace, "check");
    let place = format!("services/arc/migrations/{Y}/down.sql:2");
    assert_eq!(
        (found.0.as_str(), found.2.as_str()),
        ("not-undone", place.as_str())
    );
    assert!(found.3.contains("CREATE SUBSCRIPTION news"), "{}", found.3);
    assert!(
        !found.3.contains("throwaway_") && !found.3.contains("hush"),
        "{}",
        found.3
    );

    // Beside what was told, and what is declared.
    workspace.migration(
        "arc",
        "2026-01-04-100000_told",
        "CREATE TABLE told ()",
        "-- db-check-ignore not-undone: it stays\nSELECT 1",
    );
    let found = only(&workspace, "check");
    assert_eq!(
        (found.0.as_str(), found.2.as_str()),
        ("not-undone", place.as_str())
    );
    workspace.remove("services/arc/migrations/2026-01-04-100000_told");

    // The second time, it is something else.
    let again = format!(
        "DO $$ BEGIN IF EXISTS (SELECT FROM arc_items) THEN {}; END IF; END $$;\nINSERT INTO arc_items SELECT count(*) FROM arc_items",
        set("local")
    );
    workspace.migration("arc", Y, &again, &set("off"));
    let found = only(&workspace, "check");
    let place = format!("services/arc/migrations/{Y}/up.sql:1");
    assert_eq!(
        (found.0.as_str(), found.2.as_str()),
        ("not-repeatable", place.as_str())
    );
    assert!(found.3.contains("CREATE SUBSCRIPTION news"), "{}", found.3);
}

#[test]
fn what_a_later_down_sql_would_undo_is_found_at_its_migration() {
    let workspace = workspace(&["arc"]);
    let database = |what: &str| {
        format!(
            "DO $$ BEGIN EXECUTE format('ALTER DATABASE %I {what}', current_database()); END $$"
        )
    };
    let (set, reset) = (
        database("SET work_mem = ''7MB''"),
        database("RESET work_mem"),
    );
    workspace.migration("arc", X, &set, &reset);
    workspace.migration("arc", Y, &reset, &set);
    assert_eq!(findings(&workspace, "check"), []);
    workspace.migration("arc", Y, &reset, "SELECT 1");
    let found = only(&workspace, "check");
    let place = format!("services/arc/migrations/{Y}/down.sql:1");
    assert_eq!(
        (found.0.as_str(), found.2.as_str()),
        ("not-undone", place.as_str())
    );
    assert!(
        found
            .3
            .contains("settings of the database: only before up.sql\n    work_mem=7MB"),
        "{}",
        found.3
    );
}

#[test]
fn what_follows_from_the_order_of_columns_is_no_finding() {
    let workspace = workspace(&["arc"]);
    workspace.migration(
        "arc",
        X,
        "CREATE TABLE x (a int, b int, c int)",
        "DROP TABLE x",
    );
    workspace.migration("arc", Y, "ALTER TABLE x DROP a", "ALTER TABLE x ADD a int");
    workspace.migration(
        "arc",
        Z,
        "ALTER TABLE x DROP b; ALTER TABLE x ADD d int; CREATE VIEW v AS SELECT * FROM x",
        "DROP VIEW v; ALTER TABLE x DROP d; ALTER TABLE x ADD b int",
    );
    workspace.migration(
        "arc",
        "2026-01-06-000000_v",
        "CREATE VIEW w AS SELECT * FROM x",
        "DROP VIEW w",
    );
    assert_eq!(findings(&workspace, "check"), []);
    let ignored = ignored(&workspace, "check");
    assert!(
        ignored
            .iter()
            .any(|(_, message)| message.contains("column order public.x")),
        "{ignored:?}"
    );
}

/// One service on the throw-away server, whose database is migrated.
fn migrated() -> (Workspace, String) {
    let mut workspace = workspace(&["arc"]);
    let database = workspace.database("arc");
    let url = workspace.url(&database);
    workspace.set("ARC_DATABASE_URL", &url);
    workspace.migration(
        "arc",
        X,
        "CREATE TABLE child (item bigint CONSTRAINT its REFERENCES arc_items); CREATE FUNCTION f() RETURNS int LANGUAGE SQL AS 'SELECT 1'",
        "DROP FUNCTION f; DROP TABLE child",
    );
    workspace.db("create").exits(0);
    workspace.db("migrate").exits(0);
    (workspace, database)
}

#[test]
fn pg_dump_decides_of_a_configured_database_too() {
    let (workspace, database) = migrated();
    workspace.execute(&database, "ALTER TABLE child DISABLE TRIGGER ALL");
    assert_eq!(findings(&workspace, "check --live"), []);
    let ignored = ignored(&workspace, "check --live");
    assert_eq!(ignored.len(), 1, "{ignored:?}");
    assert_eq!(ignored[0].0, "");
    assert!(
        ignored[0].1.contains("constraint its on public.child"),
        "{ignored:?}"
    );
    // What is not the migrations' is not compared: other tools' tables, the database's settings, owners, our own.
    workspace.execute(
        &database,
        &format!(
            "CREATE TABLE alembic_version (version_num varchar(32)); ALTER DATABASE \"{database}\" SET work_mem = '7MB';
             CREATE ROLE live_other; ALTER TABLE child OWNER TO live_other"
        ),
    );
    let found = findings(&workspace, "check --live");
    workspace.execute(&database, "DROP OWNED BY live_other CASCADE");
    workspace.execute(&database, "DROP ROLE live_other");
    assert_eq!(found, []);
}

#[test]
fn what_only_pg_dump_shows_of_a_configured_database_is_drift() {
    let (workspace, database) = migrated();
    assert_eq!(findings(&workspace, "check --live"), []);
    workspace.execute(
        &database,
        "ALTER FUNCTION f() DEPENDS ON EXTENSION plpgsql; GRANT SELECT ON child TO PUBLIC",
    );
    let found = only(&workspace, "check --live");
    assert_eq!(found.0, "live-drift");
    for said in ["DEPENDS ON EXTENSION plpgsql", "GRANT SELECT TO PUBLIC"] {
        assert!(found.3.contains(said), "{}", found.3);
    }
}

#[test]
fn a_role_that_may_not_lock_tables_compares_snapshots_and_says_so() {
    let (mut workspace, database) = migrated();
    let role = workspace.database("reader");
    workspace.execute(
        &database,
        &format!(
            "CREATE ROLE {role} LOGIN PASSWORD 'pw'; GRANT USAGE ON SCHEMA db_ledger TO {role};
             GRANT SELECT ON ALL TABLES IN SCHEMA db_ledger TO {role};
             GRANT SELECT ON __diesel_schema_migrations TO {role}; ALTER TABLE child ADD hand int"
        ),
    );
    let url = workspace.get("ARC_DATABASE_URL");
    let (_, place) = url.rsplit_once('@').unwrap();
    workspace.set("ARC_DATABASE_URL", &format!("postgres://{role}:pw@{place}"));
    let found = only(&workspace, "check --live");
    workspace
        .db("check --live")
        .says("only snapshots of the catalog are compared")
        .says("permission denied for table")
        .does_not_say("pw@");
    workspace.execute(
        &database,
        &format!("DROP OWNED BY {role}; DROP ROLE {role}"),
    );
    assert!(
        found
            .3
            .contains("column public.child.hand: only in the database"),
        "{}",
        found.3
    );
}
