//! What a pull request's SQL can do to the throw-away server: nothing that outlives the run, and nothing for long.

use std::time::{Duration, Instant};

use crate::support::{
    Workspace, diesel_program, findings, on_throwaway as workspace, only, superuser,
};

const X: &str = "2026-01-03-000000_x";

/// Where the failing statement is.
fn place(file: &str, line: usize) -> String {
    format!("services/arc/migrations/{X}/{file}:{line}")
}

#[test]
fn migrations_have_no_power_over_the_server() {
    let mut workspace = workspace(&["arc"]);
    let secret = workspace.path(".env.production");
    workspace.write(".env.production", "PASSWORD=hush\n");
    let (read, mark) = (secret.display(), workspace.path("ran"));
    let ran = mark.display();
    for statement in [
        format!("COPY arc_items (note) FROM PROGRAM 'touch {ran}; cat {read}'"),
        format!("COPY arc_items (note) FROM '{read}'"),
        format!("COPY (SELECT 1) TO '{ran}'"),
        format!("SELECT pg_read_file('{read}')"),
        format!("SELECT lo_import('{read}')"),
        format!("DO $$ BEGIN EXECUTE 'COPY arc_items (note) FROM PROGRAM ''touch {ran}'''; END $$"),
        "GRANT pg_execute_server_program TO CURRENT_USER".to_owned(),
        "ALTER ROLE CURRENT_USER SUPERUSER".to_owned(),
        "SET SESSION AUTHORIZATION postgres".to_owned(),
        "SET ROLE postgres".to_owned(),
        "ALTER SYSTEM SET work_mem = '5MB'".to_owned(),
        "CREATE EXTENSION dblink".to_owned(),
        "CREATE EXTENSION postgres_fdw".to_owned(),
        "CREATE DATABASE other".to_owned(),
        "CREATE SUBSCRIPTION s CONNECTION 'dbname=postgres' PUBLICATION p WITH (connect = false)"
            .to_owned(),
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'postgres'"
            .to_owned(),
    ] {
        workspace.migration_without_transaction("arc", X, &statement, "SELECT 1");
        let found = only(&workspace, "check");
        let seen = (found.0.as_str(), found.2.as_str());
        assert_eq!(
            seen,
            ("migration-fails", place("up.sql", 1).as_str()),
            "{statement}"
        );
        assert!(!found.3.contains("hush"), "{}", found.3);
        assert!(!mark.exists(), "{statement}");
    }
    // The same for the other verbs that run it.
    let diesel = diesel_program().display().to_string();
    workspace.set("DIESEL_CLI", &diesel);
    workspace.migration(
        "arc",
        X,
        &format!("COPY arc_items (note) FROM PROGRAM 'touch {ran}'"),
        "SELECT 1",
    );
    for line in ["schema", "new arc more --diff"] {
        let run = workspace.db(line);
        assert_eq!(run.code, 4, "{}", run.stderr);
        run.says("superuser = true").does_not_say("hush");
        assert!(!mark.exists(), "{line}");
    }
}

#[test]
fn trusted_extensions_need_no_superuser_and_the_others_a_reason() {
    let workspace = workspace(&["arc"]);
    workspace.migration(
        "arc",
        X,
        "CREATE EXTENSION citext; CREATE SCHEMA more; COMMENT ON SCHEMA public IS 'ours'",
        "COMMENT ON SCHEMA public IS 'standard public schema'; DROP SCHEMA more; DROP EXTENSION citext",
    );
    assert_eq!(findings(&workspace, "check"), []);
    workspace.migration(
        "arc",
        X,
        "CREATE EXTENSION pageinspect",
        "DROP EXTENSION pageinspect",
    );
    assert_eq!(only(&workspace, "check").2, place("up.sql", 1));
    workspace.db("check").says(
        "declare it in services/arc/Cargo.toml: `superuser = true`, with the reason in `superuser-reason`",
    );
    workspace.append("services/arc/Cargo.toml", "superuser = true\n");
    workspace
        .db("check")
        .exits(1)
        .says("error[settings]: `superuser = true` has no `superuser-reason`")
        .says("--> services/arc/Cargo.toml:");
    workspace.append(
        "services/arc/Cargo.toml",
        "superuser-reason = \"it looks at pages\"\n",
    );
    assert_eq!(findings(&workspace, "check"), []);
    workspace.edit("services/arc/Cargo.toml", "= true", "= \"yes\"");
    workspace
        .db("check")
        .says("`superuser` must be true or false, not `\"yes\"`");
}

#[test]
fn no_statement_takes_longer_than_it_may() {
    let workspace = workspace(&["arc", "cv"]);
    let line = "check --statement-timeout 1";
    let endless = "DO $$ BEGIN LOOP END LOOP; END $$";
    let stubborn = "SET statement_timeout = 0;\nDO $$ BEGIN LOOP BEGIN PERFORM pg_sleep(60);\
        EXCEPTION WHEN query_canceled THEN END; END LOOP; END $$";
    workspace.migration("cv", X, "CREATE TABLE half ()", "SELECT 1");
    for (up, down, check, file) in [
        (endless, "SELECT 1", "migration-fails", place("up.sql", 1)),
        (stubborn, "SELECT 1", "migration-fails", place("up.sql", 2)),
        ("SELECT 1", endless, "down-fails", place("down.sql", 1)),
        ("SELECT 1", stubborn, "down-fails", place("down.sql", 2)),
    ] {
        workspace.migration("arc", X, up, down);
        // That it ends is the point: nothing else would end the statement.
        let found = findings(&workspace, line);
        let seen: Vec<_> = found.iter().map(|f| (f.0.as_str(), f.2.as_str())).collect();
        // It hides nothing of the others.
        let other = format!("services/cv/migrations/{X}/down.sql:1");
        assert_eq!(
            seen,
            [(check, file.as_str()), ("not-undone", other.as_str())],
            "{up} {down}"
        );
        workspace
            .db(line)
            .says("a statement may take 1 seconds here; --statement-timeout SECONDS allows more");
    }
    assert_eq!(left(&workspace), "");
}

#[test]
fn roles_are_made_where_that_gives_no_power() {
    let workspace = workspace(&["arc"]);
    let role = workspace.database("maker");
    // A name that is in no text.
    let name = format!("'{}' || '{}'", &role[..5], &role[5..]);
    workspace.migration(
        "arc",
        X,
        &format!(
            "DO $$ BEGIN EXECUTE 'CREATE ROLE ' || {name}; EXECUTE 'GRANT SELECT ON arc_items TO ' || {name}; END $$"
        ),
        &format!("DO $$ BEGIN EXECUTE 'DROP OWNED BY ' || {name}; EXECUTE 'DROP ROLE ' || {name}; END $$"),
    );
    let is_16 = "SELECT current_setting('server_version_num')::int >= 160000";
    let makes_roles = workspace.value("postgres", is_16) == "true";
    for _ in 0..2 {
        match makes_roles {
            true => assert_eq!(findings(&workspace, "check"), []),
            false => {
                assert_eq!(only(&workspace, "check").0, "migration-fails");
                workspace.db("check").says("`superuser = true`");
            }
        }
        let roles = format!("SELECT count(*) FROM pg_roles WHERE rolname = '{role}'");
        assert_eq!(workspace.value("postgres", &roles), "0");
    }
}

#[test]
fn what_migrations_leave_on_the_server_is_removed() {
    let workspace = workspace(&["arc"]);
    superuser(&workspace, "arc");
    let name = workspace.database("made");
    let role = format!("{name}_role");
    workspace.migration(
        "arc",
        X,
        &format!("DO $$ BEGIN EXECUTE 'CREATE ROLE ' || quote_ident('{role}'); EXECUTE 'GRANT SELECT ON arc_items TO {role}'; END $$"),
        "SELECT 1",
    );
    workspace.migration_without_transaction(
        "arc",
        "2026-01-04-000000_database",
        &format!("CREATE DATABASE {name}"),
        "SELECT 1",
    );
    workspace.migration(
        "arc",
        "2026-01-05-000000_subscription",
        "CREATE SUBSCRIPTION news CONNECTION 'dbname=nowhere' PUBLICATION p WITH (connect = false)",
        "ALTER SUBSCRIPTION news SET (slot_name = NONE); DROP SUBSCRIPTION news",
    );
    workspace.migration(
        "arc",
        "2026-01-06-000000_y",
        "CREATE SUBSCRIPTION late CONNECTION 'dbname=nowhere' PUBLICATION p WITH (connect = false)",
        "SELECT 1",
    );
    for _ in 0..2 {
        let found = findings(&workspace, "check");
        let seen: Vec<_> = found.iter().map(|seen| seen.0.as_str()).collect();
        assert!(!seen.contains(&"migration-fails"), "{found:#?}");
        assert!(!workspace.exists(&name));
        let roles = format!("SELECT count(*) FROM pg_roles WHERE rolname = '{role}'");
        assert_eq!(workspace.value("postgres", &roles), "0");
        assert_eq!(left(&workspace), "");
    }
}

#[test]
fn what_a_killed_run_left_is_removed_by_the_next() {
    let workspace = workspace(&["arc"]);
    superuser(&workspace, "arc");
    workspace.migration(
        "arc",
        X,
        "CREATE SUBSCRIPTION killed CONNECTION 'dbname=nowhere' PUBLICATION p WITH (connect = false); SELECT pg_sleep(60)",
        "SELECT 1",
    );
    workspace.migration_without_transaction(
        "arc",
        "2026-01-02-100000_slow",
        "SELECT 1",
        "SELECT 1",
    );
    let mut child = workspace.start("check");
    let mine = format!(
        "SELECT coalesce(string_agg(rolname, ' '), '') FROM pg_roles WHERE rolname ~ '^throwaway_[0-9a-f]+_{}_'",
        child.id()
    );
    let begin = Instant::now();
    while workspace.value("postgres", &mine).is_empty() {
        assert!(begin.elapsed() < Duration::from_secs(60));
        std::thread::sleep(Duration::from_millis(20));
    }
    std::thread::sleep(Duration::from_millis(300));
    child.kill().unwrap();
    child.wait().unwrap();
    // The server sees that nobody is there within a second or two.
    let begin = Instant::now();
    while !workspace.value("postgres", &mine).is_empty() {
        assert!(begin.elapsed() < Duration::from_secs(60));
        workspace.remove(&format!("services/arc/migrations/{X}"));
        workspace.migration("arc", X, "SELECT 1", "SELECT 1");
        assert_eq!(findings(&workspace, "check"), []);
    }
}

/// What runs of this test's process tree would have left: databases and roles of nobody who is alive.
fn left(workspace: &Workspace) -> String {
    workspace.value(
        "postgres",
        "SELECT coalesce(string_agg(name, ' '), '') FROM (
            SELECT datname AS name FROM pg_database UNION SELECT rolname FROM pg_roles) ours
         WHERE name ~ '^throwaway_' AND NOT EXISTS (SELECT FROM pg_stat_activity
            WHERE datname = name OR usename = name) AND NOT EXISTS (SELECT FROM pg_locks
            WHERE locktype = 'advisory' AND name ~ '^throwaway_[0-9a-f]{8}_'
              AND objid = ('x' || substr(name, 11, 8))::bit(32)::int::oid)",
    )
}
