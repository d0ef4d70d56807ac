//! Databases to try migrations on: private, on a throw-away server, gone afterwards. Never a configured one.
//!
//! ```ignore
//! let server = ThrowawayServer::find(app)?;        // once per run; shared by all threads
//! let mut database = server.database(service)?;         // empty
//! database.apply(&Migrations::read(service)?)?;         // to head, or the failure of a migration
//! database.down(migration)?;                            // one migration, with its place in the file on failure
//! database.connection().query_json("SELECT …", &[])?;   // look at what it made
//! Command::new("…").env("DATABASE_URL", database.url_with_password());
//! drop(database);                                       // dropped on the server, too, also after an error
//! ```
//!
//! A migration runs as `db migrate` runs it, each in its own transaction or in none, but without the ledger: only Diesel's
//! bookkeeping table is there, as after `diesel migration run`.

use std::hash::{BuildHasher as _, Hasher as _, RandomState};
use std::path::Path;

use crate::app::App;
use crate::database::books::{DieselOnly, create_history};
use crate::database::runner::Runner;
pub(crate) use crate::database::task::Failed;
use crate::database::task::Task;
use crate::migrations::{Migration, Migrations};
use crate::pg::{Connection, Ident, Params, SqlError};
use crate::scratch::local_postgres;
use crate::ui::failure::{Failure, Kind, Result};
use crate::workspace::Service;

/// A server of the user's own, in place of the one that `local-postgres` starts. It reads the same variable; when it is
/// set, there is nothing to start, and no need for cargo to build what starts it.
const SERVER_URL: &str = "LOCAL_POSTGRES_URL";

/// The server of this program among those of `local-postgres`; the services' tests have their own.
const SERVER: &str = "xtask";

/// The statements that make a role.
const CREATES_ROLE: &[[&str; 2]] = &[["create", "role"], ["create", "user"], ["create", "group"]];

/// How the names of our databases begin.
const PREFIX: &str = "throwaway_";

/// The first key of the advisory locks that say that a database is in use: "thrw" in ASCII.
const CLASS: i32 = 0x7468_7277;

/// The databases whose session has ended without dropping them. The random number in the name is the key of a lock that
/// the session takes before it creates the database, so that a run on another machine is told from a dead one.
const LEFT_BEHIND: &str = "
SELECT datname FROM pg_database
WHERE CASE WHEN datname ~ '^throwaway_[0-9a-f]{8}_' THEN NOT EXISTS (
    SELECT FROM pg_locks WHERE locktype = 'advisory' AND classid = $1::oid
      AND objid = ('x' || substr(datname, 11, 8))::bit(32)::int::oid) ELSE false END";

/// A server on which databases may be made and thrown away.
pub(crate) struct ThrowawayServer<'c> {
    app: &'c App,
    params: Params,
}

/// A database of our own, empty at first. It goes when this is dropped.
pub(crate) struct ThrowawayDatabase<'c> {
    app: &'c App,
    service: &'c Service,
    params: Params,
    /// The server's roles when the database was made, and what was run since that may have made more.
    roles: Vec<String>,
    made_roles: String,
    // Closed before the keeper drops the database: fields are dropped in this order.
    connection: Connection,
    keeper: Keeper,
}

/// The session that holds the lock on a database's name, and drops the database.
struct Keeper {
    session: Connection,
    name: String,
}

impl<'c> ThrowawayServer<'c> {
    /// Finds the server or has it started, and removes what dead runs left on it.
    ///
    /// # Errors
    /// No server to be had.
    pub(crate) fn find(app: &'c App) -> Result<Self> {
        let url = match std::env::var(SERVER_URL) {
            Ok(url) if !url.trim().is_empty() => url,
            _ => local_postgres::url(&app.workspace, SERVER)?,
        };
        let params = Params::parse(url.trim()).map_err(|reason| {
            Failure::usage(format!(
                "failed to read the throw-away server's URL: {reason}"
            ))
            .help(format!(
                "{SERVER_URL} has the form postgres://user:password@host:port/postgres"
            ))
        })?;
        let server = Self { app, params };
        server.sweep(&mut server.connect(&server.params)?);
        Ok(server)
    }

    /// Makes an empty database in which to try the migrations of `service`.
    ///
    /// # Errors
    /// The server's.
    pub(crate) fn database(&self, service: &'c Service) -> Result<ThrowawayDatabase<'c>> {
        let mut session = self.connect(&self.params)?;
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
        let number = loop {
            let number = random();
            let locked = session.query_bool(
                "SELECT pg_try_advisory_lock($1::int, $2::int)",
                &[&CLASS.to_string(), &number.to_string()],
            );
            if locked.map_err(refused)? {
                break number;
            }
        };
        let keeper = Keeper {
            session,
            name: name(number, &service.name),
        };
        let params = self.params.with("dbname", &keeper.name);
        let connection = keeper.create(refused).and_then(|keeper| {
            let mut connection = self.connect(&params)?;
            connection
                .execute(&create_history("public"))
                .map_err(refused)?;
            let roles = roles(&mut connection).map_err(refused)?;
            Ok((keeper, connection, roles))
        });
        let (keeper, connection, roles) = connection?;
        Ok(ThrowawayDatabase {
            app: self.app,
            service,
            params,
            roles,
            made_roles: String::new(),
            connection,
            keeper,
        })
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

    /// Whoever sweeps at the same time drops the same databases: that one of us fails is no failure.
    fn sweep(&self, session: &mut Connection) {
        let left = session.query(LEFT_BEHIND, &[&CLASS.to_string()]);
        for name in left.into_iter().flatten().flatten().flatten() {
            let _ = session.execute(&drop_database(&name));
        }
    }
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

    /// A session of the superuser, outside any transaction.
    pub(crate) fn connection(&mut self) -> &mut Connection {
        &mut self.connection
    }

    /// For the environment of a child process; never for its arguments.
    pub(crate) fn url_with_password(&self) -> String {
        self.params.url_with_password()
    }

    /// A path as it is shown to a person.
    pub(crate) fn shown(&self, path: &Path) -> String {
        self.app.workspace.shown(path)
    }

    /// `text`, such as a child's output, without the password and without the database's private name.
    pub(crate) fn clean(&self, text: &str) -> String {
        clean(text, &self.params, &self.keeper.name, self.service)
    }

    fn run(&mut self, tasks: &[Task<'_>]) -> Result<(), Failed> {
        for task in tasks {
            if CREATES_ROLE.iter().any(|words| contains(task.sql(), words)) {
                self.made_roles.push_str(task.sql());
            }
        }
        let (params, name, service) = (&self.params, &self.keeper.name, self.service);
        let mut runner = Runner {
            workspace: &self.app.workspace,
            service,
            connection: &mut self.connection,
            books: &DieselOnly,
            recovery: None,
            clean: &|text| clean(text, params, name, service),
        };
        runner.run(tasks, None).failed.map_or(Ok(()), Err)
    }
}

fn clean(text: &str, params: &Params, name: &str, service: &Service) -> String {
    params.redact(text).replace(name, &service.database)
}

impl Drop for ThrowawayDatabase<'_> {
    /// Roles are the server's, not the database's: those that the migrations made would be in the way of the next run.
    /// The server may be a user's own, so only a new role goes, and only one that a migration names.
    fn drop(&mut self) {
        if self.made_roles.is_empty() {
            return;
        }
        let now = roles(&mut self.connection).unwrap_or_default();
        let new = now.iter().filter(|role| !self.roles.contains(role));
        for role in new.filter(|role| self.made_roles.contains(role.as_str())) {
            let role = Ident(role);
            // Another throw-away database may use the role; then the last one drops it.
            let _ = self
                .connection
                .execute(&format!("DROP OWNED BY {role} CASCADE; DROP ROLE {role}"));
        }
    }
}

fn roles(connection: &mut Connection) -> Result<Vec<String>, SqlError> {
    let rows = connection.query("SELECT rolname FROM pg_roles", &[])?;
    Ok(rows.into_iter().flatten().flatten().collect())
}

/// Whether the two words stand in the text, one after the other.
fn contains(sql: &str, [first, second]: &[&str; 2]) -> bool {
    let mut words = sql.split_whitespace();
    let mut next = words.clone().skip(1);
    words.any(|word| {
        next.next().is_some_and(|other| {
            word.eq_ignore_ascii_case(first) && other.eq_ignore_ascii_case(second)
        })
    })
}

impl Keeper {
    /// From `template0`: nothing of the machine's own `template1` is in it, and nobody is ever connected to it.
    fn create(mut self, refused: impl Fn(SqlError) -> Failure) -> Result<Self> {
        self.session
            .execute(&format!(
                "CREATE DATABASE {} TEMPLATE template0",
                Ident(&self.name)
            ))
            .map_err(refused)?;
        Ok(self)
    }
}

impl Drop for Keeper {
    fn drop(&mut self) {
        // If the server is gone, there is nothing to drop; what it may have kept, the next run sweeps.
        let _ = self.session.execute(&drop_database(&self.name));
    }
}

/// FORCE: an orphan of ours may still be connected, and nobody else has any business there.
fn drop_database(name: &str) -> String {
    format!("DROP DATABASE IF EXISTS {} WITH (FORCE)", Ident(name))
}

/// The number is the key of the lock; the process and the service are for whoever looks at the server.
fn name(number: i32, service: &str) -> String {
    let service = service.replace(|c: char| !c.is_ascii_alphanumeric(), "_");
    let mut name = format!("{PREFIX}{number:08x}_{}_{service}", std::process::id());
    // The longest identifier that PostgreSQL does not cut by itself.
    name.truncate(63);
    name
}

/// Not negative, so that it reads the same as a lock's key and as an oid.
pub(crate) fn random() -> i32 {
    let [a, b, c, d, ..] = RandomState::new().build_hasher().finish().to_le_bytes();
    i32::from_le_bytes([a, b, c, d & 0x7f])
}
