//! Migration config where it does not belong: at the workspace's root, and in a stateless service.

use std::path::Path;

use super::Finding;
use super::diesel_toml::DieselToml;
use super::manifest::Manifest;
use crate::ui::report::count;
use crate::workspace::{Service, Stateless, Workspace};

const FIX: &str = "`cargo xtask db fix` moves it into a backup";

/// Whether the root holds a file or folder of that name that belongs to no service.
pub(crate) fn is_stray(workspace: &Workspace, name: &str) -> bool {
    let at_root = |folder: &Path| folder == workspace.root;
    workspace.root.join(name).symlink_metadata().is_ok()
        && !workspace.services.iter().any(|s| at_root(&s.folder))
}

/// What is at the root and belongs to no service.
pub(crate) fn root(workspace: &Workspace) -> Vec<Finding> {
    let mut findings = Vec::new();
    if is_stray(workspace, "migrations") {
        let finding = Finding::new("root-migrations", about_root_migrations(workspace));
        let users = users_of_root_migrations(workspace);
        let help = match users.as_slice() {
            [] => format!(
                "{FIX}; what is still needed belongs into the service that owns the tables: `cargo xtask db new`"
            ),
            users => format!(
                "the diesel.toml of {} names it: move the folders into the service that owns the tables, and set \
                 `[migrations_directory] dir` to \"migrations\"",
                users.join(" and ")
            ),
        };
        let fixable = users.is_empty();
        findings.push(finding.file("migrations").help(help).fixable(fixable));
    }
    let files = [
        (
            "root-alembic-ini",
            "alembic.ini",
            "Alembic would change a service's database past its migrations",
        ),
        (
            "root-diesel-toml",
            "diesel.toml",
            "`diesel` finds it from every folder without one, and connects to DATABASE_URL",
        ),
    ];
    for (check, file, why) in files {
        if is_stray(workspace, file) {
            let message = format!("`{file}` at the workspace's root belongs to no service: {why}");
            let finding = Finding::new(check, message).file(file);
            findings.push(finding.help(FIX).fixable(true));
        }
    }
    findings
}

fn about_root_migrations(workspace: &Workspace) -> String {
    let folder = workspace.root.join("migrations");
    let entries = std::fs::read_dir(&folder).into_iter().flatten().flatten();
    let number = entries.filter(|entry| entry.path().is_dir()).count();
    let mut message = format!(
        "`migrations/` at the workspace's root belongs to no service ({}): whatever runs it connects to DATABASE_URL, so it \
         changes whichever service's database that names",
        count(number, "folder")
    );
    if let Ok(script) = std::fs::read_to_string(folder.join("env.py")) {
        message.push_str("; its env.py is Alembic's");
        let named = imported(workspace, &script);
        if !named.is_empty() {
            message.push_str(&format!(
                " and imports the models of {}",
                named.join(" and ")
            ));
        }
    }
    message
}

/// The services whose own settings lead there: without it they would have no migrations.
pub(crate) fn users_of_root_migrations(workspace: &Workspace) -> Vec<String> {
    let Ok(stray) = workspace.root.join("migrations").canonicalize() else {
        return Vec::new();
    };
    let leads_there = |service: &&Service| {
        let said = DieselToml::read(service).said;
        said.and_then(|said| service.folder.join(said).canonicalize().ok())
            .is_some_and(|folder| folder == stray)
    };
    let users = workspace.services.iter().filter(leads_there);
    users.map(|service| format!("`{}`", service.name)).collect()
}

/// The services whose names stand in an import of the script.
fn imported(workspace: &Workspace, script: &str) -> Vec<String> {
    let imports: Vec<_> = script
        .lines()
        .map(str::trim)
        .filter(|line| line.starts_with("import ") || line.starts_with("from "))
        .collect();
    let mentioned = |name: &str| {
        let module = name.replace('-', "_");
        imports.iter().any(|line| {
            line.split(|c: char| !(c.is_alphanumeric() || c == '_'))
                .any(|word| word == module)
        })
    };
    let with = workspace.services.iter().map(|service| &service.name);
    let without = workspace.stateless.iter().map(|service| &service.name);
    with.chain(without)
        .filter(|name| mentioned(name))
        .map(|name| format!("`{name}`"))
        .collect()
}

/// What a service that said `db = false` must not have.
pub(crate) fn stateless(workspace: &Workspace, service: &Stateless) -> Vec<Finding> {
    const OR_SAY: &str =
        "if the service does own a database, say so: [package.metadata.db] name = \"…\"";
    let says = format!("service `{}` is stateless (`db = false`)", service.name);
    let mut findings = Vec::new();
    let migrations = service.folder.join("migrations");
    if migrations.symlink_metadata().is_ok() {
        let message = format!(
            "{says}, but has migrations: they would run against another service's database"
        );
        findings.push(
            Finding::new("stateless-migrations", message)
                .file(workspace.shown(&migrations))
                .fixable(true)
                .help(format!("{FIX}; {OR_SAY}")),
        );
    }
    let config = service.folder.join("diesel.toml");
    if config.symlink_metadata().is_ok() {
        let message =
            format!("{says}, but has a diesel.toml: `diesel` run there connects to DATABASE_URL");
        findings.push(
            Finding::new("stateless-diesel-toml", message)
                .file(workspace.shown(&config))
                .fixable(true)
                .help(format!("{FIX}; {OR_SAY}")),
        );
    }
    if let Some(manifest) = Manifest::read(&service.folder) {
        let root = Manifest::read(&workspace.root);
        for dependency in manifest.dependencies(root.as_ref()) {
            // diesel, diesel_migrations, diesel-async, diesel_derives…
            let package = dependency.package.replace('-', "_");
            if package != "diesel" && !package.starts_with("diesel_") {
                continue;
            }
            let message = format!(
                "{says}, but depends on `{}` in {}",
                dependency.package, dependency.section
            );
            findings.push(
                Finding::new("stateless-diesel-dependency", message)
                    .at(manifest.shown(workspace), dependency.line)
                    .help(format!("remove the dependency; {OR_SAY}")),
            );
        }
    }
    let of = |finding: Finding| finding.of(&service.name);
    findings.into_iter().map(of).collect()
}
