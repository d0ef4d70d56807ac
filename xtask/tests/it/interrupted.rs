//! A run that is killed, and runs that meet.

use std::io::{BufRead as _, BufReader};
use std::process::Child;
use std::time::{Duration, Instant};

use diesel::connection::SimpleConnection as _;

use crate::support::{Workspace, value};

/// Waits until the run says on stderr that it applies the migration.
fn until_applying(child: &mut Child, migration: &str) {
    let lines = BufReader::new(child.stderr.take().unwrap()).lines();
    let found = lines
        .map(Result::unwrap)
        .find(|line| line.contains("applying") && line.contains(migration));
    assert!(
        found.is_some(),
        "the run ended before it came to {migration}"
    );
}

pub(crate) fn until(what: &str, mut condition: impl FnMut() -> bool) {
    let begin = Instant::now();
    while !condition() {
        assert!(
            begin.elapsed() < Duration::from_secs(30),
            "waited 30 s for {what}"
        );
        std::thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn a_run_killed_in_a_transaction_leaves_no_lock_and_the_next_converges() {
    let workspace = Workspace::with(&["arc"]);
    let arc = workspace.database("arc");
    workspace.db("create").exits(0);
    let slow = |seconds| format!("CREATE TABLE slow (); SELECT pg_sleep({seconds});");
    workspace.migration(
        "arc",
        "2026-01-03-000000_slow",
        &slow(600),
        "DROP TABLE slow;",
    );
    let mut child = workspace.start("migrate");
    until_applying(&mut child, "slow");
    let mut admin = workspace.admin();
    let sleeping = format!(
        "SELECT count(*) FROM pg_stat_activity WHERE datname = '{arc}' AND query LIKE '%pg_sleep(600)%' AND state = 'active'"
    );
    until("the statement to run", || {
        value(&mut admin, &sleeping) == "1"
    });
    child.kill().unwrap();
    child.wait().unwrap();
    workspace.migration(
        "arc",
        "2026-01-03-000000_slow",
        &slow(0),
        "DROP TABLE slow;",
    );
    workspace
        .db("migrate --lock-timeout 30")
        .exits(0)
        .says("applied 1 migration");
    assert_eq!(workspace.tables(&arc), "arc_items slow");
    assert_eq!(value(&mut admin, &sleeping), "0");
}

#[test]
fn a_concurrent_index_killed_half_way_is_built_again() {
    let workspace = Workspace::with(&["arc"]);
    let arc = workspace.database("arc");
    workspace.db("create").exits(0);
    workspace.db("migrate").exits(0);
    workspace.migration_without_transaction(
        "arc",
        "2026-01-03-000000_index",
        "CREATE INDEX CONCURRENTLY by_note ON arc_items (note);",
        "DROP INDEX CONCURRENTLY by_note;",
    );
    // An open transaction that wrote makes the build wait, with the index there but INVALID.
    let mut writer = workspace.session(&arc);
    diesel::connection::SimpleConnection::batch_execute(
        &mut writer,
        "BEGIN; INSERT INTO arc_items VALUES (1)",
    )
    .unwrap();
    let mut child = workspace.start("migrate");
    until_applying(&mut child, "index");
    let invalid = "SELECT count(*) FROM pg_index WHERE NOT indisvalid";
    until("the index to be begun", || {
        workspace.value(&arc, invalid) == "1"
    });
    workspace
        .db("status")
        .exits(0)
        .says("2026-01-03-000000_index is running now");
    child.kill().unwrap();
    child.wait().unwrap();
    let locks = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' \
                 AND database = (SELECT oid FROM pg_database WHERE datname = current_database())";
    until("the server to notice", || {
        workspace.value(&arc, locks) == "0"
    });
    workspace
        .db("status --exit-code")
        .exits(1)
        .says("2026-01-03-000000_index was interrupted")
        .says("by_note is INVALID");
    workspace.db("history arc").exits(0).says("interrupted");
    drop(writer);
    workspace
        .db("migrate")
        .exits(0)
        .says("dropping the INVALID index by_note")
        .says("applied 1 migration");
    assert_eq!(workspace.value(&arc, invalid), "0");
    workspace.db("status --exit-code").exits(0);
}

#[test]
fn an_index_that_was_complete_when_the_run_was_killed_is_written_down() {
    let workspace = Workspace::with(&["arc"]);
    let arc = workspace.database("arc");
    workspace.db("create").exits(0);
    workspace.db("migrate").exits(0);
    let up = "CREATE INDEX CONCURRENTLY by_note ON arc_items (note);";
    workspace.migration_without_transaction(
        "arc",
        "2026-01-03-000000_index",
        up,
        "DROP INDEX CONCURRENTLY by_note;",
    );
    // As the run leaves it when it is killed between the server's answer and its own next word.
    workspace.execute(
        &arc,
        &format!(
            "INSERT INTO db_ledger.run (version, name, direction, checksum, run_by, outcome, indexes_before)
             SELECT '20260103000000', '2026-01-03-000000_index', 'up', encode(sha256('{up}'), 'hex'), 'test', 'started',
                    (SELECT array_agg(indexrelid) FROM pg_index)"
        ),
    );
    workspace.execute(&arc, "CREATE INDEX by_note ON arc_items (note)");
    workspace
        .db("migrate")
        .exits(0)
        .says("index by_note was complete");
    workspace.db("status --exit-code").exits(0);
    assert_eq!(
        workspace.value(
            &arc,
            "SELECT count(*) FROM pg_index WHERE indexrelid = 'by_note'::regclass"
        ),
        "1"
    );
}

#[test]
fn a_second_run_waits_and_says_who_holds_the_lock_when_it_gives_up() {
    let workspace = Workspace::with(&["arc"]);
    workspace.db("create").exits(0);
    workspace.migration(
        "arc",
        "2026-01-03-000000_slow",
        "SELECT pg_sleep(3);",
        "SELECT 1;",
    );
    let mut child = workspace.start("migrate");
    until_applying(&mut child, "slow");
    workspace
        .db("migrate --lock-timeout 0")
        .exits(5)
        .says("failed to lock the database of service `arc`")
        .says("cargo xtask db")
        .says("--lock-timeout");
    workspace
        .db("migrate --lock-timeout 30")
        .exits(0)
        .says("waiting for another run")
        .says("up to date");
    assert!(child.wait().unwrap().success());
}

#[test]
fn a_migration_that_lets_go_of_every_advisory_lock_keeps_the_run_locked() {
    let workspace = Workspace::with(&["arc"]);
    workspace.db("create").exits(0);
    // Defined by one migration, called by another: the name of what it does inside is in the folder all the same.
    workspace.migration(
        "arc",
        "2026-01-03-000000_forget",
        "CREATE FUNCTION forget() RETURNS void LANGUAGE sql AS 'SELECT Pg_Advisory_Unlock_All()';",
        "DROP FUNCTION forget();",
    );
    workspace.db("migrate").exits(0);
    workspace.migration(
        "arc",
        "2026-01-04-000000_slow",
        "SELECT forget(); SELECT pg_sleep(3);",
        "SELECT 1;",
    );
    let mut child = workspace.start("migrate");
    until_applying(&mut child, "slow");
    let mut admin = workspace.admin();
    let sleeping = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND query LIKE '%pg_sleep(3)%' \
                    AND state = 'active' AND pid <> pg_backend_pid()";
    let sleeping = sleeping.replace(
        "current_database()",
        &format!("'{}'", workspace.database("arc")),
    );
    until("the statement to run", || {
        value(&mut admin, &sleeping) == "1"
    });
    std::thread::sleep(std::time::Duration::from_millis(200));
    workspace
        .db("migrate --lock-timeout 0")
        .exits(5)
        .says("failed to lock the database of service `arc`");
    assert!(child.wait().unwrap().success());
}

#[test]
fn a_database_that_changed_hands_while_the_lock_was_waited_for_is_refused() {
    use diesel::connection::SimpleConnection as _;
    let workspace = Workspace::with(&["arc", "cv"]);
    let arc = workspace.database("arc");
    workspace.db("create").exits(0);
    let mut other = workspace.session(&arc);
    // The run's lock: "dblg", 1.
    other
        .batch_execute("SELECT pg_advisory_lock(1684171879, 1)")
        .unwrap();
    let mut child = workspace.start("migrate arc");
    let polls = format!(
        "SELECT count(*) > 0 FROM pg_stat_activity WHERE datname = '{arc}' AND query LIKE '%pg_try_advisory_lock%' \
         AND pid <> pg_backend_pid()"
    );
    let mut admin = workspace.admin();
    until("the run to wait", || value(&mut admin, &polls) == "true");
    other
        .batch_execute("UPDATE db_ledger.owner SET service = 'cv'; SELECT pg_advisory_unlock_all()")
        .unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(6));
    assert_eq!(workspace.tables(&arc), "");
}

#[test]
fn a_server_that_is_away_is_reported_in_bounded_time() {
    let mut workspace = Workspace::with(&["arc", "cv"]);
    workspace.db("create").exits(0);
    // Accepts and never answers.
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = silent.local_addr().unwrap().port();
    workspace.set(
        "ARC_DATABASE_URL",
        &format!("postgres://u:hush@127.0.0.1:{port}/d?connect_timeout=2"),
    );
    let begin = Instant::now();
    workspace
        .db("migrate")
        .exits(3)
        .says("failed to connect to database `d` of service `arc`")
        .says("applied 2 migrations")
        .does_not_say("hush");
    assert!(begin.elapsed() < Duration::from_secs(30));
    workspace.set("ARC_DATABASE_URL", "postgres://u@127.0.0.1:1/d");
    workspace
        .db("status")
        .exits(3)
        .says("cv")
        .says("up to date")
        .says("db up");
    workspace.db("create arc").exits(3);
}

#[test]
fn an_index_that_another_session_may_be_building_is_left_alone() {
    let workspace = Workspace::with(&["arc"]);
    let arc = workspace.database("arc");
    workspace.db("create").exits(0);
    workspace.db("migrate").exits(0);
    let set = format!("ALTER DATABASE \"{arc}\" SET lock_timeout = '2s'");
    workspace.execute("postgres", &set);
    workspace.execute(&arc, "INSERT INTO arc_items VALUES (1, 'a'), (2, 'a')");
    workspace.migration_without_transaction(
        "arc",
        "2026-01-03-000000_unique",
        "CREATE UNIQUE INDEX CONCURRENTLY one_note ON arc_items (note);",
        "DROP INDEX one_note;",
    );
    workspace
        .db("migrate")
        .exits(4)
        .says("it left the INVALID index");
    workspace.execute(&arc, "DELETE FROM arc_items WHERE id = 2");
    let mut other = workspace.session(&arc);
    other
        .batch_execute("BEGIN; LOCK TABLE arc_items IN SHARE UPDATE EXCLUSIVE MODE")
        .unwrap();
    workspace
        .db("migrate")
        .exits(5)
        .says("one_note")
        .says("another session is at work on its table");
    workspace.db("status").exits(0).does_not_say("is INVALID");
    other.batch_execute("ROLLBACK").unwrap();
    workspace.db("status").exits(0).says("is INVALID");
    workspace.db("migrate").exits(0);
    workspace.db("status --exit-code").exits(0);
}

/// The index is there, and what comes after it in the file is not: the whole file is run.
#[test]
fn a_file_that_was_killed_after_its_index_is_not_taken_as_complete() {
    let workspace = Workspace::with(&["arc"]);
    let arc = workspace.database("arc");
    workspace.db("create").exits(0);
    workspace.db("migrate").exits(0);
    let up = "CREATE INDEX IF NOT EXISTS by_note ON arc_items (note); CREATE TABLE more ();";
    workspace.migration_without_transaction(
        "arc",
        "2026-01-03-000000_index",
        up,
        "DROP TABLE more; DROP INDEX by_note;",
    );
    workspace.execute(
        &arc,
        &format!(
            "INSERT INTO db_ledger.run (version, name, direction, checksum, run_by, outcome, indexes_before)
             SELECT '20260103000000', '2026-01-03-000000_index', 'up', encode(sha256('{up}'), 'hex'), 'test', 'started',
                    (SELECT array_agg(indexrelid) FROM pg_index)"
        ),
    );
    workspace.execute(&arc, "CREATE INDEX by_note ON arc_items (note)");
    workspace.db("migrate").exits(0).says("applied 1 migration");
    assert_eq!(workspace.tables(&arc), "arc_items more");
    workspace.db("status --exit-code").exits(0);
}
