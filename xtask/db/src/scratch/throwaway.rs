//! Databases to try migrations on: private, on a throw-away server, gone afterwards. Never a configured one.
//!
//! ```ignore
//! let server = ThrowawayServer::find(app, trust, service)?; // once per run; shared by all threads
//! let mut database = server.database(service)?;         // empty
//! database.apply(&Migrations::read(service)?)?;         // to head, or the failure of a migration
//! database.down(migration)?;                            // one migration, with its place in the file on failure
//! database.connection().query_json("SELECT …", &[])?;   // look at what it made
//! Command::new("…").env("DATABASE_URL", database.url_with_password());
//! drop(database);                                       // dropped on the server, too, also after an error
//! ```
//!
//! A migration runs as `db migrate` runs it, each in its own transaction or in none, but without the ledger: only Diesel's
//! bookkeeping table is there, as after `diesel migration run`. It runs as a role of its own, which owns the database.

mod keeper;

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::time::Duration;

use crate::app::App;
use crate::catalog::dump::Dump;
use crate::database::books::{DieselOnly, create_history};
use crate::database::runner::Runner;
pub(crate) use crate::database::task::Failed;
use crate::database::task::Task;
use crate::migrations::{Migration, Migrations};
use crate::pg::{Connection, Params, SqlError, Tool};
use crate::scratch::local_postgres;
use crate::ui::failure::{Failure, Kind, Result};
use crate::workspace::Service;
use crate::workspace::server::ServerSettings;
pub(crate) use keeper::random;
use keeper::{Keeper, Power};

/// A server of the user's own, in place of the one that `local-postgres` starts. It reads the same variable; when it is
/// set, there is nothing to start, and no need for cargo to build what starts it.
const SERVER_URL: &str = "LOCAL_POSTGRES_URL";

/// The server of this program among those of `local-postgres`; the services' tests have their own.
const SERVER: &str = "xtask";

/// How the SQL of migrations is trusted on the throw-away server.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Trust {
    /// Anybody's, such as a pull request's: it has no power over the server, unless the service's settings give it, and
    /// so much time for a statement.
    Confined(Duration),
    /// Files that a person has at hand to take over a database.
    Full,
}

/// The options of the verbs that try migrations.
#[derive(clap::Args)]
pub(crate) struct Options {
    /// How long a statement of a migration may take on the throw-away server
    #[arg(long, value_name = "SECONDS", default_value_t = 60, value_parser = clap::value_parser!(u32).range(1..))]
    statement_timeout: u32,
}

impl Options {
    pub(crate) fn trust(&self) -> Trust {
        Trust::Confined(Duration::from_secs(self.statement_timeout.into()))
    }
}

/// A server on which databases may be made and thrown away.
pub(crate) struct ThrowawayServer<'c> {
    app: &'c App,
    params: Params,
    trust: Trust,
}

/// What `pg_dump` needs to read a throw-away database.
pub(crate) struct Dumped {
    pub(crate) params: Params,
    /// As libpq numbers it.
    pub(crate) server_version: i32,
    name: String,
}

/// A database of our own, empty at first. It goes when this is dropped.
pub(crate) struct ThrowawayDatabase<'c> {
    app: &'c App,
    service: &'c Service,
    params: Params,
    trust: Trust,
    // Closed before the keeper drops the database: fields are dropped in this order.
    connection: Connection,
    keeper: Keeper,
}

impl<'c> ThrowawayServer<'c> {
    /// Finds the server for one service or has it started, and removes what dead runs left on it.
    ///
    /// # Errors
    /// No server to be had.
    pub(crate) fn find(app: &'c App, trust: Trust, service: &'c Service) -> Result<Self> {
        note_unused(app, service);
        Self::open(app, trust, service)
    }

    fn open(app: &'c App, trust: Trust, service: &'c Service) -> Result<Self> {
        let url = match own_server() {
            Some(url) => url,
            None => local_postgres::url(&app.workspace, SERVER, &service.server)
                .map_err(|failure| because_of(app, service, failure))?,
        };
        let params = Params::parse(url.trim()).map_err(|reason| {
            Failure::usage(format!(
                "failed to read the throw-away server's URL: {reason}"
            ))
            .help(format!(
                "{SERVER_URL} has the form postgres://user:password@host:port/postgres"
            ))
        })?;
        let server = Self { app, params, trust };
        keeper::sweep(&mut server.connect(&server.params)?, &server.params);
        Ok(server)
    }

    /// Makes an empty database in which to try the migrations of `service`.
    ///
    /// # Errors
    /// The server's.
    pub(crate) fn database(&self, service: &'c Service) -> Result<ThrowawayDatabase<'c>> {
        let session = self.connect(&self.params)?;
        let refused = |error: SqlError| {
            Failure::new(
                Kind::Connect,
                format!(
                    "failed to create a throw-away database for service `{}`: {error}",
                    service.name
                ),
            )
            .help(format!("the server is {}", self.params))
        };
        let power = match self.trust {
            Trust::Confined(timeout) => Power {
                is_superuser: service.superuser,
                timeout: Some(timeout),
            },
            Trust::Full => Power {
                is_superuser: true,
                timeout: None,
            },
        };
        let keeper = Keeper::new(session, &self.params, &service.name, power).map_err(refused)?;
        let params = keeper.params();
        let mut connection = Connection::open(&params).map_err(|reason| {
            Failure::new(
                Kind::Connect,
                format!(
                    "failed to connect to the throw-away server as a role of our own: {reason}"
                ),
            )
            .help(format!(
                "its URL is {}: the server must allow a new role to connect with a password",
                self.params
            ))
        })?;
        connection
            .execute(&create_history("public"))
            .map_err(refused)?;
        Ok(ThrowawayDatabase {
            app: self.app,
            service,
            params,
            trust: self.trust,
            connection,
            keeper,
        })
    }

    /// The `pg_dump` that reads this server, or why there is none.
    ///
    /// # Errors
    /// The server's.
    pub(crate) fn pg_dump(&self) -> Result<Result<Tool>> {
        let connection = self.connect(&self.params)?;
        let (version, params) = (connection.server_version(), connection.pinned());
        Ok(Tool::for_schema(version, &params))
    }

    fn connect(&self, params: &Params) -> Result<Connection> {
        Connection::open(params).map_err(|reason| {
            Failure::new(
                Kind::Connect,
                format!("failed to connect to the throw-away server: {reason}"),
            )
            .help(format!("its URL is {}", self.params))
        })
    }
}

/// The servers of a run: one for all services that say nothing of theirs, and one for each that is to be started in
/// another way.
pub(crate) struct ThrowawayServers<'c> {
    app: &'c App,
    trust: Trust,
    found: BTreeMap<&'c ServerSettings, Result<ThrowawayServer<'c>>>,
    /// What was said of services whose settings are of no use.
    noted: BTreeSet<&'c str>,
}

impl<'c> ThrowawayServers<'c> {
    pub(crate) fn new(app: &'c App, trust: Trust) -> Self {
        Self {
            app,
            trust,
            found: BTreeMap::new(),
            noted: BTreeSet::new(),
        }
    }

    /// Finds the servers for these services, or has them started. Gives why some are not to be had, each once.
    pub(crate) fn add(&mut self, services: &[&'c Service]) -> Vec<Failure> {
        let mut failures = BTreeMap::new();
        for service in services {
            if self.noted.insert(&service.name) {
                note_unused(self.app, service);
            }
            let key = key(service);
            let found = self.found.entry(key);
            let found =
                found.or_insert_with(|| ThrowawayServer::open(self.app, self.trust, service));
            if let Err(failure) = found {
                failures.insert(key, failure.clone());
            }
        }
        failures.into_values().collect()
    }

    /// The server for a service that was added; `None` if it is not to be had.
    pub(crate) fn of(&self, service: &Service) -> Option<&ThrowawayServer<'c>> {
        self.found.get(key(service))?.as_ref().ok()
    }
}

/// A server of the user's own, if there is one.
fn own_server() -> Option<String> {
    let url = std::env::var(SERVER_URL).ok();
    url.filter(|url| !url.trim().is_empty())
}

/// What tells the server for a service from the others.
fn key(service: &Service) -> &ServerSettings {
    static ANY: ServerSettings = ServerSettings {
        image: None,
        conf: BTreeMap::new(),
    };
    match own_server() {
        Some(_) => &ANY,
        None => &service.server,
    }
}

/// Says that a server which is there already is started with nothing.
fn note_unused(app: &App, service: &Service) {
    let said: Vec<_> = service
        .server
        .said()
        .map(|key| format!("`{key}`"))
        .collect();
    if !said.is_empty() && own_server().is_some() {
        app.progress.note(&format!(
            "the server of {SERVER_URL} is used unchanged, without the {} of service `{}`",
            said.join(" and "),
            service.name
        ));
    }
}

/// With the place of the settings that the server was to be started with.
fn because_of(app: &App, service: &Service, failure: Failure) -> Failure {
    let said: Vec<_> = service.server.said().collect();
    let Some(first) = said.first() else {
        return failure;
    };
    let file = app.workspace.shown(&service.folder.join("Cargo.toml"));
    let manifest = app.workspace.manifest(&service.folder);
    let line = manifest.map_or(1, |manifest| {
        manifest.line(&["package", "metadata", "db", first])
    });
    failure.help(format!(
        "the server is one for service `{}`, with the {} of {file}:{line}",
        service.name,
        said.join(" and the ")
    ))
}

impl ThrowawayDatabase<'_> {
    /// Applies every migration, oldest first.
    ///
    /// # Errors
    /// The first that fails, shown in its file.
    pub(crate) fn apply(&mut self, migrations: &Migrations) -> Result<()> {
        // Nothing is applied yet, so the plan is all of them.
        let pending = migrations.plan(&[]).pending;
        let tasks: Vec<_> = pending.into_iter().map(Task::up).collect();
        Ok(self.run(&tasks)?)
    }

    /// Applies one migration.
    ///
    /// # Errors
    /// The failing statement and its place.
    pub(crate) fn up(&mut self, migration: &Migration) -> Result<(), Failed> {
        self.run(&[Task::up(migration)])
    }

    /// Reverts one migration.
    ///
    /// # Errors
    /// As for [`up`](Self::up); also a missing or empty `down.sql`.
    pub(crate) fn down(&mut self, migration: &Migration) -> Result<(), Failed> {
        match migration.down() {
            Ok(sql) => self.down_with(migration, &sql),
            Err(failure) => Err(Failed::before_running(&Task::down(migration, ""), failure)),
        }
    }

    /// Reverts one migration with a text that is in no file yet.
    ///
    /// # Errors
    /// As for [`up`](Self::up).
    pub(crate) fn down_with(&mut self, migration: &Migration, sql: &str) -> Result<(), Failed> {
        self.run(&[Task::down(migration, sql)])
    }

    /// A session of the database's owner, outside any transaction.
    pub(crate) fn connection(&mut self) -> &mut Connection {
        &mut self.connection
    }

    /// For the environment of a child process; never for its arguments.
    pub(crate) fn url_with_password(&self) -> String {
        self.params.url_with_password()
    }

    pub(crate) fn dumped(&self) -> Dumped {
        Dumped {
            params: self.connection.pinned(),
            server_version: self.connection.server_version(),
            name: self.keeper.name().to_owned(),
        }
    }

    /// A path as it is shown to a person.
    pub(crate) fn shown(&self, path: &Path) -> String {
        self.app.workspace.shown(path)
    }

    /// `text`, such as a child's output, without the password and without the database's private name.
    pub(crate) fn clean(&self, text: &str) -> String {
        clean(text, &self.params, self.keeper.name(), self.service)
    }

    fn run(&mut self, tasks: &[Task<'_>]) -> Result<(), Failed> {
        for task in tasks {
            self.keeper.note(task.sql());
        }
        let name = self.keeper.name().to_owned();
        let (params, service) = (&self.params, self.service);
        let pid = self.connection.announced_pid();
        let connection = &mut self.connection;
        let workspace = &self.app.workspace;
        let (ran, is_ended) = self.keeper.watched(pid, || {
            Runner {
                workspace,
                service,
                connection,
                books: &DieselOnly,
                recovery: None,
                clean: &|text| clean(text, params, &name, service),
            }
            .run(tasks, None)
        });
        // Nothing temporary outlives a run of `db migrate`. If the connection is lost, the next statement says so.
        let _ = self.connection.execute("DISCARD TEMP");
        let Some(mut failed) = ran.failed else {
            return Ok(());
        };
        if is_ended {
            failed.sqlstate = TIMED_OUT.to_owned();
            failed.message = "it switched the statement timeout off, and took longer".to_owned();
        }
        if let Some(help) = self.help(&failed) {
            failed.failure = failed.failure.help(help);
        }
        Err(failed)
    }

    /// What to do where the confinement is why it failed.
    fn help(&self, failed: &Failed) -> Option<String> {
        let Trust::Confined(timeout) = self.trust else {
            return None;
        };
        match failed.sqlstate.as_str() {
            TIMED_OUT => Some(format!(
                "a statement may take {} seconds here; --statement-timeout SECONDS allows more",
                timeout.as_secs()
            )),
            "42501" if !self.service.superuser => Some(format!(
                "migrations run here as an ordinary role that owns the database; if a superuser runs them in production, declare it in {}: `superuser = true`, with the reason in `superuser-reason`",
                self.shown(&self.service.folder.join("Cargo.toml"))
            )),
            _ => None,
        }
    }
}

impl Dumped {
    /// The schema and what belongs to the database itself, without Diesel's bookkeeping.
    ///
    /// # Errors
    /// `pg_dump`'s.
    pub(crate) fn dump(&self, tool: &Tool) -> anyhow::Result<Dump> {
        let arguments = [
            "--create",
            "--exclude-table=public.__diesel_schema_migrations",
        ];
        let arguments = arguments.map(str::to_owned).into();
        Dump::read(tool, &self.params, arguments, &[(&self.name, "its_own")])
    }
}

/// What is said where the catalog of a throw-away database can't be read.
pub(crate) fn unreadable(service: &Service, error: &SqlError) -> Failure {
    Failure::new(
        Kind::Migration,
        format!(
            "failed to read the catalog that the migrations of service `{}` made: {error}",
            service.name
        ),
    )
}

/// The SQLSTATE of a statement that was cancelled.
const TIMED_OUT: &str = "57014";

fn clean(text: &str, params: &Params, name: &str, service: &Service) -> String {
    params.redact(text).replace(name, &service.database)
}
