//! Where the caller is: its package, its workspace, its migrations.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use anyhow::{Context, Result, bail};

use crate::variable::SettingsError;

/// A package under test.
#[derive(Debug, Clone)]
pub(crate) struct Package {
    /// The name in its `Cargo.toml`.
    pub(crate) name: String,
    /// The folder of its `Cargo.toml`.
    pub(crate) folder: PathBuf,
    /// The folder of the workspace that it is a member of.
    pub(crate) workspace: PathBuf,
}

impl Package {
    /// The package whose test is running: `cargo test` and `cargo nextest run` set `CARGO_MANIFEST_DIR` for it.
    ///
    /// Read once: a process tests one package.
    pub(crate) fn of_caller() -> Result<&'static Self> {
        static PACKAGE: OnceLock<Package> = OnceLock::new();
        if let Some(package) = PACKAGE.get() {
            return Ok(package);
        }
        let package = Self::read()?;
        Ok(PACKAGE.get_or_init(|| package))
    }

    fn read() -> Result<Self> {
        let folder = match env::var_os("CARGO_MANIFEST_DIR") {
            Some(folder) => PathBuf::from(folder),
            // A test binary started by hand, in a debugger for instance.
            None => env::current_dir().context("failed to read the working directory")?,
        };
        let Some(name) = manifest(&folder)?
            .and_then(|toml| Some(toml.get("package")?.get("name")?.as_str()?.to_owned()))
        else {
            return Err(SettingsError::error(format!(
                "failed to find the package under test: no package in `{}`; set CARGO_MANIFEST_DIR to its folder",
                folder.display()
            )));
        };
        let workspace = workspace_of(&folder)?;
        Ok(Self {
            name,
            folder,
            workspace,
        })
    }

    /// The migrations folder that the package's `diesel.toml` names; Diesel's default is `migrations`.
    pub(crate) fn migrations(&self) -> Result<PathBuf> {
        let file = self.folder.join("diesel.toml");
        let dir = match fs::read_to_string(&file) {
            Ok(text) => text
                .parse::<toml::Table>()
                .with_context(|| format!("failed to parse `{}`", file.display()))?
                .get("migrations_directory")
                .and_then(|table| table.get("dir")?.as_str())
                .map(PathBuf::from),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => None,
            Err(error) => {
                return Err(error).with_context(|| format!("failed to read `{}`", file.display()));
            }
        };
        let folder = self.folder.join(dir.unwrap_or_else(|| "migrations".into()));
        if !folder.is_dir() {
            bail!(
                "failed to find the migrations of `{}`: no folder `{}`; \
                 name it in diesel.toml, or use TestDatabase::empty()",
                self.name,
                folder.display()
            );
        }
        Ok(folder)
    }
}

/// The nearest folder upwards whose `Cargo.toml` has a `[workspace]`, or `from` itself; canonical.
pub(crate) fn workspace_of(from: &Path) -> Result<PathBuf> {
    let from = fs::canonicalize(from)
        .with_context(|| format!("failed to find folder `{}`", from.display()))?;
    for folder in from.ancestors() {
        if manifest(folder)?.is_some_and(|toml| toml.contains_key("workspace")) {
            return Ok(folder.to_owned());
        }
    }
    Ok(from)
}

/// A `postgres` in the settings: the major version that is wanted by default.
pub(crate) struct DefaultVersion {
    /// As it is written; of a list, the last.
    pub(crate) text: String,
    /// Where it is written.
    pub(crate) source: String,
}

/// What the package in `folder` names, or else its workspace.
pub(crate) fn default_version(workspace: &Path, folder: &Path) -> Result<Option<DefaultVersion>> {
    for (folder, section) in [(folder, "package"), (workspace, "workspace")] {
        let Some(toml) = manifest(folder)? else {
            continue;
        };
        let setting = toml
            .get(section)
            .and_then(|table| table.get("metadata")?.get("db")?.get("postgres"));
        if let Some(value) = setting {
            let last = value.as_array().and_then(|list| list.last());
            let last = last.unwrap_or(value);
            let file = folder.join("Cargo.toml");
            return Ok(Some(DefaultVersion {
                text: last
                    .as_str()
                    .map_or_else(|| last.to_string(), str::to_owned),
                source: format!("[{section}.metadata.db] postgres in `{}`", file.display()),
            }));
        }
    }
    Ok(None)
}

fn manifest(folder: &Path) -> Result<Option<toml::Table>> {
    let file = folder.join("Cargo.toml");
    match fs::read_to_string(&file) {
        Ok(text) => {
            Ok(Some(text.parse().with_context(|| {
                format!("failed to parse `{}`", file.display())
            })?))
        }
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error).with_context(|| format!("failed to read `{}`", file.display())),
    }
}
