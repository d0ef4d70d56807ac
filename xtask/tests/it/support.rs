//! A workspace generated for one test, with databases of its own on the shared test server.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};

use diesel::connection::SimpleConnection as _;
use diesel::dsl::sql;
use diesel::sql_types::{Nullable, Text};
use diesel::{Connection as _, PgConnection, RunQueryDsl as _};
use local_postgres::Server;
use tempfile::TempDir;

/// A workspace in a temporary folder. Its databases go when it is dropped, unless the test failed.
pub(crate) struct Workspace {
    folder: TempDir,
    server: Server,
    prefix: String,
    variables: BTreeMap<String, String>,
    databases: RefCell<Vec<String>>,
}

impl Workspace {
    /// One without services.
    pub(crate) fn empty() -> Self {
        static NUMBER: AtomicUsize = AtomicUsize::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let workspace = Self {
            folder: TempDir::new().unwrap(),
            server: Server::for_tests("xtask").unwrap(),
            prefix: format!("t{}_{number}", std::process::id()),
            variables: BTreeMap::new(),
            databases: RefCell::default(),
        };
        workspace.write("Cargo.toml", "[workspace]\nmembers = [\"services/*\"]\n");
        workspace
    }

    /// One with these services, each with a variable for a database of its own and two migrations.
    pub(crate) fn with(services: &[&str]) -> Self {
        let mut workspace = Self::empty();
        for service in services {
            workspace.add(service, &workspace.database(service));
            let table = service.replace('-', "_");
            workspace.migration(
                service,
                "2026-01-01-000000_create",
                &format!("CREATE TABLE \"{table}_items\" (id bigint PRIMARY KEY);"),
                &format!("DROP TABLE \"{table}_items\";"),
            );
            workspace.migration(
                service,
                "2026-01-02-000000_note",
                &format!("ALTER TABLE \"{table}_items\" ADD COLUMN note text;"),
                &format!("ALTER TABLE \"{table}_items\" DROP COLUMN note;"),
            );
        }
        workspace
    }

    /// Adds a service that owns `database`, with no migration, and sets its variable.
    pub(crate) fn add(&mut self, service: &str, database: &str) {
        self.write(
            &format!("services/{service}/Cargo.toml"),
            &format!(
                "[package]\nname = \"{service}\"\n\n[package.metadata.db]\nname = {}\n",
                toml_text(database)
            ),
        );
        self.write(
            &format!("services/{service}/diesel.toml"),
            "[migrations_directory]\ndir = \"migrations\"\n",
        );
        std::fs::create_dir_all(self.path(&format!("services/{service}/migrations"))).unwrap();
        let url = self.server.url(database);
        self.set(&variable(service), &url);
        self.databases.borrow_mut().push(database.to_owned());
    }

    /// The name of a service's database: its own for each test.
    pub(crate) fn database(&self, service: &str) -> String {
        format!("{}_{service}", self.prefix)
    }

    /// Writes a migration into a service's folder.
    pub(crate) fn migration(&self, service: &str, name: &str, up: &str, down: &str) {
        let folder = format!("services/{service}/migrations/{name}");
        self.write(&format!("{folder}/up.sql"), up);
        self.write(&format!("{folder}/down.sql"), down);
    }

    /// Writes a migration that runs without a transaction.
    pub(crate) fn migration_without_transaction(
        &self,
        service: &str,
        name: &str,
        up: &str,
        down: &str,
    ) {
        self.migration(service, name, up, down);
        self.write(
            &format!("services/{service}/migrations/{name}/metadata.toml"),
            "run_in_transaction = false\n",
        );
    }

    pub(crate) fn write(&self, path: &str, text: &str) {
        let path = self.path(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }

    pub(crate) fn remove(&self, path: &str) {
        let path = self.path(path);
        if path.is_dir() {
            std::fs::remove_dir_all(path).unwrap();
        } else {
            std::fs::remove_file(path).unwrap();
        }
    }

    pub(crate) fn path(&self, path: &str) -> PathBuf {
        self.folder.path().join(path)
    }

    pub(crate) fn set(&mut self, variable: &str, value: &str) {
        self.variables.insert(variable.to_owned(), value.to_owned());
    }

    pub(crate) fn unset(&mut self, variable: &str) {
        self.variables.remove(variable);
    }

    pub(crate) fn get(&self, variable: &str) -> String {
        self.variables[variable].clone()
    }

    /// The superuser's URL of a database on the shared server, dropped with the workspace.
    pub(crate) fn url(&self, database: &str) -> String {
        self.databases.borrow_mut().push(database.to_owned());
        self.server.url(database)
    }

    /// The tool, with little but PATH, HOME and the workspace's variables in its environment.
    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        self.prepared(Command::new(env!("CARGO_BIN_EXE_xtask")), arguments)
    }

    /// Another program, in the same environment.
    pub(crate) fn prepared(&self, mut command: Command, arguments: &[&str]) -> Command {
        command
            .args(arguments)
            .current_dir(self.folder.path())
            .env_clear();
        // Also what says how to run PostgreSQL, and how cargo builds what runs it.
        let kept = |name: &str| {
            ["PATH", "HOME", "OPENSSL_NO_VENDOR"].contains(&name)
                || name.starts_with("CARGO_")
                || name.starts_with("RUSTUP_")
                || name.starts_with("LOCAL_POSTGRES_")
        };
        command.envs(std::env::vars().filter(|(name, _)| kept(name)));
        command.envs(&self.variables).stdin(Stdio::null());
        command
    }

    /// Runs `cargo xtask db …`, with the words of `line` as arguments.
    pub(crate) fn db(&self, line: &str) -> Run {
        let mut arguments = vec!["db"];
        arguments.extend(line.split_whitespace());
        Run::of(&mut self.command(&arguments), line)
    }

    /// Starts `cargo xtask db …` and does not wait for it.
    pub(crate) fn start(&self, line: &str) -> Child {
        let mut arguments = vec!["db"];
        arguments.extend(line.split_whitespace());
        self.command(&arguments)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap()
    }

    /// Creates a database past the tool.
    pub(crate) fn create_database(&self, database: &str) {
        self.databases.borrow_mut().push(database.to_owned());
        self.admin()
            .batch_execute(&format!("CREATE DATABASE {}", quoted(database)))
            .unwrap();
    }

    /// A superuser's session on the server.
    pub(crate) fn admin(&self) -> PgConnection {
        PgConnection::establish(&self.server.url("postgres")).unwrap()
    }

    /// A superuser's session on a database.
    pub(crate) fn session(&self, database: &str) -> PgConnection {
        PgConnection::establish(&self.server.url(database)).unwrap()
    }

    /// Runs statements in a database past the tool.
    pub(crate) fn execute(&self, database: &str, statements: &str) {
        self.session(database).batch_execute(statements).unwrap();
    }

    /// The one value of a query in a database, as text.
    pub(crate) fn value(&self, database: &str, query: &str) -> String {
        value(&mut self.session(database), query)
    }

    pub(crate) fn exists(&self, database: &str) -> bool {
        let query = format!(
            "SELECT count(*) FROM pg_database WHERE datname = '{}'",
            database.replace('\'', "''")
        );
        value(&mut self.admin(), &query) == "1"
    }

    /// The relations of the service's own: neither the ledger's nor Diesel's.
    pub(crate) fn tables(&self, database: &str) -> String {
        self.value(
            database,
            "SELECT coalesce(string_agg(tablename, ' ' ORDER BY tablename), '') FROM pg_tables \
             WHERE schemaname = 'public' AND tablename <> '__diesel_schema_migrations'",
        )
    }

    /// The versions in Diesel's table, in order.
    pub(crate) fn applied(&self, database: &str) -> String {
        self.value(
            database,
            "SELECT coalesce(string_agg(version, ' ' ORDER BY version), '') FROM __diesel_schema_migrations",
        )
    }
}

impl Drop for Workspace {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!(
                "kept: databases {}_* of the test server, {:?}",
                self.prefix,
                self.folder.path()
            );
            return;
        }
        let mut admin = self.admin();
        for database in self.databases.borrow().iter() {
            admin
                .batch_execute(&format!(
                    "DROP DATABASE IF EXISTS {} WITH (FORCE)",
                    quoted(database)
                ))
                .unwrap();
        }
    }
}

/// What a run of the tool gave.
#[derive(Debug)]
pub(crate) struct Run {
    pub(crate) code: i32,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
    line: String,
}

impl Run {
    pub(crate) fn of(command: &mut Command, line: &str) -> Self {
        let output = command.output().unwrap();
        Self {
            code: output.status.code().unwrap_or(-1),
            stdout: String::from_utf8(output.stdout).unwrap(),
            stderr: String::from_utf8(output.stderr).unwrap(),
            line: line.to_owned(),
        }
    }

    #[track_caller]
    pub(crate) fn exits(self, code: i32) -> Self {
        assert_eq!(
            self.code, code,
            "exit code of `{}`\n{}{}",
            self.line, self.stdout, self.stderr
        );
        self
    }

    /// Both streams hold the text somewhere.
    #[track_caller]
    pub(crate) fn says(self, text: &str) -> Self {
        let both = format!("{}{}", self.stdout, self.stderr);
        assert!(
            both.contains(text),
            "`{}` does not say {text:?}\n{both}",
            self.line
        );
        self
    }

    #[track_caller]
    pub(crate) fn does_not_say(self, text: &str) -> Self {
        let both = format!("{}{}", self.stdout, self.stderr);
        assert!(
            !both.contains(text),
            "`{}` says {text:?}\n{both}",
            self.line
        );
        self
    }
}

/// The one value of a query, as text.
pub(crate) fn value(session: &mut PgConnection, query: &str) -> String {
    let text = diesel::select(sql::<Nullable<Text>>(&format!("({query})::text")));
    text.get_result::<Option<String>>(session)
        .unwrap()
        .unwrap_or_else(|| "NULL".to_owned())
}

/// The default variable of a service.
pub(crate) fn variable(service: &str) -> String {
    format!("{}_DATABASE_URL", service.to_uppercase().replace('-', "_"))
}

pub(crate) fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// Percent-encodes everything but letters, digits and `_`.
pub(crate) fn encoded(text: &str) -> String {
    text.bytes()
        .map(|byte| match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'_' => char::from(byte).to_string(),
            byte => format!("%{byte:02X}"),
        })
        .collect()
}

/// The root of this repository, for what is compared with it.
pub(crate) fn repository() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap()
}

fn toml_text(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
}
