//! Putting a backup back.

use std::path::{Path, PathBuf};

use fs_err as fs;

use super::manifest::{Entry, FILES, FOLDER, Manifest};
use super::node::{self, Node};
use crate::ui::failure::{Failure, Result};
use crate::ui::replace::{remove_leftovers, replace, set_mode};

/// What was put back.
pub(crate) struct Restored {
    pub(crate) backup: PathBuf,
    /// The paths, with what was done to each.
    pub(crate) done: Vec<(PathBuf, &'static str)>,
}

/// Makes every path as it was before. Everything is looked at before anything is touched, and what is as it was already
/// is left alone: an interrupted run can be repeated.
///
/// # Errors
/// No such backup, one that is damaged, or paths that changed since: then nothing was touched.
pub(crate) fn restore(root: &Path, name: &str) -> Result<Restored> {
    let backup = find(root, name)?;
    if !Manifest::is_in(&backup) {
        return Err(Failure::usage(format!(
            "the backup `{}` has no list of changes: its run ended before it changed anything",
            backup.display()
        ))
        .help("there is nothing to put back; the folder can be removed"));
    }
    let entries = Manifest::read(&backup)?.entries;
    let todo = to_put_back(root, &backup, &entries)?;
    for entry in &entries {
        remove_leftovers(&root.join(&entry.path))?;
    }
    let mut done = Vec::new();
    for entry in &todo {
        done.push((entry.path.clone(), put_back(root, &backup, entry)?));
    }
    // Last, and the innermost first: a folder that may not be written to could not be filled.
    for entry in todo.iter().rev() {
        if let Node::Folder { mode } = entry.before {
            set_mode(&root.join(&entry.path), mode)?;
        }
    }
    Ok(Restored { backup, done })
}

/// The entries that are not as they were.
fn to_put_back<'e>(root: &Path, backup: &Path, entries: &'e [Entry]) -> Result<Vec<&'e Entry>> {
    let (mut todo, mut changed, mut damaged) = (Vec::new(), Vec::new(), Vec::new());
    for entry in entries {
        let now = node::read(root, &entry.path)?;
        if !is_whole(backup, entry) {
            damaged.push(entry);
        }
        if now == entry.before {
            continue;
        }
        let both_folders = matches!(
            (&now, &entry.before),
            (Node::Folder { .. }, Node::Folder { .. })
        );
        // A folder with another mode: an interrupted run made it again.
        if now == entry.after || both_folders {
            todo.push(entry);
        } else {
            changed.push(entry);
        }
    }
    if !damaged.is_empty() {
        return Err(Failure::usage(format!(
            "refused: the backup `{}` is damaged, nothing was touched",
            backup.display()
        ))
        .help(format!("not as it was copied: {}", list(&damaged))));
    }
    if !changed.is_empty() {
        return Err(Failure::usage(format!(
            "refused: {} changed since the backup `{}`, nothing was touched",
            list(&changed),
            backup.display()
        ))
        .help(format!(
            "move what you need of it elsewhere, remove it, and try again; the copies are in `{}`",
            backup.join(FILES).display()
        )));
    }
    Ok(todo)
}

/// The backup that is meant: a path, or a name under `migration_backups`.
fn find(root: &Path, name: &str) -> Result<PathBuf> {
    let candidates = [root.join(FOLDER).join(name), PathBuf::from(name)];
    if let Some(found) = candidates.into_iter().find(|path| path.is_dir()) {
        return Ok(found);
    }
    let entries = std::fs::read_dir(root.join(FOLDER)).into_iter().flatten();
    let mut names: Vec<_> = entries
        .flatten()
        .map(|entry| entry.file_name().display().to_string())
        .collect();
    names.sort();
    let failure = Failure::usage(format!("there is no backup `{name}`"));
    Err(match names.is_empty() {
        true => failure.help(format!("`{}` is empty", root.join(FOLDER).display())),
        false => failure.help(format!("backups: {}", names.join(", "))),
    })
}

fn is_whole(backup: &Path, entry: &Entry) -> bool {
    let Node::File { sha256, .. } = &entry.before else {
        return true;
    };
    let copy = std::fs::read(backup.join(FILES).join(&entry.path));
    copy.is_ok_and(|bytes| node::sha256(&bytes) == *sha256)
}

fn put_back(root: &Path, backup: &Path, entry: &Entry) -> anyhow::Result<&'static str> {
    let path = root.join(&entry.path);
    match &entry.before {
        Node::Absent => {
            fs::remove_file(&path)?;
            return Ok("removed");
        }
        Node::Folder { .. } => fs::create_dir_all(&path)?,
        Node::Link { target } => node::link(target, &path)?,
        Node::File { mode, .. } => {
            let copy = backup.join(FILES).join(&entry.path);
            let bytes = fs::read(&copy)?;
            if let Some(folder) = path.parent() {
                fs::create_dir_all(folder)?;
            }
            replace(&path, &bytes, *mode)?;
        }
    }
    Ok("put back")
}

fn list(entries: &[&Entry]) -> String {
    let paths = entries
        .iter()
        .map(|entry| format!("`{}`", entry.path.display()));
    paths.collect::<Vec<_>>().join(", ")
}
