//! `db check` on a throw-away server: each fault is planted alone and found exactly, with its file and line.

use std::process::Stdio;

use crate::support::{Seen, findings, on_throwaway as workspace, only, superuser};

const X: &str = "2026-01-03-000000_x";

#[track_caller]
fn is(seen: &Seen, check: &str, service: &str, place: &str) {
    assert_eq!(
        (seen.0.as_str(), seen.1.as_str(), seen.2.as_str()),
        (check, service, place),
        "{}",
        seen.3
    );
}

#[test]
fn sound_migrations_have_no_findings_and_leave_nothing_on_the_server() {
    let workspace = workspace(&["arc", "cv"]);
    // A column that is dropped and added again comes last: that can't be undone, and is no fault.
    workspace.migration(
        "arc",
        X,
        "ALTER TABLE arc_items DROP COLUMN note; ALTER TABLE arc_items ADD last int",
        "ALTER TABLE arc_items DROP COLUMN last, ADD COLUMN note text",
    );
    workspace.migration(
        "arc",
        "2026-01-04-000000_y",
        "ALTER TABLE arc_items DROP COLUMN last",
        "ALTER TABLE arc_items ADD COLUMN last int",
    );
    workspace.migration(
        "arc",
        "2026-01-03-100000_w",
        "ALTER TABLE arc_items ADD note2 text",
        "ALTER TABLE arc_items DROP note2",
    );
    workspace.migration_without_transaction(
        "cv",
        X,
        "CREATE INDEX CONCURRENTLY i ON cv_items (note)",
        "DROP INDEX CONCURRENTLY i",
    );
    workspace.migration(
        "cv",
        "2026-01-04-000000_role",
        "CREATE ROLE check_reader; GRANT SELECT ON cv_items TO check_reader",
        "DROP OWNED BY check_reader; DROP ROLE check_reader",
    );
    superuser(&workspace, "cv");
    assert_eq!(findings(&workspace, "check"), []);
    let left = "SELECT count(*) FROM pg_roles WHERE rolname = 'check_reader'";
    assert_eq!(workspace.value("postgres", left), "0");
    // Neither is the role in the way of the next run.
    assert_eq!(findings(&workspace, "check cv"), []);
}

#[test]
fn what_down_sql_forgets_is_named() {
    let base = "CREATE TYPE mood AS ENUM ('good');\nCREATE TABLE t (a int, b mood);\n\
        CREATE FUNCTION touched() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN new; END';\n";
    let cases = [
        (
            "CREATE INDEX i ON t (a)",
            "index public.i: only after down.sql",
        ),
        (
            "ALTER TABLE t ALTER a SET DEFAULT 7",
            "before up.sql: integer\n    after down.sql: integer DEFAULT 7",
        ),
        (
            "COMMENT ON COLUMN t.a IS 'why'",
            "comment column public.t.a: only after down.sql",
        ),
        (
            "ALTER TYPE mood ADD VALUE 'bad'",
            "type public.mood: not the same",
        ),
        (
            "CREATE TRIGGER touch BEFORE UPDATE ON t FOR EACH ROW EXECUTE FUNCTION touched()",
            "trigger touch on public.t: only after",
        ),
        (
            "GRANT SELECT ON t TO PUBLIC",
            "grants table public.t: only after down.sql\n    GRANT SELECT TO PUBLIC",
        ),
        (
            "ALTER TABLE t ADD CONSTRAINT positive CHECK (a > 0)",
            "table constraint positive on public.t",
        ),
        (
            "CREATE VIEW v AS SELECT a FROM t",
            "view public.v: only after down.sql",
        ),
    ];
    // One service each, so that they are looked at together.
    let names: Vec<_> = (0..cases.len())
        .map(|number| format!("s{number}"))
        .collect();
    let workspace = workspace(&names.iter().map(String::as_str).collect::<Vec<_>>());
    for (name, (up, _)) in names.iter().zip(&cases) {
        workspace.migration(
            name,
            "2026-01-02-100000_base",
            base,
            "DROP TABLE t; DROP TYPE mood; DROP FUNCTION touched;",
        );
        let up = format!("{up};\nCREATE TABLE half (a int);");
        workspace.migration(name, X, &up, "\n-- Half of it.\nDROP TABLE half;\n");
        // It is not put down to what comes later.
        workspace.migration(
            name,
            "2026-01-05-000000_y",
            "CREATE TABLE y (a int)",
            "DROP TABLE y",
        );
    }
    let mut all = findings(&workspace, "check");
    // They all have the same tables.
    all.retain(|found| found.0 != "shared-table");
    all.sort_by(|a, b| a.1.cmp(&b.1));
    assert_eq!(all.len(), cases.len(), "{all:?}");
    for (found, (name, (_, message))) in all.iter().zip(names.iter().zip(&cases)) {
        is(
            found,
            "not-undone",
            name,
            &format!("services/{name}/migrations/{X}/down.sql:3"),
        );
        assert!(
            found
                .3
                .starts_with("these changes must be undone in down.sql:\n"),
            "{}",
            found.3
        );
        assert!(found.3.contains(message), "{}", found.3);
    }
    // Beside the SQL it can be switched off, with a reason.
    let down = "-- db-check-ignore not-undone: an enum value stays\nDROP TABLE half;\n";
    workspace.write(&format!("services/s3/migrations/{X}/down.sql"), down);
    assert_eq!(findings(&workspace, "check s3"), []);
}

/// The catalog is as before after down.sql, but for a row. What comes of that shows only when the next migration has run.
#[test]
fn what_up_sql_makes_only_the_second_time_is_told_of_itself() {
    let workspace = workspace(&["last", "next", "fails", "declared"]);
    for service in ["last", "next", "fails", "declared"] {
        workspace.migration(
            service,
            "2026-01-02-100000_rows",
            "CREATE TABLE runs (a int)",
            "DROP TABLE runs",
        );
        let up = "INSERT INTO runs VALUES (1);\nDO $$ BEGIN IF (SELECT count(*) FROM runs) > 1 THEN \
            CREATE TABLE again (a int); END IF; END $$;";
        let down = "DROP TABLE IF EXISTS again;";
        workspace.migration(service, X, up, down);
    }
    for (service, up, down) in [
        ("next", "CREATE TABLE y (a int)", "DROP TABLE y"),
        ("fails", "CREATE TABLE again (b text)", "DROP TABLE again"),
        (
            "declared",
            "CREATE TABLE y (a int)",
            "-- db-check-ignore not-undone: kept\nSELECT 1",
        ),
    ] {
        workspace.migration(service, "2026-01-05-000000_y", up, down);
    }
    workspace.write(
        "services/declared/migrations/2026-01-05-000000_y/up.sql",
        "CREATE TABLE IF NOT EXISTS y (a int)",
    );
    let mut found = findings(&workspace, "check");
    // They all have the same tables.
    found.retain(|found| found.0 != "shared-table");
    found.sort_by(|a, b| a.1.cmp(&b.1));
    assert_eq!(found.len(), 4, "{found:?}");
    for (found, service) in found.iter().zip(["declared", "fails", "last", "next"]) {
        let place = format!("services/{service}/migrations/{X}/up.sql:1");
        is(found, "not-repeatable", service, &place);
        assert!(
            found.3.contains("table public.again: only the second time"),
            "{}",
            found.3
        );
    }
}

#[test]
fn a_down_sql_that_fails_and_an_up_sql_that_does_not_apply_again() {
    let workspace = workspace(&["arc"]);
    let place = |file: &str, line: usize| format!("services/arc/migrations/{X}/{file}:{line}");
    workspace.migration(
        "arc",
        X,
        "CREATE TABLE a (x int)",
        "DROP TABLE a;\nDROP TABLE nobody;",
    );
    let found = only(&workspace, "check");
    is(&found, "down-fails", "arc", &place("down.sql", 2));
    assert!(
        found
            .3
            .contains("table \"nobody\" does not exist (SQLSTATE 42P01)"),
        "{}",
        found.3
    );

    workspace.migration(
        "arc",
        X,
        "SELECT 1;\nINSERT INTO arc_items VALUES (1)",
        "SELECT 1;",
    );
    let found = only(&workspace, "check");
    is(&found, "not-repeatable", "arc", &place("up.sql", 2));

    workspace.migration(
        "arc",
        X,
        "INSERT INTO arc_items VALUES (1);\nDO $$ BEGIN IF (SELECT count(*) FROM arc_items) = 1 THEN CREATE TABLE once (); END IF; INSERT INTO arc_items VALUES (2 + (SELECT count(*) FROM arc_items)); END $$",
        "DROP TABLE once;\nDELETE FROM arc_items WHERE id = 1;",
    );
    let found = only(&workspace, "check");
    is(&found, "not-repeatable", "arc", &place("up.sql", 1));
    assert!(
        found.3.contains("table public.once: only the first time"),
        "{}",
        found.3
    );
}

#[test]
fn a_folder_that_cannot_be_run_hides_nothing_before_it() {
    let workspace = workspace(&["arc"]);
    workspace.migration("arc", X, "CREATE TABLE half ()", "SELECT 1");
    let place = format!("services/arc/migrations/{X}/down.sql:1");
    for (folder, file) in [
        ("2026-01-04-000000_no_up", "down.sql"),
        ("no-version", "up.sql"),
    ] {
        let path = format!("services/arc/migrations/{folder}");
        workspace.write(&format!("{path}/{file}"), "SELECT 1");
        is(&only(&workspace, "check"), "not-undone", "arc", &place);
        std::fs::remove_dir_all(workspace.path(&path)).unwrap();
    }
    // What comes after it may need it.
    let path = "services/arc/migrations/2026-01-02-100000_no_up";
    workspace.write(&format!("{path}/down.sql"), "SELECT 1");
    assert_eq!(findings(&workspace, "check"), []);
}

#[test]
fn a_migration_that_does_not_apply_from_empty() {
    let workspace = workspace(&["arc"]);
    workspace.migration(
        "arc",
        X,
        "SELECT 1;\n\nALTER TABLE old ADD y int;",
        "SELECT 1",
    );
    let found = only(&workspace, "check");
    is(
        &found,
        "migration-fails",
        "arc",
        &format!("services/arc/migrations/{X}/up.sql:3"),
    );
    assert!(
        found
            .3
            .contains("relation \"old\" does not exist (SQLSTATE 42P01)"),
        "{}",
        found.3
    );

    workspace.migration(
        "arc",
        X,
        "GRANT SELECT ON arc_items TO nobody_here",
        "SELECT 1",
    );
    let found = only(&workspace, "check");
    is(
        &found,
        "migration-fails",
        "arc",
        &format!("services/arc/migrations/{X}/up.sql:1"),
    );
    workspace.db("check").says("a role is the server's");

    workspace.migration(
        "arc",
        X,
        "CREATE INDEX CONCURRENTLY i ON arc_items (id)",
        "DROP INDEX i",
    );
    let found = only(&workspace, "check");
    is(
        &found,
        "migration-fails",
        "arc",
        &format!("services/arc/migrations/{X}/up.sql:1"),
    );
    workspace.db("check").says("run_in_transaction = false");
}

#[test]
fn a_migration_that_needs_another_services_table_type_or_function() {
    let workspace = workspace(&["arc", "cv"]);
    let place = format!("services/arc/migrations/{X}/up.sql:2");
    workspace.migration(
        "arc",
        X,
        "SELECT 1;\nCREATE TABLE x (cv bigint REFERENCES cv_items)",
        "DROP TABLE x",
    );
    let made = "services/cv/migrations/2026-01-01-000000_create/up.sql:1";
    // Also when the other service was not asked for.
    for line in ["check", "check arc"] {
        let found = only(&workspace, line);
        is(&found, "needs-other-service", "arc", &place);
        assert!(
            found.3.contains(&format!(
                "needs table `public.cv_items`, which belongs to service `cv` (made in {made})"
            )),
            "{}",
            found.3
        );
    }
    workspace.migration("cv", X, "CREATE TYPE level AS ENUM ('a');\nCREATE FUNCTION slug(a text) RETURNS text LANGUAGE sql AS 'SELECT a'", "DROP TYPE level; DROP FUNCTION slug");
    workspace.migration(
        "arc",
        X,
        "SELECT 1;\nCREATE TABLE x (l level)",
        "DROP TABLE x",
    );
    let found = only(&workspace, "check");
    is(&found, "needs-other-service", "arc", &place);
    assert!(found.3.contains("needs type `public.level`"), "{}", found.3);
    workspace.migration("arc", X, "SELECT 1;\nSELECT slug('x')", "SELECT 1");
    let found = only(&workspace, "check");
    is(&found, "needs-other-service", "arc", &place);
    assert!(
        found
            .3
            .contains("up.sql:2): function slug(unknown) does not exist"),
        "{}",
        found.3
    );
}

#[test]
fn a_temporary_table_goes_with_its_migration() {
    let workspace = workspace(&["arc"]);
    workspace.migration(
        "arc",
        X,
        "CREATE TEMP TABLE kept AS SELECT * FROM arc_items; CREATE DOMAIN of_kept AS kept; UPDATE arc_items SET note = 'x'",
        "SELECT 1",
    );
    assert_eq!(findings(&workspace, "check"), []);
}

#[test]
fn a_table_of_two_services_is_told_where_it_came_later() {
    let workspace = workspace(&["arc", "cv", "user"]);
    workspace.migration(
        "user",
        X,
        "SELECT 1;\nCREATE TABLE shared (a int)",
        "DROP TABLE shared",
    );
    workspace.migration(
        "arc",
        "2026-02-01-000000_y",
        "\nCREATE TABLE shared (a int)",
        "DROP TABLE shared",
    );
    let found = only(&workspace, "check");
    is(
        &found,
        "shared-table",
        "arc",
        "services/arc/migrations/2026-02-01-000000_y/up.sql:2",
    );
    assert!(
        found.3.contains(&format!(
            "service `user`, made in services/user/migrations/{X}/up.sql:2"
        )),
        "{}",
        found.3
    );
}

#[test]
fn many_services_are_checked_with_few_connections() {
    let names: Vec<_> = (0..30).map(|number| format!("s{number}")).collect();
    let workspace = workspace(&names.iter().map(String::as_str).collect::<Vec<_>>());
    let mut command = workspace.command(&["db", "check", "--json", "--jobs", "3"]);
    let mut child = command
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let query = format!(
        "SELECT count(*) FROM pg_stat_activity WHERE datname LIKE 'throwaway\\_%\\_{}\\_%'",
        child.id()
    );
    let mut most = 0;
    while child.try_wait().unwrap().is_none() {
        let now: u32 = workspace.value("postgres", &query).parse().unwrap();
        most = most.max(now);
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
    let output = child.wait_with_output().unwrap();
    // Other checks find something in these workspaces.
    assert!(
        output.status.code().is_some_and(|code| code < 2),
        "{output:?}"
    );
    // Two databases for a service, and a pg_dump on each.
    assert!((1..=12).contains(&most), "{most}");
}
