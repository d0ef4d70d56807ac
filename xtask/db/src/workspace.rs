//! The workspace and its services: where each says which database it owns.

pub(crate) mod database_url;
pub(crate) mod dotenv;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use toml::{Table, Value};

use crate::ui::failure::{Failure, Result, nearest};

/// A workspace whose settings were read and make sense together.
#[derive(Debug)]
pub(crate) struct Workspace {
    pub(crate) root: PathBuf,
    /// The services that have a database, by name.
    pub(crate) services: Vec<Service>,
    /// The services that said `db = false`.
    pub(crate) stateless: Vec<Stateless>,
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
    /// The database that it owns, `name` in its settings.
    pub(crate) database: String,
    /// The variable that holds its URL.
    pub(crate) variable: String,
}

impl Workspace {
    /// Finds the workspace from `start` upwards, as cargo does, and reads every service's settings. Those with a fault
    /// are left out.
    ///
    /// # Errors
    /// There is no workspace, or no service in it.
    pub(crate) fn find_with_faults(start: &Path) -> Result<(Self, Faults)> {
        for folder in start.ancestors() {
            let manifest = folder.join("Cargo.toml");
            if !manifest.is_file() {
                continue;
            }
            let table = read_toml(&manifest)?;
            if let Some(workspace) = table.get("workspace") {
                return Self::read(folder, &manifest, workspace);
            }
        }
        Err(Failure::usage(format!(
            "found no Cargo workspace in `{}` or above it",
            start.display()
        ))
        .help("run this inside a workspace: a folder whose Cargo.toml has a [workspace] section"))
    }

    fn read(root: &Path, manifest: &Path, workspace: &Value) -> Result<(Self, Faults)> {
        let mut faults = Faults::default();
        let settings = workspace
            .get("metadata")
            .and_then(|metadata| metadata.get("db"));
        let empty = Table::new();
        let settings = match settings {
            None => &empty,
            Some(Value::Table(table)) => table,
            Some(_) => {
                faults.add(
                    "Cargo.toml",
                    "`[workspace.metadata.db]` must be a table",
                    "see the README, \"Add a service\"",
                );
                &empty
            }
        };
        faults.unknown_keys(
            "Cargo.toml",
            "[workspace.metadata.db]",
            settings,
            &["services", "postgres", "allow"],
        );
        let pattern = faults
            .string("Cargo.toml", settings, "services")
            .unwrap_or("services/*");
        // Read by `local-postgres`; here only its form is checked.
        faults.string("Cargo.toml", settings, "postgres");

        let mut found = Self {
            root: root.to_owned(),
            services: Vec::new(),
            stateless: Vec::new(),
        };
        for folder in service_folders(root, pattern)? {
            found.add(&folder, &mut faults);
        }
        found.check_together(&mut faults);
        if found.services.is_empty() && found.stateless.is_empty() && faults.0.is_empty() {
            return Err(Failure::usage(format!(
                "found no service in `{}`: `{pattern}` matches no folder with a Cargo.toml",
                root.display()
            ))
            .help(format!(
                "say where the services are in {}:\n\n    [workspace.metadata.db]\n    services = \"crates/*\"\n",
                manifest.display()
            )));
        }
        found.services.sort_by(|a, b| a.name.cmp(&b.name));
        Ok((found, faults))
    }

    /// Reads one service's settings.
    fn add(&mut self, folder: &Path, faults: &mut Faults) {
        let manifest = folder.join("Cargo.toml");
        let file = self.shown(&manifest);
        let table = match read_toml(&manifest) {
            Ok(table) => table,
            Err(failure) => {
                return faults.add(
                    &file,
                    &failure.message,
                    "mend it: cargo can't read it either",
                );
            }
        };
        let Some(name) = table
            .get("package")
            .and_then(|package| package.get("name"))
            .and_then(Value::as_str)
        else {
            faults.add(
                &file,
                "it has no `[package] name`",
                "a service is a package of its own",
            );
            return;
        };
        let settings = table
            .get("package")
            .and_then(|p| p.get("metadata"))
            .and_then(|m| m.get("db"));
        match settings {
            Some(Value::Boolean(false)) => self.stateless.push(Stateless {
                name: name.to_owned(),
                folder: folder.to_owned(),
            }),
            Some(Value::Table(settings)) => {
                faults.unknown_keys(
                    &file,
                    "[package.metadata.db]",
                    settings,
                    &["name", "url", "allow"],
                );
                let database = faults.string(&file, settings, "name").map(str::to_owned);
                let variable = faults.string(&file, settings, "url").map(str::to_owned);
                if !settings.contains_key("name") {
                    faults.add(
                        &file,
                        "`[package.metadata.db]` has no `name`",
                        &both_snippets(name),
                    );
                }
                let variable = variable.unwrap_or_else(|| default_variable(name));
                if let Some(database) = database {
                    self.services.push(Service {
                        name: name.to_owned(),
                        folder: folder.to_owned(),
                        database,
                        variable,
                    });
                }
            }
            Some(_) => faults.add(
                &file,
                "`db` must be `false` or a table",
                &both_snippets(name),
            ),
            None => faults.add(
                &file,
                &format!("service `{name}` does not say whether it has a database"),
                &both_snippets(name),
            ),
        }
    }

    /// What must be different from service to service.
    fn check_together(&self, faults: &mut Faults) {
        let mut databases = BTreeMap::<&str, &Service>::new();
        let mut variables = BTreeMap::<&str, &Service>::new();
        for service in &self.services {
            let file = self.shown(&service.folder.join("Cargo.toml"));
            if let Some(other) = databases.insert(&service.database, service) {
                let message = format!(
                    "services `{}` and `{}` both own the database `{}`",
                    other.name, service.name, service.database
                );
                let other = self.shown(&other.folder.join("Cargo.toml"));
                faults.add(
                    &file,
                    &message,
                    &format!("give one of them another `name`, here or in {other}"),
                );
            }
            if service.variable == "DATABASE_URL" {
                faults.add(
                    &file,
                    &format!("service `{}` takes its URL from DATABASE_URL, which every service falls back to", service.name),
                    &format!("remove `url`, or set it to \"{}\"", default_variable(&service.name)),
                );
            } else if let Some(other) = variables.insert(&service.variable, service) {
                faults.add(
                    &file,
                    &format!(
                        "services `{}` and `{}` both read {}",
                        other.name, service.name, service.variable
                    ),
                    "give each its own `url`",
                );
            }
        }
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

    /// A path as it is shown to a person: from the workspace's root.
    pub(crate) fn shown(&self, path: &Path) -> String {
        path.strip_prefix(&self.root)
            .unwrap_or(path)
            .display()
            .to_string()
    }
}

/// The faults found in the settings, all of which are shown.
#[derive(Debug, Default)]
pub(crate) struct Faults(Vec<Fault>);

/// One fault in the settings.
#[derive(Debug)]
pub(crate) struct Fault {
    /// From the workspace's root.
    pub(crate) file: String,
    pub(crate) message: String,
    pub(crate) remedy: String,
}

impl Faults {
    fn add(&mut self, file: &str, message: &str, remedy: &str) {
        self.0.push(Fault {
            file: file.to_owned(),
            message: message.to_owned(),
            remedy: remedy.to_owned(),
        });
    }

    pub(crate) fn into_vec(self) -> Vec<Fault> {
        self.0
    }

    fn unknown_keys(&mut self, file: &str, section: &str, table: &Table, known: &[&str]) {
        for key in table.keys().filter(|key| !known.contains(&key.as_str())) {
            let list = known
                .iter()
                .map(|key| format!("`{key}`"))
                .collect::<Vec<_>>()
                .join(", ");
            let remedy = match nearest(key, known.iter().copied()) {
                Some(near) => format!("did you mean `{near}`? known keys: {list}"),
                None => format!("known keys: {list}"),
            };
            self.add(
                file,
                &format!("unknown key `{key}` in `{section}`"),
                &remedy,
            );
        }
    }

    fn string<'t>(&mut self, file: &str, table: &'t Table, key: &str) -> Option<&'t str> {
        let value = table.get(key)?;
        let text = value.as_str().filter(|text| !text.is_empty());
        if text.is_none() {
            self.add(
                file,
                &format!("`{key}` must be a text that is not empty, not `{value}`"),
                &format!("{key} = \"…\""),
            );
        }
        text
    }

    /// All of them as one failure.
    pub(crate) fn result(&self) -> Result<()> {
        match self.0.as_slice() {
            [] => Ok(()),
            [one] => {
                Err(Failure::usage(format!("{}: {}", one.file, one.message)).help(&one.remedy))
            }
            several => {
                let mut text = format!("the settings have {} faults", several.len());
                for fault in several {
                    text.push_str(&format!(
                        "\n- {}: {}\n  {}",
                        fault.file,
                        fault.message,
                        fault.remedy.replace('\n', "\n  ")
                    ));
                }
                Err(Failure::usage(text))
            }
        }
    }
}

fn service_folders(root: &Path, pattern: &str) -> Result<Vec<PathBuf>> {
    let escaped = glob::Pattern::escape(&root.display().to_string());
    let paths = glob::glob(&format!("{escaped}/{pattern}")).map_err(|error| {
        Failure::usage(format!(
            "Cargo.toml: `services = \"{pattern}\"` is no pattern: {error}"
        ))
    })?;
    let mut folders = Vec::new();
    for path in paths {
        let path = path.context("failed to look for services")?;
        if path.join("Cargo.toml").is_file() {
            folders.push(path);
        }
    }
    Ok(folders)
}

fn read_toml(path: &Path) -> Result<Table> {
    let text = std::fs::read_to_string(path)
        .with_context(|| format!("failed to read `{}`", path.display()))?;
    text.parse()
        .map_err(|error| Failure::usage(format!("failed to parse `{}`: {error}", path.display())))
}

/// `<PACKAGE>_DATABASE_URL`, in capitals, with `-` as `_`.
fn default_variable(package: &str) -> String {
    format!("{}_DATABASE_URL", package.to_uppercase().replace('-', "_"))
}

fn both_snippets(name: &str) -> String {
    format!(
        "if it owns a database:\n\n    [package.metadata.db]\n    name = \"{}_db\"\n\nif it is stateless:\n\n    [package.metadata]\n    db = false\n",
        name.replace('-', "_")
    )
}
