//! The durable development server of a workspace.

use std::net::{Ipv4Addr, TcpListener};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};
use url::Url;
use uuid::Uuid;

use crate::order::{self, Handle, Lifetime, Order};
use crate::release::Release;
use crate::settings::{Provider, Settings};
use crate::state::{self, Lock};
use crate::variable::SettingsError;
use crate::{docker, native, provider, sql, workspace};

/// A development server's settings; everything else is PostgreSQL's own default, and so durable.
const SETTINGS: [(&str, &str); 2] = [("max_connections", "200"), ("timezone", "UTC")];

/// What is remembered about a workspace's server, from before its first start until its data is wiped.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct DevRecord {
    workspace: PathBuf,
    password: String,
    port: u16,
    /// What holds the data; none until a start has succeeded.
    provider: Option<Provider>,
    /// Of the data.
    major: Option<u32>,
    image: Option<String>,
    version: Option<String>,
}

impl DevRecord {
    fn url(&self) -> Url {
        order::url(&self.password, self.port)
    }

    /// Remembers what runs it.
    fn ran(&mut self, provider: Provider, release: &Release) {
        self.provider = Some(provider);
        (self.major, self.version) = (Some(release.major()), Some(release.to_string()));
    }

    /// The release that ran last, where it is remembered.
    fn shown_version(&self, major: u32) -> String {
        let version = self.version.clone();
        version.unwrap_or_else(|| major.to_string())
    }
}

/// A running development server.
#[derive(Debug, Serialize)]
pub struct Up {
    /// The superuser's URL of database `postgres`.
    pub url: String,
    /// What runs it.
    pub provider: Provider,
    /// PostgreSQL's version, such as `15.18`.
    pub version: String,
    /// Whether this call started it; otherwise it was running.
    pub started: bool,
    /// The volume or folder with the data.
    pub data: String,
}

/// What became of a development server.
#[derive(Debug, Serialize)]
pub struct Down {
    /// Whether it was running.
    pub stopped: bool,
    /// Whether there was data, now removed.
    pub wiped: bool,
    /// The superuser's URL that led to the removed data, and never will again.
    pub url: Option<String>,
}

/// What is known about a development server.
#[derive(Debug, Serialize)]
pub struct Status {
    /// Whether it answers a query.
    pub running: bool,
    /// The superuser's URL of database `postgres`, while it is running.
    pub url: Option<String>,
    /// What runs it; none if there has never been one.
    pub provider: Option<Provider>,
    /// PostgreSQL's version, as of the last start.
    pub version: Option<String>,
    /// The volume or folder with the data.
    pub data: Option<String>,
}

/// Finds or starts the durable server of a workspace; `version` is a major version that is asked for.
///
/// # Errors
///
/// Nothing to run PostgreSQL with, data of another version or provider than is asked for, or no start.
pub fn up(workspace: &Path, version: Option<&str>) -> Result<Up> {
    let server = Place::of(workspace)?;
    let _lock = Lock::take(&server.file)?;
    let settings = Settings::read(&server.workspace, &server.workspace, version)?;
    let mut record = match state::read::<DevRecord>(&server.file)? {
        Some(record) => record,
        None => server.new_record(settings.image.clone())?,
    };
    check(&record, &settings)?;

    match sql::connect(&record.url()) {
        Ok(mut connection) => {
            let release = sql::release(&mut connection)?;
            let provider = record.provider.unwrap_or_else(|| server.guess_provider());
            record.ran(provider, &release);
            state::write(&server.file, &record)?;
            server.up(record.url(), provider, &release, false)
        }
        Err(_) => server.start(settings, record),
    }
}

/// Stops the durable server of a workspace; removes its data if `wipe`.
///
/// # Errors
///
/// The server does not stop, or its data can't be removed.
pub fn down(workspace: &Path, wipe: bool) -> Result<Down> {
    let server = Place::of(workspace)?;
    let lock = Lock::take(&server.file)?;
    let Some(record) = state::read::<DevRecord>(&server.file)? else {
        lock.forget()?;
        return Ok(Down {
            stopped: false,
            wiped: false,
            url: None,
        });
    };
    let folder = native::data_folder(&server.key)?;
    // Before a start has succeeded there may be something of either, or of none.
    let stopped = match record.provider {
        Some(Provider::Docker) => docker::stop(&server.key)?,
        Some(_) => native::stop(&folder)?,
        None => native::stop(&folder)? || docker::stop(&server.key).unwrap_or(false),
    };
    if wipe {
        match record.provider {
            Some(Provider::Docker) => docker::remove_volume(&server.key)?,
            Some(_) => native::remove(&folder)?,
            None => {
                native::remove(&folder)?;
                let _ = docker::remove_volume(&server.key);
            }
        }
        lock.forget()?;
    }
    Ok(Down {
        stopped,
        wiped: wipe,
        url: wipe.then(|| record.url().into()),
    })
}

/// Tells whether the durable server of a workspace is running; starts nothing.
///
/// # Errors
///
/// The record can't be read.
pub fn status(workspace: &Path) -> Result<Status> {
    let server = Place::of(workspace)?;
    let Some(record) = state::read::<DevRecord>(&server.file)? else {
        return Ok(Status {
            running: false,
            url: None,
            provider: None,
            version: None,
            data: None,
        });
    };
    let url = record.url();
    let running = sql::connect(&url).is_ok();
    Ok(Status {
        running,
        url: running.then(|| url.into()),
        provider: record.provider,
        version: record.version,
        data: record
            .provider
            .map(|provider| server.data(provider))
            .transpose()?,
    })
}

/// Refuses to start another server beside the data that there is.
fn check(record: &DevRecord, settings: &Settings) -> Result<()> {
    let remedy = "back it up and remove it with `local-postgres dev down --wipe`";
    if let (Some(has), Some(wanted)) = (record.provider, settings.provider)
        && has != wanted
    {
        return Err(SettingsError::error(format!(
            "failed to use LOCAL_POSTGRES_PROVIDER: the development data of this workspace is in {has}, not {wanted}; \
             unset the variable, or {remedy}"
        )));
    }
    if let Some(major) = record.major
        && settings.version.explicit
        && settings.version.major != major
    {
        return Err(SettingsError::error(format!(
            "failed to use PostgreSQL {}: the development data of this workspace is of version {}; \
             ask for {major}, or {remedy}",
            settings.version.major,
            record.shown_version(major)
        )));
    }
    Ok(())
}

/// Where things of a workspace's server are.
struct Place {
    workspace: PathBuf,
    key: String,
    file: PathBuf,
}

impl Place {
    fn of(workspace: &Path) -> Result<Self> {
        let workspace = workspace::workspace_of(workspace)?;
        // Two users may have one checkout.
        let base = state::base()?;
        let mut key =
            state::hash([&base, &workspace].map(|path| path.as_os_str().as_encoded_bytes()));
        key.truncate(16);
        let file = state::records()?.join(format!("dev-{key}.json"));
        Ok(Self {
            workspace,
            key,
            file,
        })
    }

    fn new_record(&self, image: Option<String>) -> Result<DevRecord> {
        Ok(DevRecord {
            workspace: self.workspace.clone(),
            password: Uuid::new_v4().simple().to_string(),
            port: native::free_port()?,
            provider: None,
            major: None,
            image,
            version: None,
        })
    }

    /// Starts the server, in the version and provider of its data if it has data.
    fn start(&self, mut settings: Settings, mut record: DevRecord) -> Result<Up> {
        if let Some(major) = record.major {
            if major != settings.version.major {
                order::note(&format!(
                    "staying on PostgreSQL {}, the version of this workspace's data, not {}",
                    record.shown_version(major),
                    settings.version.major
                ));
            }
            settings.version.major = major;
            settings.version.explicit = true;
            settings.provider = record.provider;
            settings.image = settings.image.or_else(|| record.image.clone());
        }
        // Another program may have taken the port while the server was down.
        if TcpListener::bind((Ipv4Addr::LOCALHOST, record.port)).is_err() {
            record.port = native::free_port()?;
        }
        // Before the start: a start that is killed half-way must not leave a server with an unknown password.
        state::write(&self.file, &record)?;
        let order = Order {
            key: self.key.clone(),
            name: "dev".to_owned(),
            workspace: self.workspace.clone(),
            password: record.password.clone(),
            lifetime: Lifetime::Durable { port: record.port },
            settings: order::owned(SETTINGS),
        };
        let started =
            provider::start(&settings, &order).context("failed to start the development server")?;
        let release = sql::release(&mut sql::connect(&started.url)?)?;
        record.image = settings
            .image
            .filter(|_| matches!(started.handle, Handle::Container(_)));
        record.ran(started.provider, &release);
        state::write(&self.file, &record)?;
        self.up(started.url, started.provider, &release, true)
    }

    fn up(&self, url: Url, provider: Provider, release: &Release, started: bool) -> Result<Up> {
        Ok(Up {
            url: url.into(),
            provider,
            version: release.to_string(),
            started,
            data: self.data(provider)?,
        })
    }

    /// The provider of a server whose start was killed before it was remembered.
    fn guess_provider(&self) -> Provider {
        match native::data_folder(&self.key) {
            Ok(folder) if folder.exists() => Provider::Native,
            _ => Provider::Docker,
        }
    }

    fn data(&self, provider: Provider) -> Result<String> {
        Ok(match provider {
            Provider::Docker => docker::volume(&self.key),
            _ => native::data_folder(&self.key)?.display().to_string(),
        })
    }
}
