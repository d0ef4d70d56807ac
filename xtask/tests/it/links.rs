//! Links that are slow or go silent, and what libpq takes from the environment.

use std::time::{Duration, Instant};

use crate::support::{Link, Proxy, Workspace};

#[test]
fn a_slow_answer_is_an_answer() {
    let mut workspace = Workspace::with(&["arc"]);
    let url = workspace.get("ARC_DATABASE_URL");
    let proxy = Proxy::start(&url, Link::Slow(Duration::from_millis(300)));
    workspace.set("ARC_DATABASE_URL", &proxy.url);
    workspace
        .db("migrate")
        .exits(3)
        .says("does not exist")
        .says("cargo xtask db create arc");
    workspace.db("create").exits(0).says("created");
}

#[test]
fn a_server_that_goes_silent_is_not_waited_for_without_end() {
    let mut workspace = Workspace::with(&["arc"]);
    workspace.db("create").exits(0);
    let url = workspace.get("ARC_DATABASE_URL");
    let proxy = Proxy::start(&url, Link::SilentAfterLogin);
    let url = format!("{}?connect_timeout=2", proxy.url);
    workspace.set("ARC_DATABASE_URL", &url);
    let begin = Instant::now();
    workspace
        .db("status")
        .exits(3)
        .says("no answer from the server within 12 s");
    assert!(
        begin.elapsed() < Duration::from_secs(120),
        "{:?}",
        begin.elapsed()
    );
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
