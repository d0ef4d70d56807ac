//! What shows when the migrations run, each service's on a database of its own that is thrown away.

mod foreign;
mod round_trip;

use std::collections::BTreeMap;

use super::{Finding, Found};
use crate::app::App;
use crate::catalog::{Key, Snapshot};
use crate::migrations::{Migration, Migrations};
use crate::pg::SqlError;
use crate::scratch::diesel_cli::Diesel;
use crate::scratch::schema_rs::Section;
use crate::scratch::throwaway::{Failed, ThrowawayDatabase, ThrowawayServer};
use crate::sql::statements::{place_of, starts};
use crate::ui::failure::{Failure, Kind, Result};
use crate::ui::parallel;
use crate::verbs::schema;
use crate::workspace::Service;

/// What became of one service's migrations.
#[derive(Default)]
struct Trial {
    migrations: Vec<Migration>,
    findings: Vec<Finding>,
    /// The objects that they made, each with the migration that did, by its index.
    made: BTreeMap<Key, usize>,
    /// The first that did not apply, by its index.
    failed: Option<(usize, Failed)>,
}

/// Runs the migrations of every service up, down and up again; compares `schema.rs`; and the services with each other.
pub(crate) fn run(app: &App, services: &[&Service]) -> Found {
    let mut found = Found::default();
    let server = match ThrowawayServer::find(app) {
        Ok(server) => server,
        Err(failure) => {
            found.failures.push(failure);
            return found;
        }
    };
    let diesel = diesel(app, services).unwrap_or_else(|failure| {
        // Everything but `schema.rs` can be looked at.
        found.failures.push(failure);
        None
    });
    let tried = parallel::each(app.jobs, services, |service| {
        try_service(app, &server, diesel.as_ref(), service)
    });
    let mut trials = Vec::new();
    for (service, trial) in services.iter().zip(tried) {
        match trial {
            Ok(mut trial) => {
                found.findings.append(&mut trial.findings);
                trials.push((*service, trial));
            }
            Err(failure) => found.failures.push(failure),
        }
    }
    found.findings.extend(foreign::shared(app, &trials));
    found
        .findings
        .extend(foreign::failed(app, &server, &trials));
    found
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

fn try_service(
    app: &App,
    server: &ThrowawayServer<'_>,
    diesel: Option<&Diesel>,
    service: &Service,
) -> Result<Trial> {
    // Folders that can't be read are found by the checks of files.
    let Ok(migrations) = Migrations::read(service) else {
        return Ok(Trial::default());
    };
    let (mut trial, database) = round_trip::run(app, server, service, &migrations)?;
    if trial.failed.is_none()
        && let Some(diesel) = diesel
    {
        trial
            .findings
            .extend(schema::findings(app, diesel, service, &database)?);
    }
    Ok(trial)
}

impl Trial {
    /// Notes what a migration made, by the snapshot after it.
    fn note(&mut self, index: usize, after: &Snapshot) {
        for key in after.keys() {
            if !self.made.contains_key(key) {
                self.made.insert(key.clone(), index);
            }
        }
    }
}

fn snapshot(database: &mut ThrowawayDatabase<'_>, service: &Service) -> Result<Snapshot> {
    Snapshot::read(database.connection()).map_err(|error| unreadable(service, &error))
}

fn unreadable(service: &Service, error: &SqlError) -> Failure {
    Failure::new(
        Kind::Migration,
        format!(
            "failed to read the catalog that the migrations of service `{}` made: {error}",
            service.name
        ),
    )
}

/// The line of the first statement of an SQL text, before which a comment can switch a check off.
fn first_line(sql: &str) -> usize {
    let start = starts(sql).first().copied();
    start.map_or(1, |offset| place_of(sql, offset).line)
}
