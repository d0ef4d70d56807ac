//! A service whose database is distributed by Citus, on a real cluster.
//!
//!     cargo xtask ci citus
//!
//! It runs two containers of `CITUS_IMAGE` (`citusdata/citus:12.1`) on the host's network. A cluster of your own:
//! `CITUS_COORDINATOR_URL` and `CITUS_WORKER_URL`, a superuser's, of two servers with `shared_preload_libraries = 'citus'`;
//! the databases are made here.

#[path = "it/support/mod.rs"]
#[allow(dead_code, unreachable_pub, unused_imports)]
mod support;

use std::net::TcpListener;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

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
    nodes: [Node; 2],
}

/// A server: its URL, and its container, if it is in one of ours; gone with this.
struct Node {
    url: String,
    container: Option<String>,
}

impl Node {
    /// The one that a variable names, or else a new container.
    fn new(variable: &str) -> Self {
        match std::env::var(variable) {
            Ok(url) => Self {
                url,
                container: None,
            },
            Err(_) => Self::contained(),
        }
    }

    fn contained() -> Self {
        let image = std::env::var("CITUS_IMAGE");
        let image = image.unwrap_or_else(|_| "citusdata/citus:12.1".to_owned());
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr();
        let port = port.unwrap().port();
        let url = format!("postgres://postgres@127.0.0.1:{port}/postgres");
        let run = Command::new("docker")
            .args(["run", "--detach", "--network", "host"])
            .args(["--env", "POSTGRES_HOST_AUTH_METHOD=trust"])
            .args([&image, "-c", &format!("port={port}"), "-c", "fsync=off"])
            .output()
            .unwrap();
        assert!(run.status.success(), "{run:?}");
        let id = String::from_utf8(run.stdout).unwrap();
        let node = Self {
            url,
            container: Some(id.trim().to_owned()),
        };
        // The first server of a container is one for its set-up, which listens on no port.
        let begin = Instant::now();
        while PgConnection::establish(&node.url).is_err() {
            assert!(begin.elapsed() < Duration::from_secs(120), "{image}");
            std::thread::sleep(Duration::from_millis(200));
        }
        node
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        if let Some(container) = &self.container {
            let arguments = ["rm", "--force", "--volumes", container];
            let _ = Command::new("docker").args(arguments).output();
        }
    }
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
        let nodes = ["CITUS_COORDINATOR_URL", "CITUS_WORKER_URL"].map(Node::new);
        let [coordinator, worker] = [&nodes[0].url, &nodes[1].url];
        let database = format!("citus_{}_{name}", std::process::id());
        for server in [worker, coordinator] {
            execute(server, &format!("CREATE DATABASE {database}"));
            execute(&on(server, &database), "CREATE EXTENSION citus");
        }
        let place = |url: &str| {
            let (_, place) = url.rsplit_once('@').unwrap();
            let (host, port) = place.split('/').next().unwrap().split_once(':').unwrap();
            format!("'{host}', {port}")
        };
        let join = format!(
            "SELECT citus_set_coordinator_host({}); SELECT citus_add_node({})",
            place(coordinator),
            place(worker)
        );
        let cluster = Self {
            folder: Folder::new(),
            coordinator: on(coordinator, &database),
            worker: on(worker, &database),
            database,
            nodes,
        };
        execute(&cluster.coordinator, &join);
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
        for node in &self.nodes {
            let drop = format!("DROP DATABASE {} WITH (FORCE)", self.database);
            execute(&node.url, &drop);
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
