use std::process::{Command, Stdio};

use diesel::connection::SimpleConnection;
use diesel::prelude::*;

use crate::machine::{Machine, stderr, text};

fn connect(up: &serde_json::Value) -> PgConnection {
    PgConnection::establish(up["url"].as_str().unwrap()).unwrap()
}

#[test]
fn data_survives_down_and_up_and_goes_with_wipe() {
    let machine = Machine::new();
    assert_eq!(machine.dev(&["status"])["running"], false);
    let first = machine.dev(&["up"]);
    assert_eq!(first["started"], true);
    let mut connection = connect(&first);
    for setting in ["fsync", "full_page_writes", "autovacuum"] {
        assert_eq!(
            text(
                &mut connection,
                &format!("SELECT current_setting('{setting}') AS value")
            ),
            "on"
        );
    }
    connection
        .batch_execute("CREATE TABLE notes AS SELECT 'kept' AS value")
        .unwrap();
    let again = machine.dev(&["up"]);
    assert_eq!(
        (&again["started"], &again["url"]),
        (&false.into(), &first["url"])
    );
    assert_eq!(machine.dev(&["status"])["url"], first["url"]);

    // A session that is open does not hold it up.
    assert_eq!(
        machine.dev(&["down"]),
        serde_json::json!({"stopped": true, "wiped": false, "url": null})
    );
    assert_eq!(machine.dev(&["status"])["running"], false);
    let second = machine.dev(&["up"]);
    assert_eq!(
        (&second["started"], &second["url"]),
        (&true.into(), &first["url"])
    );
    assert_eq!(
        text(&mut connect(&second), "SELECT value FROM notes"),
        "kept"
    );

    assert_eq!(
        machine.dev(&["down", "--wipe"]),
        serde_json::json!({"stopped": true, "wiped": true, "url": second["url"]})
    );
    let third = machine.dev(&["up"]);
    assert!(
        connect(&third)
            .batch_execute("SELECT value FROM notes")
            .is_err()
    );
}

#[test]
fn many_ups_at_once_start_one_server() {
    let machine = Machine::new();
    let up = || {
        let mut command = machine.command();
        command
            .args(["dev", "up", "--workspace"])
            .arg(machine.workspace())
            .stdout(Stdio::piped());
        command.spawn().unwrap()
    };
    let ups: Vec<_> = (0..6).map(|_| up()).collect();
    let ups: Vec<serde_json::Value> = ups
        .into_iter()
        .map(|child| serde_json::from_slice(&child.wait_with_output().unwrap().stdout).unwrap())
        .collect();
    assert_eq!(ups.iter().filter(|up| up["started"] == true).count(), 1);
    assert!(ups.iter().all(|up| up["url"] == ups[0]["url"]));
}

#[test]
fn a_killed_server_comes_back_on_another_port_if_its_own_is_taken() {
    let machine = Machine::new();
    let first = machine.dev(&["up"]);
    connect(&first)
        .batch_execute("CREATE TABLE notes AS SELECT 'kept' AS value")
        .unwrap();
    machine.dev(&["down"]);
    let port = first["url"]
        .as_str()
        .unwrap()
        .rsplit([':', '/'])
        .nth(1)
        .unwrap()
        .parse::<u16>()
        .unwrap();
    let _taken = std::net::TcpListener::bind(("127.0.0.1", port)).unwrap();
    let second = machine.dev(&["up"]);
    assert_ne!(second["url"], first["url"]);
    assert_eq!(
        text(&mut connect(&second), "SELECT value FROM notes"),
        "kept"
    );

    // Killed without a chance to write anything.
    if second["provider"] == "docker" {
        let volume = format!("volume={}", second["data"].as_str().unwrap());
        let list = Command::new("docker")
            .args(["ps", "-q", "--filter", &volume])
            .output()
            .unwrap();
        let id = String::from_utf8(list.stdout).unwrap();
        assert!(
            Command::new("docker")
                .args(["kill", id.trim()])
                .output()
                .unwrap()
                .status
                .success()
        );
    } else {
        let file = format!("{}/pgdata/postmaster.pid", second["data"].as_str().unwrap());
        let text = std::fs::read_to_string(file).unwrap();
        assert!(
            Command::new("kill")
                .args(["-9", text.lines().next().unwrap()])
                .status()
                .unwrap()
                .success()
        );
    }
    let third = machine.dev(&["up"]);
    assert_eq!(
        (&third["started"], &third["url"]),
        (&true.into(), &second["url"])
    );
    assert_eq!(
        text(&mut connect(&third), "SELECT value FROM notes"),
        "kept"
    );
}

#[test]
fn data_of_another_version_or_provider_is_not_passed_over() {
    let machine = Machine::new();
    let up = machine.dev(&["up"]);
    let version = up["version"].as_str().unwrap();
    let other = if up["provider"] == "docker" {
        "native"
    } else {
        "docker"
    };
    let refused = |variable: (&str, &str)| {
        let mut command = machine.command();
        command
            .args(["dev", "up", "--workspace"])
            .arg(machine.workspace())
            .env(variable.0, variable.1);
        let output = command.output().unwrap();
        assert_eq!(output.status.code(), Some(2));
        stderr(&output)
    };
    let error = refused(("LOCAL_POSTGRES_VERSION", "13"));
    assert!(
        error.contains(&format!("is of version {version};")) && error.contains("down --wipe"),
        "{error}"
    );
    let error = refused(("LOCAL_POSTGRES_PROVIDER", other));
    assert!(
        error.contains("LOCAL_POSTGRES_PROVIDER") && error.contains("down --wipe"),
        "{error}"
    );
}

#[test]
fn a_record_that_can_not_be_understood_is_not_overwritten() {
    let machine = Machine::new();
    assert_eq!(machine.dev(&["down"])["stopped"], false);
    let up = machine.dev(&["up"]);
    let file = std::fs::read_dir(machine.state())
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .find(|file| file.extension().is_some_and(|it| it == "json"))
        .unwrap();
    let record = std::fs::read(&file).unwrap();
    std::fs::write(&file, "{}").unwrap();
    let output = machine
        .command()
        .args(["dev", "up", "--workspace"])
        .arg(machine.workspace())
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(3));
    assert!(
        stderr(&output).contains("failed to understand"),
        "{}",
        stderr(&output)
    );
    std::fs::write(&file, record).unwrap();
    assert_eq!(machine.dev(&["up"])["url"], up["url"]);
}
