//! What a database says of itself, read without writing: who it is, who owns it, what is applied.

use std::collections::HashMap;

use serde::Deserialize;

use crate::ledger::{self, Ledger, Owner, Run};
use crate::lock;
use crate::migrations::Migrations;
use crate::pg::{Connection, Ident, SqlError};

/// Tables in which other migration tools keep their history, and the tools.
const OTHER_TOOLS: &[(&str, &str)] = &[
    ("alembic_version", "Alembic"),
    ("_sqlx_migrations", "sqlx"),
    ("flyway_schema_history", "Flyway"),
    ("schema_migrations", "Rails, golang-migrate or dbmate"),
    ("_prisma_migrations", "Prisma"),
    ("django_migrations", "Django"),
    ("knex_migrations", "Knex"),
    ("databasechangelog", "Liquibase"),
    ("goose_db_version", "goose"),
    ("refinery_schema_history", "refinery"),
    ("seaql_migrations", "SeaORM"),
    ("atlas_schema_revisions", "Atlas"),
];

/// A physical database, however its URL is spelled.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Identity {
    /// The cluster's system identifier.
    pub(crate) system: String,
    /// The database's oid in it.
    pub(crate) oid: String,
}

/// The state of one database at one moment.
#[derive(Debug)]
pub(crate) struct State {
    pub(crate) identity: Identity,
    /// The schema of Diesel's bookkeeping table, or the one in which Diesel would create it.
    pub(crate) history_schema: String,
    /// Whether Diesel's bookkeeping table is there.
    pub(crate) has_history: bool,
    /// The applied versions in order, and when Diesel says they were.
    pub(crate) applied: Vec<Applied>,
    /// Other tables and views, up to twenty; not asked for where there is an owner.
    pub(crate) tables: Vec<String>,
    /// Indexes that PostgreSQL does not use, left by a failed `CREATE INDEX CONCURRENTLY`.
    pub(crate) invalid_indexes: Vec<String>,
    /// Whether somebody holds our lock at the moment, where a run was begun and not ended.
    pub(crate) locked: bool,
    /// What our own bookkeeping says; `None` when it is not there.
    pub(crate) ledger: Option<Ledger>,
}

/// A row of Diesel's bookkeeping table.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Applied {
    pub(crate) version: String,
    pub(crate) run_on: String,
}

#[derive(Deserialize)]
struct Overview {
    oid: String,
    may_identify: bool,
    history_schema: Option<String>,
    current_schema: Option<String>,
    has_ledger: bool,
    invalid_indexes: Vec<String>,
}

/// One round: everything that can be asked before knowing which tables there are.
const OVERVIEW: &str = "
SELECT json_build_object(
  'oid', (SELECT oid::text FROM pg_database WHERE datname = current_database()),
  'may_identify', has_function_privilege('pg_control_system()', 'execute'),
  'history_schema', (SELECT n.nspname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
                     WHERE c.oid = to_regclass('__diesel_schema_migrations')),
  'current_schema', current_schema(),
  'has_ledger', to_regclass('db_ledger.run') IS NOT NULL,
  'invalid_indexes', (SELECT coalesce(json_agg(i.indexrelid::regclass::text ORDER BY 1), '[]')
      FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid JOIN pg_namespace n ON n.oid = c.relnamespace
      WHERE NOT i.indisvalid AND c.relkind = 'i' AND n.nspname !~ '^pg_')
)";

/// The tables and views that are neither the system's, nor an extension's, nor bookkeeping. Below oid 16384 are only
/// those that `initdb` made (`FirstNormalObjectId` in PostgreSQL's sources); to skip them first saves 4 ms of 5.
const TABLES: &str = "
(SELECT coalesce(json_agg(name), '[]') FROM (
    SELECT CASE n.nspname WHEN 'public' THEN c.relname ELSE n.nspname || '.' || c.relname END AS name
    FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE c.oid >= 16384 AND c.relkind IN ('r', 'p', 'v', 'm', 'f') AND c.relname <> '__diesel_schema_migrations'
      AND n.nspname <> 'db_ledger' AND n.nspname !~ '^pg_'
      AND NOT EXISTS (SELECT FROM pg_depend d
                      WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid AND d.deptype = 'e')
    ORDER BY 1 LIMIT 20) t)";

impl State {
    /// Reads the state in a read-only transaction: a slip that writes would fail.
    ///
    /// # Errors
    /// The server's.
    pub(crate) fn read(connection: &mut Connection) -> Result<Self, SqlError> {
        let state = Self::read_in_transaction(connection);
        if connection.in_transaction() {
            connection.execute("ROLLBACK")?;
        }
        state
    }

    /// Two rounds, the first of which begins the transaction and the last of which ends it.
    fn read_in_transaction(connection: &mut Connection) -> Result<Self, SqlError> {
        let overview: Overview =
            connection.execute_json(&format!("BEGIN TRANSACTION READ ONLY; {OVERVIEW}"))?;
        // `pg_control_system` may be revoked; then the server's address and start tell it from others.
        let system = match overview.may_identify {
            true => "(SELECT system_identifier::text FROM pg_control_system())",
            false => {
                "concat_ws(' ', inet_server_addr(), inet_server_port(), pg_postmaster_start_time())"
            }
        };
        let applied = match &overview.history_schema {
            None => "'[]'::json".to_owned(),
            Some(schema) => format!(
                "(SELECT coalesce(json_agg(json_build_object('version', version, 'run_on', run_on::text)), '[]')
                  FROM {}.__diesel_schema_migrations)",
                Ident(schema)
            ),
        };
        // Of a database with an owner, nobody asks for its tables; without runs, nobody asks for the lock.
        let (owner, runs, tables, locked) = match overview.has_ledger {
            true => (
                ledger::SELECT_OWNER,
                ledger::SELECT_LAST_RUNS,
                format!(
                    "CASE WHEN EXISTS (SELECT FROM db_ledger.owner) THEN '[]' ELSE {TABLES} END"
                ),
                format!(
                    "EXISTS (SELECT FROM db_ledger.run WHERE outcome = 'started') AND {}",
                    lock::is_held()
                ),
            ),
            false => ("NULL", "'[]'::json", TABLES.to_owned(), "false".to_owned()),
        };
        #[derive(Deserialize)]
        struct Details {
            system: String,
            applied: Vec<Applied>,
            owner: Option<Owner>,
            runs: Vec<Run>,
            tables: Vec<String>,
            locked: bool,
        }
        let mut details: Details = connection.execute_json(&format!(
            "SELECT json_build_object('system', {system}, 'applied', {applied}, 'owner', {owner}, 'runs', {runs},
                                      'tables', {tables}, 'locked', {locked}); ROLLBACK"
        ))?;
        details.applied.sort_by(|a, b| a.version.cmp(&b.version));
        Ok(Self {
            identity: Identity {
                system: details.system,
                oid: overview.oid,
            },
            has_history: overview.history_schema.is_some(),
            history_schema: overview
                .history_schema
                .or(overview.current_schema)
                .unwrap_or_else(|| "public".to_owned()),
            applied: details.applied,
            tables: details.tables,
            invalid_indexes: overview.invalid_indexes,
            locked: details.locked,
            ledger: overview.has_ledger.then_some(Ledger {
                owner: details.owner,
                runs: details.runs,
            }),
        })
    }

    /// The service that the ledger names as owner.
    pub(crate) fn owner(&self) -> Option<&str> {
        Some(&self.ledger.as_ref()?.owner.as_ref()?.service)
    }

    /// The applied versions, in order.
    pub(crate) fn versions(&self) -> Vec<String> {
        self.applied
            .iter()
            .map(|applied| applied.version.clone())
            .collect()
    }

    /// The other migration tool whose table is here, if there is one: the table and the tool.
    pub(crate) fn other_tool(&self) -> Option<(&'static str, &'static str)> {
        let bare = |name: &str| name.rsplit('.').next().unwrap_or_default().to_owned();
        OTHER_TOOLS
            .iter()
            .copied()
            .find(|(table, _)| self.tables.iter().any(|name| bare(name) == *table))
    }

    /// The applied versions whose `up.sql` is not the text that was run.
    pub(crate) fn edited(&self, migrations: &Migrations) -> Vec<String> {
        let recorded = self.recorded_checksums();
        let differs = |applied: &&Applied| match (
            recorded.get(&applied.version),
            migrations.get(&applied.version),
        ) {
            (Some(recorded), Some(migration)) => *recorded != migration.checksum(),
            _ => false,
        };
        self.applied
            .iter()
            .filter(differs)
            .map(|applied| applied.version.clone())
            .collect()
    }

    /// The applied versions of which the ledger knows no checksum: another program applied them.
    pub(crate) fn unrecorded(&self) -> Vec<&Applied> {
        let recorded = self.recorded_checksums();
        self.applied
            .iter()
            .filter(|applied| !recorded.contains_key(&applied.version))
            .collect()
    }

    /// The checksums of the applied versions. A row of the ledger counts only for the very application that it
    /// recorded: `diesel migration redo` may have run another text since, which Diesel's `run_on` tells.
    fn recorded_checksums(&self) -> HashMap<String, String> {
        let runs = self.ledger.iter().flat_map(|ledger| &ledger.runs);
        runs.filter(|run| run.is_done() && run.direction != "down")
            .filter_map(|run| {
                let applied = self
                    .applied
                    .iter()
                    .find(|applied| applied.version == run.version)?;
                (run.run_on.as_deref() == Some(applied.run_on.as_str()))
                    .then(|| (run.version.clone(), run.checksum.clone()))
            })
            .collect()
    }

    /// The last run of a version that is not applied, when it failed or never finished.
    pub(crate) fn unfinished(&self) -> Vec<&Run> {
        let runs = self.ledger.iter().flat_map(|ledger| &ledger.runs);
        runs.filter(|run| run.is_last && !run.is_done() && run.direction == "up")
            .filter(|run| {
                !self
                    .applied
                    .iter()
                    .any(|applied| applied.version == run.version)
            })
            .collect()
    }
}
