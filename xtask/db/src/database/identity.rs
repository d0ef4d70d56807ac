//! Which database it is that a session is on.

use serde::Deserialize;

use crate::pg::{Connection, SqlError};

/// Which database this is, with a subquery for the cluster's system identifier.
pub(super) fn sql(system: &str) -> String {
    format!(
        "SELECT json_build_object('system', {system}, 'started', extract(epoch FROM pg_postmaster_start_time())::text,
           'database', (SELECT oid::text FROM pg_database WHERE datname = current_database()))"
    )
}

/// The subquery; without the right to call that function, the whole statement fails.
pub(super) const SYSTEM: &str = "(SELECT system_identifier::text FROM pg_control_system())";

/// A physical database, however its URL is spelled.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Identity {
    /// The cluster's system identifier, unless the right to ask for it was revoked.
    pub(crate) system: Option<String>,
    /// When the server was started: tells servers apart where the identifier is not known.
    pub(crate) started: String,
    /// The database in it: its oid, or its name where one of two does not exist yet.
    pub(crate) database: String,
}

impl Identity {
    /// Asks the server.
    ///
    /// # Errors
    /// The server's.
    pub(crate) fn read(connection: &mut Connection) -> Result<Self, SqlError> {
        connection.soon(|connection| {
            let read = connection.query_json(&sql(SYSTEM), &[]);
            match &read {
                Err(error) if error.sqlstate == "42501" => connection.query_json(&sql("NULL"), &[]),
                _ => read,
            }
        })
    }

    /// Whether both are one database.
    pub(crate) fn is(&self, other: &Self) -> bool {
        let server = match (&self.system, &other.system) {
            (Some(one), Some(two)) => one == two,
            _ => self.started == other.started,
        };
        server && self.database == other.database
    }
}
