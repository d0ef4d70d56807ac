//! `--live`: the configured databases, read and never written, beside what their migrations make.

use super::{Finding, Found};
use crate::adopt::bookkeeping;
use crate::app::App;
use crate::catalog::{Difference, Snapshot, render};
use crate::database::guard::{self, Purpose};
use crate::database::state::State;
use crate::database::target::Target;
use crate::migrations::{Migration, Migrations};
use crate::pg::{Connection, SqlError};
use crate::scratch::throwaway::{ThrowawayServer, Trust};
use crate::ui::failure::Result;
use crate::ui::parallel;
use crate::workspace::Service;

/// Looks at the database of every service.
pub(crate) fn run(app: &App, services: &[&Service], trust: Trust) -> Found {
    let mut found = Found::default();
    let server = match ThrowawayServer::find(app, trust) {
        Ok(server) => server,
        Err(failure) => {
            found.failures.push(failure);
            return found;
        }
    };
    let looked = parallel::each(app.jobs, services, |service| look(app, &server, service));
    let mut states = Vec::new();
    for result in looked {
        match result {
            Ok((mut findings, state)) => {
                found.findings.append(&mut findings);
                states.extend(state);
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

type Looked<'c> = (Vec<Finding>, Option<(Target<'c>, State)>);

fn look<'c>(
    app: &'c App,
    server: &ThrowawayServer<'c>,
    service: &'c Service,
) -> Result<Looked<'c>> {
    // Folders that can't be read are found by the checks of files.
    let Ok(migrations) = Migrations::read(service) else {
        return Ok((Vec::new(), None));
    };
    let url = match app.variables.resolve(service) {
        Ok(url) => url,
        Err(failure) => {
            let finding = Finding::new("live-url", failure.message).of(&service.name);
            return Ok((vec![finding.help(failure.help.join("\n"))], None));
        }
    };
    if let Some(warning) = url.warning(service) {
        app.progress.line(&warning);
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
        return Ok((vec![finding.help(help)], None));
    };
    let failed = |error: SqlError| target.failed("read", &error);
    let state = State::inspect(&mut connection).map_err(failed)?;
    let mut live = Live {
        app,
        target: &target,
        state: &state,
        findings: Vec::new(),
    };
    live.history();
    live.owner();
    live.indexes();
    live.drift(server, &mut connection)?;
    let findings = live.findings;
    Ok((findings, Some((target, state))))
}

/// One service's database.
struct Live<'l> {
    app: &'l App,
    target: &'l Target<'l>,
    state: &'l State,
    findings: Vec<Finding>,
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
                "bring its folder back from the branch that has it; or this is another service's database".to_owned(),
            );
        }
        for version in state.edited(&target.migrations) {
            let migration = target.migrations.get(&version);
            let name = migration.map_or(version.as_str(), |migration| &migration.name);
            self.add(
                "live-edited",
                migration,
                format!("`{name}` was edited after it was applied to database `{database}`"),
                "take the edit back and write a new migration for it".to_owned(),
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
            self.add("live-owner", None, message, refusal.help.join("\n"));
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

    /// Compares the database with one that its applied migrations make from empty.
    fn drift(&mut self, server: &ThrowawayServer<'_>, connection: &mut Connection) -> Result<()> {
        let is_other = self
            .findings
            .iter()
            .any(|finding| finding.check == "live-owner");
        if is_other || !self.state.has_history {
            // Everything would differ.
            return Ok(());
        }
        let target = self.target;
        let mut built = server.database(target.service)?;
        for applied in &self.state.applied {
            // An unknown one is told already; what it made then shows as a difference.
            if let Some(migration) = target.migrations.get(&applied.version)
                && built.up(migration).is_err()
            {
                // Found by the checks on the throw-away server.
                return Ok(());
            }
        }
        let refused = |error: SqlError| target.failed("read the catalog of", &error);
        let expected = Snapshot::read(built.connection()).map_err(refused)?;
        let actual = Snapshot::read(connection).map_err(refused)?;
        let invalid = |difference: &Difference| {
            let is_told = |index: &String| difference.key.name.ends_with(index.as_str());
            difference.key.kind == "index" && self.state.invalid_indexes.iter().any(is_told)
        };
        let differences: Vec<_> = expected
            .diff(&actual)
            .into_iter()
            .filter(|difference| {
                !difference.is_order() && !invalid(difference) && !bookkeeping::is_kept(difference)
            })
            .collect();
        if differences.is_empty() {
            return Ok(());
        }
        let majors = [connection, built.connection()].map(|c| c.server_version() / 10_000);
        let mut help = "write the manual change as a migration, or undo it".to_owned();
        if let [live, throwaway] = majors
            && live != throwaway
        {
            help.push_str(&format!(
                "\nthe database is on PostgreSQL {live}, and was compared with one on {throwaway}, which may write definitions in another way: set LOCAL_POSTGRES_VERSION={live} to be sure"
            ));
        }
        let message = format!(
            "database `{}` differs from what its migrations make:\n{}",
            target.url.database,
            render(&differences, "in the migrations", "in the database")
        );
        self.add("live-drift", None, message, help);
        Ok(())
    }
}
