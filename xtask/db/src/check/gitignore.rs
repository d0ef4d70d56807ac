//! What holds passwords or data never reaches a commit. No finding: a workspace need not be in git.

use std::path::Path;

use crate::repair::FOLDER;
use crate::repair::change::Change;
use crate::workspace::edit::Edit;

/// The lines that `.gitignore` misses.
pub(crate) fn completed(root: &Path) -> Option<Change> {
    const NAME: &str = ".gitignore";
    let text = std::fs::read_to_string(root.join(NAME)).unwrap_or_default();
    let bare = |line: &str| line.trim().trim_matches('/').to_owned();
    let is_missing = |wanted: &String| !text.lines().any(|line| bare(line) == bare(wanted));
    let lines = [
        ".env".to_owned(),
        "/backups/".to_owned(),
        format!("/{FOLDER}/"),
    ];
    let edits: Vec<_> = lines
        .into_iter()
        .filter(is_missing)
        .map(Edit::Append)
        .collect();
    let why = "passwords and backups stay out of commits";
    (!edits.is_empty()).then(|| Change::edit(NAME, why, edits))
}
