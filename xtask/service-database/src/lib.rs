//! How a service meets its database: finds the URL, refuses what is not its own, migrates when asked.
//!
//! A service that started on another service's database, or on one without its tables, would fail
//! later and worse. So it asks first, in one statement: the owner that `cargo xtask db` has written into
//! the database, and the applied migrations of Diesel's own table. A database that is ahead of the
//! service is fine: during a deployment the versions before and after run side by side.
//!
//! ```no_run
//! use std::time::Duration;
//!
//! use diesel_migrations::EmbeddedMigrations;
//! use service_database::Service;
//!
//! fn main() -> Result<(), service_database::Error> {
//! # const MIGRATIONS: EmbeddedMigrations = diesel_migrations::embed_migrations!("tests/migrations");
//!     let service = Service {
//!         name: "arc",
//!         variable: "ARC_DATABASE_URL",
//!         migrations: MIGRATIONS,
//!     };
//!     let url = service.url()?;
//!     if let Some(warning) = url.warning() {
//!         eprintln!("{warning}");
//!     }
//!     if std::env::args().any(|argument| argument == "--migrate") {
//!         service.migrate(&url, Duration::from_secs(60))?;
//!     }
//!     let connection = service.connect(&url)?;
//! # drop(connection);
//!     Ok(())
//! }
//! ```

mod error;
mod lock;
mod state;

use std::time::{Duration, Instant};

use diesel::migration::{Migration, MigrationSource};
use diesel::pg::Pg;
use diesel::{Connection as _, ConnectionError, PgConnection};
use diesel_migrations::{EmbeddedMigrations, MigrationHarness as _};
// Linked for their features: libpq and OpenSSL are built in.
use openssl_sys as _;
use pq_sys as _;
use service_url::ServiceUrl;

pub use error::{Error, Result};
use state::State;

/// A service that owns a database.
pub struct Service {
    /// The package's name, as the database names its owner.
    pub name: &'static str,
    /// The variable of its URL, as in the package's settings.
    pub variable: &'static str,
    /// The migrations that it needs.
    pub migrations: EmbeddedMigrations,
}

impl Service {
    /// The URL by the rule of [`service_url`], from this process's environment and, in development, the
    /// `.env` of the workspace around the working directory. Its warning is for the caller to print.
    ///
    /// # Errors
    /// No variable is set, or a file can't be read.
    pub fn url(&self) -> Result<ServiceUrl> {
        // Without a working directory there is no workspace around it.
        let root = match std::env::current_dir() {
            Ok(here) => service_url::workspace_root(&here)?,
            Err(_) => None,
        };
        let environment = |name: &str| std::env::var(name);
        let url = service_url::find(self.name, self.variable, root.as_deref(), environment)?;
        Ok(url)
    }

    /// Connects to the database, if it is this service's own and has its migrations. Writes nothing.
    ///
    /// # Errors
    /// The database can't be reached, is not the service's own, or lacks migrations.
    pub fn connect(&self, url: &ServiceUrl) -> Result<PgConnection> {
        let (connection, state) = self.connect_to_own(url)?;
        let pending = self.pending(&state.applied)?;
        if pending.is_empty() {
            return Ok(connection);
        }
        Err(Error::Pending {
            service: self.name,
            database: state.database,
            versions: pending
                .iter()
                .map(|migration| migration.name().version().to_string())
                .collect(),
        })
    }

    /// Applies the migrations that the database lacks and returns their names. Takes the locks of
    /// `cargo xtask db`, so that two runs, of whichever program, take turns; the tool takes over what was
    /// applied here into its own history when it runs next.
    ///
    /// The URL must lead to PostgreSQL itself: the locks are a session's, which a transaction pooler
    /// does not keep together.
    ///
    /// # Errors
    /// The database can't be reached or is not the service's own; another run holds the lock for
    /// longer than `patience`; a migration fails. What was applied before it stays applied.
    pub fn migrate(&self, url: &ServiceUrl, patience: Duration) -> Result<Vec<String>> {
        let deadline = Instant::now() + patience;
        let (mut holder, _) = self.connect_to_own(url)?;
        lock::acquire(&mut holder, lock::RUN, deadline, self.name)?;
        let (mut worker, _) = self.connect_to_own(url)?;
        lock::acquire(&mut worker, lock::WORK, deadline, self.name)?;

        // Read now, while no other run writes. Diesel creates its table here if it is missing.
        let failed = |source| Error::Migration {
            service: self.name,
            source,
        };
        let applied = worker.applied_migrations().map_err(failed)?;
        let applied: Vec<_> = applied.iter().map(ToString::to_string).collect();
        let mut names = Vec::new();
        for migration in self.pending(&applied)? {
            worker.run_migration(&*migration).map_err(failed)?;
            names.push(migration.name().to_string());
        }
        Ok(names)
    }

    /// The service's migrations that are not among the applied versions, in order.
    fn pending(&self, applied: &[String]) -> Result<Vec<Box<dyn Migration<Pg>>>> {
        let mut migrations = self
            .migrations
            .migrations()
            .map_err(|source| Error::Migration {
                service: self.name,
                source,
            })?;
        migrations.retain(|migration| !applied.contains(&migration.name().version().to_string()));
        migrations.sort_by_key(|migration| migration.name().version().as_owned());
        Ok(migrations)
    }

    fn connect_to_own(&self, url: &ServiceUrl) -> Result<(PgConnection, State)> {
        let mut connection = connect(url)?;
        let state = State::read(&mut connection)?;
        match &state.owner {
            Some(owner) if owner == self.name => Ok((connection, state)),
            Some(owner) => Err(Error::NotOwn {
                service: self.name,
                database: state.database,
                owner: owner.clone(),
                origin: url.origin.clone(),
            }),
            None => Err(Error::NoOwner {
                service: self.name,
                database: state.database,
                origin: url.origin.clone(),
            }),
        }
    }
}

fn connect(url: &ServiceUrl) -> Result<PgConnection> {
    PgConnection::establish(&url.text).map_err(|error| match error {
        // What libpq says of a server holds no password; what it says of a URL may quote it.
        ConnectionError::BadConnection(reason) if reason.starts_with("connection to server") => {
            Error::Unreachable {
                origin: url.origin.clone(),
                reason: reason.trim_end().to_owned(),
            }
        }
        _ => Error::Unusable {
            origin: url.origin.clone(),
        },
    })
}
