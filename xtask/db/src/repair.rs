//! Changes to files that can be taken back: everything touched is copied first, with a list of it.
//!
//! A backup is a folder `migration_backups/<time>/` with the copies under `files/` and the list in `manifest.json`. The
//! list is there before the first change, and says for every path how it was and how it will be. So whatever ended a run
//! midway, each path is as it was or as it was to be, and both can be put back.

pub(crate) mod change;
mod manifest;
mod node;
mod restore;

use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};
use fs_err as fs;

use crate::ui::replace::replace;
use change::{Action, Change};
pub(crate) use manifest::FOLDER;
use manifest::{Entry, FILES, Manifest};
use node::Node;
pub(crate) use restore::restore;

/// A change with its effect, which the list says before it is made.
struct Planned<'c> {
    change: &'c Change,
    /// The bytes that an edit writes, and their mode.
    text: Option<(String, Option<u32>)>,
    entries: Vec<Entry>,
}

/// Copies what the changes touch, then makes them. Gives the backup's folder.
///
/// # Errors
/// A file that can't be copied: then nothing was changed. One that can't be changed: the backup puts the rest back.
pub(crate) fn apply(root: &Path, changes: &[Change], time: &str) -> anyhow::Result<PathBuf> {
    let planned = changes.iter().map(|change| plan(root, change));
    let mut planned = planned.collect::<anyhow::Result<Vec<_>>>()?;
    let backup = manifest::new_folder(root, time)?;
    let entries: Vec<_> = planned
        .iter_mut()
        .flat_map(|planned| planned.entries.drain(..))
        .collect();
    let written = (|| {
        for entry in &entries {
            copy(root, &backup, entry)?;
        }
        Manifest::new(time, entries).write(&backup)
    })();
    if let Err(error) = written {
        // Nothing was changed yet, so there is nothing in it that is needed.
        let _ = fs::remove_dir_all(&backup);
        return Err(error);
    }
    let made = planned.iter().try_for_each(|planned| make(root, planned));
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

fn plan<'c>(root: &Path, change: &'c Change) -> anyhow::Result<Planned<'c>> {
    let path = &change.path;
    let Action::Edit { private, .. } = &change.action else {
        let entry = |(path, node)| Entry::new(path, &change.why, node, Node::Absent);
        return Ok(Planned {
            change,
            text: None,
            entries: node::tree(root, path)?.into_iter().map(entry).collect(),
        });
    };
    let before = node::read(root, path)?;
    let mode = match &before {
        Node::File { mode, .. } => *mode,
        Node::Absent if *private => Some(0o600),
        Node::Absent => Some(0o644),
        _ => bail!(
            "failed to change `{}`: it is not a plain file",
            path.display()
        ),
    };
    let (_, text) = change.texts(root)?.unwrap_or_default();
    let after = Node::File {
        sha256: node::sha256(text.as_bytes()),
        mode: mode.filter(|_| cfg!(unix)),
    };
    Ok(Planned {
        change,
        text: Some((text, mode)),
        entries: vec![Entry::new(path.clone(), &change.why, before, after)],
    })
}

/// Copies what an entry will change, if it is a file: the list knows all of folders and links.
fn copy(root: &Path, backup: &Path, entry: &Entry) -> anyhow::Result<()> {
    let Node::File {
        sha256: expected, ..
    } = &entry.before
    else {
        return Ok(());
    };
    let from = root.join(&entry.path);
    let to = backup.join(FILES).join(&entry.path);
    let bytes = fs::read(&from)?;
    if node::sha256(&bytes) != *expected {
        bail!(
            "`{}` changes while it is copied; nothing was changed",
            from.display()
        );
    }
    if let Some(folder) = to.parent() {
        fs::create_dir_all(folder)?;
    }
    // Always private: a `.env` may be among them. The list knows the mode.
    Ok(replace(&to, &bytes, Some(0o600))?)
}

fn make(root: &Path, planned: &Planned<'_>) -> anyhow::Result<()> {
    let path = root.join(&planned.change.path);
    match &planned.text {
        Some((text, mode)) => replace(&path, text.as_bytes(), *mode)?,
        // Links are not followed.
        None if fs::symlink_metadata(&path)?.is_dir() => fs::remove_dir_all(path)?,
        None => fs::remove_file(path)?,
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_changes_while_it_is_copied_is_told() {
        let root = tempfile::TempDir::new().unwrap();
        let (root, path) = (root.path(), Path::new("a"));
        fs::write(root.join(path), "as it was planned").unwrap();
        let change = Change::move_away(path, "why");
        let planned = plan(root, &change).unwrap();
        let backup = root.join("backup");
        let copied = |entry| copy(root, &backup, entry);
        copied(&planned.entries[0]).unwrap();
        fs::write(root.join(path), "as it is by now").unwrap();
        let error = copied(&planned.entries[0]).unwrap_err().to_string();
        assert!(error.contains("nothing was changed"), "{error}");
    }

    #[test]
    fn a_file_that_can_not_be_read_is_not_taken_for_an_absent_one() {
        let root = tempfile::TempDir::new().unwrap();
        let change = Change::edit("a", "why", Vec::new()).starting("new", false);
        let texts = || change.texts(root.path());
        assert_eq!(texts().unwrap(), Some((String::new(), "new".to_owned())));
        fs::create_dir(root.path().join("a")).unwrap();
        assert!(texts().is_err());
    }

    #[test]
    fn a_folder_that_can_not_be_made_is_not_tried_without_end() {
        let root = tempfile::TempDir::new().unwrap();
        let made = |time| manifest::new_folder(root.path(), time);
        for name in ["noon", "noon-2", "noon-3"] {
            assert!(made("noon").unwrap().ends_with(name), "{name}");
        }
        assert!(made("no such folder/noon").is_err());
    }
}
