//! The first migration, tried on a throw-away server: up, down to nothing, and up again to the same.

use crate::adopt::bookkeeping;
use crate::adopt::compare;
use crate::adopt::script::Script;
use crate::app::App;
use crate::catalog::{Snapshot, render};
use crate::database::target::Target;
use crate::migrations::Migration;
use crate::pg::Connection;
use crate::scratch::diesel_cli::Diesel;
use crate::scratch::schema_rs::{self, SchemaFile, Section};
use crate::scratch::throwaway::{ThrowawayServer, Trust};
use crate::ui::failure::{Failure, Kind, Result};
use crate::verbs::schema::needs_rustfmt;

/// What the trial gave.
pub(super) struct Proof {
    /// What Diesel prints of the database that the migration makes.
    pub(super) schema: Vec<SchemaFile>,
    /// In what that database, or the one that down.sql leaves, is not as it should be.
    pub(super) faults: Vec<Failure>,
}

/// Builds the migration and compares it with `live`, reverts it and compares with an empty database, and builds it again.
///
/// # Errors
/// No throw-away server or no Diesel CLI to be had, or a statement that fails.
pub(super) fn prove(
    app: &App,
    target: &Target<'_>,
    connection: &Connection,
    live: &Snapshot,
    migration: &Migration,
    script: &Script,
) -> Result<Proof> {
    let service = target.service;
    let diesel = match Section::read(service)?.is_empty() {
        true => None,
        false => Some(Diesel::find(app)?),
    };
    let server = ThrowawayServer::find(app, Trust::Full, service).map_err(|failure| {
        failure.help("the first migration is tried on a throw-away server: install Docker or PostgreSQL, or set LOCAL_POSTGRES_URL to a server on which databases may be created and dropped")
    })?;
    let mut database = server.database(service)?;
    let empty = compare::snapshot(target, database.connection())?;
    database.up(migration)?;
    let mut faults = Vec::new();
    let built = compare::snapshot(target, database.connection())?;
    let differences: Vec<_> = built
        .diff(live)
        .into_iter()
        .filter(|difference| !bookkeeping::is_kept(difference))
        .collect();
    if !differences.is_empty() {
        let shown = render(&differences, "in the migration", "in the database");
        let failure = fault(target, "up.sql does not make", "the same database", &shown);
        faults.push(match compare::versions(connection, database.connection()) {
            Some(versions) => failure.help(versions),
            None => failure,
        });
    }
    database.down_with(migration, &script.down)?;
    let left = compare::snapshot(target, database.connection())?;
    let differences = empty.diff(&left);
    if !differences.is_empty() {
        let shown = render(&differences, "before up.sql", "after down.sql");
        faults.push(fault(
            target,
            "down.sql does not leave",
            "an empty database",
            &shown,
        ));
    }
    database.up(migration)?;
    let schema = match &diesel {
        Some(diesel) => schema_rs::print(app, diesel, service, &database)?,
        None => Vec::new(),
    };
    needs_rustfmt(&schema)?;
    Ok(Proof { schema, faults })
}

fn fault(target: &Target<'_>, text: &str, expected: &str, shown: &str) -> Failure {
    Failure::new(
        Kind::Migration,
        format!(
            "failed to write the first migration of service `{}`: its {text} {expected}:\n{shown}",
            target.service.name
        ),
    )
}
