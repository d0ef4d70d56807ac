//! A service's migrations: folders → versions, checksums, transaction mode; and the pure plan.

pub(crate) mod version;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use anyhow::Context as _;
use serde::Deserialize;
use sha2::{Digest as _, Sha256};

use crate::ui::failure::{Failure, Result, nearest};
use crate::workspace::Service;

/// One migration folder.
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
    /// The migration in `folder` with this `up.sql`; its version is the folder's name up to the first `_`.
    pub(crate) fn new(folder: &Path, up: String, in_transaction: bool) -> Self {
        let name = folder.file_name().unwrap_or_default().to_string_lossy();
        Self {
            version: name.split('_').next().unwrap_or_default().replace('-', ""),
            name: name.into_owned(),
            folder: folder.to_owned(),
            up,
            in_transaction,
            checksum: OnceLock::new(),
        }
    }

    /// The SHA-256 of `up.sql` in hex, with line endings normalised: a checkout on Windows edits nothing.
    pub(crate) fn checksum(&self) -> &str {
        self.checksum.get_or_init(|| {
            let digest = match self.up.contains("\r\n") {
                true => Sha256::digest(self.up.replace("\r\n", "\n")),
                false => Sha256::digest(&self.up),
            };
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
        let text = std::fs::read_to_string(&path)
            .map_err(|error| anyhow::anyhow!("failed to read `{}`: {error}", path.display()));
        match text {
            Ok(text) if !text.trim().is_empty() => Ok(text),
            Ok(_) => Err(Failure::usage(format!(
                "`{}` is empty, so `{}` can't be reverted",
                path.display(),
                self.name
            ))),
            Err(error) => {
                Err(Failure::from(error)
                    .help(format!("`{}` can't be reverted without it", self.name)))
            }
        }
    }
}

/// The two keys of `diesel.toml` that we need; Diesel reads the rest.
#[derive(Deserialize, Default)]
struct DieselToml {
    #[serde(default)]
    migrations_directory: Option<MigrationsDirectory>,
}

#[derive(Deserialize)]
struct MigrationsDirectory {
    dir: PathBuf,
}

#[derive(Deserialize)]
struct Metadata {
    #[serde(default)]
    run_in_transaction: bool,
}

/// The migrations of one service, oldest first, each version once.
#[derive(Debug)]
pub(crate) struct Migrations(Vec<Migration>);

impl Migrations {
    /// Reads `diesel.toml` and the folder that it names.
    ///
    /// # Errors
    /// A missing or malformed file; two folders with one version, of which Diesel drops one silently.
    pub(crate) fn read(service: &Service) -> Result<Self> {
        let folder = migrations_folder(service)?;
        let mut found = BTreeMap::<String, Migration>::new();
        for entry in std::fs::read_dir(&folder).with_context(|| {
            format!(
                "failed to read the migrations folder `{}` of service `{}`",
                folder.display(),
                service.name
            )
        })? {
            let entry = entry.with_context(|| format!("failed to read `{}`", folder.display()))?;
            let name = entry.file_name().to_string_lossy().into_owned();
            if !entry.path().is_dir() || name.starts_with('.') {
                continue;
            }
            let migration = read_migration(&entry.path())?;
            if let Some(other) = found.insert(migration.version.clone(), migration.clone()) {
                return Err(Failure::usage(format!(
                    "two migrations of service `{}` have version {}: `{}` and `{}`",
                    service.name,
                    migration.version,
                    other.folder.display(),
                    migration.folder.display()
                ))
                .help("rename the newer folder so that its version is its own: Diesel would silently drop one of them"));
            }
        }
        Ok(Self(found.into_values().collect()))
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

/// The folder that `diesel.toml` names.
///
/// # Errors
/// A missing or malformed file, or no such folder.
pub(crate) fn migrations_folder(service: &Service) -> Result<PathBuf> {
    let folder = declared_folder(service)?;
    if folder.is_dir() {
        return Ok(folder);
    }
    Err(Failure::usage(format!(
        "the migrations folder `{}` of service `{}` does not exist",
        folder.display(),
        service.name
    ))
    .help(format!(
        "create it, or mend `[migrations_directory] dir` in {}",
        service.folder.join("diesel.toml").display()
    ))
    .help(format!(
        "`cargo xtask db new {} NAME` makes it with its first migration",
        service.name
    )))
}

/// The migrations folder that `diesel.toml` names, which may not be there yet.
///
/// # Errors
/// A missing or malformed file.
pub(crate) fn declared_folder(service: &Service) -> Result<PathBuf> {
    let path = service.folder.join("diesel.toml");
    let text = match std::fs::read_to_string(&path) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            return Err(Failure::usage(format!("service `{}` has no `{}`", service.name, path.display())).help(
                "create it, so that plain `diesel` works in that folder too:\n\n    [print_schema]\n    file = \"src/schema.rs\"\n\n    [migrations_directory]\n    dir = \"migrations\"\n",
            ));
        }
        Err(error) => {
            return Err(Failure::usage(format!(
                "failed to read `{}`: {error}",
                path.display()
            )));
        }
    };
    let settings: DieselToml = toml::from_str(&text).map_err(|error| {
        Failure::usage(format!("failed to parse `{}`: {error}", path.display()))
    })?;
    let dir = settings
        .migrations_directory
        .map_or_else(|| PathBuf::from("migrations"), |section| section.dir);
    Ok(service.folder.join(dir))
}

fn read_migration(folder: &Path) -> Result<Migration> {
    let up_path = folder.join("up.sql");
    let up = std::fs::read_to_string(&up_path).map_err(|error| {
        Failure::usage(format!("failed to read `{}`: {error}", up_path.display()))
            .help("every folder among the migrations needs an up.sql and a down.sql")
    })?;
    // A byte order mark is no SQL, and can't be seen in an error.
    let up = up.strip_prefix('\u{feff}').map(str::to_owned).unwrap_or(up);
    if up.trim().is_empty() {
        return Err(Failure::usage(format!("`{}` is empty", up_path.display()))
            .help("write the migration, or remove its folder"));
    }
    let migration = Migration::new(folder, up, read_metadata(folder)?);
    if migration.version.is_empty() {
        return Err(Failure::usage(format!(
            "the migration `{}` has no version",
            folder.display()
        ))
        .help("name it <version>_<name>, for instance 2026-01-31-120000_add_users"));
    }
    Ok(migration)
}

/// Whether the migration runs in a transaction. A file that Diesel could not parse, and would silently ignore, is an error.
fn read_metadata(folder: &Path) -> Result<bool> {
    let path = folder.join("metadata.toml");
    let text = match std::fs::read_to_string(&path) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(true),
        Err(error) => {
            return Err(Failure::usage(format!(
                "failed to read `{}`: {error}",
                path.display()
            )));
        }
    };
    let metadata: Metadata = toml::from_str(&text).map_err(|error| {
        Failure::usage(format!("failed to parse `{}`: {error}", path.display()))
            .help("write `run_in_transaction = false`, or remove the file")
    })?;
    Ok(metadata.run_in_transaction)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn migration(version: &str, up: &str) -> Migration {
        Migration::new(&PathBuf::from(format!("{version}_x")), up.to_owned(), true)
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
