//! A workspace generated for one test, with databases of its own on the shared test server.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::io::Write as _;
use std::ops::Deref;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};

use diesel::connection::SimpleConnection as _;
use diesel::dsl::sql;
use diesel::sql_types::{Nullable, Text};
use diesel::{Connection as _, PgConnection, RunQueryDsl as _};
use local_postgres::Server;

use super::run::at_terminal;
use super::{Folder, Run, quoted, variable, wait_until};

/// A workspace in a temporary folder. Its databases go when it is dropped, unless the test failed.
pub(crate) struct Workspace {
    folder: Folder,
    server: Server,
    prefix: String,
    variables: BTreeMap<String, String>,
    databases: RefCell<Vec<String>>,
}

impl Deref for Workspace {
    type Target = Folder;

    fn deref(&self) -> &Folder {
        &self.folder
    }
}

impl Workspace {
    /// One without services.
    pub(crate) fn empty() -> Self {
        static NUMBER: AtomicUsize = AtomicUsize::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        Self {
            folder: Folder::new(),
            server: Server::for_tests("xtask").unwrap(),
            // Of one width, so that tables are aligned in the same way in every run.
            prefix: format!("t{:07}_{number:03}", std::process::id()),
            variables: BTreeMap::new(),
            databases: RefCell::default(),
        }
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
        self.manifest(
            service,
            &format!("\n[package.metadata.db]\nname = {}\n", toml_text(database)),
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
        command.args(arguments).current_dir(self.root()).env_clear();
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

    /// Runs `cargo xtask db …` with this standard input, which is no terminal.
    pub(crate) fn db_given(&self, line: &str, input: &str) -> Run {
        let mut arguments = vec!["db"];
        arguments.extend(line.split_whitespace());
        given(self.command(&arguments), line, input)
    }

    /// Runs `cargo xtask db …` at a terminal of its own, where a person types this: util-linux's `script` makes it.
    pub(crate) fn db_at_terminal(&self, line: &str, typed: &str) -> Run {
        given(self.at_terminal(line), line, typed)
    }

    /// As [`db_at_terminal`](Self::db_at_terminal), for a person who waits for what they see before they type.
    pub(crate) fn start_at_terminal(&self, line: &str) -> Child {
        piped(self.at_terminal(line))
    }

    fn at_terminal(&self, line: &str) -> Command {
        self.prepared(at_terminal(line), &[])
    }

    /// Runs `cargo xtask db …`; another session holds the lock of the service's database, and changes that while the run
    /// waits.
    pub(crate) fn db_while_changed(&self, line: &str, service: &str, change: &str) -> Run {
        let database = self.database(service);
        let mut other = self.session(&database);
        // The run's lock: "dblg", 1.
        other
            .batch_execute("SELECT pg_advisory_lock(1684171879, 1)")
            .unwrap();
        let mut child = self.start(line);
        let polls = format!(
            "SELECT count(*) > 0 FROM pg_stat_activity WHERE datname = '{database}' AND query LIKE '%pg_try_advisory_lock%' \
             AND pid <> pg_backend_pid()"
        );
        let mut admin = self.admin();
        wait_until(&mut child, || value(&mut admin, &polls) == "true");
        other
            .batch_execute(&format!("{change}; SELECT pg_advisory_unlock_all()"))
            .unwrap();
        drop(other);
        Run::from(child.wait_with_output().unwrap(), line)
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

    /// The superuser's URL of the server's maintenance database.
    pub(crate) fn admin_url(&self) -> String {
        self.server.url("postgres")
    }

    /// A superuser's session on a database.
    pub(crate) fn session(&self, database: &str) -> PgConnection {
        PgConnection::establish(&self.server.url(database)).unwrap()
    }

    /// Runs statements in a database past the tool.
    pub(crate) fn execute(&self, database: &str, statements: &str) {
        self.session(database).batch_execute(statements).unwrap();
    }

    /// Runs statements of the server past the tool, each by itself: some can't run in a transaction.
    pub(crate) fn execute_each(&self, statements: &[String]) {
        let mut admin = self.admin();
        for statement in statements {
            admin.batch_execute(statement).unwrap();
        }
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
                self.root()
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

fn piped(mut command: Command) -> Child {
    let pipes = command.stdin(Stdio::piped()).stdout(Stdio::piped());
    pipes.stderr(Stdio::piped()).spawn().unwrap()
}

fn given(command: Command, line: &str, input: &str) -> Run {
    let mut child = piped(command);
    // It may have ended without reading.
    let _ = child.stdin.as_mut().unwrap().write_all(input.as_bytes());
    Run::from(child.wait_with_output().unwrap(), line)
}

/// The one value of a query, as text.
pub(crate) fn value(session: &mut PgConnection, query: &str) -> String {
    let text = diesel::select(sql::<Nullable<Text>>(&format!("({query})::text")));
    text.get_result::<Option<String>>(session)
        .unwrap()
        .unwrap_or_else(|| "NULL".to_owned())
}

fn toml_text(text: &str) -> String {
    // JSON's strings are TOML's.
    serde_json::Value::from(text).to_string()
}
