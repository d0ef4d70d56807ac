//! A TOML file with the place of everything in it.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::io::ErrorKind;
use std::ops::Range;
use std::path::{Path, PathBuf};

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use crate::sql::statements::place_of;
use crate::ui::failure::Failure;

/// A file that could be parsed.
#[derive(Debug)]
pub(crate) struct TomlFile {
    pub(crate) path: PathBuf,
    pub(crate) text: String,
    root: Node,
}

/// A value with its place.
#[derive(Debug)]
pub(crate) struct Node {
    /// Of its key, or of the header that names it. From 1.
    pub(crate) line: usize,
    /// The bytes of the value, with its quotes.
    pub(crate) span: Range<usize>,
    pub(crate) value: NodeValue,
}

#[derive(Debug)]
pub(crate) enum NodeValue {
    String(String),
    Boolean(bool),
    List(Vec<Node>),
    Table(BTreeMap<String, Node>),
    Other,
}

/// Why a file can't be used.
#[derive(Debug)]
pub(crate) struct TomlError {
    pub(crate) is_missing: bool,
    /// From 1; none of a file that can't be read.
    pub(crate) line: Option<usize>,
    /// Without the path.
    pub(crate) reason: String,
    /// For a person who has not named the file.
    pub(crate) message: String,
    /// The text, as far as it could be read.
    pub(crate) text: String,
}

impl TomlFile {
    pub(crate) fn read(path: &Path) -> Result<Self, TomlError> {
        let text = std::fs::read_to_string(path).map_err(|error| TomlError {
            is_missing: error.kind() == ErrorKind::NotFound,
            line: None,
            reason: error.to_string(),
            message: format!("failed to read `{}`: {error}", path.display()),
            text: String::new(),
        })?;
        let root = match DeTable::parse(&text) {
            Ok(table) => Node {
                line: 1,
                span: table.span(),
                value: NodeValue::table(table.get_ref(), &text),
            },
            Err(error) => {
                let offset = error.span().map_or(0, |span| span.start.min(text.len()));
                return Err(TomlError {
                    is_missing: false,
                    line: Some(place_of(&text, offset).line),
                    reason: error.message().to_owned(),
                    message: format!("failed to parse `{}`: {error}", path.display()),
                    text,
                });
            }
        };
        let path = path.to_owned();
        Ok(Self { path, text, root })
    }

    /// The error that a value of the wrong kind is.
    pub(crate) fn fault(self, line: usize, reason: String) -> TomlError {
        TomlError {
            is_missing: false,
            line: Some(line),
            message: format!("failed to parse `{}`: {reason}", self.path.display()),
            reason,
            text: self.text,
        }
    }

    /// The value at a path of keys; the file's own table at the empty path.
    pub(crate) fn get(&self, path: &[&str]) -> Option<&Node> {
        path.iter().try_fold(&self.root, |node, key| node.get(key))
    }

    /// The line of the value, or of the innermost table on the way to it that is there.
    pub(crate) fn line(&self, path: &[&str]) -> usize {
        let mut lengths = (0..=path.len()).rev();
        let found = lengths.find_map(|length| self.get(&path[..length]));
        found.map_or(1, |node| node.line)
    }

    /// The value as it is written.
    pub(crate) fn written(&self, node: &Node) -> &str {
        &self.text[node.span.clone()]
    }
}

impl Node {
    pub(crate) fn get(&self, key: &str) -> Option<&Self> {
        self.entries().get(key)
    }

    pub(crate) fn as_str(&self) -> Option<&str> {
        match &self.value {
            NodeValue::String(text) => Some(text),
            _ => None,
        }
    }

    /// The strings of a list; a string is a list of one.
    pub(crate) fn strings(&self) -> Option<Vec<&str>> {
        match &self.value {
            NodeValue::List(nodes) => nodes.iter().map(Self::as_str).collect(),
            _ => Some(vec![self.as_str()?]),
        }
    }

    /// What a table holds; nothing if it is none.
    pub(crate) fn entries(&self) -> &BTreeMap<String, Self> {
        static NONE: BTreeMap<String, Node> = BTreeMap::new();
        match &self.value {
            NodeValue::Table(table) => table,
            _ => &NONE,
        }
    }
}

impl NodeValue {
    fn table(table: &DeTable<'_>, text: &str) -> Self {
        let entry = |(key, value): (&Spanned<Cow<'_, str>>, &Spanned<DeValue<'_>>)| {
            let node = Self::node(value, key.span().start, text);
            (key.get_ref().to_string(), node)
        };
        Self::Table(table.iter().map(entry).collect())
    }

    /// A value that is named, or stands in a list, at `start`.
    fn node(value: &Spanned<DeValue<'_>>, start: usize, text: &str) -> Node {
        let item = |value: &Spanned<DeValue<'_>>| Self::node(value, value.span().start, text);
        Node {
            line: place_of(text, start).line,
            span: value.span(),
            value: match value.get_ref() {
                DeValue::String(text) => Self::String(text.to_string()),
                DeValue::Boolean(value) => Self::Boolean(*value),
                DeValue::Array(values) => Self::List(values.iter().map(item).collect()),
                DeValue::Table(table) => Self::table(table, text),
                _ => Self::Other,
            },
        }
    }
}

impl From<TomlError> for Failure {
    fn from(error: TomlError) -> Self {
        Self::usage(error.message)
    }
}
