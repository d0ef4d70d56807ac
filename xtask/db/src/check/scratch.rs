//! What shows when the migrations run, each service's on a database of its own that is thrown away.

mod foreign;
mod judge;
mod round_trip;
mod told;

use std::collections::BTreeMap;

use super::finding::Ignored;
use super::{Finding, Found};
use crate::app::App;
use crate::catalog::{Changes, Key, Watch};
use crate::migrations::{Migration, Migrations};
use crate::scratch::diesel_cli::Diesel;
use crate::scratch::schema_rs::Section;
use crate::scratch::throwaway::{
    Failed, ThrowawayDatabase, ThrowawayServer, ThrowawayServers, unreadable,
};
use crate::sql::statements::{place_of, starts};
use crate::ui::failure::{Failure, Result};
use crate::ui::parallel;
use crate::verbs::{diagram, schema};
use crate::workspace::Service;
use judge::Judge;

/// What became of one service's migrations.
#[derive(Default)]
struct Trial {
    migrations: Vec<Migration>,
    findings: Vec<Finding>,
    ignored: Vec<Ignored>,
    /// What kept from looking at everything.
    failures: Vec<Failure>,
    /// The objects that they made, each with the migration that did, by its index.
    made: BTreeMap<Key, usize>,
    /// The first that did not apply, by its index.
    failed: Option<(usize, Failed)>,
}

/// Runs the migrations of every service up, down and up again; compares `schema.rs` and `SCHEMA.md`; and the services
/// with each other.
pub(crate) fn run<'c>(
    app: &'c App,
    services: &[&'c Service],
    servers: &mut ThrowawayServers<'c>,
) -> Found {
    let mut found = Found {
        failures: servers.add(services),
        ..Found::default()
    };
    if services.iter().all(|service| servers.of(service).is_none()) {
        return found;
    }
    let diesel = diesel(app, services).unwrap_or_else(|failure| {
        // Everything but `schema.rs` can be looked at.
        found.failures.push(failure);
        None
    });
    let (judges, failures) = judges(app, services, servers);
    found.failures.extend(failures);
    let served: Vec<_> = services
        .iter()
        .filter_map(|service| {
            let server = servers.of(service)?;
            let judge = judges.iter().find(|(of, _)| std::ptr::eq(*of, server));
            Some((*service, server, &judge?.1))
        })
        .collect();
    let tried = parallel::each(app.jobs, &served, |(service, server, judge)| {
        try_service(judge, server, diesel.as_ref(), service)
    });
    let mut trials = Vec::new();
    for ((service, ..), trial) in served.iter().zip(tried) {
        match trial {
            Ok(mut trial) => {
                found.findings.append(&mut trial.findings);
                found.ignored.append(&mut trial.ignored);
                found.failures.append(&mut trial.failures);
                trials.push((*service, trial));
            }
            Err(failure) => found.failures.push(failure),
        }
    }
    found.findings.extend(foreign::shared(app, &trials));
    found
        .findings
        .extend(foreign::failed(app, servers, &trials));
    found
}

/// A judge for each server of these services, and why there is none.
fn judges<'s, 'c>(
    app: &'s App,
    services: &[&'c Service],
    servers: &'s ThrowawayServers<'c>,
) -> (Vec<(&'s ThrowawayServer<'c>, Judge<'s>)>, Vec<Failure>) {
    let (mut judges, mut failures) = (Vec::new(), Vec::new());
    let mut servers: Vec<_> = services
        .iter()
        .filter_map(|service| servers.of(service))
        .collect();
    servers.sort_by_key(|server| std::ptr::from_ref(*server));
    servers.dedup_by_key(|server| std::ptr::from_ref(*server));
    for server in servers {
        match Judge::new(app, server) {
            Ok(judge) => judges.push((server, judge)),
            Err(failure) => failures.push(failure),
        }
    }
    (judges, failures)
}

/// The Diesel CLI, if there is a `schema.rs` to compare: to install it takes minutes.
fn diesel(app: &App, services: &[&Service]) -> Result<Option<Diesel>> {
    let has_schema = |service: &&Service| Section::read(service).map_or(true, |s| !s.is_empty());
    services
        .iter()
        .any(has_schema)
        .then(|| Diesel::find(app))
        .transpose()
}

fn try_service<'c>(
    judge: &Judge<'c>,
    server: &ThrowawayServer<'c>,
    diesel: Option<&Diesel>,
    service: &'c Service,
) -> Result<Trial> {
    // What keeps a migration from being run is found by the checks of files.
    let Ok((migrations, fault)) = Migrations::read_to_fault(service) else {
        return Ok(Trial::default());
    };
    let (mut trial, mut database) = round_trip::run(judge, server, service, &migrations)?;
    if trial.failed.is_some() || fault.is_some() {
        return Ok(trial);
    }
    let drawn = diagram::findings(judge.app, service, &mut database)?;
    trial.findings.extend(drawn);
    if let Some(diesel) = diesel {
        let printed = schema::findings(judge.app, diesel, service, &database)?;
        trial.findings.extend(printed);
    }
    Ok(trial)
}

impl Trial {
    /// Of all migrations of a service, in the order in which they run.
    fn new(migrations: &Migrations) -> Self {
        Self {
            migrations: migrations.plan(&[]).pending.into_iter().cloned().collect(),
            ..Self::default()
        }
    }

    /// Notes what a migration made.
    fn note(&mut self, index: usize, changes: &Changes) {
        for key in changes.made() {
            self.made.entry(key.clone()).or_insert(index);
        }
    }
}

/// From so many objects on, what a migration has touched is found and read faster than everything: some fifteen tables.
const PARTS_FROM: usize = 250;

/// A throw-away database, whose catalog is watched.
struct Watched<'c> {
    database: ThrowawayDatabase<'c>,
    watch: Watch,
    service: &'c Service,
}

impl<'c> Watched<'c> {
    fn new(
        mut database: ThrowawayDatabase<'c>,
        service: &'c Service,
        parts_from: usize,
    ) -> Result<Self> {
        let watch = Watch::start(database.connection(), parts_from);
        let watch = watch.map_err(|error| unreadable(service, &error))?;
        Ok(Self {
            database,
            watch,
            service,
        })
    }

    /// What has changed since the last call.
    fn changes(&mut self) -> Result<Changes> {
        let changes = self.watch.changes(self.database.connection());
        changes.map_err(|error| unreadable(self.service, &error))
    }

    /// Takes what was changed before to be so again, unseen.
    fn assume(&mut self, changes: &Changes) {
        self.watch.assume(changes);
    }

    /// Whether a whole snapshot says what the changes do.
    fn is_right(&mut self) -> Result<bool> {
        if self.database.connection().is_lost() {
            // A statement that took too long.
            return Ok(true);
        }
        let is_right = self.watch.is_right(self.database.connection());
        is_right.map_err(|error| unreadable(self.service, &error))
    }
}

/// The line of the first statement of an SQL text, before which a comment can switch a check off.
fn first_line(sql: &str) -> usize {
    let start = starts(sql).first().copied();
    start.map_or(1, |offset| place_of(sql, offset).line)
}
