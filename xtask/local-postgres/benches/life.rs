//! The life of a test's database (create, connect, one query, drop) beside other ways to isolate a test.
//!
//! `cargo bench -p local-postgres`. Every row is measured in processes of its own, as tests are: this binary runs
//! itself in packages that it makes up, since `TestDatabase` takes the package from its environment.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use diesel::connection::SimpleConnection;
use diesel::prelude::*;
use diesel_migrations::{FileBasedMigrations, MigrationHarness};
use local_postgres::{Server, TestDatabase};

fn main() {
    let arguments: Vec<_> = std::env::args().collect();
    if let [_, way, times] = arguments.as_slice()
        && way != "--bench"
    {
        return measure(way, times.parse().unwrap());
    }
    println!(
        "{:<44} {:>10} {:>10} {:>10}",
        "milliseconds", "median", "95 %", "per second"
    );
    let root = tempfile::tempdir().unwrap();
    let packages = [1, 30, 300].map(|migrations| package(root.path(), migrations));
    for (migrations, folder) in &packages {
        compare(*migrations, folder);
    }
    for step in ["create", "connect", "drop"] {
        row(
            &format!("TestDatabase, 30 migrations: {step}"),
            step,
            &packages[1].1,
            1,
            50,
        );
    }
    // Once more, right before what it is compared with: other load on the machine comes and goes.
    let life = row(
        "TestDatabase, 30 migrations",
        "clone",
        &packages[1].1,
        1,
        50,
    );
    let server = row(
        "a server of its own per test, 30 migrations",
        "server",
        &packages[1].1,
        1,
        5,
    );
    println!(
        "a server per test takes {:.0} times as long",
        server.as_secs_f64() / life.as_secs_f64()
    );
    for (_, folder) in &packages {
        local_postgres::manage::stop(folder, None).unwrap();
    }
}

/// The ways to isolate a test of a package with so many migrations.
fn compare(migrations: usize, folder: &Path) {
    run("clone", folder, 1, 1);
    for processes in [1, 4, 16] {
        row(
            &format!("TestDatabase, {migrations} migrations"),
            "clone",
            folder,
            processes,
            50,
        );
    }
    let times = if migrations == 300 { 5 } else { 20 };
    row(
        &format!("all migrations per test, {migrations}"),
        "migrate",
        folder,
        1,
        times,
    );
    row(
        &format!("as sqlx::test does it, {migrations}"),
        "sqlx",
        folder,
        1,
        times,
    );
}

/// Prints the times of one way to isolate a test; returns the median.
fn row(title: &str, way: &str, folder: &Path, processes: usize, times: usize) -> Duration {
    let start = Instant::now();
    let mut lives = run(way, folder, processes, times);
    let all = start.elapsed();
    lives.sort();
    let at = |share: f64| lives[((lives.len() - 1) as f64 * share) as usize];
    let ms = |time: Duration| time.as_secs_f64() * 1000.0;
    let title = if processes == 1 {
        title.to_owned()
    } else {
        format!("{title}, {processes} processes")
    };
    let rate = lives.len() as f64 / all.as_secs_f64();
    println!(
        "{title:<44} {:>10.1} {:>10.1} {rate:>10.0}",
        ms(at(0.5)),
        ms(at(0.95))
    );
    at(0.5)
}

/// Measures in processes side by side.
fn run(way: &str, folder: &Path, processes: usize, times: usize) -> Vec<Duration> {
    let children: Vec<_> = (0..processes)
        .map(|_| {
            Command::new(std::env::current_exe().unwrap())
                .args([way, &times.to_string()])
                .env("CARGO_MANIFEST_DIR", folder)
                .stdout(Stdio::piped())
                .spawn()
                .unwrap()
        })
        .collect();
    let mut lives = Vec::new();
    for child in children {
        let output = child.wait_with_output().unwrap();
        assert!(output.status.success(), "{way} failed");
        let text = String::from_utf8(output.stdout).unwrap();
        lives.extend(
            text.lines()
                .map(|line| Duration::from_nanos(line.parse().unwrap())),
        );
    }
    lives
}

/// Prints nanoseconds, a line for each time.
fn measure(way: &str, times: usize) {
    let migrations =
        PathBuf::from(std::env::var_os("CARGO_MANIFEST_DIR").unwrap()).join("migrations");
    // Every way finds its server running.
    drop(TestDatabase::empty());
    for number in 0..times {
        let mut start = Instant::now();
        let mut end = None;
        match way {
            "clone" => query(&mut TestDatabase::new().connection()),
            "create" => {
                let db = TestDatabase::new();
                end = Some(start.elapsed());
                drop(db);
            }
            "connect" => {
                let db = TestDatabase::new();
                start = Instant::now();
                query(&mut db.connection());
                end = Some(start.elapsed());
            }
            "drop" => {
                let db = TestDatabase::new();
                query(&mut db.connection());
                start = Instant::now();
                drop(db);
            }
            "migrate" => {
                let db = TestDatabase::empty();
                let mut connection = db.connection();
                migrate(&mut connection, &migrations);
                query(&mut connection);
            }
            "sqlx" => sqlx(&migrations, number),
            "server" => {
                let server =
                    Server::for_tests(&format!("single-{}-{number}", std::process::id())).unwrap();
                let mut connection = PgConnection::establish(&server.url("postgres")).unwrap();
                migrate(&mut connection, &migrations);
                query(&mut connection);
            }
            _ => panic!("unknown way {way}"),
        }
        println!("{}", end.unwrap_or_else(|| start.elapsed()).as_nanos());
    }
}

fn migrate(connection: &mut PgConnection, migrations: &Path) {
    connection
        .run_pending_migrations(FileBasedMigrations::from_path(migrations).unwrap())
        .unwrap();
}

/// What `sqlx::test` 0.8 asks of the server: a row in a table of its own, a plain CREATE DATABASE, every migration in
/// a transaction with its row, a DROP DATABASE.
fn sqlx(migrations: &Path, number: usize) {
    let server = Server::for_tests("sqlx").unwrap();
    let mut master = PgConnection::establish(&server.url("postgres")).unwrap();
    let name = format!("_sqlx_test_{}_{number}", std::process::id());
    master
        .batch_execute(&format!(
            "CREATE TABLE IF NOT EXISTS _sqlx_test_databases (name TEXT PRIMARY KEY); \
             INSERT INTO _sqlx_test_databases VALUES ('{name}')"
        ))
        .unwrap();
    master
        .batch_execute(&format!("CREATE DATABASE {name}"))
        .unwrap();
    let mut connection = PgConnection::establish(&server.url(&name)).unwrap();
    connection
        .batch_execute("CREATE TABLE _sqlx_migrations (version TEXT PRIMARY KEY)")
        .unwrap();
    let mut folders: Vec<_> = fs::read_dir(migrations)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    folders.sort();
    for folder in folders {
        let up = fs::read_to_string(folder.join("up.sql")).unwrap();
        let version = folder.file_name().unwrap().display().to_string();
        connection.batch_execute("BEGIN").unwrap();
        connection.batch_execute(&up).unwrap();
        connection
            .batch_execute(&format!(
                "INSERT INTO _sqlx_migrations VALUES ('{version}'); COMMIT"
            ))
            .unwrap();
    }
    query(&mut connection);
    drop(connection);
    master
        .batch_execute(&format!("DROP DATABASE {name} WITH (FORCE)"))
        .unwrap();
    master
        .batch_execute(&format!(
            "DELETE FROM _sqlx_test_databases WHERE name = '{name}'"
        ))
        .unwrap();
}

fn query(connection: &mut PgConnection) {
    diesel::sql_query("SELECT 1").execute(connection).unwrap();
}

/// A package of so many migrations, each of one table with two indexes.
fn package(root: &Path, migrations: usize) -> (usize, PathBuf) {
    let folder = root.join(format!("p{migrations}"));
    fs::create_dir(&folder).unwrap();
    let mut manifest = String::new();
    writeln!(manifest, "[workspace]\n[package]\nname = \"p{migrations}\"").unwrap();
    fs::write(folder.join("Cargo.toml"), manifest).unwrap();
    for number in 0..migrations {
        let migration = folder.join(format!("migrations/{number:014}_t{number}"));
        fs::create_dir_all(&migration).unwrap();
        let up = format!(
            "CREATE TABLE t{number} (id BIGSERIAL PRIMARY KEY, name TEXT NOT NULL UNIQUE, at TIMESTAMPTZ);"
        );
        fs::write(migration.join("up.sql"), up).unwrap();
        fs::write(migration.join("down.sql"), format!("DROP TABLE t{number};")).unwrap();
    }
    (migrations, folder)
}
