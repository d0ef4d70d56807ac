//! Ctrl-C, as a terminal sends it.

use std::io::{BufRead as _, BufReader};
use std::process::{Child, Command};

use diesel::connection::SimpleConnection as _;

use crate::interrupted::until;
use crate::support::{Run, Workspace, snapshot, value, wait_until};

fn press(child: &Child) {
    let pid = child.id().to_string();
    let sent = Command::new("kill").args(["-INT", &pid]).status().unwrap();
    assert!(sent.success());
}

/// Waits until a session in the database sleeps.
fn until_asleep(workspace: &Workspace, service: &str, child: &mut Child) {
    let query = asleep(workspace, service);
    let mut admin = workspace.admin();
    wait_until(child, || value(&mut admin, &query) == "1");
}

fn asleep(workspace: &Workspace, service: &str) -> String {
    let database = workspace.database(service);
    format!(
        "SELECT count(*) FROM pg_stat_activity WHERE datname = '{database}' AND wait_event = 'PgSleep'"
    )
}

const SLOW: &str = "2026-01-03-000000_slow";

/// Two services; of the first, the third of four migrations sleeps.
fn with_slow(sleep: &str) -> Workspace {
    let workspace = Workspace::with(&["arc", "cv"]);
    workspace.db("create").exits(0);
    workspace.migration("arc", SLOW, sleep, "SELECT 1;");
    workspace.migration("arc", "2026-01-04-000000_late", "SELECT 1;", "SELECT 1;");
    workspace
}

#[test]
fn the_statement_is_cancelled_and_every_service_says_where_it_stands() {
    let workspace = with_slow("CREATE TABLE slow ();\nSELECT pg_sleep(600);");
    let (arc, cv) = (workspace.database("arc"), workspace.database("cv"));
    let mut child = workspace.start("migrate --jobs 1");
    until_asleep(&workspace, "arc", &mut child);
    press(&child);
    let line = "migrate --jobs 1, and Ctrl-C in arc's third migration";
    let run = Run::from(child.wait_with_output().unwrap(), line).exits(130);
    snapshot(&workspace, "interrupted", &run);
    // Nothing is left of it, and the books say so.
    assert_eq!(workspace.applied(&arc), "20260101000000 20260102000000");
    assert_eq!(workspace.tables(&arc), "arc_items");
    assert_eq!(workspace.tables(&cv), "");
    let history = workspace.db("history arc").exits(0);
    history.says("failed: canceling statement due to user request");
    // It goes on from there.
    workspace.migration("arc", SLOW, "CREATE TABLE slow ();", "DROP TABLE slow;");
    let run = workspace.db("migrate --lock-timeout 0").exits(0);
    run.says("applied 2 migrations");
}

/// A migration may catch the cancellation and be applied; the next one is not begun.
#[test]
fn the_next_migration_is_not_begun_though_the_one_at_hand_goes_through() {
    let workspace = with_slow(
        "DO $$ BEGIN PERFORM pg_sleep(600); EXCEPTION WHEN query_canceled THEN NULL; END $$;",
    );
    let mut child = workspace.start("migrate arc");
    until_asleep(&workspace, "arc", &mut child);
    press(&child);
    let run = Run::from(child.wait_with_output().unwrap(), "migrate arc").exits(130);
    run.says("before migration `2026-01-04-000000_late` of service `arc` was started")
        .says("what was done before it stays");
    let arc = workspace.database("arc");
    let applied = "20260101000000 20260102000000 20260103000000";
    assert_eq!(workspace.applied(&arc), applied);
}

#[test]
fn a_revert_without_a_transaction_and_a_seed_are_cancelled_too() {
    let workspace = Workspace::with(&["arc"]);
    workspace.db("create").exits(0);
    workspace.migration_without_transaction("arc", SLOW, "SELECT 1;", "SELECT pg_sleep(600);");
    workspace.db("migrate").exits(0);
    let mut child = workspace.start("revert arc -n 2");
    until_asleep(&workspace, "arc", &mut child);
    press(&child);
    let run = Run::from(child.wait_with_output().unwrap(), "revert").exits(130);
    run.says("interrupted after 0 migrations")
        .says("to continue: cargo xtask db revert arc --to 20260101000000");
    workspace.write(
        "services/arc/seeds/1.sql",
        "INSERT INTO arc_items VALUES (1); SELECT pg_sleep(600);",
    );
    workspace.write(
        "services/arc/seeds/2.sql",
        "INSERT INTO arc_items VALUES (2);",
    );
    let mut child = workspace.start("seed");
    until_asleep(&workspace, "arc", &mut child);
    press(&child);
    let run = Run::from(child.wait_with_output().unwrap(), "seed").exits(130);
    run.says("this file was rolled back");
    let arc = workspace.database("arc");
    assert_eq!(workspace.value(&arc, "SELECT count(*) FROM arc_items"), "0");
}

#[test]
fn the_second_leaves_at_once() {
    // A statement that is not to be cancelled.
    let workspace = with_slow(
        "DO $$ BEGIN LOOP BEGIN PERFORM pg_sleep(600); EXCEPTION WHEN query_canceled THEN NULL; END; END LOOP; END $$;",
    );
    let mut child = workspace.start("migrate arc");
    until_asleep(&workspace, "arc", &mut child);
    press(&child);
    let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
    assert!(lines.any(|line| line.unwrap().starts_with("interrupted: ")));
    assert!(child.try_wait().unwrap().is_none());
    press(&child);
    Run::from(child.wait_with_output().unwrap(), "migrate").exits(130);
    // The server notices that nobody is there, and rolls back.
    let query = asleep(&workspace, "arc");
    let mut admin = workspace.admin();
    until("the server to notice", || value(&mut admin, &query) == "0");
}

#[test]
fn where_nothing_is_written_the_first_leaves_at_once() {
    let workspace = Workspace::with(&["arc"]);
    workspace.db("create").exits(0);
    let arc = workspace.database("arc");
    let mut other = workspace.session(&arc);
    // The run's lock: "dblg", 1.
    other
        .batch_execute("SELECT pg_advisory_lock(1684171879, 1)")
        .unwrap();
    let mut child = workspace.start("migrate");
    let polls = format!(
        "SELECT count(*) > 0 FROM pg_stat_activity WHERE datname = '{arc}' AND query LIKE '%pg_try_advisory_lock%' \
         AND pid <> pg_backend_pid()"
    );
    let mut admin = workspace.admin();
    wait_until(&mut child, || value(&mut admin, &polls) == "true");
    press(&child);
    let run = Run::from(child.wait_with_output().unwrap(), "migrate").exits(130);
    assert_eq!(run.stdout, "");
    assert_eq!(workspace.tables(&arc), "");
}
