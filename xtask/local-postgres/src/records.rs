//! What is remembered about throw-away servers.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};
use url::Url;

use crate::order::Handle;
use crate::settings::Provider;
use crate::sql;
use crate::state::{self, Lock};

/// A throw-away server that was started.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Record {
    /// The name it was asked for, usually a package's.
    pub(crate) name: String,
    /// The checkout it serves.
    pub(crate) workspace: PathBuf,
    pub(crate) provider: Provider,
    /// The superuser's, with its password.
    pub(crate) url: Url,
    pub(crate) handle: Handle,
}

/// Where the record of the server with this key is.
pub(crate) fn file(key: &str) -> Result<PathBuf> {
    Ok(state::records()?.join(format!("test-{key}.json")))
}

/// Reads a record. One of another version of this crate counts as none: its server ends itself.
pub(crate) fn read(file: &Path) -> Option<Record> {
    state::read(file).ok().flatten()
}

/// All records, of all checkouts.
pub(crate) fn all() -> Result<Vec<(PathBuf, Record)>> {
    let mut records: Vec<(PathBuf, Record)> = files()?
        .into_iter()
        .filter_map(|file| Some((file.clone(), read(&file)?)))
        .collect();
    records.sort_by(|(_, a), (_, b)| (&a.workspace, &a.name).cmp(&(&b.workspace, &b.name)));
    Ok(records)
}

/// Removes the records and locks of servers that are gone, and of starts that failed. Returns how many.
pub(crate) fn remove_dead() -> Result<usize> {
    let mut removed = 0;
    for file in files()? {
        // A process that has the lock is starting a server, or stopping one.
        let Some(lock) = Lock::try_take(&file)? else {
            continue;
        };
        if read(&file).is_none_or(|record| sql::connect(&record.url).is_err()) {
            lock.forget()?;
            removed += 1;
        }
    }
    Ok(removed)
}

/// The files of records, including those of which there is only a lock.
fn files() -> Result<BTreeSet<PathBuf>> {
    let folder = state::records()?;
    let read = || format!("failed to read `{}`", folder.display());
    let mut files = BTreeSet::new();
    for entry in fs::read_dir(&folder).with_context(read)? {
        let file = entry.with_context(read)?.path();
        let name = file.file_name().unwrap_or_default().to_string_lossy();
        if name.starts_with("test-") {
            files.insert(file.with_extension("json"));
        }
    }
    Ok(files)
}
