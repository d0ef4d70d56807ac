//! A generated workspace whose services print their schema, and plain Diesel to hold the tool against.

use std::ops::Deref;
use std::process::{Child, Command, Stdio};

use diesel::connection::SimpleConnection as _;
use diesel::{Connection as _, PgConnection};
use local_postgres::{Server, TestDatabase};

use super::{Folder, Run, diesel_program, target, value};

/// What most services here say about printing.
pub(crate) const PRINT: &str =
    "[print_schema]\nfile = \"src/schema.rs\"\n\n[migrations_directory]\ndir = \"migrations\"\n";

/// A workspace in a temporary folder; it has no databases but throw-away ones.
pub(crate) struct Printed {
    folder: Folder,
    pub(crate) server: Server,
}

impl Deref for Printed {
    type Target = Folder;

    fn deref(&self) -> &Folder {
        &self.folder
    }
}

impl Printed {
    /// With the services `notes` and `user`, each with a table; their schema.rs is not written yet.
    pub(crate) fn new() -> Self {
        let workspace = Self {
            folder: Folder::new(),
            server: Server::for_tests("xtask").unwrap(),
        };
        for service in ["notes", "user"] {
            workspace.manifest(
                service,
                &format!("\n[package.metadata.db]\nname = \"{service}_db\"\n"),
            );
            workspace.write(&format!("services/{service}/diesel.toml"), PRINT);
            workspace.migration(
                service,
                "2026-01-01-000000_create",
                "CREATE TABLE items (id bigint PRIMARY KEY, body text NOT NULL);",
                "DROP TABLE items;",
            );
        }
        workspace
    }

    /// The tool on the test server, with little else in its environment.
    pub(crate) fn command(&self, line: &str) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_xtask"));
        command
            .arg("db")
            .args(line.split_whitespace())
            .current_dir(self.root())
            .env_clear();
        let kept = std::env::vars().filter(|(name, _)| {
            ["PATH", "HOME", "OPENSSL_NO_VENDOR", "DIESEL_CLI"].contains(&name.as_str())
                || name.starts_with("RUSTUP_")
                // Where the server's own pg_dump is.
                || name.starts_with("LOCAL_POSTGRES_BIN")
                || name.starts_with("CARGO_HOME")
        });
        command
            .envs(kept)
            // Where a Diesel CLI that had to be installed is kept for all tests.
            .env("CARGO_TARGET_DIR", target())
            .env("LOCAL_POSTGRES_URL", self.server.url("postgres"))
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        command
    }

    /// Runs the tool, which must leave no database behind whatever happens.
    #[track_caller]
    pub(crate) fn db(&self, line: &str, code: i32) -> Run {
        self.run_as(self.command(line), line, code)
    }

    #[track_caller]
    pub(crate) fn run(&self, command: Command, code: i32) -> Run {
        let line = format!("{command:?}");
        self.run_as(command, &line, code)
    }

    #[track_caller]
    fn run_as(&self, mut command: Command, line: &str, code: i32) -> Run {
        let child = command.spawn().unwrap();
        let pid = child.id();
        let run = Run::from(child.wait_with_output().unwrap(), line).exits(code);
        assert_eq!(self.databases(pid), 0, "left behind by {line}");
        run
    }

    /// How many databases the tool's process `pid` has on the server.
    pub(crate) fn databases(&self, pid: u32) -> u32 {
        let query = format!(
            "SELECT count(*) FROM pg_database WHERE datname ~ '^throwaway_[0-9a-f]+_{pid}_'"
        );
        value(&mut self.session(), &query).parse().unwrap()
    }

    /// Has plain Diesel apply a copy of a service's migrations and write its files, in a folder outside the services.
    pub(crate) fn plain_diesel(&self, service: &str) -> (String, TestDatabase) {
        let copy = format!("plain/{service}");
        let _ = std::fs::remove_dir_all(self.path(&copy));
        self.copy(&format!("services/{service}"), &copy);
        let database = TestDatabase::empty();
        self.diesel(&copy, &database, &["migration", "run"]);
        (copy, database)
    }

    /// Runs plain Diesel in a folder; gives its output.
    #[track_caller]
    pub(crate) fn diesel(
        &self,
        folder: &str,
        database: &TestDatabase,
        arguments: &[&str],
    ) -> String {
        let mut command = Command::new(diesel_program());
        command
            .args(arguments)
            .current_dir(self.path(folder))
            .env("DATABASE_URL", database.url());
        Run::of(&mut command, "diesel").exits(0).stdout
    }

    /// Runs statements on the server's maintenance database.
    pub(crate) fn execute(&self, statements: &str) {
        self.session().batch_execute(statements).unwrap();
    }

    fn session(&self) -> PgConnection {
        PgConnection::establish(&self.server.url("postgres")).unwrap()
    }
}

/// Waits until `done`, or fails.
#[track_caller]
pub(crate) fn wait_until(child: &mut Child, mut done: impl FnMut() -> bool) {
    for _ in 0..600 {
        if done() {
            return;
        }
        assert!(child.try_wait().unwrap().is_none(), "it ended");
        std::thread::sleep(std::time::Duration::from_millis(50));
    }
    panic!("waited for half a minute");
}
