//! Changes to files that can be taken back: everything touched is copied first, with a list of it.
//!
//! A backup is a folder `migration_backups/<time>/` with the copies under `files/` and the list in `manifest.json`. The
//! list is there before the first change, and says for every path how it was and how it will be. So whatever ended a run
//! midway, each path is as it was or as it was to be, and both can be put back.

pub(crate) mod changes;
mod manifest;
mod node;
mod restore;

use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};

pub(crate) use manifest::FOLDER;
use manifest::{Entry, Manifest};
use node::Node;
pub(crate) use restore::restore;

/// A change to one path, from the workspace's root.
#[derive(Debug, Clone)]
pub(crate) struct Change {
    pub(crate) path: PathBuf,
    pub(crate) why: String,
    pub(crate) action: Action,
}

#[derive(Debug, Clone)]
pub(crate) enum Action {
    /// A file, a link, or a folder with all that is in it.
    MoveAway,
    /// The whole new text of a file, which may be new itself.
    Write {
        text: String,
        /// Readable by its owner only, if it is new.
        private: bool,
    },
}

/// Copies what the changes touch, then makes them. Gives the backup's folder.
///
/// # Errors
/// A file that can't be copied: then nothing was changed. One that can't be changed: the backup puts the rest back.
pub(crate) fn apply(root: &Path, changes: &[Change], time: &str) -> anyhow::Result<PathBuf> {
    let mut entries = Vec::new();
    for change in changes {
        entries.extend(planned(root, change)?);
    }
    let backup = manifest::new_folder(root, time)?;
    let written = (|| {
        for entry in &entries {
            node::copy_into(root, &backup, entry)?;
        }
        Manifest::new(time, entries).write(&backup)
    })();
    if let Err(error) = written {
        // Nothing was changed yet, so there is nothing in it that is needed.
        let _ = std::fs::remove_dir_all(&backup);
        return Err(error);
    }
    let made = changes.iter().try_for_each(|change| make(root, change));
    made.with_context(|| {
        format!(
            "stopped in the middle; `cargo xtask db fix --restore {}` puts everything back",
            backup.file_name().unwrap_or_default().display()
        )
    })?;
    Ok(backup)
}

/// The files and links at a path.
pub(crate) fn files(root: &Path, path: &Path) -> Vec<PathBuf> {
    let tree = node::tree(root, path).unwrap_or_default();
    tree.into_iter()
        .filter(|(_, node)| !matches!(node, Node::Folder { .. }))
        .map(|(path, _)| path)
        .collect()
}

/// The list's lines for one change.
fn planned(root: &Path, change: &Change) -> anyhow::Result<Vec<Entry>> {
    let before = node::read(root, &change.path)?;
    match &change.action {
        Action::MoveAway => Ok(node::tree(root, &change.path)?
            .into_iter()
            .map(|(path, node)| Entry::new(path, &change.why, node, Node::Absent))
            .collect()),
        Action::Write { text, private } => {
            let mode = match &before {
                Node::File { mode, .. } => *mode,
                Node::Absent if *private => Some(0o600),
                Node::Absent => Some(0o644),
                _ => bail!(
                    "failed to change `{}`: it is no plain file",
                    change.path.display()
                ),
            };
            let after = Node::File {
                sha256: node::sha256(text.as_bytes()),
                mode: mode.filter(|_| cfg!(unix)),
            };
            Ok(vec![Entry::new(
                change.path.clone(),
                &change.why,
                before,
                after,
            )])
        }
    }
}

fn make(root: &Path, change: &Change) -> anyhow::Result<()> {
    let path = root.join(&change.path);
    match &change.action {
        Action::MoveAway => remove(&path),
        Action::Write { text, private } => {
            let mode = match node::read(root, &change.path)? {
                Node::File { mode, .. } => mode,
                _ if *private => Some(0o600),
                _ => Some(0o644),
            };
            node::write_file(&path, text.as_bytes(), mode)
        }
    }
}

/// Removes a file, a link, or a folder with all that is in it; links are not followed.
fn remove(path: &Path) -> anyhow::Result<()> {
    let metadata = path
        .symlink_metadata()
        .with_context(|| format!("failed to look at `{}`", path.display()))?;
    let removed = match metadata.is_dir() {
        true => std::fs::remove_dir_all(path),
        false => std::fs::remove_file(path),
    };
    removed.with_context(|| format!("failed to remove `{}`", path.display()))
}
