//! A private database for one test.

use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

use anyhow::Result;
use diesel::{Connection, PgConnection};

use crate::server::Server;
use crate::workspace::Package;
use crate::{clones, template};

/// The server of this process's package.
static SERVER: Mutex<Option<Arc<Server>>> = Mutex::new(None);

/// A private PostgreSQL database with the migrations of the package under test.
///
/// Dropped with the value; kept, with its URL printed, if the test panics.
#[derive(Debug)]
pub struct TestDatabase {
    server: Arc<Server>,
    name: String,
    url: String,
}

/// What a database starts with.
#[derive(Debug, Clone, Copy)]
enum Content<'a> {
    Nothing,
    Head,
    Version(&'a str),
}

impl TestDatabase {
    /// A database with all migrations of the package under test.
    ///
    /// # Panics
    ///
    /// If there is none to be had, saying what to do; [`try_new`](Self::try_new) returns the error.
    #[must_use]
    #[expect(
        clippy::new_without_default,
        reason = "a database should not appear by way of a derive"
    )]
    pub fn new() -> Self {
        Self::try_new().unwrap_or_else(|error| fail(&error))
    }

    /// A database without anything, to try migrations on.
    ///
    /// # Panics
    ///
    /// As [`new`](Self::new).
    #[must_use]
    pub fn empty() -> Self {
        Self::try_empty().unwrap_or_else(|error| fail(&error))
    }

    /// A database with the migrations up to and including `version`, with or without its dashes.
    ///
    /// # Panics
    ///
    /// As [`new`](Self::new), and if there is no migration of that version.
    #[must_use]
    pub fn at(version: &str) -> Self {
        Self::try_at(version).unwrap_or_else(|error| fail(&error))
    }

    /// [`new`](Self::new), with an error instead of a panic.
    ///
    /// # Errors
    ///
    /// Nothing to run PostgreSQL with, a server that does not start, a migration that fails.
    pub fn try_new() -> Result<Self> {
        Self::with(Content::Head)
    }

    /// [`empty`](Self::empty), with an error instead of a panic.
    ///
    /// # Errors
    ///
    /// As [`try_new`](Self::try_new).
    pub fn try_empty() -> Result<Self> {
        Self::with(Content::Nothing)
    }

    /// [`at`](Self::at), with an error instead of a panic.
    ///
    /// # Errors
    ///
    /// As [`try_new`](Self::try_new), and no migration of that version.
    pub fn try_at(version: &str) -> Result<Self> {
        Self::with(Content::Version(version))
    }

    /// The superuser's URL of this database.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.url
    }

    /// The name of this database.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// A new connection to this database.
    ///
    /// # Panics
    ///
    /// If the server does not answer any more.
    #[must_use]
    pub fn connection(&self) -> PgConnection {
        PgConnection::establish(&self.url).unwrap_or_else(|error| {
            panic!(
                "failed to connect to test database `{}`: {error}",
                self.name
            )
        })
    }

    fn with(content: Content<'_>) -> Result<Self> {
        let package = Package::of_caller()?;
        let server = server(package)?;
        match Self::on(&server, package, content) {
            Ok(database) => Ok(database),
            // The same again would end the same.
            Err(error) if error.is::<template::Unmigrated>() => Err(error),
            // The server may have gone since this process found it, or the template may have been replaced.
            Err(error) => {
                forget(&server);
                let again = self::server(package)?;
                Self::on(&again, package, content).map_err(|second| {
                    // The first one tells more if they differ only in what the first attempt left.
                    if format!("{second:#}") == format!("{error:#}") {
                        error
                    } else {
                        second
                    }
                })
            }
        }
    }

    fn on(server: &Arc<Server>, package: &Package, content: Content<'_>) -> Result<Self> {
        let template = match content {
            Content::Nothing => "template0".to_owned(),
            Content::Head => template::ensure(server, package, None)?,
            Content::Version(version) => template::ensure(server, package, Some(version))?,
        };
        let current = thread::current();
        let name = clones::name(server.run(), current.name().unwrap_or("test"));
        clones::create(server, &name, &template)?;
        let url = server.url(&name);
        Ok(Self {
            server: Arc::clone(server),
            name,
            url,
        })
    }
}

impl Drop for TestDatabase {
    fn drop(&mut self) {
        if thread::panicking() {
            let why = thread::current().name().unwrap_or("a test").to_owned();
            let kept = clones::keep(&self.server, &self.name, &why);
            eprintln!(
                "the database of this test is kept until its server has been idle: psql '{}'",
                self.url
            );
            if let Err(error) = kept {
                eprintln!("failed to mark it as kept, a later run will drop it: {error:#}");
            }
        } else if let Err(error) = clones::drop(&self.server, &self.name) {
            // The next run sweeps it; a test that passed should not fail for it.
            eprintln!("failed to drop test database `{}`: {error:#}", self.name);
        }
    }
}

fn server(package: &Package) -> Result<Arc<Server>> {
    let mut shared = SERVER.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(server) = &*shared {
        return Ok(Arc::clone(server));
    }
    let server = Arc::new(Server::of(package)?);
    // What a killed run left is no reason to fail.
    let _ = clones::sweep(&server, false);
    *shared = Some(Arc::clone(&server));
    Ok(server)
}

/// Makes the next test look for a server again, unless another thread did so already.
fn forget(server: &Arc<Server>) {
    let mut shared = SERVER.lock().unwrap_or_else(PoisonError::into_inner);
    if shared
        .as_ref()
        .is_some_and(|current| Arc::ptr_eq(current, server))
    {
        *shared = None;
        template::forget();
    }
}

fn fail(error: &anyhow::Error) -> ! {
    panic!("failed to make a test database: {error:#}")
}
