//! `--live`: the configured databases, read and never written, beside what their migrations make.

mod drift;

use super::finding::Ignored;
use super::{Finding, Found};
use crate::app::App;
use crate::database::guard::{self, Purpose};
use crate::database::state::State;
use crate::database::target::Target;
use crate::migrations::{Migration, Migrations};
use crate::pg::SqlError;
use crate::scratch::throwaway::{ThrowawayServer, ThrowawayServers};
use crate::ui::failure::Result;
use crate::ui::parallel;
use crate::workspace::Service;

/// Looks at the database of every service.
pub(crate) fn run<'c>(
    app: &'c App,
    services: &[&'c Service],
    servers: &mut ThrowawayServers<'c>,
) -> Found {
    let mut found = Found {
        failures: servers.add(services),
        ..Found::default()
    };
    let served = services
        .iter()
        .filter_map(|service| Some((*service, servers.of(service)?)));
    let looked = parallel::each(app.jobs, served, |(service, server)| {
        look(app, server, service)
    });
    let mut states = Vec::new();
    for result in looked {
        match result {
            Ok(looked) => {
                found.findings.extend(looked.findings);
                found.ignored.extend(looked.ignored);
                states.extend(looked.state);
            }
            Err(failure) => found.failures.push(failure),
        }
    }
    let known: Vec<_> = states
        .iter()
        .filter_map(|(target, state)| Some((target.service, &target.url, state.identity.clone()?)))
        .collect();
    for refusal in guard::distinct(&known).err().unwrap_or_default() {
        found
            .findings
            .push(Finding::new("live-owner", refusal.message).help(refusal.help.join("\n")));
    }
    found
}

/// What was seen of one service.
#[derive(Default)]
struct Looked<'c> {
    findings: Vec<Finding>,
    ignored: Vec<Ignored>,
    state: Option<(Target<'c>, State)>,
}

impl From<Finding> for Looked<'_> {
    fn from(finding: Finding) -> Self {
        Self {
            findings: vec![finding],
            ..Self::default()
        }
    }
}

fn look<'c>(
    app: &'c App,
    server: &ThrowawayServer<'c>,
    service: &'c Service,
) -> Result<Looked<'c>> {
    // Folders that can't be read are found by the checks of files.
    let Ok(migrations) = Migrations::read(service) else {
        return Ok(Looked::default());
    };
    let url = match app.variables.resolve(service) {
        Ok(url) => url,
        Err(failure) => {
            let finding = Finding::new("live-url", failure.message).of(&service.name);
            return Ok(finding.help(failure.help.join("\n")).into());
        }
    };
    if let Some(warning) = url.warning(service) {
        app.progress.warning(&warning);
    }
    let target = Target {
        service,
        url,
        migrations,
    };
    let opened = target.url.open();
    let opened = opened.map_err(|reason| target.url.unreachable(service, &reason))?;
    let Some(mut connection) = opened else {
        let message = format!("database `{}` does not exist", target.url.database);
        let finding = Finding::new("live-missing", message).of(&service.name);
        let help = format!("run `cargo xtask db create {}`", service.name);
        return Ok(finding.help(help).into());
    };
    let failed = |error: SqlError| target.failed("read", &error);
    let state = State::inspect(&mut connection).map_err(failed)?;
    let mut live = Live {
        app,
        target: &target,
        state: &state,
        findings: Vec::new(),
        ignored: Vec::new(),
    };
    live.history();
    live.owner();
    live.indexes();
    live.drift(server, &mut connection)?;
    let Live {
        findings, ignored, ..
    } = live;
    Ok(Looked {
        findings,
        ignored,
        state: Some((target, state)),
    })
}

/// One service's database.
struct Live<'l> {
    app: &'l App,
    target: &'l Target<'l>,
    state: &'l State,
    findings: Vec<Finding>,
    ignored: Vec<Ignored>,
}

impl Live<'_> {
    /// A finding about the database, or about a migration's file.
    fn add(
        &mut self,
        check: &'static str,
        migration: Option<&Migration>,
        message: String,
        help: String,
    ) {
        let finding = Finding::new(check, message)
            .of(&self.target.service.name)
            .help(help);
        self.findings.push(match migration {
            None => finding,
            Some(migration) => finding.file(self.app.workspace.shown(&migration.up_path())),
        });
    }

    /// What is applied, beside the folder.
    fn history(&mut self) {
        let (target, state) = (self.target, self.state);
        let (service, database) = (&target.service.name, &target.url.database);
        let applied = state.versions();
        let plan = target.migrations.plan(&applied);
        for migration in &plan.pending {
            let late = if plan
                .out_of_order
                .iter()
                .any(|late| late.version == migration.version)
            {
                ", although a newer one is"
            } else {
                ""
            };
            self.add(
                "live-pending",
                Some(migration),
                format!(
                    "`{}` is not applied to database `{database}`{late}",
                    migration.name
                ),
                format!("run `cargo xtask db migrate {service}`"),
            );
        }
        for version in &plan.unknown {
            self.add(
                "live-unknown",
                None,
                format!("version {version} is applied to database `{database}`, but is not a migration of service `{service}`"),
                "restore its folder from the branch that has it, or correct the URL if this is another service's database".to_owned(),
            );
        }
        for version in state.edited(&target.migrations) {
            let migration = target.migrations.get(&version);
            let name = migration.map_or(version.as_str(), |migration| &migration.name);
            self.add(
                "live-edited",
                migration,
                format!("`{name}` was edited after it was applied to database `{database}`"),
                "undo the edit, and write it as a new migration".to_owned(),
            );
        }
    }

    /// Whose database it is. Unknown versions are told apart.
    fn owner(&mut self) {
        let Target { service, url, .. } = self.target;
        let workspace = &self.app.workspace;
        let pair = [(*service, url.clone())];
        let mut refusals = guard::before_connecting(workspace, &pair);
        let told = self
            .findings
            .iter()
            .any(|finding| finding.check == "live-unknown");
        let is_other = self
            .state
            .owner()
            .is_some_and(|owner| owner != service.name);
        if (!told || is_other)
            && let Err(refusal) = self.target.admit(self.app, self.state, Purpose::Inspect)
        {
            refusals.push(refusal);
        }
        for refusal in refusals {
            let message = refusal.message.trim_start_matches("refused: ").to_owned();
            let help = [refusal.places, refusal.help].concat().join("\n");
            self.add("live-owner", None, message, help);
        }
    }

    fn indexes(&mut self) {
        for index in &self.state.invalid_indexes {
            self.add(
                "live-invalid-index",
                None,
                format!("index {index} of database `{}` is INVALID: PostgreSQL does not use it", self.target.url.database),
                format!("`DROP INDEX CONCURRENTLY {index}` and build it again, or `REINDEX INDEX CONCURRENTLY {index}`"),
            );
        }
    }
}
