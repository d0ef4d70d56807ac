//! The workspace and its services: where each says which database it owns.

pub(crate) mod database_url;
pub(crate) mod dependencies;
pub(crate) mod diesel_toml;
pub(crate) mod dotenv;
pub(crate) mod edit;
pub(crate) mod fault;
mod postgres;
pub(crate) mod server;
pub(crate) mod settings;
pub(crate) mod toml_file;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use crate::ui::failure::{Failure, Result, nearest};
use postgres::number;
use server::ServerSettings;
use toml_file::TomlFile;

/// A workspace whose settings were read and make sense together.
#[derive(Debug)]
pub(crate) struct Workspace {
    pub(crate) root: PathBuf,
    /// The services that have a database, by name.
    pub(crate) services: Vec<Service>,
    /// The services that said `db = false`.
    pub(crate) stateless: Vec<Stateless>,
    /// The major versions of PostgreSQL that the services may meet; local servers run the last one.
    pub(crate) postgres: Vec<String>,
    /// By their folder.
    manifests: BTreeMap<PathBuf, TomlFile>,
}

/// A service without a database.
#[derive(Debug, Clone)]
pub(crate) struct Stateless {
    /// The package's name.
    pub(crate) name: String,
    /// The service's folder.
    pub(crate) folder: PathBuf,
}

/// A service that owns a database.
#[derive(Debug, Clone)]
pub(crate) struct Service {
    /// The package's name.
    pub(crate) name: String,
    /// The service's folder.
    pub(crate) folder: PathBuf,
    /// The versions of PostgreSQL that it may meet: the workspace's, or the fewer that it names.
    pub(crate) postgres: Vec<String>,
    /// The database that it owns, `name` in its settings.
    pub(crate) database: String,
    /// The variable that holds its URL.
    pub(crate) variable: String,
    /// Whether its migrations need a superuser, also where they are only tried.
    pub(crate) superuser: bool,
    /// How the throw-away server for them is started.
    pub(crate) server: ServerSettings,
}

impl Workspace {
    /// The oldest PostgreSQL that a migration may meet: a rule that holds for it holds for all.
    pub(crate) fn oldest_postgres(&self) -> &str {
        let oldest = self.postgres.iter().min_by_key(|version| number(version));
        oldest.map_or("", String::as_str)
    }

    /// The services that `names` ask for, or all that have a database.
    ///
    /// # Errors
    /// An unknown or stateless name, with the valid ones and the nearest.
    pub(crate) fn select(&self, names: &[String]) -> Result<Vec<&Service>> {
        if names.is_empty() {
            if self.services.is_empty() {
                return Err(Failure::usage(
                    "no service in this workspace has a database",
                ));
            }
            return Ok(self.services.iter().collect());
        }
        let mut selected = Vec::<&Service>::new();
        for name in names {
            let service = self.service(name)?;
            if !selected.iter().any(|already| already.name == service.name) {
                selected.push(service);
            }
        }
        Ok(selected)
    }

    /// The service of that name.
    ///
    /// # Errors
    /// As [`select`](Self::select).
    pub(crate) fn service(&self, name: &str) -> Result<&Service> {
        if let Some(service) = self.services.iter().find(|service| service.name == name) {
            return Ok(service);
        }
        let names = || self.services.iter().map(|service| service.name.as_str());
        let list = names().collect::<Vec<_>>().join(", ");
        let failure = if self
            .stateless
            .iter()
            .any(|stateless| stateless.name == name)
        {
            Failure::usage(format!(
                "service `{name}` has no database: its Cargo.toml says `db = false`"
            ))
        } else {
            Failure::usage(format!("unknown service `{name}`"))
        };
        let near = nearest(name, names()).filter(|near| *near != name);
        let failure = match near {
            Some(near) => failure.help(format!("did you mean `{near}`?")),
            None => failure,
        };
        Err(failure.help(format!("services with a database: {list}")))
    }

    /// The `Cargo.toml` in a folder, the root's or a service's, if it could be parsed.
    pub(crate) fn manifest(&self, folder: &Path) -> Option<&TomlFile> {
        self.manifests.get(folder)
    }

    /// A path as it is shown to a person: from the workspace's root.
    pub(crate) fn shown(&self, path: &Path) -> String {
        path.strip_prefix(&self.root)
            .unwrap_or(path)
            .display()
            .to_string()
    }
}
