//! A generated workspace, and plain Diesel to hold the tool against.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};

use diesel::connection::SimpleConnection as _;
use diesel::dsl::sql;
use diesel::sql_types::BigInt;
use diesel::{Connection as _, PgConnection, RunQueryDsl as _};
use local_postgres::{Server, TestDatabase};
use tempfile::TempDir;

/// What most services here say about printing.
pub(crate) const PRINT: &str =
    "[print_schema]\nfile = \"src/schema.rs\"\n\n[migrations_directory]\ndir = \"migrations\"\n";

/// A workspace in a temporary folder.
pub(crate) struct Workspace {
    folder: TempDir,
    pub(crate) server: Server,
}

/// What a run gave.
#[derive(Debug)]
pub(crate) struct Run {
    pub(crate) code: i32,
    pub(crate) stdout: String,
    pub(crate) text: String,
}

impl Workspace {
    /// With the services `notes` and `user`, each with a table; their schema.rs is not written yet.
    pub(crate) fn new() -> Self {
        let workspace = Self {
            folder: TempDir::new().unwrap(),
            server: Server::for_tests("xtask").unwrap(),
        };
        workspace.write("Cargo.toml", "[workspace]\nmembers = [\"services/*\"]\n");
        for service in ["notes", "user"] {
            workspace.write(
                &format!("services/{service}/Cargo.toml"),
                &format!("[package]\nname = \"{service}\"\n\n[package.metadata.db]\nname = \"{service}_db\"\n"),
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

    pub(crate) fn migration(&self, service: &str, name: &str, up: &str, down: &str) {
        let folder = format!("services/{service}/migrations/{name}");
        self.write(&format!("{folder}/up.sql"), up);
        self.write(&format!("{folder}/down.sql"), down);
    }

    pub(crate) fn path(&self, path: &str) -> PathBuf {
        self.folder.path().join(path)
    }

    pub(crate) fn write(&self, path: &str, text: &str) {
        let path = self.path(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }

    pub(crate) fn read(&self, path: &str) -> String {
        std::fs::read_to_string(self.path(path)).unwrap()
    }

    /// Replaces text that must be there.
    #[track_caller]
    pub(crate) fn edit(&self, path: &str, from: &str, to: &str) {
        let text = self.read(path);
        assert!(text.contains(from), "{path} has no {from:?}:\n{text}");
        self.write(path, &text.replace(from, to));
    }

    /// The names in a folder, sorted.
    pub(crate) fn list(&self, path: &str) -> Vec<String> {
        let entries = std::fs::read_dir(self.path(path)).unwrap();
        let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
        let mut names: Vec<_> = names.collect();
        names.sort();
        names
    }

    /// The tool on the test server, with little else in its environment.
    pub(crate) fn command(&self, line: &str) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_xtask"));
        command
            .arg("db")
            .args(line.split_whitespace())
            .current_dir(self.folder.path())
            .env_clear();
        let kept = std::env::vars().filter(|(name, _)| {
            ["PATH", "HOME", "OPENSSL_NO_VENDOR", "DIESEL_CLI"].contains(&name.as_str())
                || name.starts_with("RUSTUP_")
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
        self.run(self.command(line), code)
    }

    #[track_caller]
    pub(crate) fn run(&self, mut command: Command, code: i32) -> Run {
        let child = command.spawn().unwrap();
        let pid = child.id();
        let run = Run::from(child.wait_with_output().unwrap());
        assert_eq!(run.code, code, "{}", run.text);
        assert_eq!(self.databases(pid), 0, "left behind by {command:?}");
        run
    }

    /// How many databases the tool's process `pid` has on the server.
    pub(crate) fn databases(&self, pid: u32) -> i64 {
        let mut session = PgConnection::establish(&self.server.url("postgres")).unwrap();
        let query = format!(
            "(SELECT count(*) FROM pg_database WHERE datname ~ '^throwaway_[0-9a-f]+_{pid}_')"
        );
        diesel::select(sql::<BigInt>(&query))
            .get_result(&mut session)
            .unwrap()
    }

    /// Has plain Diesel apply a copy of a service's migrations and write its files, in a folder outside the services.
    pub(crate) fn plain_diesel(&self, service: &str) -> (String, TestDatabase) {
        let copy = format!("plain/{service}");
        let _ = std::fs::remove_dir_all(self.path(&copy));
        self.copy(
            &self.path(&format!("services/{service}")),
            &self.path(&copy),
        );
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
        let run = Command::new(diesel_program())
            .args(arguments)
            .current_dir(self.path(folder))
            .env("DATABASE_URL", database.url())
            .output()
            .unwrap();
        let run = Run::from(run);
        assert_eq!(run.code, 0, "{}", run.text);
        run.stdout
    }

    fn copy(&self, from: &Path, to: &Path) {
        std::fs::create_dir_all(to).unwrap();
        for entry in std::fs::read_dir(from).unwrap() {
            let entry = entry.unwrap();
            let to = to.join(entry.file_name());
            if entry.path().is_dir() {
                self.copy(&entry.path(), &to);
            } else {
                std::fs::copy(entry.path(), to).unwrap();
            }
        }
    }

    /// Runs statements on the server's maintenance database.
    pub(crate) fn execute(&self, statements: &str) {
        let mut session = PgConnection::establish(&self.server.url("postgres")).unwrap();
        session.batch_execute(statements).unwrap();
    }
}

impl Run {
    #[track_caller]
    pub(crate) fn says(&self, text: &str) -> &Self {
        assert!(self.text.contains(text), "no {text:?} in:\n{}", self.text);
        self
    }

    #[track_caller]
    pub(crate) fn does_not_say(&self, text: &str) -> &Self {
        assert!(!self.text.contains(text), "{text:?} in:\n{}", self.text);
        self
    }
}

impl From<Output> for Run {
    fn from(output: Output) -> Self {
        let stdout = String::from_utf8(output.stdout).unwrap();
        let stderr = String::from_utf8(output.stderr).unwrap();
        Self {
            code: output.status.code().unwrap_or(-1),
            text: format!("{stdout}{stderr}"),
            stdout,
        }
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

/// The Diesel CLI that the tool uses, once it has run: it may have installed it.
pub(crate) fn diesel_program() -> PathBuf {
    let chosen = std::env::var_os("DIESEL_CLI").map(PathBuf::from);
    let installed = target().join("xtask-tools/diesel_cli-2.3.14/bin/diesel");
    let path = std::env::var_os("PATH").unwrap_or_default();
    let on_path = std::env::split_paths(&path).map(|folder| folder.join("diesel"));
    chosen
        .into_iter()
        .chain([installed])
        .chain(on_path)
        .find(|path| path.is_file())
        .unwrap()
}

/// The folder above the one of the binary under test.
fn target() -> PathBuf {
    let binary = Path::new(env!("CARGO_BIN_EXE_xtask"));
    binary.ancestors().nth(2).unwrap().to_owned()
}
