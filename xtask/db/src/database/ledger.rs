//! The ledger inside each database: who owns it, and one row per run of a migration.
//!
//! It lives in a schema of its own, which `schema.rs` never sees. Diesel's `__diesel_schema_migrations` stays the
//! source of truth for what is applied.

use std::collections::{HashMap, HashSet};
use std::fmt;

use serde::{Deserialize, Serialize};

use crate::pg::{Connection, Literal, Rows, SqlError};

/// The format that this version of the tool writes; `db_ledger.owner` says which one a database has. Format 1 had no such
/// column, and format 2 no `protected`. A later format may add columns, tables and kinds of runs, but keeps the columns that are read here, so that an
/// older tool sees the number and refuses.
pub(crate) const FORMAT: u32 = 3;

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

/// Makes a ledger of an older format one of format [`FORMAT`]; does nothing where it is.
pub(crate) const UPGRADE: &str = "\
ALTER TABLE db_ledger.owner ADD COLUMN IF NOT EXISTS format integer NOT NULL DEFAULT 1;
ALTER TABLE db_ledger.owner ADD COLUMN IF NOT EXISTS protected boolean NOT NULL DEFAULT false;
UPDATE db_ledger.owner SET format = 3 WHERE format < 3;
";

/// The version of the tool as the ledger records it.
pub(crate) const TOOL: &str = env!("CARGO_PKG_VERSION");

/// The owner as one JSON value.
pub(crate) const SELECT_OWNER: &str = "(SELECT row_to_json(o) FROM db_ledger.owner o)";

/// What is read of a run.
macro_rules! run_columns {
    () => {
        "id, version, name, direction, checksum, started_at, finished_at,
        (extract(epoch FROM finished_at - started_at) * 1000)::float8 AS milliseconds, run_by, outcome, error"
    };
}

/// The runs that are the last of their version and were not done; none as a rule.
pub(crate) const SELECT_UNFINISHED: &str = concat!(
    "(SELECT coalesce(json_agg(r ORDER BY r.id), '[]') FROM (SELECT ",
    run_columns!(),
    " FROM db_ledger.run r WHERE outcome <> 'done'
        AND NOT EXISTS (SELECT FROM db_ledger.run l WHERE l.version = r.version AND l.id > r.id)) r)"
);

/// The checksum of the applied version `d` of Diesel's table. A run counts only for the very application that it recorded:
/// `diesel migration redo` may have run another text since, which Diesel's `run_on` tells.
pub(crate) const SELECT_CHECKSUM: &str = "(SELECT r.checksum FROM db_ledger.run r WHERE r.version = d.version
    AND r.run_on = d.run_on AND r.outcome = 'done' AND r.direction <> 'down' ORDER BY r.id DESC LIMIT 1)";

/// Every run, oldest first.
const SELECT_HISTORY: &str = concat!(
    "SELECT coalesce(json_agg(r ORDER BY r.id), '[]') FROM (SELECT ",
    run_columns!(),
    " FROM db_ledger.run) r"
);

/// What the ledger of one database says.
#[derive(Debug)]
pub(crate) struct Ledger {
    pub(crate) owner: Option<Owner>,
    /// The last runs that failed or never finished.
    pub(crate) unfinished: Vec<Run>,
}

impl Ledger {
    /// That of a service that has just claimed its database, whose ledger was `before`.
    pub(crate) fn claimed(service: &str, before: Option<Self>) -> Self {
        let (owner, unfinished) = match before {
            Some(before) => (before.owner, before.unfinished),
            None => (None, Vec::new()),
        };
        Self {
            owner: Some(Owner {
                service: service.to_owned(),
                format: FORMAT,
                protected: owner.is_some_and(|owner| owner.protected),
            }),
            unfinished,
        }
    }

    /// That of a database whose last runs are all done, from the rows (service, format, protected) of its owner, if it has one.
    pub(crate) fn settled(owner: &Rows) -> Option<Self> {
        let [row] = owner.as_slice() else {
            return None;
        };
        let [Some(service), Some(format), Some(protected)] = row.as_slice() else {
            return None;
        };
        let owner = Owner {
            service: service.clone(),
            format: format.parse().ok()?,
            protected: protected == "t",
        };
        Some(Self {
            owner: Some(owner),
            unfinished: Vec::new(),
        })
    }

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
    /// Whether every destructive command needs `--force` and the name, wherever the server is.
    #[serde(default)]
    pub(crate) protected: bool,
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
}

/// The versions that were reverted at some time, by this tool.
///
/// # Errors
/// The server's.
pub(crate) fn reverted(connection: &mut Connection) -> Result<Vec<String>, SqlError> {
    connection.query_json(
        "SELECT coalesce(json_agg(DISTINCT version), '[]') FROM db_ledger.run WHERE direction = 'down' AND outcome = 'done'",
        &[],
    )
}

/// Protects a database, or takes that away. Its ledger is of our format.
///
/// # Errors
/// The server's.
pub(crate) fn protect(connection: &mut Connection, protected: bool) -> Result<(), SqlError> {
    connection.execute(&format!(
        "UPDATE db_ledger.owner SET protected = {protected}"
    ))
}

/// Protects a database that was restored from a time when it was not, or had no ledger.
///
/// # Errors
/// The server's.
pub(crate) fn keep_protected(connection: &mut Connection, service: &str) -> Result<(), SqlError> {
    let (service, tool) = (Literal(service), Literal(TOOL));
    connection.execute(&format!(
        "BEGIN; {CREATE}{UPGRADE}
         INSERT INTO db_ledger.owner (service, format, tool_version) VALUES ({service}, {FORMAT}, {tool}) ON CONFLICT DO NOTHING;
         UPDATE db_ledger.owner SET protected = true; COMMIT"
    ))
}

/// The checksum of each application, a version and Diesel's `run_on`, from the rows (id, version, `run_on`, outcome,
/// direction, checksum) of the runs, as [`SELECT_CHECKSUM`] finds it; `None` where the last run of a version is not done.
pub(crate) fn checksums(runs: &Rows) -> Option<HashMap<(&str, &str), &str>> {
    let mut runs: Vec<_> = runs.iter().collect();
    runs.sort_by_key(|run| run[0].as_ref().and_then(|id| id.parse::<i64>().ok()));
    let (mut checksums, mut unfinished) = (HashMap::new(), HashSet::new());
    for run in runs {
        let [_, Some(version), run_on, outcome, direction, checksum] = run.as_slice() else {
            return None;
        };
        if outcome.as_deref() != Some("done") {
            unfinished.insert(version.as_str());
            continue;
        }
        unfinished.remove(version.as_str());
        if let (true, Some(run_on), Some(checksum)) =
            (direction.as_deref() != Some("down"), run_on, checksum)
        {
            checksums.insert((version.as_str(), run_on.as_str()), checksum.as_str());
        }
    }
    unfinished.is_empty().then_some(checksums)
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

    /// Rows (id, version, `run_on`, outcome, direction, checksum) of one version, from words.
    fn runs(rows: &[&str]) -> Rows {
        let cell = |word: &str| (word != "-").then(|| word.to_owned());
        let row = |row: &&str| row.split(' ').map(cell).collect();
        rows.iter().map(row).collect()
    }

    #[test]
    fn the_checksum_is_that_of_the_last_run_of_the_very_application() {
        // In the order of the ids, however they come.
        let runs = runs(&[
            "10 v1 noon done accept edited",
            "9 v1 noon done up first",
            "8 v1 dawn done up older",
            "7 v2 noon failed up broken",
            "11 v2 dusk done up mended",
            "12 v2 dusk done down undone",
        ]);
        let checksums = checksums(&runs).expect("all last runs are done");
        assert_eq!(checksums.get(&("v1", "noon")), Some(&"edited"));
        assert_eq!(checksums.get(&("v1", "dawn")), Some(&"older"));
        assert_eq!(checksums.get(&("v2", "dusk")), Some(&"mended"));
        assert_eq!(checksums.len(), 3);
    }

    #[test]
    fn a_version_whose_last_run_is_not_done_is_not_settled() {
        assert!(checksums(&runs(&["1 v1 noon done up a", "2 v1 - started down b"])).is_none());
        assert!(checksums(&runs(&["2 v1 - failed up b", "1 v1 noon done up a"])).is_none());
        assert!(checksums(&runs(&["1 v1 - failed up a", "2 v1 noon done up b"])).is_some());
    }
}
