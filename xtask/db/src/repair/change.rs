//! A change to one path, which says what it is for.

use std::io::{ErrorKind, Result};
use std::path::{Path, PathBuf};

use fs_err as fs;

use crate::workspace::edit::{Edit, edited};

/// A change to one path, from the workspace's root.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Change {
    pub(crate) path: PathBuf,
    pub(crate) why: String,
    pub(crate) action: Action,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Action {
    /// A file, a link, or a folder with all that is in it.
    MoveAway,
    /// A file, which may be new.
    Edit {
        edits: Vec<Edit>,
        /// The text of a new file before the edits.
        start: String,
        /// Whether a new file is readable by its owner only.
        private: bool,
    },
}

impl Change {
    pub(crate) fn move_away(path: impl Into<PathBuf>, why: impl Into<String>) -> Self {
        Self {
            path: path.into(),
            why: why.into(),
            action: Action::MoveAway,
        }
    }

    pub(crate) fn edit(path: impl Into<PathBuf>, why: impl Into<String>, edits: Vec<Edit>) -> Self {
        Self {
            path: path.into(),
            why: why.into(),
            action: Action::Edit {
                edits,
                start: String::new(),
                private: false,
            },
        }
    }

    /// The text that a new file begins as, and whether only its owner may read it.
    #[must_use]
    pub(crate) fn starting(mut self, text: impl Into<String>, is_private: bool) -> Self {
        if let Action::Edit { start, private, .. } = &mut self.action {
            (*start, *private) = (text.into(), is_private);
        }
        self
    }

    /// Whether it can be made: a link may lead out of the workspace, and what it leads to is not ours.
    pub(crate) fn is_possible(&self, root: &Path) -> bool {
        self.action == Action::MoveAway || !root.join(&self.path).is_symlink()
    }

    /// One change for each path.
    pub(crate) fn merged(changes: impl IntoIterator<Item = Self>) -> Vec<Self> {
        let mut merged = Vec::<Self>::new();
        for change in changes {
            let same = merged.iter_mut().find(|other| other.path == change.path);
            match (same.map(|same| &mut same.action), &change.action) {
                (Some(Action::Edit { edits, .. }), Action::Edit { edits: more, .. }) => {
                    edits.extend_from_slice(more);
                }
                (Some(_), _) => {}
                (None, _) => merged.push(change),
            }
        }
        merged
    }

    /// The text before and after an edit; nothing of what is moved away.
    pub(crate) fn texts(&self, root: &Path) -> Result<Option<(String, String)>> {
        let Action::Edit { edits, start, .. } = &self.action else {
            return Ok(None);
        };
        match fs::read_to_string(root.join(&self.path)) {
            Ok(text) => {
                let new = edited(&text, edits);
                Ok(Some((text, new)))
            }
            Err(error) if error.kind() == ErrorKind::NotFound => {
                Ok(Some((String::new(), edited(start, edits))))
            }
            Err(error) => Err(error),
        }
    }
}
