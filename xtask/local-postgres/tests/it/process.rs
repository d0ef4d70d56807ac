//! What processes leave when they end well and when they don't. The other process is this binary again.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};

use diesel::prelude::*;
use local_postgres::{Server, TestDatabase};

use crate::machine::{Machine, text};

/// Runs one test of this module that is ignored otherwise.
fn helper(name: &str) -> Child {
    helper_command(name).spawn().unwrap()
}

fn helper_command(name: &str) -> Command {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command
        .args([
            "--exact",
            &format!("process::{name}"),
            "--ignored",
            "--nocapture",
        ])
        .stdout(Stdio::piped())
        .stderr(Stdio::null());
    command
}

/// What a helper prints as `name=…`.
fn printed(helper: &mut Child) -> String {
    let lines = BufReader::new(helper.stdout.take().unwrap()).lines();
    lines
        .map(Result::unwrap)
        .find_map(|line| Some(line.split_once("name=")?.1.to_owned()))
        .unwrap()
}

fn databases(like: &str) -> String {
    let server = Server::for_tests("local-postgres").unwrap();
    let mut connection = PgConnection::establish(&server.url("postgres")).unwrap();
    text(
        &mut connection,
        &format!("SELECT count(*)::text AS value FROM pg_database WHERE datname LIKE '{like}'"),
    )
}

#[test]
#[ignore = "a helper of other tests"]
fn hold_a_database() {
    let db = TestDatabase::new();
    println!("name={}", db.name());
    std::thread::sleep(std::time::Duration::from_secs(60));
}

#[test]
#[ignore = "a helper of other tests"]
fn make_and_drop_databases() {
    let run = TestDatabase::new().name()[..12].to_owned();
    for _ in 0..24 {
        let db = TestDatabase::new();
        assert_eq!(
            text(
                &mut db.connection(),
                "SELECT count(*)::text AS value FROM books"
            ),
            "0"
        );
    }
    println!("name={run}");
}

#[test]
fn the_next_run_drops_what_a_killed_one_left_and_nothing_of_live_ones() {
    let (mut killed, mut live) = (helper("hold_a_database"), helper("hold_a_database"));
    let (left, held) = (printed(&mut killed), printed(&mut live));
    killed.kill().unwrap();
    killed.wait().unwrap();
    assert_eq!(
        (databases(&left).as_str(), databases(&held).as_str()),
        ("1", "1")
    );
    // The server notices the end of a session at its next step.
    crate::machine::wait_until("the database of the killed process goes", || {
        helper("make_and_drop_databases").wait().unwrap();
        databases(&left) == "0"
    });
    assert_eq!(databases(&held), "1");
    live.kill().unwrap();
    live.wait().unwrap();
}

#[test]
#[ignore = "a helper of other tests"]
fn fail_often() {
    for _ in 0..52 {
        let failed = std::thread::spawn(|| {
            let db = TestDatabase::empty();
            println!("name={}", db.name());
            panic!("on purpose");
        });
        assert!(failed.join().is_err());
    }
}

#[test]
fn of_many_failed_tests_the_newest_keep_their_databases() {
    let machine = Machine::new();
    let package = machine.package(&[]);
    let output = machine
        .in_machine(helper_command("fail_often"))
        .env("CARGO_MANIFEST_DIR", package)
        .output()
        .unwrap();
    assert!(output.status.success());
    let stdout = String::from_utf8(output.stdout).unwrap();
    let names: Vec<_> = stdout
        .lines()
        .filter_map(|line| Some(line.split_once("name=")?.1))
        .collect();
    let kept = names[2..].iter().map(|name| (*name).to_owned());
    assert_eq!(machine.databases("shop"), kept.collect());
}

#[test]
fn gc_drops_what_killed_runs_left_of_databases_and_templates() {
    let machine = Machine::new();
    let mut connection = PgConnection::establish(&machine.run(&["url", "shop"])).unwrap();
    for statement in [
        "CREATE DATABASE lp_00000001_0_test",
        "CREATE DATABASE lp_00000001_1_template",
        // Killed at the last step before its new name.
        "COMMENT ON DATABASE lp_00000001_1_template IS 'template of shop at head'",
        "ALTER DATABASE lp_00000001_1_template WITH IS_TEMPLATE true ALLOW_CONNECTIONS false",
        "CREATE DATABASE lp_00000001_2_kept",
        "COMMENT ON DATABASE lp_00000001_2_kept IS 'kept 9999999999 a_test'",
        "CREATE DATABASE lp_00000001_3_stale",
        "COMMENT ON DATABASE lp_00000001_3_stale IS 'kept 1700000000 a_test'",
        // A DROP DATABASE that was interrupted leaves this.
        "CREATE DATABASE lp_00000001_4_half",
        "UPDATE pg_database SET datconnlimit = -2 WHERE datname = 'lp_00000001_4_half'",
        // Not ours.
        "CREATE DATABASE lp_mine",
    ] {
        diesel::sql_query(statement)
            .execute(&mut connection)
            .unwrap();
    }
    let removed = machine.run(&["gc"]);
    assert!(removed.contains("4 databases"), "{removed}");
    assert_eq!(
        machine.databases("shop"),
        ["lp_00000001_2_kept", "lp_mine"]
            .map(str::to_owned)
            .into_iter()
            .collect()
    );
}

#[test]
fn processes_side_by_side_leave_nothing() {
    let helpers: Vec<_> = (0..8).map(|_| helper("make_and_drop_databases")).collect();
    for helper in helpers {
        let output = helper.wait_with_output().unwrap();
        let stdout = String::from_utf8(output.stdout).unwrap();
        assert!(output.status.success(), "{stdout}");
        let run = stdout
            .split_once("name=")
            .unwrap()
            .1
            .lines()
            .next()
            .unwrap();
        assert_eq!(databases(&format!("{run}%")), "0");
    }
}
