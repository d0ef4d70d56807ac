//! What processes leave when they end well and when they don't. The other process is this binary again.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};

use diesel::prelude::*;
use local_postgres::{Server, TestDatabase};

use crate::machine::text;

/// Runs one test of this module that is ignored otherwise.
fn helper(name: &str) -> Child {
    Command::new(std::env::current_exe().unwrap())
        .args([
            "--exact",
            &format!("process::{name}"),
            "--ignored",
            "--nocapture",
        ])
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap()
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
