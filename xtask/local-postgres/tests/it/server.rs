use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use diesel::prelude::*;
use local_postgres::Server;

use crate::machine::{Machine, exists, kill, stderr, text, wait_until};

#[test]
fn the_settings_that_make_it_fast_took() {
    let server = Server::for_tests("settings").unwrap();
    let mut connection = PgConnection::establish(&server.url("postgres")).unwrap();
    for (name, value) in [
        ("fsync", "off"),
        ("synchronous_commit", "off"),
        ("full_page_writes", "off"),
        ("autovacuum", "off"),
        ("wal_level", "minimal"),
        ("shared_buffers", "32MB"),
        ("jit", "off"),
        ("password_encryption", "scram-sha-256"),
        ("unix_socket_directories", ""),
    ] {
        assert_eq!(
            text(
                &mut connection,
                &format!("SELECT current_setting('{name}') AS value")
            ),
            value,
            "{name}"
        );
    }
    let number = text(
        &mut connection,
        "SELECT current_setting('server_version') AS value",
    );
    assert!(number.starts_with(server.version()), "{number}");
}

#[test]
fn the_log_is_the_servers_own() {
    let machine = Machine::new();
    assert_eq!(machine.run(&["log", "shop"]), "");
    let url = machine.run(&["url", "shop"]);
    let password = url.split(':').nth(2).unwrap().split('@').next().unwrap();
    let wrong = url.replace(password, "wrong");
    assert!(PgConnection::establish(&wrong).is_err());
    let log = machine.run(&["log", "shop"]);
    assert!(log.starts_with("== shop, "), "{log}");
    assert!(log.contains("password authentication failed"), "{log}");
    assert!(!log.contains(password), "{log}");
    assert_eq!(machine.run(&["log", "other"]), "");
}

#[test]
fn each_set_of_settings_has_a_server_of_its_own() {
    let machine = Machine::new();
    let plain = machine.run(&["url", "shop"]);
    let with = [
        "url",
        "shop",
        "--set",
        "work_mem=5MB",
        "--set=shop.name=a=b",
    ];
    let own = machine.run(&with);
    assert_ne!(own, plain);
    assert_eq!(machine.run(&with), own);
    let shown = "SELECT concat_ws(' ', current_setting('work_mem'), current_setting('shop.name', true)) AS value";
    let of = |url: &str| text(&mut PgConnection::establish(url).unwrap(), shown);
    assert_eq!(of(&own), "5MB a=b");
    assert_eq!(of(&plain), "4MB");
    assert_eq!(machine.run(&["stop", "shop"]), "stopped 2 servers");
}

#[test]
fn a_setting_that_postgresql_refuses_is_said_in_its_own_words() {
    let machine = Machine::new();
    let refused = ["url", "shop", "--set", "wrk_mem=5MB"];
    let output = machine.command().args(refused).output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    let said = stderr(&output);
    let why = "unrecognized configuration parameter \"wrk_mem\"";
    assert!(said.contains(why), "{said}");
    assert!(
        said.contains("correct what it is started with: wrk_mem=5MB"),
        "{said}"
    );
}

#[test]
fn many_starts_at_once_give_one_server() {
    let machine = Machine::new();
    let starts: Vec<_> = (0..8)
        .map(|_| {
            machine
                .command()
                .args(["url", "shop"])
                .stdout(Stdio::piped())
                .spawn()
                .unwrap()
        })
        .collect();
    let urls: BTreeSet<_> = starts
        .into_iter()
        .map(|start| start.wait_with_output().unwrap().stdout)
        .collect();
    assert_eq!(urls.len(), 1);
    assert_ne!(
        machine.run(&["url", "other"]).as_bytes(),
        urls.first().unwrap().trim_ascii()
    );
}

#[test]
fn an_idle_server_removes_itself() {
    let machine = Machine::new();
    let url = machine.run(&["url", "shop"]);
    let record = machine.record("test");
    assert!(exists(&record));
    wait_until("the idle server goes", || !exists(&record));
    assert!(PgConnection::establish(&url).is_err());
    // Its record is stale now and hinders nobody.
    PgConnection::establish(&machine.run(&["url", "shop"])).unwrap();
}

#[test]
fn a_server_in_use_stays() {
    let machine = Machine::new();
    let mut connection = PgConnection::establish(&machine.run(&["url", "shop"])).unwrap();
    // Twice its idle time.
    std::thread::sleep(Duration::from_secs(12));
    assert_eq!(text(&mut connection, "SELECT 'here' AS value"), "here");
}

#[test]
fn sessions_that_are_shorter_than_a_look_count() {
    let machine = Machine::new();
    let url = machine.run(&["url", "shop"]);
    let start = Instant::now();
    while start.elapsed() < Duration::from_secs(12) {
        PgConnection::establish(&url).unwrap();
        std::thread::sleep(Duration::from_millis(200));
    }
    let record = machine.record("test");
    wait_until("the idle server goes", || !exists(&record));
}

#[test]
fn a_dead_server_is_replaced() {
    let machine = Machine::new();
    let first = machine.run(&["url", "shop"]);
    let record = machine.record("test");
    kill(&record);
    let second = machine.run(&["url", "shop"]);
    assert_ne!(first, second);
    PgConnection::establish(&second).unwrap();
    wait_until("what the dead server leaves goes", || !exists(&record));

    // A start removes the records of all servers that are gone, and locks of starts that failed.
    kill(&machine.record("test"));
    fs::write(machine.state().join("test-0.lock"), "").unwrap();
    machine.run(&["url", "other"]);
    let left: BTreeSet<_> = fs::read_dir(machine.state())
        .unwrap()
        .map(|entry| entry.unwrap().path().with_extension(""))
        .collect();
    assert_eq!(left.len(), 1, "{left:?}");
}

#[test]
fn checkouts_have_servers_of_their_own() {
    let (one, two) = (Machine::new(), Machine::new());
    let url = one.run(&["url", "shop"]);
    assert_ne!(url, two.run(&["url", "shop"]));
    assert_eq!(two.run(&["stop"]), "stopped 1 server");
    PgConnection::establish(&url).unwrap();
    assert_eq!(one.run(&["url", "shop"]), url);
}

#[test]
fn records_are_private_and_lists_show_no_password() {
    let machine = Machine::new();
    let url = machine.run(&["url", "shop"]);
    let password = url.split([':', '@']).nth(2).unwrap().to_owned();
    assert_eq!(password.len(), 32);
    let list = machine.run(&["list"]);
    assert!(
        list.contains("shop") && list.contains("running") && !list.contains(&password),
        "{list}"
    );
    assert_eq!(
        fs::metadata(machine.state()).unwrap().permissions().mode() & 0o777,
        0o700
    );
    for entry in fs::read_dir(machine.state()).unwrap() {
        assert_eq!(
            entry.unwrap().metadata().unwrap().permissions().mode() & 0o777,
            0o600
        );
    }
    assert!(!processes().contains(&password));
}

#[test]
fn a_list_of_processes_names_a_server_and_does_not_show_its_script() {
    let machine = Machine::new();
    machine.run(&["url", "shop"]);
    let handle = &machine.record("test")["handle"];
    let command = if let Some(id) = handle["container"].as_str() {
        let arguments = ["inspect", "--format", "{{.Path}} {{.Args}}", id];
        stdout(Command::new("docker").args(arguments))
    } else {
        let folder = handle["process"]["folder"].as_str().unwrap();
        let all = processes();
        let own = all
            .lines()
            .find(|line| line.contains(&format!("local-postgres:{folder}")));
        own.unwrap().to_owned()
    };
    assert!(
        command.starts_with("sh ") && command.contains("listen_addresses="),
        "{command}"
    );
    assert!(command.len() < 1000, "{command}");
}

/// The command lines of all processes of this machine.
fn processes() -> String {
    stdout(Command::new("ps").args(["-axww", "-o", "command="]))
}

fn stdout(command: &mut Command) -> String {
    String::from_utf8_lossy(&command.output().unwrap().stdout).into_owned()
}
