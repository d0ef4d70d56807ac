//! Looking after servers by hand: nothing here has to be called for things to stay tidy.

use std::fmt;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use crate::order::Handle;
use crate::server::{Server, Wanted};
use crate::settings::{Provider, Settings};
use crate::state::Lock;
use crate::{clones, docker, native, records, sql, workspace};

/// A throw-away server of this user, as remembered.
#[derive(Debug)]
pub struct Entry {
    /// What it was asked for as.
    pub name: String,
    /// The checkout it serves.
    pub workspace: PathBuf,
    /// What runs it.
    pub provider: Provider,
    /// The superuser's URL, without its password.
    pub url: String,
    /// Whether it answers a query.
    pub running: bool,
}

impl fmt::Display for Entry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            name,
            workspace,
            provider,
            url,
            running,
        } = self;
        let state = if *running { "running" } else { "gone" };
        write!(
            f,
            "{name:<20} {provider:<7} {state:<8} {url} {}",
            workspace.display()
        )
    }
}

/// What [`gc`] removed.
#[derive(Debug, Default)]
pub struct Removed {
    /// Records and locks of servers that are gone.
    pub records: usize,
    /// Containers that are not running.
    pub containers: usize,
    /// Folders without a server, and servers without a watcher.
    pub folders: usize,
    /// Databases whose process is gone, on servers that live.
    pub databases: usize,
}

impl fmt::Display for Removed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            records,
            containers,
            folders,
            databases,
        } = self;
        write!(
            f,
            "removed {records} records, {containers} containers, {folders} folders, {databases} databases"
        )
    }
}

/// The throw-away servers of all checkouts.
///
/// # Errors
///
/// The records can't be read.
pub fn list() -> Result<Vec<Entry>> {
    let entries = records::all()?.into_iter().map(|(_, record)| Entry {
        running: sql::connect(&record.url).is_ok(),
        url: sql::shown(&record.url),
        name: record.name,
        workspace: record.workspace,
        provider: record.provider,
    });
    Ok(entries.collect())
}

/// What the throw-away servers of that name of the workspace that `folder` is in have logged.
///
/// # Errors
///
/// The records or a log can't be read.
pub fn log(folder: &Path, name: &str) -> Result<String> {
    let workspace = workspace::workspace_of(folder)?;
    let mut text = String::new();
    for (_, record) in records::all()? {
        if record.workspace != workspace || record.name != name {
            continue;
        }
        let version = sql::connect(&record.url).and_then(|mut session| sql::release(&mut session));
        let version = version.map_or_else(|_| "gone".to_owned(), |release| release.to_string());
        let log = match &record.handle {
            Handle::Container(id) => docker::log(id)?,
            Handle::Process { folder, .. } => native::log(folder)?,
        };
        text += &format!(
            "== {name}, {}, {version}\n{}\n",
            record.provider,
            log.trim_end()
        );
    }
    Ok(text)
}

/// Stops the throw-away servers of the workspace that `folder` is in, or only the one of that name.
///
/// Returns how many.
///
/// # Errors
///
/// A server does not stop.
pub fn stop(folder: &Path, name: Option<&str>) -> Result<usize> {
    let workspace = workspace::workspace_of(folder)?;
    let mut stopped = 0;
    for (file, record) in records::all()? {
        if record.workspace != workspace || name.is_some_and(|name| name != record.name) {
            continue;
        }
        let lock = Lock::take(&file)?;
        // Another process may have stopped it, or started a new one, while we waited.
        let Some(record) = records::read(&file) else {
            continue;
        };
        let was_running = match &record.handle {
            Handle::Container(id) => docker::remove_running(id)?,
            Handle::Process { pid, folder } => native::end_script(*pid, folder)?,
        };
        stopped += usize::from(was_running);
        lock.forget()?;
    }
    Ok(stopped)
}

/// Removes what is left of servers and test processes that are gone, everywhere on this machine that is this user's.
///
/// # Errors
///
/// Something can't be read or removed.
pub fn gc() -> Result<Removed> {
    let mut removed = Removed::default();
    for (_, record) in records::all()? {
        if let Some(server) = Server::of_record(&record) {
            removed.databases += clones::sweep(&server, true)?;
        }
    }
    removed.records = records::remove_dead()?;
    let folder = std::env::current_dir().context("failed to read the working directory")?;
    let settings = Settings::read(&workspace::workspace_of(&folder)?, &folder, None)?;
    if settings.url.is_some() {
        let server = Server::for_workspace("gc", &folder, &Wanted::default())?;
        removed.databases += clones::sweep(&server, true)?;
    }
    // No Docker, no containers.
    removed.containers = docker::remove_leftovers().unwrap_or(0);
    removed.folders = native::remove_leftovers();
    Ok(removed)
}
