//! A `Cargo.toml` with the lines of its keys: what a finding about it points at.

use std::path::{Path, PathBuf};

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use crate::sql::statements::place_of;
use crate::workspace::Workspace;

/// The text of one manifest that could be parsed.
pub(crate) struct Manifest {
    path: PathBuf,
    text: String,
}

/// A key of a table in a manifest.
pub(crate) struct Entry {
    pub(crate) key: String,
    /// If it is a text.
    pub(crate) value: Option<String>,
    pub(crate) line: usize,
}

/// A dependency on a package, wherever it is declared.
pub(crate) struct Dependency {
    /// The package's own name, however it is called here.
    pub(crate) package: String,
    /// The header it stands under.
    pub(crate) section: String,
    pub(crate) line: usize,
}

impl Manifest {
    /// `None` if there is none, or it can't be parsed: that is a fault in the settings and said there.
    pub(crate) fn read(folder: &Path) -> Option<Self> {
        let path = folder.join("Cargo.toml");
        let text = std::fs::read_to_string(&path).ok()?;
        DeTable::parse(&text).ok()?;
        Some(Self { path, text })
    }

    /// The path as it is shown.
    pub(crate) fn shown(&self, workspace: &Workspace) -> String {
        workspace.shown(&self.path)
    }

    /// The keys of the table at `path`.
    pub(crate) fn entries(&self, path: &[&str]) -> Vec<Entry> {
        let Ok(table) = DeTable::parse(&self.text) else {
            return Vec::new();
        };
        let Some(table) = descend(table.get_ref(), path) else {
            return Vec::new();
        };
        let entries = table.iter().map(|(key, value)| Entry {
            key: key.get_ref().to_string(),
            value: text(value),
            line: place_of(&self.text, key.span().start).line,
        });
        entries.collect()
    }

    /// The text at `path`, whose last part is the key.
    pub(crate) fn string(&self, path: &[&str]) -> Option<String> {
        let (key, path) = path.split_last()?;
        let entries = self.entries(path);
        entries
            .into_iter()
            .find(|entry| entry.key == *key)
            .and_then(|entry| entry.value)
    }

    /// Every dependency but those of tests. `workspace = true` is looked up in `root`.
    pub(crate) fn dependencies(&self, root: Option<&Self>) -> Vec<Dependency> {
        let Ok(table) = DeTable::parse(&self.text) else {
            return Vec::new();
        };
        let mut found = Vec::new();
        self.collect(table.get_ref(), "", root, &mut found);
        if let Some(targets) = descend(table.get_ref(), &["target"]) {
            for (target, value) in targets {
                if let DeValue::Table(table) = value.get_ref() {
                    let prefix = format!("target.'{}'.", target.get_ref());
                    self.collect(table, &prefix, root, &mut found);
                }
            }
        }
        found.sort_by_key(|dependency| dependency.line);
        found
    }

    fn collect(
        &self,
        table: &DeTable<'_>,
        prefix: &str,
        root: Option<&Self>,
        found: &mut Vec<Dependency>,
    ) {
        for section in ["dependencies", "build-dependencies"] {
            for (key, value) in descend(table, &[section]).into_iter().flatten() {
                let name = key.get_ref().to_string();
                let package = match value.get_ref() {
                    DeValue::Table(table) if inherited(table) => root.and_then(|root| {
                        root.string(&["workspace", "dependencies", &name, "package"])
                    }),
                    DeValue::Table(table) => table.get("package").and_then(text),
                    _ => None,
                };
                found.push(Dependency {
                    package: package.unwrap_or(name),
                    section: format!("[{prefix}{section}]"),
                    line: place_of(&self.text, key.span().start).line,
                });
            }
        }
    }
}

fn inherited(dependency: &DeTable<'_>) -> bool {
    dependency
        .get("workspace")
        .is_some_and(|value| matches!(value.get_ref(), DeValue::Boolean(true)))
}

fn text(value: &Spanned<DeValue<'_>>) -> Option<String> {
    match value.get_ref() {
        DeValue::String(text) => Some(text.to_string()),
        _ => None,
    }
}

fn descend<'t, 'i>(table: &'t DeTable<'i>, path: &[&str]) -> Option<&'t DeTable<'i>> {
    path.iter()
        .try_fold(table, |table, key| match table.get(*key)?.get_ref() {
            DeValue::Table(table) => Some(table),
            _ => None,
        })
}
