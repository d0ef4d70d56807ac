//! A service's database as far as it is known before anything is written to it.

use crate::database::state::State;
use crate::migrations::Migrations;
use crate::pg::{Connection, SqlError};
use crate::ui::failure::{Failure, Kind};
use crate::workspace::Service;
use crate::workspace::database_url::DatabaseUrl;

/// A service with the URL of its database and its migrations: all that is known before connecting.
pub(crate) struct Target<'w> {
    pub(crate) service: &'w Service,
    pub(crate) url: DatabaseUrl,
    pub(crate) migrations: Migrations,
}

/// What a first look at a database gave.
pub(crate) struct Seen {
    pub(crate) state: State,
    /// The session that looked, for whoever goes on: logging in is a good part of a short run. Where there are many more
    /// databases than jobs, none is kept open.
    pub(crate) idle: Option<Connection>,
}

impl Target<'_> {
    /// A statement of ours that the server refused.
    pub(crate) fn failed(&self, verb: &str, error: &SqlError) -> Failure {
        let failure = Failure::new(
            Kind::Migration,
            format!(
                "failed to {verb} database `{}` of service `{}`: {error}",
                self.url.database, self.service.name
            ),
        )
        .help(format!("{}: {}", self.url.origin, self.url.params));
        match (&error.hint, error.sqlstate.as_str()) {
            (Some(hint), _) => failure.help(hint),
            (None, "42501") => failure.help(
                "to read, the role needs USAGE on the schema `db_ledger` and SELECT on its tables; \
                 to create that schema, CREATE on the database",
            ),
            _ => failure,
        }
    }
}
