//! The throw-away databases, and what the Diesel CLI is told.

use std::os::unix::fs::PermissionsExt as _;

use crate::support::{Printed, wait_until};

#[test]
fn what_a_killed_run_left_is_swept_and_a_living_run_is_let_be() {
    let workspace = Printed::new();
    workspace.migration(
        "user",
        "2026-01-02-000000_slow",
        "SELECT pg_sleep(600);",
        "SELECT 1;",
    );
    let start = || {
        let mut child = workspace.command("schema user").spawn().unwrap();
        let pid = child.id();
        wait_until(&mut child, || workspace.databases(pid) == 1);
        child
    };
    let (mut killed, mut living) = (start(), start());
    killed.kill().unwrap();
    killed.wait().unwrap();
    assert_eq!(workspace.databases(killed.id()), 1);
    // The server notices only between two statements that the client is gone; then the lock is free.
    let name = format!("^throwaway_[0-9a-f]+_{}_", killed.id());
    workspace.execute(&format!(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname ~ '{name}'"
    ));
    for _ in 0..100 {
        workspace.db("schema notes", 0);
        if workspace.databases(killed.id()) == 0 {
            break;
        }
    }
    assert_eq!(workspace.databases(killed.id()), 0);
    assert_eq!(workspace.databases(living.id()), 1);
    living.kill().unwrap();
    living.wait().unwrap();
    // Nobody else's databases are ours to sweep.
    workspace.db("schema notes", 0);
}

/// A Diesel CLI of the user's own that does as the script says.
fn fake_diesel(workspace: &Printed, script: &str) -> std::path::PathBuf {
    let version = "if [ \"$1\" = --version ]; then echo 'Version: 9.9.9 postgres'; exit; fi";
    workspace.write("bin/diesel", &format!("#!/bin/sh\n{version}\n{script}\n"));
    let path = workspace.path("bin/diesel");
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
    path
}

#[test]
fn no_password_is_in_an_argument_or_in_the_output() {
    let workspace = Printed::new();
    let url = workspace.server.url("postgres");
    // The test server may do without a password; then any is right.
    let (scheme, rest) = url.split_once("://").unwrap();
    let (user, host) = rest.split_once('@').unwrap();
    let (user, password) = user.split_once(':').unwrap_or((user, "s3cr3t-word"));
    let fake = fake_diesel(
        &workspace,
        "echo \"$@\" > \"$0.arguments\"; echo \"$DATABASE_URL\" > \"$0.url\"; echo \"can't connect: $DATABASE_URL\" >&2; exit 1",
    );
    let mut command = workspace.command("schema notes");
    command.env("DIESEL_CLI", fake).env(
        "LOCAL_POSTGRES_URL",
        format!("{scheme}://{user}:{password}@{host}"),
    );
    let run = workspace.run(command, 2);
    // Diesel is given the password of the database's own role.
    let url = workspace.read("bin/diesel.url");
    let own = url.split_once("password=").unwrap().1.trim_end();
    let own = own.split('&').next().unwrap();
    assert!(own.len() == 32 && !url.contains(password), "{url}");
    run.says("can't connect: postgres://")
        .says("password=***")
        .does_not_say(own)
        .does_not_say(password);
    let arguments = workspace.read("bin/diesel.arguments");
    assert!(!arguments.contains(own), "{arguments}");
    assert!(!arguments.contains("postgres://"), "{arguments}");
}

#[test]
fn a_diesel_of_another_minor_version_on_the_path_is_passed_over() {
    let workspace = Printed::new();
    fake_diesel(&workspace, "echo wrong");
    let mut command = workspace.command("schema notes");
    let path = std::env::var("PATH").unwrap();
    command.env(
        "PATH",
        format!("{}:{path}", workspace.path("bin").display()),
    );
    // No cargo either: what is installed must be there, or the run says what it would have done.
    command.env("CARGO", "/no/such/cargo");
    let child = command.spawn().unwrap();
    let output = child.wait_with_output().unwrap();
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    match output.status.success() {
        true => assert!(
            !workspace
                .read("services/notes/src/schema.rs")
                .contains("wrong")
        ),
        false => assert!(text.contains("installing Diesel CLI 2.3.14"), "{text}"),
    }
    let mut command = workspace.command("schema notes");
    command.env("DIESEL_CLI", "/no/such/diesel");
    workspace
        .run(command, 2)
        .says("which DIESEL_CLI names, is not a Diesel CLI");
}
