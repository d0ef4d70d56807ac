//! Links that are slow or go silent, and what libpq takes from the environment and from service files.

use std::process::Command;
use std::time::Duration;

use crate::support::{Link, Proxy, Run, Workspace};

#[test]
fn a_slow_answer_is_an_answer() {
    let mut workspace = Workspace::with(&["arc"]);
    let url = workspace.get("ARC_DATABASE_URL");
    let proxy = Proxy::start(&url, Link::SlowLogin(Duration::from_millis(1100)));
    workspace.set("ARC_DATABASE_URL", &proxy.url);
    workspace
        .db("migrate")
        .exits(3)
        .says("does not exist")
        .says("cargo xtask db create arc");
}

#[test]
fn one_host_that_does_not_answer_does_not_make_the_other_ones_answer_none() {
    let mut workspace = Workspace::with(&["arc"]);
    let url = workspace.get("ARC_DATABASE_URL");
    // Nobody takes its connections.
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = silent.local_addr().unwrap().port();
    let (front, place) = url.rsplit_once('@').unwrap();
    let url = format!("{front}@127.0.0.1:{port},{place}?connect_timeout=2");
    workspace.set("ARC_DATABASE_URL", &url);
    workspace
        .db("migrate")
        .exits(3)
        .says("cargo xtask db create arc");
}

/// Runs the tool, which must come to an end by itself.
fn ends(workspace: &Workspace, line: &str) -> Run {
    let program = env!("CARGO_BIN_EXE_xtask");
    let mut arguments = vec!["60", program, "db"];
    arguments.extend(line.split_whitespace());
    Run::of(
        &mut workspace.prepared(Command::new("timeout"), &arguments),
        line,
    )
}

fn end_sessions(workspace: &Workspace) {
    let end =
        "SELECT count(pg_terminate_backend(pid, 10000)) FROM pg_stat_activity WHERE datname = '";
    workspace.execute("postgres", &format!("{end}{}'", workspace.database("arc")));
}

#[test]
fn a_server_that_goes_silent_is_not_waited_for_without_end() {
    let mut workspace = Workspace::with(&["arc"]);
    let url = workspace.get("ARC_DATABASE_URL");
    workspace.set("DB_ANSWER_TIMEOUT", "1");
    // Whether the database exists is asked where the login failed.
    let proxy = Proxy::start(&url, Link::SilentFrom("FROM pg_database WHERE datname"));
    workspace.set("ARC_DATABASE_URL", &proxy.url);
    ends(&workspace, "migrate")
        .exits(3)
        .says("failed to connect");
    workspace.set("ARC_DATABASE_URL", &url);
    workspace.db("create").exits(0);
    let lost = "no answer from the server within 1 s (DB_ANSWER_TIMEOUT allows more)";
    for (link, line) in [
        (Link::SilentAfterLogin, "status"),
        (Link::SilentFrom("pg_try_advisory_lock"), "migrate"),
        (Link::SilentFrom("pg_backend_pid()"), "migrate"),
        (Link::SilentFrom("indisvalid"), "status"),
        (Link::SilentFrom("client_connection_check"), "migrate"),
    ] {
        let proxy = Proxy::start(&url, link);
        workspace.set("ARC_DATABASE_URL", &proxy.url);
        ends(&workspace, line).exits(3).says(lost);
    }
    // A database that no service owns yet is claimed; the session of the last run never learns that it is alone.
    end_sessions(&workspace);
    workspace.execute(&workspace.database("arc"), "DROP SCHEMA db_ledger CASCADE");
    let proxy = Proxy::start(
        &url,
        Link::SilentFrom("CREATE SCHEMA IF NOT EXISTS db_ledger"),
    );
    workspace.set("ARC_DATABASE_URL", &proxy.url);
    ends(&workspace, "migrate").exits(3).says(lost);
    workspace.set("DB_ANSWER_TIMEOUT", "soon");
    workspace
        .db("status")
        .exits(2)
        .says("DB_ANSWER_TIMEOUT is `soon`, not a number of seconds");
}

#[test]
fn what_becomes_of_a_migration_whose_link_is_lost_is_waited_for() {
    let mut workspace = Workspace::with(&["arc"]);
    let slow = "SELECT pg_sleep(1.5) AS marked;";
    workspace.migration("arc", "2026-01-03-000000_slow", slow, "SELECT 1;");
    workspace.db("create").exits(0);
    let url = workspace.get("ARC_DATABASE_URL");
    let proxy = Proxy::start(&url, Link::LostFrom("AS marked"));
    workspace.set("ARC_DATABASE_URL", &proxy.url);
    workspace
        .db("migrate")
        .exits(4)
        .says("the connection was lost; `2026-01-03-000000_slow` is applied; to continue: cargo xtask db migrate arc\n");
    // The other way, it is waited until it is not applied any more.
    workspace.set("ARC_DATABASE_URL", &url);
    let slow = "SELECT pg_sleep(1.5) AS undone;";
    workspace.write(
        "services/arc/migrations/2026-01-03-000000_slow/down.sql",
        slow,
    );
    let proxy = Proxy::start(&url, Link::LostFrom("AS undone"));
    workspace.set("ARC_DATABASE_URL", &proxy.url);
    // The session of the first run never learns that it is alone.
    let end =
        "SELECT count(pg_terminate_backend(pid, 10000)) FROM pg_stat_activity WHERE datname = '";
    workspace.execute("postgres", &format!("{end}{}'", workspace.database("arc")));
    workspace
        .db("revert arc")
        .exits(4)
        .says("the connection was lost; `2026-01-03-000000_slow` is not applied; to continue: ");
}

#[test]
fn a_migration_is_waited_for_as_long_as_it_takes() {
    let mut workspace = Workspace::with(&["arc"]);
    workspace.migration(
        "arc",
        "2026-01-03-000000_slow",
        "SELECT pg_sleep(1.5);",
        "SELECT 1;",
    );
    workspace.db("create").exits(0);
    workspace.set("DB_ANSWER_TIMEOUT", "1");
    workspace
        .db("migrate")
        .exits(0)
        .says("applied 3 migrations");
}

#[test]
fn the_time_to_connect_comes_from_the_environment_or_the_service_file() {
    let mut workspace = Workspace::with(&["arc"]);
    let url = workspace.get("ARC_DATABASE_URL");
    // Within the time that the tool gives by itself.
    let proxy = Proxy::start(&url, Link::SlowLogin(Duration::from_secs(4)));
    workspace.set("ARC_DATABASE_URL", &proxy.url);
    workspace.set("PGCONNECT_TIMEOUT", "2");
    let environment = workspace.start("status");
    workspace.set("PGCONNECT_TIMEOUT", "60");
    workspace.write("services.conf", "[hasty]\nconnect_timeout=2\n");
    let path = workspace.path("services.conf");
    workspace.set("PGSERVICEFILE", path.to_str().unwrap());
    workspace.set("PGSERVICE", "hasty");
    let service = workspace.start("status");
    for child in [environment, service] {
        Run::from(child.wait_with_output().unwrap(), "status")
            .exits(3)
            .says("timeout expired");
    }
}

#[test]
fn the_environment_names_the_database_as_for_psql() {
    let mut workspace = Workspace::with(&["arc"]);
    workspace.db("create").exits(0);
    let url = workspace.get("ARC_DATABASE_URL");
    let (server, database) = url.rsplit_once('/').unwrap();
    workspace.set("ARC_DATABASE_URL", server);
    workspace.db("status").exits(2).says("names no database");
    workspace.set("PGDATABASE", database);
    workspace
        .db("migrate")
        .exits(0)
        .says("applied 2 migrations");
    workspace.set("PGDATABASE", "postgres");
    workspace
        .db("migrate")
        .exits(6)
        .says("which is the server's own database");
}

#[test]
fn a_service_file_names_the_database_as_for_psql() {
    let mut workspace = Workspace::with(&["arc"]);
    workspace.db("create").exits(0);
    let url = workspace.get("ARC_DATABASE_URL");
    let (server, database) = url.rsplit_once('/').unwrap();
    workspace.write(
        "services.conf",
        &format!("[mine]\ndbname={database}\n[bare]\nconnect_timeout=9\n"),
    );
    let path = workspace.path("services.conf");
    workspace.set("PGSERVICEFILE", path.to_str().unwrap());
    workspace.set("ARC_DATABASE_URL", &format!("{server}?service=mine"));
    // The service file is before the environment.
    workspace.set("PGDATABASE", "postgres");
    workspace
        .db("migrate")
        .exits(0)
        .says("applied 2 migrations");
    workspace.set("ARC_DATABASE_URL", server);
    workspace.set("PGSERVICE", "mine");
    workspace.db("migrate").exits(0).says("up to date");
    // And the URL before both.
    workspace.set("ARC_DATABASE_URL", &format!("{server}/template1"));
    workspace.db("migrate").exits(6).says("`template1`");
    workspace.set("ARC_DATABASE_URL", server);
    workspace.unset("PGDATABASE");
    workspace.set("PGSERVICE", "bare");
    workspace.db("status").exits(2).says("names no database");
    workspace.set("PGSERVICE", "yours");
    workspace
        .db("status")
        .exits(2)
        .says("ARC_DATABASE_URL in the environment can't be used: definition of service \"yours\" not found");
}

#[cfg(target_os = "linux")]
#[test]
fn a_link_that_is_cut_is_noticed_by_the_kernel() {
    use crate::support::Calls;

    let mut workspace = Workspace::with(&["arc"]);
    // `<netinet/tcp.h>`: TCP_KEEPIDLE, TCP_KEEPINTVL, TCP_KEEPCNT in seconds, TCP_USER_TIMEOUT in milliseconds.
    let (idle, interval, count, unacknowledged) = (4, 5, 6, 18);
    let set = |workspace: &Workspace| {
        let calls = Calls::new(workspace.root());
        let mut command = workspace.command(&["db", "status"]);
        calls.of(&mut command);
        Run::of(&mut command, "status").exits(0);
        let options = calls.tcp_options();
        move |option| {
            let values = options.iter().filter(|(name, _)| *name == option);
            let mut values: Vec<_> = values.map(|(_, value)| *value).collect();
            values.dedup();
            values
        }
    };
    let own = set(&workspace);
    assert_eq!(
        [idle, interval, count, unacknowledged].map(own),
        [[30], [10], [3], [60_000]]
    );
    // What the URL or a service file says comes first.
    std::fs::remove_file(workspace.path("calls.log")).unwrap();
    workspace.write("services.conf", "[mine]\nkeepalives_idle=7\n");
    let path = workspace.path("services.conf");
    workspace.set("PGSERVICEFILE", path.to_str().unwrap());
    let url = workspace.get("ARC_DATABASE_URL");
    let url = format!("{url}?service=mine&tcp_user_timeout=9000");
    workspace.set("ARC_DATABASE_URL", &url);
    let given = set(&workspace);
    assert_eq!(
        [idle, interval, unacknowledged].map(given),
        [[7], [10], [9000]]
    );
}
