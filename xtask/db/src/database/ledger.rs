//! The ledger inside each database: who owns it, and one row per run of a migration.
//!
//! It lives in a schema of its own, which `schema.rs` never sees. Diesel's `__diesel_schema_migrations` stays the
//! source of truth for what is applied.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::pg::{Connection, SqlError};

/// The format that this version of the tool writes; `db_ledger.owner` says which one a database has. Format 1 had no such
/// column. A later format may add columns, tables and kinds of runs, but keeps the columns that are read here, so that an
/// older tool sees the number and refuses.
pub(crate) const FORMAT: u32 = 2;

/// Creates a ledger of format 1; does nothing where it is.
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

/// Makes a ledger of format 1 one of format [`FORMAT`]; does nothing where it is.
pub(crate) const UPGRADE: &str = "\
ALTER TABLE db_ledger.owner ADD COLUMN IF NOT EXISTS format integer NOT NULL DEFAULT 1;
UPDATE db_ledger.owner SET format = 2 WHERE format < 2;
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

/// What the ledger of one database says.
#[derive(Debug)]
pub(crate) struct Ledger {
    pub(crate) owner: Option<Owner>,
    pub(crate) runs: Vec<Run>,
}

impl Ledger {
    pub(crate) fn format(&self) -> u32 {
        self.owner.as_ref().map_or(1, |owner| owner.format)
    }
}

/// The service that a database belongs to.
#[derive(Debug, Deserialize)]
pub(crate) struct Owner {
    pub(crate) service: String,
    #[serde(default = "format_1")]
    format: u32,
}

fn format_1() -> u32 {
    1
}

/// What was done with a migration.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum RunKind {
    Up,
    Down,
    /// Another program had applied it.
    Adopt,
    /// An edit was acknowledged.
    Accept,
    /// It was marked as applied, without running.
    Baseline,
    /// Of a later format.
    #[serde(other)]
    Unknown,
}

/// How a run ended, if it did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum RunOutcome {
    Started,
    Done,
    Failed,
    /// Of a later format.
    #[serde(other)]
    Unknown,
}

/// As the ledger and JSON have it.
impl fmt::Display for RunKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.serialize(f)
    }
}

/// As the ledger and JSON have it.
impl fmt::Display for RunOutcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.serialize(f)
    }
}

/// One run of a migration. Serialised as `db history --json` shows it.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Run {
    pub(crate) version: String,
    pub(crate) name: String,
    #[serde(rename = "direction")]
    pub(crate) kind: RunKind,
    pub(crate) checksum: String,
    pub(crate) started_at: String,
    pub(crate) finished_at: Option<String>,
    pub(crate) milliseconds: Option<f64>,
    pub(crate) run_by: String,
    pub(crate) outcome: RunOutcome,
    pub(crate) error: Option<String>,
    #[serde(skip_serializing)]
    pub(crate) run_on: Option<String>,
    #[serde(skip_serializing)]
    pub(crate) is_last: bool,
}

impl Run {
    pub(crate) fn is_done(&self) -> bool {
        self.outcome == RunOutcome::Done
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_tables_take_every_kind_and_outcome_that_is_written() {
        use RunKind::{Accept, Adopt, Baseline, Down, Up};
        use RunOutcome::{Done, Failed, Started};
        for kind in [Up, Down, Adopt, Accept, Baseline] {
            assert!(CREATE.contains(&format!("'{kind}'")), "{kind}");
        }
        for outcome in [Started, Done, Failed] {
            assert!(CREATE.contains(&format!("'{outcome}'")), "{outcome}");
        }
        assert_eq!(format!("{Baseline} {Started}"), "baseline started");
    }

    #[test]
    fn an_owner_without_a_format_is_of_the_first() {
        let read = |json| serde_json::from_str::<Owner>(json).unwrap().format;
        assert_eq!(read("{\"service\": \"arc\"}"), 1);
        assert_eq!(read("{\"service\": \"arc\", \"format\": 7}"), 7);
    }
}
