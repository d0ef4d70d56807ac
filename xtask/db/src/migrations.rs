//! A service's migrations: folders → versions, checksums, transaction mode; and the pure plan.

pub(crate) mod folder;
pub(crate) mod version;

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::OnceLock;

use sha2::{Digest as _, Sha256};

use crate::sql::statements::has_statement;
use crate::ui::failure::{Failure, Result, nearest};
use crate::workspace::Service;
use crate::workspace::diesel_toml::DieselToml;
use folder::{Folder, Metadata, Sql, version_of};

/// One migration that can be run.
#[derive(Debug, Clone)]
pub(crate) struct Migration {
    /// As Diesel reads it: the folder's name up to the first `_`, without `-`.
    pub(crate) version: String,
    /// The folder's name.
    pub(crate) name: String,
    pub(crate) folder: PathBuf,
    /// The text of `up.sql`.
    pub(crate) up: String,
    /// `false` where `metadata.toml` says so, or forgets to say (as Diesel reads it).
    pub(crate) in_transaction: bool,
    /// Computed when it is asked for, and once.
    checksum: OnceLock<String>,
}

impl Migration {
    /// A migration that is not in a folder yet.
    pub(crate) fn new(folder: PathBuf, up: String) -> Self {
        let name = folder.file_name().unwrap_or_default().to_string_lossy();
        Self {
            version: version_of(&name),
            name: name.into_owned(),
            folder,
            up,
            in_transaction: true,
            checksum: OnceLock::new(),
        }
    }

    /// The SHA-256 of `up.sql` in hex, with line endings normalised: a checkout on Windows edits nothing.
    pub(crate) fn checksum(&self) -> &str {
        self.checksum.get_or_init(|| {
            let text = match self.up.contains('\r') {
                true => Cow::from(self.up.replace("\r\n", "\n")),
                false => Cow::from(&self.up),
            };
            let digest = Sha256::digest(text.as_bytes());
            digest.iter().map(|byte| format!("{byte:02x}")).collect()
        })
    }

    pub(crate) fn up_path(&self) -> PathBuf {
        self.folder.join("up.sql")
    }

    pub(crate) fn down_path(&self) -> PathBuf {
        self.folder.join("down.sql")
    }

    /// The text of `down.sql`.
    ///
    /// # Errors
    /// No such file, or nothing in it: then the migration can't be reverted.
    pub(crate) fn down(&self) -> Result<String> {
        let path = self.down_path();
        match Sql::read(&path).into_text() {
            Ok(text) if has_statement(&text) => Ok(text),
            Ok(_) => Err(Failure::usage(format!(
                "`{}` is empty, so `{}` can't be reverted",
                path.display(),
                self.name
            ))
            .help("write the statements that undo the migration, or `SELECT 1;` if there is nothing to undo")),
            Err(error) => Err(Failure::usage(format!(
                "failed to read `{}`: {error}",
                path.display()
            ))
            .help(format!("`{}` can't be reverted without it", self.name))),
        }
    }
}

impl TryFrom<Folder> for Migration {
    type Error = Failure;

    /// # Errors
    /// What keeps it from being run. A `metadata.toml` that Diesel could not parse, and would silently ignore, does.
    fn try_from(folder: Folder) -> Result<Self> {
        let up_path = folder.path.join("up.sql");
        let up = folder.up.into_text().map_err(|error| {
            Failure::usage(format!("failed to read `{}`: {error}", up_path.display()))
                .help("every folder among the migrations needs an up.sql and a down.sql")
        })?;
        if folder.version.is_empty() {
            return Err(Failure::usage(format!(
                "the migration `{}` has no version",
                folder.path.display()
            ))
            .help("name it <version>_<name>, for instance 2026-01-31-120000_add_users"));
        }
        let in_transaction = folder.metadata.in_transaction();
        if let Metadata::Malformed(error) = folder.metadata {
            return Err(
                Failure::from(error).help("write `run_in_transaction = false`, or remove the file")
            );
        }
        Ok(Self {
            version: folder.version,
            name: folder.name,
            folder: folder.path,
            up,
            in_transaction,
            checksum: OnceLock::new(),
        })
    }
}

/// The migrations of one service, oldest first, each version once.
#[derive(Debug)]
pub(crate) struct Migrations(Vec<Migration>);

impl Migrations {
    /// Reads `diesel.toml` and the folder that it names.
    ///
    /// # Errors
    /// A missing or malformed file; two folders with the same version, one of which Diesel ignores silently.
    pub(crate) fn read(service: &Service) -> Result<Self> {
        let (migrations, fault) = Self::read_to_fault(service)?;
        fault.map_or(Ok(migrations), Err)
    }

    /// The migrations that come before the first one with a fault, and that fault.
    ///
    /// # Errors
    /// A missing or malformed `diesel.toml`, or a folder that can't be listed.
    pub(crate) fn read_to_fault(service: &Service) -> Result<(Self, Option<Failure>)> {
        let migrations = DieselToml::read(service).folder()?;
        let folders = Folder::all(&migrations).map_err(|error| {
            Failure::usage(format!(
                "failed to read the migrations of service `{}`: {error}",
                service.name
            ))
        })?;
        let mut found = BTreeMap::<String, Migration>::new();
        let mut faults = BTreeMap::<String, Failure>::new();
        for folder in folders {
            let version = folder.version.clone();
            let fault = match Migration::try_from(folder) {
                Ok(migration) => match found.get(&version) {
                    Some(other) => twice(service, other, &migration),
                    None => {
                        found.insert(version, migration);
                        continue;
                    }
                },
                Err(fault) => fault,
            };
            faults.entry(version).or_insert(fault);
        }
        // Diesel runs no folder without a version: what comes after it is as it would be.
        let first = faults.keys().find(|version| !version.is_empty());
        found.retain(|version, _| first.is_none_or(|first| version < first));
        let fault = faults.into_values().next();
        Ok((Self(found.into_values().collect()), fault))
    }

    /// What every migration runs when it is applied.
    pub(crate) fn texts(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(|migration| migration.up.as_str())
    }

    pub(crate) fn get(&self, version: &str) -> Option<&Migration> {
        self.0.iter().find(|migration| migration.version == version)
    }

    /// The migration that a person means: a version with or without `-`, or the folder's name.
    ///
    /// # Errors
    /// No such migration, with the nearest and the newest.
    pub(crate) fn named(&self, service: &Service, text: &str) -> Result<&Migration> {
        let version = text.replace('-', "");
        if let Some(found) = self
            .0
            .iter()
            .find(|migration| migration.version == version || migration.name == text)
        {
            return Ok(found);
        }
        let failure = Failure::usage(format!(
            "service `{}` has no migration `{text}`",
            service.name
        ));
        let near = nearest(
            &version,
            self.0.iter().map(|migration| migration.version.as_str()),
        );
        Err(match near.and_then(|version| self.get(version)) {
            Some(near) => failure.help(format!("did you mean {} (`{}`)?", near.version, near.name)),
            None => {
                let newest = self
                    .0
                    .iter()
                    .rev()
                    .take(5)
                    .map(|migration| migration.version.as_str());
                failure.help(format!(
                    "its newest versions: {}",
                    newest.collect::<Vec<_>>().join(", ")
                ))
            }
        })
    }

    /// What is to be done, given the versions that are applied.
    pub(crate) fn plan<'m>(&'m self, applied: &[String]) -> Plan<'m> {
        let newest = applied.iter().max();
        let pending: Vec<_> = self
            .0
            .iter()
            .filter(|migration| !applied.contains(&migration.version))
            .collect();
        let unknown = applied
            .iter()
            .filter(|version| self.get(version).is_none())
            .cloned()
            .collect();
        let out_of_order = pending
            .iter()
            .copied()
            .filter(|migration| Some(&migration.version) < newest)
            .collect();
        Plan {
            pending,
            unknown,
            out_of_order,
        }
    }
}

fn twice(service: &Service, first: &Migration, second: &Migration) -> Failure {
    Failure::usage(format!(
        "two migrations of service `{}` have version {}: `{}` and `{}`",
        service.name,
        second.version,
        first.folder.display(),
        second.folder.display()
    ))
    .help("rename the newer folder so that its version is its own: Diesel would silently drop one of them")
}

/// The difference between the migrations in a folder and those applied to a database.
#[derive(Debug)]
pub(crate) struct Plan<'m> {
    /// Not applied, oldest first.
    pub(crate) pending: Vec<&'m Migration>,
    /// Applied, but not in the folder.
    pub(crate) unknown: Vec<String>,
    /// Pending, but older than an applied one: merged from another branch.
    pub(crate) out_of_order: Vec<&'m Migration>,
}

impl<'m> Plan<'m> {
    /// The pending migrations, up to a version if one is given.
    ///
    /// # Errors
    /// One of them is not written yet: to run it, or to mark it as applied, would lose it.
    pub(crate) fn pending_to(self, last: Option<&str>) -> Result<Vec<&'m Migration>> {
        let mut pending = self.pending;
        pending.retain(|migration| last.is_none_or(|last| migration.version.as_str() <= last));
        match pending.iter().find(|one| !has_statement(&one.up)) {
            None => Ok(pending),
            Some(empty) => Err(
                Failure::usage(format!("`{}` is empty", empty.up_path().display())).help(
                    "write the migration, remove its folder, or write `SELECT 1;` if it should do nothing",
                ),
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn migration(version: &str, up: &str) -> Migration {
        Migration::new(PathBuf::from(format!("{version}_x")), up.to_owned())
    }

    #[test]
    fn the_plan_tells_pending_unknown_and_out_of_order_apart() {
        let migrations = Migrations(
            ["1", "2", "3", "4"]
                .map(|version| migration(version, "x"))
                .to_vec(),
        );
        let plan = migrations.plan(&["1".to_owned(), "3".to_owned(), "9".to_owned()]);
        let versions =
            |list: &[&Migration]| list.iter().map(|m| m.version.clone()).collect::<Vec<_>>();
        assert_eq!(versions(&plan.pending), ["2", "4"]);
        assert_eq!(versions(&plan.out_of_order), ["2", "4"]);
        assert_eq!(plan.unknown, ["9"]);
        assert_eq!(
            versions(
                &migrations
                    .plan(&["1".to_owned(), "3".to_owned()])
                    .out_of_order
            ),
            ["2"]
        );
        assert!(migrations.plan(&[]).out_of_order.is_empty());
    }

    #[test]
    fn line_endings_are_no_edit_and_anything_else_is() {
        let sum = |text| migration("1", text).checksum().to_owned();
        assert_eq!(sum("a\nb\n"), sum("a\r\nb\r\n"));
        assert_ne!(sum("a\nb\n"), sum("a\nb"));
        assert_eq!(
            sum("abc"),
            "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
        );
    }
}
