//! One folder among a service's migrations, read leniently: a fault in one hides nothing in another.

use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use fs_err as fs;

use crate::ui::failure::nearest;
use crate::workspace::edit::without_mark;
use crate::workspace::toml_file::{Node, NodeValue, TomlError, TomlFile};

/// What `metadata.toml` says about the transaction.
#[derive(Debug)]
pub(crate) enum Metadata {
    /// There is no such file.
    Absent,
    Said(bool),
    /// Diesel takes the missing key for `false`.
    Unsaid {
        /// Where the key is to be put so that it belongs to no section.
        first: bool,
        /// A key that was probably meant to be it, with its line.
        misspelt: Option<(String, usize)>,
    },
    /// Diesel ignores such a file.
    Malformed(TomlError),
}

/// The SQL in a file.
#[derive(Debug)]
pub(crate) enum Sql {
    Text(String),
    /// Not UTF-8: as the server would complain about it, with its place marked.
    Lossy(String),
    Unreadable(io::Error),
}

/// A folder that holds a migration, or should.
#[derive(Debug)]
pub(crate) struct Folder {
    pub(crate) name: String,
    /// As Diesel reads it: the name up to the first `_`, without `-`.
    pub(crate) version: String,
    pub(crate) path: PathBuf,
    pub(crate) up: Sql,
    pub(crate) metadata: Metadata,
    /// The text of `metadata.toml`, whether it can be parsed or not.
    pub(crate) metadata_text: String,
    down: OnceLock<Sql>,
}

impl Folder {
    /// The folders of a service's migrations, by name.
    pub(crate) fn all(migrations: &Path) -> io::Result<Vec<Self>> {
        let mut folders = Vec::new();
        for entry in fs::read_dir(migrations)? {
            let path = entry?.path();
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            if path.is_dir() && !name.starts_with('.') {
                folders.push(Self::read(&path, name.into_owned()));
            }
        }
        folders.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(folders)
    }

    fn read(path: &Path, name: String) -> Self {
        let (metadata, metadata_text) = Metadata::read(&path.join("metadata.toml"));
        Self {
            up: Sql::read(&path.join("up.sql")),
            metadata,
            metadata_text,
            down: OnceLock::new(),
            path: path.to_owned(),
            version: version_of(&name),
            name,
        }
    }

    /// The SQL that reverts it, read when it is asked for: to migrate needs none of them.
    pub(crate) fn down(&self) -> &Sql {
        self.down
            .get_or_init(|| Sql::read(&self.path.join("down.sql")))
    }

    /// The SQL that is there, with its path.
    pub(crate) fn texts(&self) -> impl Iterator<Item = (PathBuf, &str)> {
        let sides = [("up.sql", &self.up), ("down.sql", self.down())].into_iter();
        sides.filter_map(|(name, sql)| Some((self.path.join(name), sql.shown()?)))
    }
}

/// The version in the name of a migration's folder.
pub(crate) fn version_of(name: &str) -> String {
    name.split('_').next().unwrap_or_default().replace('-', "")
}

impl Sql {
    pub(crate) fn read(path: &Path) -> Self {
        let bytes = match std::fs::read(path) {
            Ok(bytes) => bytes,
            Err(error) => return Self::Unreadable(error),
        };
        match String::from_utf8(bytes) {
            Ok(text) => Self::Text(without_mark(text)),
            Err(error) => Self::Lossy(String::from_utf8_lossy(error.as_bytes()).into_owned()),
        }
    }

    /// To be looked at.
    pub(crate) fn shown(&self) -> Option<&str> {
        match self {
            Self::Text(text) | Self::Lossy(text) => Some(text),
            Self::Unreadable(_) => None,
        }
    }

    /// To be run.
    pub(crate) fn into_text(self) -> io::Result<String> {
        match self {
            Self::Text(text) => Ok(text),
            Self::Lossy(_) => Err(io::Error::new(
                ErrorKind::InvalidData,
                "stream did not contain valid UTF-8",
            )),
            Self::Unreadable(error) => Err(error),
        }
    }
}

impl Metadata {
    const KEY: &str = "run_in_transaction";

    /// With the text of the file.
    fn read(path: &Path) -> (Self, String) {
        let file = match TomlFile::read(path) {
            Ok(file) => file,
            Err(error) if error.is_missing => return (Self::Absent, String::new()),
            Err(error) => {
                let text = error.text.clone();
                return (Self::Malformed(error), text);
            }
        };
        let text = file.text.clone();
        let metadata = match file.get(&[Self::KEY]) {
            Some(node) => match node.value {
                NodeValue::Boolean(said) => Self::Said(said),
                _ => {
                    let written = file.written(node);
                    let reason = format!("`{}` is `{written}`, not true or false", Self::KEY);
                    let line = node.line;
                    Self::Malformed(file.fault(line, reason))
                }
            },
            None => {
                let entries = file.get(&[]).into_iter().flat_map(Node::entries);
                let mut near = entries.filter(|(key, _)| nearest(key, [Self::KEY]).is_some());
                Self::Unsaid {
                    first: text.lines().any(|line| line.trim_start().starts_with('[')),
                    misspelt: near.next().map(|(key, node)| (key.clone(), node.line)),
                }
            }
        };
        (metadata, text)
    }

    /// Whether Diesel runs the migration in a transaction.
    pub(crate) fn in_transaction(&self) -> bool {
        match self {
            Self::Absent | Self::Malformed(_) => true,
            Self::Said(said) => *said,
            Self::Unsaid { .. } => false,
        }
    }
}
