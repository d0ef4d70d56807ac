use std::fs::{self, Permissions};
use std::io::{Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use diesel::prelude::*;

use crate::machine::{Machine, stderr, text};

/// The exit code and the message of `url shop` with a variable.
fn error(variables: &[(&str, &str)]) -> (Option<i32>, String) {
    let machine = Machine::new();
    let output = machine
        .command_without_programs()
        .args(["url", "shop"])
        .envs(variables.iter().copied())
        .output()
        .unwrap();
    (output.status.code(), stderr(&output))
}

#[test]
fn a_bad_variable_is_named() {
    for (name, value) in [
        ("LOCAL_POSTGRES_PROVIDER", "podman"),
        ("LOCAL_POSTGRES_VERSION", "9.6"),
        ("LOCAL_POSTGRES_IDLE_MINUTES", "soon"),
        ("LOCAL_POSTGRES_URL", "localhost:5432"),
        ("LOCAL_POSTGRES_DIR", "relative"),
    ] {
        let (code, message) = error(&[(name, value)]);
        assert_eq!(code, Some(2), "{message}");
        assert!(message.contains(name), "{message}");
    }
}

#[test]
fn a_bad_version_of_the_workspace_is_named() {
    let machine = Machine::new();
    fs::write(
        machine.workspace().join("Cargo.toml"),
        "[workspace.metadata.db]\npostgres = \"latest\"\n",
    )
    .unwrap();
    let output = machine
        .command()
        .args(["url", "shop"])
        .env_remove("LOCAL_POSTGRES_VERSION")
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(2));
    assert!(
        stderr(&output).contains("[workspace.metadata.db] postgres"),
        "{}",
        stderr(&output)
    );
}

#[test]
fn a_provider_that_is_forced_and_missing_is_an_error_with_a_remedy() {
    let no_daemon = ("DOCKER_HOST", "unix:///nowhere.sock");
    let (code, message) = error(&[("LOCAL_POSTGRES_PROVIDER", "docker"), no_daemon]);
    assert_eq!(code, Some(2), "{message}");
    assert!(message.contains("start Docker"), "{message}");

    let (code, message) = error(&[
        ("LOCAL_POSTGRES_PROVIDER", "native"),
        ("LOCAL_POSTGRES_BIN", "/nowhere"),
    ]);
    assert_eq!(code, Some(2), "{message}");
    assert!(message.contains("LOCAL_POSTGRES_BIN"), "{message}");
}

/// A folder of programs that say that they are 15.20, and run nothing.
fn programs(machine: &Machine) -> PathBuf {
    let folder = machine.workspace().join("bin");
    fs::create_dir(&folder).unwrap();
    for program in ["postgres", "initdb"] {
        let text = "#!/bin/sh\necho 'postgres (PostgreSQL) 15.20 (Debian 15.20-0+deb12u1)'\n";
        fs::write(folder.join(program), text).unwrap();
        fs::set_permissions(folder.join(program), Permissions::from_mode(0o755)).unwrap();
    }
    folder
}

#[test]
fn of_several_versions_the_last_is_wanted_and_a_package_may_want_another() {
    let machine = Machine::new();
    let package = machine.package(&[]);
    let write = |folder: &Path, text: &str| fs::write(folder.join("Cargo.toml"), text).unwrap();
    let wanted = |folder: &Path| {
        let mut command = machine.command();
        command
            .args(["url", "shop"])
            .current_dir(folder)
            .env("LOCAL_POSTGRES_PROVIDER", "native")
            .env_remove("LOCAL_POSTGRES_VERSION")
            .envs(["97", "98", "99"].map(|major| (format!("LOCAL_POSTGRES_BIN_{major}"), major)));
        stderr(&command.output().unwrap())
    };
    let list = "[workspace.metadata.db]\npostgres = [\"97\", \"98\"]\n";
    write(&machine.workspace(), list);
    let message = wanted(&machine.workspace());
    assert!(
        message.contains("use LOCAL_POSTGRES_BIN_98: `98`"),
        "{message}"
    );
    let own = "[package]\nname = \"shop\"\n[package.metadata.db]\npostgres = \"97\"\n";
    write(&package, own);
    let message = wanted(&package);
    assert!(
        message.contains("use LOCAL_POSTGRES_BIN_97: `97`"),
        "{message}"
    );
    let message = wanted(&machine.workspace());
    assert!(message.contains("LOCAL_POSTGRES_BIN_98"), "{message}");
}

#[test]
fn the_programs_of_one_version_come_before_those_of_any() {
    let machine = Machine::new();
    let folder = programs(&machine);
    let run = |version: &str| {
        let output = machine
            .command_without_programs()
            .args(["url", "shop", "--postgres", version])
            .env("LOCAL_POSTGRES_PROVIDER", "native")
            .env("LOCAL_POSTGRES_BIN", "/nowhere")
            .env("LOCAL_POSTGRES_BIN_16", &folder)
            .output()
            .unwrap();
        assert_eq!(output.status.code(), Some(2));
        stderr(&output)
    };
    let message = run("16");
    assert!(message.contains("is version 15.20"), "{message}");
    let message = run("17");
    assert!(
        message.contains("use LOCAL_POSTGRES_BIN: `/nowhere`"),
        "{message}"
    );
}

#[test]
fn another_release_than_the_one_asked_for_is_named_in_full() {
    let machine = Machine::new();
    let folder = programs(&machine);
    let output = machine
        .command_without_programs()
        .args(["url", "shop", "--postgres", "16"])
        .env("LOCAL_POSTGRES_PROVIDER", "native")
        .env("LOCAL_POSTGRES_BIN", &folder)
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(2));
    let message = stderr(&output);
    assert!(
        message.contains("is version 15.20; install version 16"),
        "{message}"
    );
    assert!(message.contains("set LOCAL_POSTGRES_BIN_16"), "{message}");
}

#[test]
fn the_release_that_was_taken_instead_is_named_in_full() {
    let machine = Machine::new();
    let wanted = "[workspace.metadata.db]\npostgres = \"99\"\n";
    fs::write(machine.workspace().join("Cargo.toml"), wanted).unwrap();
    let output = machine
        .command()
        .args(["url", "shop"])
        .env("LOCAL_POSTGRES_PROVIDER", "native")
        .env_remove("LOCAL_POSTGRES_VERSION")
        .output()
        .unwrap();
    let url = String::from_utf8(output.stdout).unwrap();
    let mut connection = PgConnection::establish(url.trim()).unwrap();
    let version = text(
        &mut connection,
        "SELECT split_part(current_setting('server_version'), ' ', 1) AS value",
    );
    let message = String::from_utf8_lossy(&output.stderr);
    let expected = format!("using installed PostgreSQL {version} (99 is not installed)");
    assert!(message.contains(&expected), "{message}");
}

/// A Docker daemon that answers pings, and stops, or hangs, when it is asked for more.
fn daemon_that_stops(socket: &Path, hangs: bool) {
    let listener = UnixListener::bind(socket).unwrap();
    let socket = socket.to_owned();
    std::thread::spawn(move || {
        let mut stopped = Vec::new();
        while let Ok((mut stream, _)) = listener.accept() {
            let mut request = [0; 4096];
            while let Ok(length @ 1..) = stream.read(&mut request) {
                let ping = request[..length]
                    .windows(6)
                    .any(|window| window == b"/_ping");
                if !ping || !stopped.is_empty() {
                    if !hangs {
                        fs::remove_file(&socket).unwrap();
                        return;
                    }
                    stopped.push(stream);
                    break;
                }
                let answer = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nOK";
                stream.write_all(answer.as_bytes()).unwrap();
            }
        }
    });
}

#[test]
fn a_daemon_that_stops_in_the_middle_is_named() {
    for (hangs, cause) in [(false, ""), (true, "no answer within 5 seconds")] {
        let folder = tempfile::tempdir().unwrap();
        let socket = folder.path().join("docker.sock");
        daemon_that_stops(&socket, hangs);
        let start = Instant::now();
        let (code, message) = error(&[
            ("LOCAL_POSTGRES_PROVIDER", "docker"),
            ("DOCKER_HOST", &format!("unix://{}", socket.display())),
        ]);
        assert_eq!(code, Some(2), "{message}");
        for part in ["failed to reach the Docker daemon", cause, "start Docker"] {
            assert!(message.contains(part), "{message}");
        }
        assert!(start.elapsed() < Duration::from_secs(20), "{message}");
    }
}

#[test]
fn a_server_that_is_away_is_another_error_and_keeps_its_password() {
    let (code, message) = error(&[(
        "LOCAL_POSTGRES_URL",
        "postgres://me:secret@127.0.0.1:1/postgres",
    )]);
    assert_eq!(code, Some(3), "{message}");
    assert!(
        message.contains("LOCAL_POSTGRES_URL") && !message.contains("secret"),
        "{message}"
    );
}

#[test]
fn a_fallback_is_one_line_with_its_reason() {
    let machine = Machine::new();
    let mut command = machine.command();
    command
        .args(["url", "shop"])
        .env_remove("LOCAL_POSTGRES_PROVIDER")
        .env("DOCKER_HOST", "unix:///nowhere.sock");
    let output = command.output().unwrap();
    assert!(output.status.success(), "{}", stderr(&output));
    let message = stderr(&output);
    assert!(
        message.contains("not Docker: failed to reach the Docker daemon"),
        "{message}"
    );
    assert_eq!(message.lines().count(), 1, "{message}");
    // The server is there now: nothing to say.
    let mut command = machine.command();
    command
        .args(["url", "shop"])
        .env_remove("LOCAL_POSTGRES_PROVIDER")
        .env("DOCKER_HOST", "unix:///nowhere.sock");
    assert_eq!(stderr(&command.output().unwrap()), "");
}
