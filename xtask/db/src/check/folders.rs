//! A service's migration folders, read leniently: a fault in one hides nothing in another.

use std::collections::BTreeMap;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use super::Finding;
use super::diesel_toml::DieselToml;
use crate::sql::statements::{place_of, starts, words};
use crate::ui::failure::nearest;
use crate::workspace::{Service, Workspace};

/// What `metadata.toml` says about the transaction.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Metadata {
    /// There is no such file.
    Absent,
    Said(bool),
    /// Diesel takes the missing key for `false`.
    Unsaid {
        /// A key that was probably meant to be it, with its line.
        misspelt: Option<(String, usize)>,
    },
    /// Diesel ignores such a file.
    Malformed {
        line: usize,
        message: String,
    },
}

/// One folder among a service's migrations.
pub(crate) struct Folder {
    pub(crate) name: String,
    pub(crate) path: PathBuf,
    pub(crate) up: Option<String>,
    pub(crate) down: Option<String>,
    pub(crate) metadata: Metadata,
}

impl Folder {
    /// Whether Diesel runs it in a transaction.
    pub(crate) fn in_transaction(&self) -> bool {
        match self.metadata {
            Metadata::Absent | Metadata::Malformed { .. } => true,
            Metadata::Said(said) => said,
            Metadata::Unsaid { .. } => false,
        }
    }

    fn version(&self) -> String {
        let version = self.name.split('_').next().unwrap_or_default();
        version.replace('-', "")
    }

    /// The texts that are there, with their paths.
    pub(crate) fn texts(&self) -> impl Iterator<Item = (PathBuf, &str)> {
        let up = self.up.as_deref().map(|text| ("up.sql", text));
        let down = self.down.as_deref().map(|text| ("down.sql", text));
        up.into_iter()
            .chain(down)
            .map(|(name, text)| (self.path.join(name), text))
    }
}

/// The migration folders of a service, by name.
pub(crate) fn read(service: &Service) -> Vec<Folder> {
    let Some(migrations) = DieselToml::read(service).migrations else {
        return Vec::new();
    };
    let entries = std::fs::read_dir(migrations)
        .into_iter()
        .flatten()
        .flatten();
    let mut folders: Vec<_> = entries
        .filter(|entry| entry.path().is_dir())
        .filter_map(|entry| {
            let name = entry.file_name().to_string_lossy().into_owned();
            (!name.starts_with('.')).then(|| read_folder(entry.path(), name))
        })
        .collect();
    folders.sort_by(|a, b| a.name.cmp(&b.name));
    folders
}

fn read_folder(path: PathBuf, name: String) -> Folder {
    // A file that is not UTF-8 is read as the server would complain about it: with its place marked.
    let text = |name: &str| {
        let bytes = std::fs::read(path.join(name)).ok()?;
        Some(String::from_utf8_lossy(&bytes).into_owned())
    };
    Folder {
        up: text("up.sql"),
        down: text("down.sql"),
        metadata: read_metadata(&path.join("metadata.toml")),
        name,
        path,
    }
}

fn read_metadata(path: &Path) -> Metadata {
    let text = match std::fs::read_to_string(path) {
        Ok(text) => text,
        Err(error) if error.kind() == ErrorKind::NotFound => return Metadata::Absent,
        Err(error) => {
            return Metadata::Malformed {
                line: 1,
                message: error.to_string(),
            };
        }
    };
    let line_of = |key: &str| {
        let line = text
            .lines()
            .position(|line| line.trim_start().starts_with(key));
        line.map_or(1, |index| index + 1)
    };
    match text.parse::<toml::Table>() {
        Err(error) => Metadata::Malformed {
            line: place_of(
                &text,
                error.span().map_or(0, |span| span.start).min(text.len()),
            )
            .line,
            message: error.message().to_owned(),
        },
        Ok(table) => match table.get("run_in_transaction") {
            Some(toml::Value::Boolean(said)) => Metadata::Said(*said),
            Some(other) => Metadata::Malformed {
                line: line_of("run_in_transaction"),
                message: format!("`run_in_transaction` is `{other}`, not true or false"),
            },
            None => {
                let keys = table.keys().map(String::as_str);
                let near = keys
                    .filter(|key| nearest(key, ["run_in_transaction"]).is_some())
                    .map(|key| (key.to_owned(), line_of(key)))
                    .next();
                Metadata::Unsaid { misspelt: near }
            }
        },
    }
}

/// Everything that is wrong with the folders, the SQL's own safety apart.
pub(crate) fn check(workspace: &Workspace, folders: &[Folder]) -> Vec<Finding> {
    let mut findings = Vec::new();
    let mut versions = BTreeMap::<String, &Folder>::new();
    for folder in folders {
        let shown = workspace.shown(&folder.path);
        let version = folder.version();
        if version.is_empty() {
            let message = format!("the migration folder `{}` has no version", folder.name);
            findings.push(
                Finding::new("migration-without-version", message)
                    .file(&shown)
                    .help("name it <version>_<name>, for instance 2026-01-31-120000_add_users"),
            );
        } else if let Some(other) = versions.get(&version) {
            let message = format!(
                "version {version} is also the version of `{}`: Diesel drops one of them silently",
                other.name
            );
            findings.push(
                Finding::new("duplicate-version", message)
                    .file(&shown)
                    .help("give the newer one, which is applied nowhere yet, a version of its own"),
            );
        } else {
            versions.insert(version, folder);
        }
        findings.extend(texts(&shown, folder));
        findings.extend(metadata(&shown, folder));
        for (path, text) in folder.texts() {
            findings.extend(transaction(
                &workspace.shown(&path),
                text,
                folder.in_transaction(),
            ));
        }
    }
    findings
}

/// Texts that are missing, or hold no statement.
fn texts(shown: &str, folder: &Folder) -> Vec<Finding> {
    let sides = [
        (
            "up.sql",
            &folder.up,
            ["missing-up", "empty-up"],
            "write the migration, or remove its folder",
        ),
        (
            "down.sql",
            &folder.down,
            ["missing-down", "empty-down"],
            "write what takes the migration back; if nothing can, raise an error there that says why",
        ),
    ];
    let mut findings = Vec::new();
    for (name, text, [missing, empty], help) in sides {
        let file = format!("{shown}/{name}");
        match text {
            None => findings.push(
                Finding::new(
                    missing,
                    format!("the migration `{}` has no {name}", folder.name),
                )
                .file(file)
                .help(help),
            ),
            Some(text) if starts(text).is_empty() => findings.push(
                Finding::new(
                    empty,
                    format!("the {name} of `{}` holds no statement", folder.name),
                )
                .at(file, 1)
                .help(help),
            ),
            Some(_) => {}
        }
    }
    findings
}

fn metadata(shown: &str, folder: &Folder) -> Option<Finding> {
    let file = format!("{shown}/metadata.toml");
    match &folder.metadata {
        Metadata::Absent | Metadata::Said(_) => None,
        Metadata::Unsaid { misspelt } => {
            let message = "metadata.toml does not say `run_in_transaction`: Diesel then runs the migration without a transaction";
            let finding =
                Finding::new("metadata-without-transaction", message).fixable(misspelt.is_none());
            Some(match misspelt {
                Some((key, line)) => finding
                    .at(file, *line)
                    .help(format!("`{key}` is no key of Diesel's: did you mean `run_in_transaction`?")),
                None => finding.at(file, 1).help(
                    "say `run_in_transaction = false` if that is meant, as `cargo xtask db fix` does; else remove the file",
                ),
            })
        }
        Metadata::Malformed { line, message } => Some(
            Finding::new(
                "malformed-metadata",
                format!(
                    "failed to parse metadata.toml, which Diesel then ignores silently: {message}"
                ),
            )
            .at(file, *line)
            .help("write `run_in_transaction = false`, or remove the file"),
        ),
    }
}

/// What can't work in the transaction, or without the transaction, that the migration is run in.
fn transaction(file: &str, text: &str, in_transaction: bool) -> Vec<Finding> {
    let starts = starts(text);
    if !in_transaction {
        let Some(second) = starts.get(1) else {
            return Vec::new();
        };
        let message = format!(
            "{} statements in a migration without a transaction: if one fails, those before it stay, and a new run \
             starts at the first again",
            starts.len()
        );
        return vec![
            Finding::new("several-statements", message)
                .at(file, place_of(text, *second).line)
                .help("one statement for each such migration: split it, `cargo xtask db new` makes the folders"),
        ];
    }
    let alone = starts.iter().filter_map(|start| {
        let what = needs_no_transaction(&text[*start..])?;
        Some(
            Finding::new(
                "concurrently-in-transaction",
                format!("{what} can't run inside a transaction, and Diesel opens one for this migration"),
            )
            .at(file, place_of(text, *start).line)
            .help("put it into a migration of its own, with a metadata.toml that says `run_in_transaction = false`"),
        )
    });
    alone.collect()
}

/// The name of a statement that PostgreSQL refuses inside a transaction.
fn needs_no_transaction(statement: &str) -> Option<&'static str> {
    let words = words(statement, 0, 16);
    let words: Vec<_> = words.iter().map(String::as_str).collect();
    match words.as_slice() {
        ["create", "index", "concurrently", ..]
        | ["create", "unique", "index", "concurrently", ..] => Some("CREATE INDEX CONCURRENTLY"),
        ["drop", "index", "concurrently", ..] => Some("DROP INDEX CONCURRENTLY"),
        ["reindex", _, "concurrently", ..] => Some("REINDEX CONCURRENTLY"),
        ["alter", "table", .., "concurrently"] if words.contains(&"detach") => {
            Some("DETACH PARTITION CONCURRENTLY")
        }
        ["vacuum", ..] => Some("VACUUM"),
        ["create", "database", ..] => Some("CREATE DATABASE"),
        ["drop", "database", ..] => Some("DROP DATABASE"),
        ["create", "tablespace", ..] => Some("CREATE TABLESPACE"),
        ["drop", "tablespace", ..] => Some("DROP TABLESPACE"),
        ["alter", "system", ..] => Some("ALTER SYSTEM"),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::needs_no_transaction;

    #[test]
    fn statements_that_need_to_be_alone() {
        for (sql, alone) in [
            ("CREATE UNIQUE INDEX /* x */ CONCURRENTLY i ON t (a)", true),
            ("create index concurrently on t (a)", true),
            ("CREATE INDEX concurrently_built ON t (a)", false),
            ("DROP INDEX CONCURRENTLY i", true),
            ("REINDEX TABLE CONCURRENTLY t", true),
            ("ALTER TABLE t DETACH PARTITION p CONCURRENTLY", true),
            ("ALTER TABLE t DETACH PARTITION p", false),
            ("REFRESH MATERIALIZED VIEW CONCURRENTLY v", false),
        ] {
            assert_eq!(needs_no_transaction(sql).is_some(), alone, "{sql}");
        }
    }
}
