//! Migration config where it does not belong: at the workspace's root, and in a stateless service.

use std::path::Path;

use super::finding::Finding;
use super::scope::{Scope, Subject};
use crate::repair::change::Change;
use crate::ui::report::count;
use crate::workspace::dependencies::dependencies;
use crate::workspace::{Stateless, Workspace};

const FIX: &str = "`cargo xtask db fix` moves it into a backup";
const AT_ROOT: &str = "migration config at the workspace's root belongs to no service";

/// Whether the root holds a file or folder of that name that belongs to no service.
fn is_stray(workspace: &Workspace, name: &str) -> bool {
    let at_root = |folder: &Path| folder == workspace.root;
    workspace.root.join(name).symlink_metadata().is_ok()
        && !workspace.services.iter().any(|s| at_root(&s.folder))
}

/// What is at the root and belongs to no service.
pub(super) fn root(scope: &Scope<'_>) -> Vec<Finding> {
    let workspace = &scope.app.workspace;
    let mut findings = Vec::new();
    if is_stray(workspace, "migrations") {
        let finding = Finding::new("root-migrations", about_root_migrations(workspace));
        let users = users_of_root_migrations(scope);
        let help = match users.as_slice() {
            [] => format!(
                "{FIX}; move what you still need into the service that owns the tables: `cargo xtask db new`"
            ),
            users => format!(
                "the diesel.toml of {} names it: move the folders into the service that owns the tables, and set \
                 `[migrations_directory] dir` to \"migrations\"",
                users.join(" and ")
            ),
        };
        let fix = users
            .is_empty()
            .then(|| Change::move_away("migrations", AT_ROOT));
        findings.push(finding.file("migrations").help(help).fix(fix));
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
            findings.push(finding.help(FIX).fix(Change::move_away(file, AT_ROOT)));
        }
    }
    findings
}

fn about_root_migrations(workspace: &Workspace) -> String {
    let folder = workspace.root.join("migrations");
    let entries = std::fs::read_dir(&folder).into_iter().flatten().flatten();
    let number = entries.filter(|entry| entry.path().is_dir()).count();
    let mut message = format!(
        "`migrations/` at the workspace's root belongs to no service ({}): a tool that runs it connects to DATABASE_URL, and changes the database of any service that this URL names",
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
fn users_of_root_migrations(scope: &Scope<'_>) -> Vec<String> {
    let Ok(stray) = scope.app.workspace.root.join("migrations").canonicalize() else {
        return Vec::new();
    };
    let leads_there = |subject: &&Subject<'_>| {
        let named = subject.diesel.named_folder();
        named.is_some_and(|folder| folder.canonicalize().is_ok_and(|folder| folder == stray))
    };
    let users = scope.services.iter().filter(leads_there);
    users
        .map(|subject| format!("`{}`", subject.service.name))
        .collect()
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
pub(super) fn stateless(scope: &Scope<'_>, service: &Stateless) -> Vec<Finding> {
    const OR_SAY: &str =
        "if the service does own a database, say so: [package.metadata.db] name = \"…\"";
    let workspace = &scope.app.workspace;
    let says = format!("service `{}` is stateless (`db = false`)", service.name);
    let mut findings = Vec::new();
    for (check, name, but) in [
        (
            "stateless-migrations",
            "migrations",
            "has migrations: they would run against another service's database",
        ),
        (
            "stateless-diesel-toml",
            "diesel.toml",
            "has a diesel.toml: `diesel` run there connects to DATABASE_URL",
        ),
    ] {
        let path = service.folder.join(name);
        if path.symlink_metadata().is_ok() {
            let file = workspace.shown(&path);
            let why = format!("service `{}` is stateless", service.name);
            findings.push(
                Finding::new(check, format!("{says}, but {but}"))
                    .file(&file)
                    .help(format!("{FIX}; {OR_SAY}"))
                    .fix(Change::move_away(file, why)),
            );
        }
    }
    let Some(manifest) = workspace.manifest(&service.folder) else {
        return findings;
    };
    for dependency in dependencies(manifest, workspace.manifest(&workspace.root)) {
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
                .at(workspace.shown(&manifest.path), dependency.line)
                .help(format!("remove the dependency; {OR_SAY}")),
        );
    }
    findings
}
