//! The checks that need nothing but the files.

use super::ddl::{self, Migration};
use super::diesel_toml::DieselToml;
use super::folders::{self, Folder};
use super::manifest::Manifest;
use super::{Finding, env_files, layout};
use crate::app::App;
use crate::ui::parallel;
use crate::workspace::{Fault, Service, Workspace};

/// What is looked at.
pub(crate) struct Scope<'c> {
    pub(crate) app: &'c App,
    pub(crate) services: Vec<&'c Service>,
    /// Whether all of the workspace is: its root and its stateless services too.
    pub(crate) whole: bool,
}

/// Everything that the files show, whatever is switched off.
pub(crate) fn run(scope: &Scope<'_>) -> Vec<Finding> {
    let app = scope.app;
    let workspace = &app.workspace;
    let mut findings: Vec<_> = app.faults.iter().map(setting).collect();
    if scope.whole {
        findings.extend(layout::root(workspace));
        findings.extend(env_files::root(app));
        for service in &workspace.stateless {
            findings.extend(layout::stateless(workspace, service));
        }
    }
    findings.extend(env_files::template(&workspace.root, &scope.services));
    let postgres = postgres(workspace);
    let each = parallel::each(app.jobs, &scope.services, |service| {
        check(workspace, service, &postgres)
    });
    findings.extend(each.into_iter().flatten());
    findings
}

/// The version of PostgreSQL that the workspace is for.
pub(crate) fn postgres(workspace: &Workspace) -> String {
    Manifest::read(&workspace.root)
        .and_then(|manifest| manifest.string(&["workspace", "metadata", "db", "postgres"]))
        .unwrap_or_else(|| "18".to_owned())
}

fn setting(fault: &Fault) -> Finding {
    Finding::new("settings", &fault.message)
        .file(&fault.file)
        .help(&fault.remedy)
}

fn check(workspace: &Workspace, service: &Service, postgres: &str) -> Vec<Finding> {
    let mut findings = DieselToml::read(service).findings(workspace, service);
    let folders = folders::read(service);
    findings.extend(folders::check(workspace, &folders));
    for folder in &folders {
        findings.extend(unsafe_ddl(workspace, folder, postgres));
    }
    let of = |finding: Finding| finding.of(&service.name);
    findings.into_iter().map(of).collect()
}

fn unsafe_ddl(workspace: &Workspace, folder: &Folder, postgres: &str) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (path, sql) in folder.texts() {
        let migration = Migration::new(folder, &path, sql);
        let file = workspace.shown(&path);
        findings.extend(
            ddl::lint(&migration, postgres)
                .into_iter()
                .map(|objection| {
                    Finding::new(objection.rule, objection.message)
                        .at(&file, objection.line)
                        .help(objection.help)
                }),
        );
    }
    findings
}
