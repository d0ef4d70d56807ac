//! The list in a backup: each path, what was done and why, how it was and how it was to be.

use std::path::{Component, Path, PathBuf};

use anyhow::{Context as _, bail};
use fs_err as fs;
use serde::{Deserialize, Serialize};

use super::node::Node;
use crate::ui::replace::{replace, set_mode};

/// Where the backups are, from the workspace's root.
pub(crate) const FOLDER: &str = "migration_backups";
/// The copies in a backup.
pub(crate) const FILES: &str = "files";
const NAME: &str = "manifest.json";
const VERSION: u32 = 1;

#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Manifest {
    version: u32,
    /// Of the run, in UTC.
    time: String,
    /// Folders before what they hold.
    pub(crate) entries: Vec<Entry>,
}

#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Entry {
    /// From the workspace's root.
    pub(crate) path: PathBuf,
    pub(crate) done: How,
    pub(crate) why: String,
    pub(crate) before: Node,
    pub(crate) after: Node,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum How {
    Created,
    Changed,
    Moved,
}

impl Entry {
    pub(crate) fn new(path: PathBuf, why: &str, before: Node, after: Node) -> Self {
        let done = match (&before, &after) {
            (Node::Absent, _) => How::Created,
            (_, Node::Absent) => How::Moved,
            _ => How::Changed,
        };
        Self {
            path,
            done,
            why: why.to_owned(),
            before,
            after,
        }
    }
}

impl Manifest {
    pub(crate) fn new(time: &str, entries: Vec<Entry>) -> Self {
        Self {
            version: VERSION,
            time: time.to_owned(),
            entries,
        }
    }

    pub(crate) fn write(&self, backup: &Path) -> anyhow::Result<()> {
        let text = serde_json::to_string_pretty(self).context("failed to write the list")?;
        Ok(replace(
            &backup.join(NAME),
            (text + "\n").as_bytes(),
            Some(0o600),
        )?)
    }

    pub(crate) fn is_in(backup: &Path) -> bool {
        backup.join(NAME).symlink_metadata().is_ok()
    }

    pub(crate) fn read(backup: &Path) -> anyhow::Result<Self> {
        let path = backup.join(NAME);
        let text = fs::read_to_string(&path)?;
        let manifest: Self = serde_json::from_str(&text)
            .with_context(|| format!("failed to read `{}`", path.display()))?;
        if manifest.version != VERSION {
            bail!(
                "`{}` has version {}, but this program knows version {VERSION}",
                path.display(),
                manifest.version
            );
        }
        // A list that was tampered with must not reach files elsewhere.
        let inside = |path: &Path| {
            let mut components = path.components();
            components.all(|component| matches!(component, Component::Normal(_)))
        };
        if let Some(entry) = manifest.entries.iter().find(|entry| !inside(&entry.path)) {
            bail!(
                "`{}` names `{}`, which is not in the workspace",
                path.display(),
                entry.path.display()
            );
        }
        Ok(manifest)
    }
}

/// A folder of its own for a backup, which only its owner can read: there may be a `.env` in it.
pub(crate) fn new_folder(root: &Path, time: &str) -> anyhow::Result<PathBuf> {
    let parent = root.join(FOLDER);
    fs::create_dir_all(&parent)?;
    let mut number = 1;
    loop {
        let name = match number {
            1 => time.to_owned(),
            number => format!("{time}-{number}"),
        };
        let folder = parent.join(name);
        match fs::create_dir(&folder) {
            Ok(()) => {
                set_mode(&folder, Some(0o700))?;
                return Ok(folder);
            }
            Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => number += 1,
            Err(error) => return Err(error.into()),
        }
    }
}
