//! The settings in the manifests of the workspace and of its services, read so that every fault in them is known.

use std::collections::BTreeMap;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use anyhow::Context as _;

use super::fault::Faults;
use super::server;
use super::toml_file::{Node, NodeValue, TomlFile};
use super::{Service, Stateless, Workspace};
use crate::ui::failure::{Failure, Result};

const SERVICES: &str = "services/*";
/// The version of PostgreSQL that `local-postgres` starts where nothing is said.
const POSTGRES: &str = "18";

impl Workspace {
    /// Finds the workspace from `start` upwards, as cargo does, and reads every service's settings. Those with a fault
    /// are left out.
    ///
    /// # Errors
    /// There is no workspace, or no service in it.
    pub(crate) fn find_with_faults(start: &Path) -> Result<(Self, Faults)> {
        for folder in start.ancestors() {
            let path = folder.join("Cargo.toml");
            if path.is_file() {
                let manifest = TomlFile::read(&path)?;
                if manifest.get(&["workspace"]).is_some() {
                    return read(folder, manifest);
                }
            }
        }
        Err(Failure::usage(format!(
            "found no Cargo workspace in `{}` or above it",
            start.display()
        ))
        .help("run this inside a workspace: a folder whose Cargo.toml has a [workspace] section"))
    }
}

fn read(root: &Path, manifest: TomlFile) -> Result<(Workspace, Faults)> {
    const FILE: &str = "Cargo.toml";
    let mut faults = Faults::default();
    let (mut services, mut postgres) = (None, None);
    match manifest.get(&["workspace", "metadata", "db"]) {
        Some(settings) if matches!(settings.value, NodeValue::Table(_)) => {
            let known = &["services", "postgres", "allow"];
            faults.unknown_keys(FILE, "[workspace.metadata.db]", settings, known);
            services = faults.string(FILE, &manifest, settings, "services");
            postgres = faults.versions(FILE, &manifest, settings);
        }
        Some(settings) => faults.add(
            (FILE, Some(settings.line)),
            "`[workspace.metadata.db]` must be a table",
            "its keys are `services`, `postgres` and `allow`",
        ),
        None => {}
    }
    let pattern = services.unwrap_or_else(|| SERVICES.to_owned());
    let mut workspace = Workspace {
        root: root.to_owned(),
        services: Vec::new(),
        stateless: Vec::new(),
        postgres: postgres.unwrap_or_else(|| vec![POSTGRES.to_owned()]),
        manifests: BTreeMap::from([(root.to_owned(), manifest)]),
    };
    for folder in service_folders(root, &pattern)? {
        add(&mut workspace, &folder, &mut faults);
    }
    check_together(&workspace, &mut faults);
    if workspace.services.is_empty() && workspace.stateless.is_empty() && faults.0.is_empty() {
        return Err(Failure::usage(format!(
            "found no service in `{}`: `{pattern}` matches no folder with a Cargo.toml",
            root.display()
        ))
        .help(format!(
            "say where the services are in {}:\n\n    [workspace.metadata.db]\n    services = \"crates/*\"\n",
            root.join(FILE).display()
        )));
    }
    workspace.services.sort_by(|a, b| a.name.cmp(&b.name));
    Ok((workspace, faults))
}

/// Reads one service's settings.
fn add(workspace: &mut Workspace, folder: &Path, faults: &mut Faults) {
    let path = folder.join("Cargo.toml");
    let file = workspace.shown(&path);
    match TomlFile::read(&path) {
        Ok(manifest) => {
            understand(workspace, folder, &manifest, &file, faults);
            workspace.manifests.insert(folder.to_owned(), manifest);
        }
        Err(error) => {
            let remedy = "fix it: cargo can't read it either";
            faults.add((&file, error.line), error.message, remedy);
        }
    }
}

fn understand(
    workspace: &mut Workspace,
    folder: &Path,
    manifest: &TomlFile,
    file: &str,
    faults: &mut Faults,
) {
    const DB: [&str; 3] = ["package", "metadata", "db"];
    let name = manifest.get(&["package", "name"]);
    let Some(name) = name.and_then(Node::as_str) else {
        let place = (file, Some(manifest.line(&["package"])));
        let remedy = "every service is a package";
        return faults.add(place, "it has no `[package] name`", remedy);
    };
    let place = (file, Some(manifest.line(&DB)));
    let settings = match manifest.get(&DB) {
        Some(settings) if matches!(settings.value, NodeValue::Table(_)) => settings,
        Some(settings) if matches!(settings.value, NodeValue::Boolean(false)) => {
            return workspace.stateless.push(Stateless {
                name: name.to_owned(),
                folder: folder.to_owned(),
            });
        }
        Some(_) => {
            let message = "`db` must be `false` or a table";
            return faults.add(place, message, both_snippets(name));
        }
        None => {
            let message = format!("service `{name}` does not say whether it has a database");
            return faults.add(place, message, both_snippets(name));
        }
    };
    faults.unknown_keys(file, "[package.metadata.db]", settings, &known());
    let database = faults.string(file, manifest, settings, "name");
    let variable = faults.string(file, manifest, settings, "url");
    let postgres = faults.fewer_versions(file, manifest, settings, &workspace.postgres);
    if settings.get("name").is_none() {
        let message = "`[package.metadata.db]` has no `name`";
        faults.add(place, message, both_snippets(name));
    }
    if let Some(database) = database {
        workspace.services.push(Service {
            name: name.to_owned(),
            folder: folder.to_owned(),
            postgres,
            database,
            variable: variable.unwrap_or_else(|| default_variable(name)),
            superuser: superuser(file, manifest, settings, faults),
            server: faults.server(file, manifest, settings),
        });
    }
}

/// The keys of `[package.metadata.db]`.
fn known() -> Vec<&'static str> {
    let mut known = vec!["name", "url", "postgres", "allow"];
    known.extend(["superuser", "superuser-reason"]);
    known.extend(server::KEYS);
    known
}

/// `superuser = true`, which has a reason.
fn superuser(file: &str, manifest: &TomlFile, settings: &Node, faults: &mut Faults) -> bool {
    let reason = faults.string(file, manifest, settings, "superuser-reason");
    let Some(said) = settings.get("superuser") else {
        return false;
    };
    let place = (file, Some(said.line));
    match said.value {
        NodeValue::Boolean(true) if reason.is_none() => {
            let message = "`superuser = true` has no `superuser-reason`";
            let remedy = "say why the migrations need it: superuser-reason = \"…\"";
            faults.add(place, message, remedy);
        }
        NodeValue::Boolean(said) => return said,
        _ => {
            let written = manifest.written(said);
            let message = format!("`superuser` must be true or false, not `{written}`");
            faults.add(place, message, "superuser = true");
        }
    }
    false
}

/// What must be different from service to service.
fn check_together(workspace: &Workspace, faults: &mut Faults) {
    let mut databases = BTreeMap::<&str, &Service>::new();
    let mut variables = BTreeMap::<&str, &Service>::new();
    for service in &workspace.services {
        let file = |service: &Service| workspace.shown(&service.folder.join("Cargo.toml"));
        let shown = file(service);
        let place = |key: &str| {
            let manifest = workspace.manifest(&service.folder);
            let line = manifest.map(|m| m.line(&["package", "metadata", "db", key]));
            (shown.as_str(), line)
        };
        if is_servers_own(&service.database) {
            let message = format!(
                "`{}` is the server's own database, which every other tool and service uses too",
                service.database
            );
            let remedy = "give the service a database of its own: another `name`";
            faults.add(place("name"), message, remedy);
        }
        if let Some(other) = databases.insert(&service.database, service) {
            let message = format!(
                "services `{}` and `{}` both own the database `{}`",
                other.name, service.name, service.database
            );
            let remedy = format!(
                "give one of them another `name`, here or in {}",
                file(other)
            );
            faults.add(place("name"), message, remedy);
        }
        if service.variable == "DATABASE_URL" {
            let message = format!(
                "service `{}` takes its URL from DATABASE_URL, which every service falls back to",
                service.name
            );
            let remedy = format!(
                "remove `url`, or set it to \"{}\"",
                default_variable(&service.name)
            );
            faults.add(place("url"), message, remedy);
        } else if !is_variable(&service.variable) {
            let message = format!(
                "service `{}` cannot take its URL from `{}`: shells and `.env` know no such name",
                service.name, service.variable
            );
            let remedy = "set `url` in `[package.metadata.db]` to a name of letters (A to Z, a to z), digits and `_` that begins with a letter";
            faults.add(place("url"), message, remedy);
        } else if let Some(other) = variables.insert(&service.variable, service) {
            let message = format!(
                "services `{}` and `{}` both read {}",
                other.name, service.name, service.variable
            );
            faults.add(place("url"), message, "give each its own `url`");
        }
    }
}

fn service_folders(root: &Path, pattern: &str) -> Result<Vec<PathBuf>> {
    let escaped = glob::Pattern::escape(&root.display().to_string());
    let paths = glob::glob(&format!("{escaped}/{pattern}")).map_err(|error| {
        Failure::usage(format!(
            "Cargo.toml: `services = \"{pattern}\"` is not a valid glob: {error}"
        ))
    })?;
    let folders = paths.collect::<Result<Vec<_>, _>>();
    let mut folders = folders.context("failed to look for services")?;
    // One that can't be read is told when it is read.
    folders.retain(|folder| match folder.join("Cargo.toml").metadata() {
        Ok(file) => file.is_file(),
        Err(error) => !matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory),
    });
    Ok(folders)
}

/// Whether the database exists on every new server.
pub(crate) fn is_servers_own(database: &str) -> bool {
    ["postgres", "template0", "template1"].contains(&database)
}

/// `<PACKAGE>_DATABASE_URL`, in capitals, with `-` as `_`.
fn default_variable(package: &str) -> String {
    format!("{}_DATABASE_URL", package.to_uppercase().replace('-', "_"))
}

/// Whether shells and `.env` take it as the name of a variable.
fn is_variable(name: &str) -> bool {
    let is_letter = |c: char| c.is_ascii_alphabetic() || c == '_';
    name.starts_with(is_letter) && name.chars().all(|c| is_letter(c) || c.is_ascii_digit())
}

fn both_snippets(name: &str) -> String {
    format!(
        "if it owns a database:\n\n    [package.metadata.db]\n    name = \"{}_db\"\n\nif it is stateless:\n\n    [package.metadata]\n    db = false\n",
        name.replace('-', "_")
    )
}
