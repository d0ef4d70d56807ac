//! Our bookkeeping inside each database: who owns it, and one row per run of a migration.
//!
//! It lives in a schema of its own, which `schema.rs` never sees. Diesel's `__diesel_schema_migrations` stays the
//! source of truth for what is applied.

use serde::{Deserialize, Serialize};

use crate::database::State;
use crate::migrations::{Migration, Migrations};
use crate::pg::{Connection, Ident, Literal, SqlError};

/// Creates the ledger; does nothing where it is.
pub(crate) const CREATE: &str = "\
CREATE SCHEMA IF NOT EXISTS db_ledger;
COMMENT ON SCHEMA db_ledger IS 'Who owns this database, and what was run on it: kept by cargo xtask db';
CREATE TABLE IF NOT EXISTS db_ledger.owner (
    only_row     boolean PRIMARY KEY DEFAULT true CHECK (only_row),
    service      text NOT NULL,
    claimed_at   timestamptz NOT NULL DEFAULT now(),
    tool_version text NOT NULL
);
CREATE TABLE IF NOT EXISTS db_ledger.run (
    id             bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    version        text NOT NULL,
    name           text NOT NULL,
    direction      text NOT NULL CHECK (direction IN ('up', 'down', 'adopt', 'accept', 'baseline')),
    checksum       text NOT NULL,
    started_at     timestamptz NOT NULL DEFAULT clock_timestamp(),
    finished_at    timestamptz,
    run_by         text NOT NULL,
    outcome        text NOT NULL CHECK (outcome IN ('started', 'done', 'failed')),
    error          text,
    run_on         timestamp,
    indexes_before oid[]
);
CREATE INDEX IF NOT EXISTS run_version_id ON db_ledger.run (version, id);
";

/// The version of the tool as the ledger records it.
pub(crate) const TOOL: &str = env!("CARGO_PKG_VERSION");

/// The owner as one JSON value.
pub(crate) const SELECT_OWNER: &str = "(SELECT row_to_json(o) FROM db_ledger.owner o)";

/// Per version its last run, and its last one that was done; few rows however long the history is.
pub(crate) const SELECT_LAST_RUNS: &str = "(SELECT coalesce(json_agg(r ORDER BY r.id), '[]') FROM (
    SELECT DISTINCT ON (version, outcome = 'done') id, version, name, direction, checksum, started_at::text,
        finished_at::text, (extract(epoch FROM finished_at - started_at) * 1000)::float8 AS milliseconds,
        run_by, outcome, error, run_on::text,
        id = max(id) OVER (PARTITION BY version) AS is_last
    FROM db_ledger.run ORDER BY version, outcome = 'done', id DESC) r)";

/// Every run, oldest first.
const SELECT_HISTORY: &str = "SELECT coalesce(json_agg(r ORDER BY r.id), '[]') FROM (
    SELECT id, version, name, direction, checksum, started_at::text, finished_at::text,
        (extract(epoch FROM finished_at - started_at) * 1000)::float8 AS milliseconds,
        run_by, outcome, error, run_on::text, false AS is_last
    FROM db_ledger.run) r";

/// What the ledger of one database says.
#[derive(Debug)]
pub(crate) struct Ledger {
    pub(crate) owner: Option<Owner>,
    pub(crate) runs: Vec<Run>,
}

/// The service that a database belongs to.
#[derive(Debug, Deserialize)]
pub(crate) struct Owner {
    pub(crate) service: String,
    pub(crate) claimed_at: String,
}

/// One run of a migration. Serialised as `db history --json` shows it.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Run {
    pub(crate) version: String,
    pub(crate) name: String,
    /// `up`, `down`; `adopt`: another program had applied it; `accept`: an edit was acknowledged; `baseline`.
    pub(crate) direction: String,
    pub(crate) checksum: String,
    pub(crate) started_at: String,
    pub(crate) finished_at: Option<String>,
    pub(crate) milliseconds: Option<f64>,
    pub(crate) run_by: String,
    /// `started`, `done`, `failed`.
    pub(crate) outcome: String,
    pub(crate) error: Option<String>,
    #[serde(skip_serializing)]
    pub(crate) run_on: Option<String>,
    #[serde(skip_serializing)]
    pub(crate) is_last: bool,
}

impl Run {
    pub(crate) fn is_done(&self) -> bool {
        self.outcome == "done"
    }
}

/// Every run recorded in a database, oldest first.
///
/// # Errors
/// The server's.
pub(crate) fn history(connection: &mut Connection) -> Result<Vec<Run>, SqlError> {
    connection.execute("BEGIN TRANSACTION READ ONLY")?;
    connection.query_json(SELECT_HISTORY, &[])
}

/// Makes `service` the owner, with the ledger and Diesel's table where they are missing, and records the applied
/// versions that the ledger does not know, so that a later edit of theirs is noticed.
///
/// # Errors
/// The server's; then nothing was written.
pub(crate) fn claim(
    connection: &mut Connection,
    service: &str,
    state: &State,
    migrations: &Migrations,
) -> Result<(), SqlError> {
    connection.execute("BEGIN")?;
    let claimed = (|| {
        if state.ledger.is_none() {
            connection.execute(CREATE)?;
        }
        connection.query(
            "INSERT INTO db_ledger.owner (service, tool_version) VALUES ($1, $2) ON CONFLICT DO NOTHING",
            &[service, TOOL],
        )?;
        if !state.has_history {
            connection.execute(&create_history(&state.history_schema))?;
        }
        for applied in state.unrecorded() {
            if let Some(migration) = migrations.get(&applied.version) {
                note(connection, migration, "adopt", &applied.run_on)?;
            }
        }
        connection.execute("COMMIT")
    })();
    if claimed.is_err() {
        // The connection may be gone, and then so is the transaction.
        let _ = connection.execute("ROLLBACK");
    }
    claimed
}

/// Records that an applied version is known with the checksum that its file has now.
///
/// # Errors
/// The server's.
pub(crate) fn note(
    connection: &mut Connection,
    migration: &Migration,
    direction: &str,
    run_on: &str,
) -> Result<(), SqlError> {
    connection
        .query(
            "INSERT INTO db_ledger.run (version, name, direction, checksum, finished_at, run_by, outcome, run_on)
             VALUES ($1, $2, $3, $4, clock_timestamp(), session_user || $5, 'done', $6::timestamp)",
            &[&migration.version, &migration.name, direction, &migration.checksum(), &run_by(), run_on],
        )
        .map(drop)
}

/// The statement that makes Diesel's own table, letter for letter but for the schema.
pub(crate) fn create_history(schema: &str) -> String {
    format!(
        "CREATE TABLE IF NOT EXISTS {}.__diesel_schema_migrations (\n       \
         version VARCHAR(50) PRIMARY KEY NOT NULL,\n       \
         run_on TIMESTAMP NOT NULL DEFAULT CURRENT_TIMESTAMP\n);\n",
        Ident(schema)
    )
}

/// The script with which a DBA stamps `service` as owner of a new database.
pub(crate) fn claim_script(service: &str) -> String {
    format!(
        "{CREATE}INSERT INTO db_ledger.owner (service, tool_version) VALUES ({}, {}) ON CONFLICT DO NOTHING;\n",
        Literal(service),
        Literal(TOOL)
    )
}

/// The bookkeeping of one applied migration, as a script.
pub(crate) fn applied_script(migration: &Migration, history_schema: &str) -> String {
    format!(
        "WITH applied AS (\n    INSERT INTO {}.__diesel_schema_migrations (version) VALUES ({}) RETURNING version, run_on\n)\n\
         INSERT INTO db_ledger.run (version, name, direction, checksum, finished_at, run_by, outcome, run_on)\n\
         SELECT version, {}, 'up', {}, clock_timestamp(), session_user || ' by a script', 'done', run_on FROM applied;\n",
        Ident(history_schema),
        Literal(&migration.version),
        Literal(&migration.name),
        Literal(&migration.checksum()),
    )
}

/// Who runs this, as far as a process can know, to be put after the database role: the account and the machine.
pub(crate) fn run_by() -> String {
    let variable = |names: &[&str]| names.iter().find_map(|name| std::env::var(name).ok());
    let user = variable(&["USER", "LOGNAME", "USERNAME"]).unwrap_or_else(|| "somebody".to_owned());
    let host = variable(&["HOSTNAME"])
        .or_else(|| std::fs::read_to_string("/proc/sys/kernel/hostname").ok())
        .map_or_else(
            || "an unnamed machine".to_owned(),
            |name| name.trim().to_owned(),
        );
    format!(" for {user} on {host} (cargo xtask {TOOL})")
}
