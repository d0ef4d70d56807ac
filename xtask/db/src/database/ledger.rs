//! Our bookkeeping inside each database: who owns it, and one row per run of a migration.
//!
//! It lives in a schema of its own, which `schema.rs` never sees. Diesel's `__diesel_schema_migrations` stays the
//! source of truth for what is applied.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::database::state::State;
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
    SELECT DISTINCT ON (version, outcome = 'done') id, version, name, direction, checksum, started_at,
        finished_at, (extract(epoch FROM finished_at - started_at) * 1000)::float8 AS milliseconds,
        run_by, outcome, error, run_on::text,
        id = max(id) OVER (PARTITION BY version) AS is_last
    FROM db_ledger.run ORDER BY version, outcome = 'done', id DESC) r)";

/// Every run, oldest first.
const SELECT_HISTORY: &str = "SELECT coalesce(json_agg(r ORDER BY r.id), '[]') FROM (
    SELECT id, version, name, direction, checksum, started_at, finished_at,
        (extract(epoch FROM finished_at - started_at) * 1000)::float8 AS milliseconds,
        run_by, outcome, error, run_on::text, false AS is_last
    FROM db_ledger.run) r";

/// Makes a service the owner where there is none, and gives the owner that there is then.
const CLAIM: &str = "INSERT INTO db_ledger.owner AS o (service, tool_version) VALUES ($1, $2)
    ON CONFLICT (only_row) DO UPDATE SET service = o.service RETURNING service";

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

/// Makes `service` the owner and gives the owner that there is now, with the ledger and Diesel's table where they are missing, and records the applied
/// versions that the ledger does not know, so that a later edit of theirs is noticed.
///
/// # Errors
/// The server's; then nothing was written.
pub(crate) fn claim(
    connection: &mut Connection,
    service: &str,
    state: &State,
    migrations: &Migrations,
) -> Result<String, SqlError> {
    connection.execute("BEGIN")?;
    let claimed = (|| {
        if state.ledger.is_none() {
            connection.execute(CREATE)?;
        }
        let owner = connection
            .query_text(CLAIM, &[service, TOOL])?
            .unwrap_or_default();
        if owner != service {
            connection.execute("ROLLBACK")?;
            return Ok(owner);
        }
        if !state.has_history {
            connection.execute(&create_history(&state.history_schema))?;
        }
        for applied in state.unrecorded() {
            if let Some(migration) = migrations.get(&applied.version) {
                note(connection, migration, "adopt", &applied.run_on)?;
            }
        }
        connection.execute("COMMIT")?;
        Ok(owner)
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

/// The head of a script for `psql`: goes to the database, or stops where that is not the service's own.
pub(crate) fn script_head(service: &str, database: &str, role: Option<&str>) -> String {
    let role = role.map(set_role).unwrap_or_default();
    format!(
        "\\set ON_ERROR_STOP on\n\\connect {}\n{role}DO $guard$\nBEGIN\n    \
         IF current_database() <> {} THEN\n        \
             RAISE EXCEPTION 'refused: this script is not for the database %', current_database();\n    \
         END IF;\n    \
         IF to_regclass('db_ledger.owner') IS NOT NULL THEN\n        \
             IF EXISTS (SELECT FROM db_ledger.owner WHERE service <> {}) THEN\n            \
                 RAISE EXCEPTION 'refused: this database belongs to another service';\n        \
             END IF;\n    \
         END IF;\nEND\n$guard$;\n",
        Ident(database),
        Literal(database),
        Literal(service),
    )
}

/// The statement that has a script's objects belong to the role of the service's URL, not to who runs it.
pub(crate) fn set_role(role: &str) -> String {
    format!("SET ROLE {};\n", Ident(role))
}

/// The part of a script that stamps `service` as owner.
pub(crate) fn claim_script(service: &str) -> String {
    format!(
        "{CREATE}INSERT INTO db_ledger.owner (service, tool_version) VALUES ({}, {});\n",
        Literal(service),
        Literal(TOOL)
    )
}

/// The way a migration is run.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Direction {
    Up,
    Down,
}

impl Direction {
    /// As the ledger and the files say it.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Up => "up",
            Self::Down => "down",
        }
    }

    /// As a failure says it.
    pub(crate) fn verb(self) -> &'static str {
        match self {
            Self::Up => "apply",
            Self::Down => "revert",
        }
    }

    /// The change of Diesel's table that goes with it.
    fn change(self, migration: &Migration, history_schema: &str) -> String {
        let table = format!("{}.__diesel_schema_migrations", Ident(history_schema));
        let version = Literal(&migration.version);
        match self {
            Self::Up => {
                format!("INSERT INTO {table} (version) VALUES ({version}) RETURNING run_on")
            }
            Self::Down => format!("DELETE FROM {table} WHERE version = {version} RETURNING run_on"),
        }
    }
}

/// The statement that records a migration inside its own transaction, in Diesel's table and in the ledger.
pub(crate) fn done(migration: &Migration, direction: Direction, history_schema: &str) -> String {
    format!(
        "WITH changed AS ({})\n\
         INSERT INTO db_ledger.run (version, name, direction, checksum, run_by, started_at, finished_at, outcome, run_on)\n\
         SELECT {}, now(), clock_timestamp(), 'done', run_on FROM changed",
        direction.change(migration, history_schema),
        values(migration, direction),
    )
}

/// The statement that records a transactional migration that failed, after its transaction.
pub(crate) fn failed(
    migration: &Migration,
    direction: Direction,
    took: Duration,
    error: &SqlError,
) -> String {
    format!(
        "INSERT INTO db_ledger.run (version, name, direction, checksum, run_by, started_at, finished_at, outcome, error)
         SELECT {}, clock_timestamp() - interval '{} ms', clock_timestamp(), 'failed', {}",
        values(migration, direction),
        took.as_millis(),
        Literal(&error.to_string()),
    )
}

/// The statement that records, beforehand, a migration that runs without a transaction; it gives the row's id.
pub(crate) fn started(migration: &Migration, direction: Direction) -> String {
    format!(
        "INSERT INTO db_ledger.run (version, name, direction, checksum, run_by, outcome, indexes_before)
         SELECT {}, 'started', (SELECT array_agg(indexrelid) FROM pg_index) RETURNING id::text",
        values(migration, direction),
    )
}

/// The statement that ends what [`started`] began: the migration was run.
pub(crate) fn finished(
    row: &str,
    migration: &Migration,
    direction: Direction,
    history_schema: &str,
) -> String {
    format!(
        "WITH changed AS ({})
         UPDATE db_ledger.run SET outcome = 'done', finished_at = clock_timestamp(), run_on = changed.run_on
         FROM changed WHERE id = {}",
        direction.change(migration, history_schema),
        Literal(row),
    )
}

/// The statement that ends what [`started`] began: the migration failed.
pub(crate) fn ended(row: &str, error: &SqlError) -> String {
    format!(
        "UPDATE db_ledger.run SET outcome = 'failed', finished_at = clock_timestamp(), error = {} WHERE id = {}",
        Literal(&error.to_string()),
        Literal(row),
    )
}

/// The values that every row has: version, name, direction, checksum and who runs it.
fn values(migration: &Migration, direction: Direction) -> String {
    format!(
        "{}, {}, '{}', {}, session_user || {}",
        Literal(&migration.version),
        Literal(&migration.name),
        direction.word(),
        Literal(&migration.checksum()),
        Literal(&run_by()),
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
