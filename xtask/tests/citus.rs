//! A service whose database is distributed by Citus, on a real cluster.
//!
//!     CITUS_COORDINATOR_URL=postgres://… CITUS_WORKER_URL=postgres://… cargo xtask ci citus
//!
//! Both URLs are a superuser's, of two servers with `shared_preload_libraries = 'citus'`; the databases are made here.

#[path = "it/support/mod.rs"]
#[allow(dead_code, unreachable_pub, unused_imports)]
mod support;

use std::process::{Command, Stdio};
use std::time::Duration;

use diesel::connection::SimpleConnection as _;
use diesel::{Connection as _, PgConnection};
use support::{Folder, Run, value};

const FIRST: &str = "2026-01-01-000000_tables";

/// A cluster of two servers, with one database on each; gone with this.
struct Cluster {
    folder: Folder,
    coordinator: String,
    worker: String,
    database: String,
}

fn url(name: &str) -> String {
    std::env::var(name).unwrap_or_else(|_| panic!("{name} is not set: see the top of this file"))
}

/// The URL of another database on the same server.
fn on(url: &str, database: &str) -> String {
    format!("{}/{database}", url.rsplit_once('/').unwrap().0)
}

fn execute(url: &str, sql: &str) {
    let mut session = PgConnection::establish(url).unwrap();
    session.batch_execute(sql).unwrap();
}

impl Cluster {
    fn new(name: &str) -> Self {
        let (coordinator, worker) = (url("CITUS_COORDINATOR_URL"), url("CITUS_WORKER_URL"));
        let database = format!("citus_{}_{name}", std::process::id());
        for server in [&worker, &coordinator] {
            execute(server, &format!("CREATE DATABASE {database}"));
            execute(&on(server, &database), "CREATE EXTENSION citus");
        }
        let place = |url: &str| {
            let (_, place) = url.rsplit_once('@').unwrap();
            let (host, port) = place.split('/').next().unwrap().split_once(':').unwrap();
            format!("'{host}', {port}")
        };
        let nodes = format!(
            "SELECT citus_set_coordinator_host({}); SELECT citus_add_node({})",
            place(&coordinator),
            place(&worker)
        );
        let cluster = Self {
            folder: Folder::new(),
            coordinator: on(&coordinator, &database),
            worker: on(&worker, &database),
            database,
        };
        execute(&cluster.coordinator, &nodes);
        cluster.service();
        cluster
    }

    /// Distributed and reference tables, and an index that is built while they are in use.
    fn service(&self) {
        let folder = &self.folder;
        folder.manifest(
            "shop",
            &format!(
                "\n[package.metadata.db]\nname = \"{}\"\nsuperuser = true\nsuperuser-reason = \"citus is not a trusted extension\"\n",
                self.database
            ),
        );
        folder.write("services/shop/diesel.toml", support::PRINT);
        folder.migration(
            "shop",
            FIRST,
            "CREATE EXTENSION IF NOT EXISTS citus;
             CREATE TABLE countries (id int PRIMARY KEY, name text NOT NULL);
             SELECT create_reference_table('countries');
             CREATE TABLE orders (tenant bigint, id bigint, country int REFERENCES countries, PRIMARY KEY (tenant, id));
             SELECT create_distributed_table('orders', 'tenant');",
            "-- db-check-ignore not-undone: the extension is the cluster's\nDROP TABLE orders; DROP TABLE countries;",
        );
        // A file of several statements: Citus takes one at a time.
        folder.migration(
            "shop",
            "2026-01-02-000000_alter",
            "ALTER TABLE orders ADD note text; ALTER TABLE orders ADD gone int; ALTER TABLE orders DROP gone;
             INSERT INTO orders (tenant, id) SELECT i % 20, i FROM generate_series(1, 1000) i;",
            "DELETE FROM orders; ALTER TABLE orders DROP note;",
        );
        folder.migration_without_transaction(
            "shop",
            "2026-01-03-000000_index",
            "CREATE INDEX CONCURRENTLY orders_note ON orders (note)",
            "DROP INDEX CONCURRENTLY orders_note",
        );
    }

    fn command(&self, line: &str, url: &str) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_xtask"));
        command
            .arg("db")
            .args(line.split_whitespace())
            .current_dir(self.folder.root())
            .env("SHOP_DATABASE_URL", url)
            .env("LOCAL_POSTGRES_URL", &self.coordinator)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        command
    }

    fn db(&self, line: &str) -> Run {
        Run::of(&mut self.command(line, &self.coordinator), line)
    }

    /// On the coordinator.
    fn value(&self, query: &str) -> String {
        let mut session = PgConnection::establish(&self.coordinator).unwrap();
        value(&mut session, query)
    }

    fn rows(&self) -> String {
        self.value("SELECT count(*) FROM orders")
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        for server in ["CITUS_COORDINATOR_URL", "CITUS_WORKER_URL"] {
            let drop = format!("DROP DATABASE {} WITH (FORCE)", self.database);
            execute(&url(server), &drop);
        }
    }
}

#[test]
fn migrations_go_up_and_down_and_are_checked() {
    let cluster = Cluster::new("work");
    cluster.db("migrate").exits(0).says("applied 3 migrations");
    assert_eq!(cluster.rows(), "1000");
    cluster.db("revert shop -n 2").exits(0);
    cluster.db("migrate").exits(0);
    cluster.db("redo shop").exits(0);
    assert_eq!(cluster.rows(), "1000");
    cluster.db("status --exit-code").exits(0).says("up to date");
    let found = cluster.db("check --json");
    for check in ["fails", "not-undone", "not-repeatable"] {
        assert!(!found.stdout.contains(check), "{found:?}");
    }
    assert!(found.code < 2, "{found:?}");
}

#[test]
fn a_worker_is_refused_by_name() {
    let cluster = Cluster::new("worker");
    for verb in ["create", "migrate", "baseline shop"] {
        Run::of(&mut cluster.command(verb, &cluster.worker), verb)
            .exits(6)
            .says("is a worker of a Citus cluster; migrations run on its coordinator");
    }
    let mut session = PgConnection::establish(&cluster.worker).unwrap();
    let schemas = "SELECT count(*) FROM pg_namespace WHERE nspname = 'db_ledger'";
    assert_eq!(value(&mut session, schemas), "0");
}

#[test]
fn eight_at_once_and_a_killed_one_apply_once() {
    let cluster = Cluster::new("many");
    let killed = "2026-01-04-000000_killed";
    let slow = "CREATE TABLE killed (tenant bigint PRIMARY KEY); SELECT create_distributed_table('killed', 'tenant'); SELECT pg_sleep(60)";
    let runs: Vec<_> = (0..8)
        .map(|_| {
            cluster
                .command("migrate", &cluster.coordinator)
                .spawn()
                .unwrap()
        })
        .collect();
    let runs = runs.into_iter().map(|child| {
        let output = child.wait_with_output().unwrap();
        Run::from(output, "migrate").exits(0).stdout
    });
    let applied = runs.filter(|stdout| stdout.contains("applied 3 migrations"));
    assert_eq!(applied.count(), 1);
    assert_eq!(cluster.rows(), "1000");

    cluster
        .folder
        .migration("shop", killed, slow, "DROP TABLE killed");
    let mut child = cluster
        .command("migrate", &cluster.coordinator)
        .spawn()
        .unwrap();
    let asleep = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND query LIKE '%pg_sleep(60)%' \
        AND wait_event = 'PgSleep'";
    while cluster.value(asleep) == "0" {
        assert!(child.try_wait().unwrap().is_none());
        std::thread::sleep(Duration::from_millis(50));
    }
    child.kill().unwrap();
    child.wait().unwrap();
    let path = format!("services/shop/migrations/{killed}/up.sql");
    cluster
        .folder
        .write(&path, &slow.replace("; SELECT pg_sleep(60)", ""));
    cluster.db("migrate").exits(0).says("applied 1 migration");
    assert_eq!(cluster.value("SELECT to_regclass('killed')"), "killed");
    let left = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND database = (SELECT oid FROM pg_database WHERE datname = current_database())";
    assert_eq!(cluster.value(left), "0");
}
