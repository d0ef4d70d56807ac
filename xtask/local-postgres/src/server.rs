//! A throw-away server that all tests of one package share.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use anyhow::{Context, Result};
use diesel::PgConnection;
use diesel::connection::SimpleConnection;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use url::Url;
use uuid::Uuid;

use crate::order::{self, ENDED_AT_ONCE, Lifetime, Order, SCRIPT};
use crate::records::{self, Record};
use crate::release::Release;
use crate::settings::{Provider, Settings};
use crate::state::{self, Lock};
use crate::variable::SettingsError;
use crate::workspace::{self, Package};
use crate::{provider, sql};

/// What is escaped in the name of a database.
const ESCAPED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'_').remove(b'-');

/// First key of the locks of live runs: "lpg" in ASCII.
pub(crate) const LOCK_CLASS: i32 = 0x006c_7067;
/// What makes a throw-away server fast, and nothing that changes what SQL means. Figures: the PostgreSQL manual,
/// "Non-Durable Settings".
pub(crate) const FAST: [(&str, &str); 16] = [
    ("fsync", "off"),
    ("synchronous_commit", "off"),
    ("full_page_writes", "off"),
    ("autovacuum", "off"),
    ("wal_level", "minimal"),
    ("max_wal_senders", "0"),
    // DROP DATABASE looks at every buffer.
    ("shared_buffers", "32MB"),
    ("max_connections", "500"),
    // The log of changes is in memory too.
    ("max_wal_size", "256MB"),
    ("min_wal_size", "32MB"),
    ("checkpoint_timeout", "1d"),
    ("bgwriter_lru_maxpages", "0"),
    ("jit", "off"),
    ("timezone", "UTC"),
    // Tests provoke errors on purpose: they would fill the memory.
    ("log_min_messages", "fatal"),
    ("log_checkpoints", "off"),
];

/// A running PostgreSQL server for tests: found if this checkout has one of that name, or else started.
///
/// It holds a session while it lives, so that the server doesn't take itself for idle. Dropping it leaves the server
/// running for the next run of the tests; it stops itself when it has had no connection for
/// `LOCAL_POSTGRES_IDLE_MINUTES`.
pub struct Server {
    url: Url,
    provider: Provider,
    release: Release,
    /// Names the databases of this process, and a lock that says that it is alive.
    run: i32,
    /// Has the lock.
    session: Mutex<PgConnection>,
    /// More sessions, for threads that come while others are busy.
    spare: Mutex<Vec<PgConnection>>,
}

/// What is asked for of a throw-away server; each that is asked for something else is another server.
#[derive(Debug, Clone, Default)]
pub struct Wanted {
    /// A major version.
    pub version: Option<String>,
    /// The image, where Docker runs it, before `LOCAL_POSTGRES_IMAGE`.
    pub image: Option<String>,
    /// PostgreSQL's settings, by name, before those that make it fast.
    pub settings: BTreeMap<String, String>,
}

impl std::fmt::Debug for Server {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Server")
            .field("url", &sql::shown(&self.url))
            .finish_non_exhaustive()
    }
}

impl Server {
    /// Finds or starts the throw-away server `name` of the calling package's workspace.
    ///
    /// # Errors
    ///
    /// Nothing to run PostgreSQL with, or the server does not start; the error says what to do.
    pub fn for_tests(name: &str) -> Result<Self> {
        let folder = match std::env::var_os("CARGO_MANIFEST_DIR") {
            Some(folder) => PathBuf::from(folder),
            None => std::env::current_dir().context("failed to read the working directory")?,
        };
        Self::for_workspace(name, &folder, &Wanted::default())
    }

    /// Finds or starts the throw-away server `name` of the workspace that `folder` is in, for code that is not a test
    /// of cargo's.
    ///
    /// # Errors
    ///
    /// As [`for_tests`](Self::for_tests), another version than the one asked for, and settings that PostgreSQL does not
    /// start with.
    pub fn for_workspace(name: &str, folder: &Path, wanted: &Wanted) -> Result<Self> {
        let server = Self::named(name, &workspace::workspace_of(folder)?, folder, wanted)?;
        if let Some(image) = &wanted.image
            && server.provider == Provider::Native
        {
            order::note(&format!(
                "image `{image}` is not used for `{name}`, but installed PostgreSQL {}",
                server.release
            ));
        }
        Ok(server)
    }

    pub(crate) fn of(package: &Package) -> Result<Self> {
        Self::named(
            &package.name,
            &package.workspace,
            &package.folder,
            &Wanted::default(),
        )
    }

    fn named(name: &str, workspace: &Path, folder: &Path, wanted: &Wanted) -> Result<Self> {
        let mut settings = Settings::read(workspace, folder, wanted.version.as_deref())?;
        settings.image = wanted.image.clone().or(settings.image);
        if let Some(url) = &settings.url {
            let connection = sql::connect(url).context("failed to use LOCAL_POSTGRES_URL")?;
            let server = Self::open(url.clone(), Provider::Url, connection)?;
            order::check_version(
                &settings,
                &server.release,
                "the server of LOCAL_POSTGRES_URL",
            )?;
            return Ok(server);
        }
        let key = key(name, workspace, &settings, wanted)?;
        let file = records::file(&key)?;
        if let Some(server) = Self::find(&file) {
            return Ok(server);
        }
        let lock = Lock::take(&file)?;
        // Another process may have started it while we waited.
        if let Some(server) = Self::find(&file) {
            return Ok(server);
        }
        let order = Order {
            key,
            name: name.to_owned(),
            workspace: workspace.to_owned(),
            password: Uuid::new_v4().simple().to_string(),
            lifetime: Lifetime::Idle(settings.idle),
            settings: wanted.all_settings(),
        };
        let started = provider::start(&settings, &order).map_err(|error| wanted.blamed(error))?;
        let server = Self::open(
            started.url.clone(),
            started.provider,
            sql::connect(&started.url)?,
        )?;
        let record = Record {
            name: order.name,
            workspace: order.workspace,
            provider: started.provider,
            url: started.url,
            handle: started.handle,
        };
        state::write(&file, &record)?;
        drop(lock);
        // Starting a server takes long anyway, so tidy up now; a failure to do so is not an error.
        let _ = records::remove_dead();
        Ok(server)
    }

    /// The server of a record, if it answers with the password that only it knows.
    fn find(file: &Path) -> Option<Self> {
        Self::of_record(&records::read(file)?)
    }

    pub(crate) fn of_record(record: &Record) -> Option<Self> {
        let connection = sql::connect(&record.url).ok()?;
        Self::open(record.url.clone(), record.provider, connection).ok()
    }

    fn open(url: Url, provider: Provider, mut session: PgConnection) -> Result<Self> {
        let release = sql::release(&mut session)?;
        let run = announce(&mut session)?;
        Ok(Self {
            url,
            provider,
            release,
            run,
            session: Mutex::new(session),
            spare: Mutex::default(),
        })
    }

    /// The superuser's URL of a database of this server, which need not exist.
    #[must_use]
    pub fn url(&self, database: &str) -> String {
        let mut url = self.url.clone();
        // A line break that is not escaped would be dropped.
        url.set_path(&utf8_percent_encode(database, ESCAPED).to_string());
        url.into()
    }

    /// The server's version, such as `15.18`.
    #[must_use]
    pub fn version(&self) -> &str {
        self.release.as_str()
    }

    /// What runs the server.
    #[must_use]
    pub fn provider(&self) -> Provider {
        self.provider
    }

    /// Whether it is of this major version or a later one.
    pub(crate) fn is_at_least(&self, major: u32) -> bool {
        self.release.major() >= major
    }

    pub(crate) fn run(&self) -> i32 {
        self.run
    }

    /// Works with a session of database `postgres` that no other thread uses at the moment.
    pub(crate) fn with_session<T>(
        &self,
        work: impl FnOnce(&mut PgConnection) -> Result<T>,
    ) -> Result<T> {
        if let Ok(mut session) = self.session.try_lock() {
            return work(&mut session);
        }
        let spare = guard(&self.spare).pop();
        let mut session = match spare {
            Some(session) => session,
            None => sql::connect(&self.url)?,
        };
        let result = work(&mut session)?;
        guard(&self.spare).push(session);
        Ok(result)
    }

    /// Runs statements in database `postgres`.
    pub(crate) fn execute(&self, statements: &str) -> Result<()> {
        self.with_session(|session| Ok(session.batch_execute(statements)?))
    }
}

impl Wanted {
    /// With those that make it fast; of two for one name, PostgreSQL takes the later.
    fn all_settings(&self) -> Vec<(String, String)> {
        let mut all = order::owned(FAST);
        all.extend(self.settings.clone());
        all
    }

    /// The error of a start, as one of the settings where PostgreSQL ended at once because of them.
    fn blamed(&self, error: anyhow::Error) -> anyhow::Error {
        let text = format!("{error:#}");
        if self.settings.is_empty() || !text.contains(ENDED_AT_ONCE) {
            return error;
        }
        let settings = self.settings.iter();
        let settings: Vec<_> = settings
            .map(|(name, value)| format!("{name}={value}"))
            .collect();
        let remedy = format!("correct what it is started with: {}", settings.join(" "));
        SettingsError::with_remedy(text, &remedy)
    }
}

/// Takes the lock of a new run in this session.
fn announce(session: &mut PgConnection) -> Result<i32> {
    let run = (Uuid::new_v4().as_u128() & 0x7fff_ffff) as i32;
    session.batch_execute(&format!(
        "SELECT pg_advisory_lock_shared({LOCK_CLASS}, {run})"
    ))?;
    Ok(run)
}

fn guard<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What may not be shared: users, checkouts, packages, versions, settings.
fn key(name: &str, workspace: &Path, settings: &Settings, wanted: &Wanted) -> Result<String> {
    let text = format!(
        "{:?} {name:?} {workspace:?} {:?} {:?} {:?} {:?} {:?} {FAST:?} {:?}",
        state::base()?,
        settings.provider,
        settings.image,
        settings.bin,
        settings.idle,
        settings.version,
        wanted.settings
    );
    Ok(state::hash([text.as_bytes(), SCRIPT.as_bytes()]))
}
