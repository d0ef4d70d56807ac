//! What a database says of itself, read without writing: who it is, who owns it, what is applied.

use serde::Deserialize;

use crate::database::identity::{self, Identity};
use crate::database::ledger::{self, Ledger, Owner, Run, RunKind, RunOutcome};
use crate::database::lock;
use crate::migrations::Migrations;
use crate::pg::{Connection, Ident, Literal, SqlError};

/// Tables in which other migration tools keep their history, and the tools.
pub(crate) const OTHER_TOOLS: &[(&str, &str)] = &[
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

/// The state of one database at one moment.
#[derive(Debug)]
pub(crate) struct State {
    /// `None` where an owner is known: no two services own one database. [`read_identified`](State::read_identified) asks.
    pub(crate) identity: Option<Identity>,
    /// The schema of Diesel's bookkeeping table, or the one in which Diesel would create it.
    pub(crate) history_schema: String,
    /// The search path where none of its schemas exists, so that Diesel's table can be made nowhere.
    pub(crate) empty_search_path: Option<String>,
    /// Whether Diesel's bookkeeping table is there.
    pub(crate) has_history: bool,
    /// The applied versions in order, and when Diesel says they were.
    pub(crate) applied: Vec<Applied>,
    /// Schemas outside of the search path that have a bookkeeping table of Diesel's.
    pub(crate) hidden_history: Vec<HiddenHistory>,
    /// Tables, views, types and functions that are there, up to twenty; not asked for where there is an owner.
    pub(crate) objects: Vec<String>,
    /// Indexes that PostgreSQL does not use, left by a failed `CREATE INDEX CONCURRENTLY`; asked for by
    /// [`inspect`](State::inspect) only.
    pub(crate) invalid_indexes: Vec<String>,
    /// Whether another session holds our lock now, if a run was begun and not ended.
    pub(crate) locked: bool,
    /// The coordinator, where this is a worker of a Citus cluster: what is made here, the cluster does not know.
    pub(crate) coordinator: Option<String>,
    /// What our own bookkeeping says; `None` when it is not there.
    pub(crate) ledger: Option<Ledger>,
}

/// A schema with a bookkeeping table of Diesel's that the search path does not lead to.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct HiddenHistory {
    pub(crate) schema: String,
    /// Whether the search path names it, and the role may not use it.
    pub(crate) is_withheld: bool,
}

/// A row of Diesel's bookkeeping table.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Applied {
    pub(crate) version: String,
    pub(crate) run_on: String,
    /// Of the text that was run, where the ledger knows it: another program may have applied it.
    pub(crate) checksum: Option<String>,
}

#[derive(Deserialize)]
struct Overview {
    may_identify: bool,
    history_schema: Option<String>,
    hidden_history: Vec<HiddenHistory>,
    current_schema: Option<String>,
    search_path: String,
    has_ledger: bool,
    has_citus: bool,
}

#[derive(Deserialize)]
struct Details {
    identity: Identity,
    coordinator: Option<String>,
    applied: Vec<Applied>,
    owner: Option<Owner>,
    unfinished: Vec<Run>,
    objects: Vec<String>,
    locked: bool,
}

/// One round: everything that can be asked before knowing which tables there are.
const OVERVIEW: &str = "
SELECT json_build_object(
  'may_identify', has_function_privilege('pg_control_system()', 'execute'),
  'history_schema', (SELECT n.nspname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
                     WHERE c.oid = to_regclass('__diesel_schema_migrations')),
  'hidden_history', (SELECT coalesce(json_agg(json_build_object('schema', n.nspname, 'is_withheld',
                       NOT has_schema_privilege(n.oid, 'USAGE') AND n.nspname IN (
                         SELECT btrim(word, ' ' || chr(34)) FROM unnest(string_to_array(current_setting('search_path'), ',')) word))), '[]')
                     FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
                     WHERE c.relname = '__diesel_schema_migrations' AND c.relkind = 'r' AND NOT pg_table_is_visible(c.oid)),
  'has_citus', to_regclass('pg_catalog.pg_dist_local_group') IS NOT NULL,
  'current_schema', current_schema(), 'search_path', current_setting('search_path'),
  'has_ledger', to_regclass('db_ledger.run') IS NOT NULL AND to_regclass('db_ledger.owner') IS NOT NULL
)";

/// The coordinator is group 0; each node knows its own group, and the others where their metadata is kept.
const COORDINATOR: &str = "
(SELECT coalesce((SELECT format('%s:%s', nodename, nodeport) FROM pg_catalog.pg_dist_node WHERE groupid = 0 LIMIT 1), 'another server')
 FROM pg_catalog.pg_dist_local_group WHERE groupid <> 0)";

/// Without those of a table on which a session holds the lock under which indexes are built: they may be on the way.
const INVALID_INDEXES: &str = "
SELECT coalesce(json_agg(i.indexrelid::regclass::text ORDER BY 1), '[]')
FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE NOT i.indisvalid AND c.relkind = 'i' AND n.nspname !~ '^pg_'
  AND NOT EXISTS (SELECT FROM pg_locks l WHERE l.relation = i.indrelid AND l.mode = 'ShareUpdateExclusiveLock' AND l.granted
                  AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database()))";

/// The content of the tables of a database with an owner and a history, in one round trip. It fails if a table is missing.
///
/// Four plain statements without a join or a function of JSON's: a new backend has to load and plan little for them. It
/// takes 2.7 million instructions (counted by callgrind on PostgreSQL 15.18), where one statement that puts the same
/// together on the server took 9.0. `pg_class` costs 1.8 of those by itself, the schema this way 0.3.
const SETTLED: &str = "
SELECT service, format, protected FROM db_ledger.owner;
SELECT (pg_identify_object_as_address('pg_class'::regclass, '__diesel_schema_migrations'::regclass, 0)).object_names[1];
SELECT version, run_on FROM __diesel_schema_migrations;
SELECT id, version, run_on, outcome, direction, checksum FROM db_ledger.run";

fn applied(table: &str, checksum: &str) -> String {
    format!(
        "(SELECT coalesce(json_agg(json_build_object('version', d.version, 'run_on', d.run_on::text, 'checksum', {checksum})),
            '[]') FROM {table} d)"
    )
}

/// A read-only transaction with one snapshot: a slip that writes would fail. Who locks a bookkeeping table for long gets reported, not
/// waited for.
const BEGIN: &str =
    "BEGIN TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY; SET LOCAL lock_timeout = '5s'";

/// What is neither the system's, nor an extension's, nor bookkeeping; another tool's bookkeeping comes first. Below oid
/// 16384 is only what `initdb` made (`FirstNormalObjectId` in PostgreSQL's sources): to skip it first saves 4 ms of 5.
pub(super) fn objects() -> String {
    let tools: Vec<_> = OTHER_TOOLS
        .iter()
        .map(|(table, _)| Literal(table).to_string())
        .collect();
    format!(
        "(SELECT coalesce(json_agg(name), '[]') FROM (
            SELECT CASE n.nspname WHEN 'public' THEN '' ELSE n.nspname || '.' END || o.name AS name
            FROM (
                SELECT oid, 'pg_class'::regclass AS class, relnamespace AS schema, relname AS name FROM pg_class
                WHERE oid >= 16384 AND relkind IN ('r', 'p', 'v', 'm', 'f', 'S')
                UNION ALL
                SELECT oid, 'pg_type'::regclass, typnamespace, typname FROM pg_type
                WHERE oid >= 16384 AND typtype IN ('d', 'e', 'r')
                UNION ALL
                SELECT oid, 'pg_proc'::regclass, pronamespace, proname FROM pg_proc WHERE oid >= 16384
            ) o JOIN pg_namespace n ON n.oid = o.schema
            WHERE n.nspname <> 'db_ledger' AND n.nspname !~ '^pg_' AND o.name <> '__diesel_schema_migrations'
              AND NOT EXISTS (SELECT FROM pg_depend d
                              WHERE d.classid = o.class AND d.objid = o.oid AND d.deptype = 'e')
            ORDER BY o.name IN ({}) DESC, 1 LIMIT 20) t)",
        tools.join(", ")
    )
}

/// The second round: what the tables say that the first one found.
fn details(overview: &Overview) -> String {
    let identity = identity::sql(match overview.may_identify {
        true => identity::SYSTEM,
        false => "NULL",
    });
    let applied = match &overview.history_schema {
        None => "'[]'::json".to_owned(),
        Some(schema) => {
            let checksum = match overview.has_ledger {
                true => ledger::SELECT_CHECKSUM,
                false => "NULL",
            };
            let table = format!("{}.__diesel_schema_migrations", Ident(schema));
            applied(&table, checksum)
        }
    };
    // If a database has an owner, its objects are not read; without runs, the lock is not read.
    let objects = objects();
    let (owner, unfinished, objects, locked) = match overview.has_ledger {
        true => (
            ledger::SELECT_OWNER,
            ledger::SELECT_UNFINISHED,
            format!("CASE WHEN EXISTS (SELECT FROM db_ledger.owner) THEN '[]' ELSE {objects} END"),
            format!(
                "EXISTS (SELECT FROM db_ledger.run WHERE outcome = 'started') AND {}",
                lock::is_held()
            ),
        ),
        false => ("NULL", "'[]'::json", objects, "false".to_owned()),
    };
    let coordinator = match overview.has_citus {
        true => COORDINATOR,
        false => "NULL",
    };
    format!(
        "SELECT json_build_object('identity', ({identity}), 'coordinator', {coordinator},
           'applied', {applied}, 'owner', {owner}, 'unfinished', {unfinished}, 'objects', {objects}, 'locked', {locked})"
    )
}

/// Leaves no transaction open, in any case.
fn finished<T>(
    connection: &mut Connection,
    read: impl FnOnce(&mut Connection) -> Result<T, SqlError>,
) -> Result<T, SqlError> {
    connection.soon(|connection| {
        let read = read(connection);
        if connection.in_transaction() && !connection.is_lost() {
            connection.execute("ROLLBACK")?;
        }
        read
    })
}

/// By version: the order in which they are reverted.
fn sorted(mut applied: Vec<Applied>) -> Vec<Applied> {
    applied.sort_by(|a, b| a.version.cmp(&b.version));
    applied
}

impl State {
    /// Reads the state: in one round where the database is settled, else in all that it takes.
    ///
    /// # Errors
    /// The server's.
    pub(crate) fn read(connection: &mut Connection) -> Result<Self, SqlError> {
        match Self::read_settled(connection) {
            Ok(Some(state)) => Ok(state),
            // If something is missing or refused, the full look reports it.
            Ok(None) => Self::read_any(connection),
            Err(_) if !connection.is_lost() => Self::read_any(connection),
            Err(error) => Err(error),
        }
    }

    /// Reads everything that can be said about a database, the INVALID indexes too.
    ///
    /// # Errors
    /// The server's.
    pub(crate) fn inspect(connection: &mut Connection) -> Result<Self, SqlError> {
        let state = Self::read_any(connection)?;
        let invalid_indexes =
            connection.soon(|connection| connection.query_json(INVALID_INDEXES, &[]))?;
        Ok(Self {
            invalid_indexes,
            ..state
        })
    }

    /// As [`read`](Self::read), and asks which database it is in any case.
    ///
    /// # Errors
    /// The server's.
    pub(crate) fn read_identified(connection: &mut Connection) -> Result<Self, SqlError> {
        let mut state = Self::read(connection)?;
        if state.identity.is_none() {
            state.identity = Some(Identity::read(connection)?);
        }
        Ok(state)
    }

    /// `None` if the database has no owner, or the last run of a version is not done.
    fn read_settled(connection: &mut Connection) -> Result<Option<Self>, SqlError> {
        let settled = format!("{BEGIN}; {SETTLED}; ROLLBACK");
        let rows = finished(connection, |connection| connection.execute_rows(&settled))?;
        let [owner, schema, applied, runs] = rows.as_slice() else {
            return Ok(None);
        };
        let history_schema = schema.first().and_then(|row| row.first()?.clone());
        let (Some(ledger), Some(history_schema), Some(checksums)) = (
            Ledger::settled(owner),
            history_schema,
            ledger::checksums(runs),
        ) else {
            return Ok(None);
        };
        let applied = applied.iter().filter_map(|row| match row.as_slice() {
            [Some(version), Some(run_on)] => Some(Applied {
                version: version.clone(),
                run_on: run_on.clone(),
                checksum: checksums
                    .get(&(version.as_str(), run_on.as_str()))
                    .map(|checksum| (*checksum).to_owned()),
            }),
            _ => None,
        });
        Ok(Some(Self {
            identity: None,
            history_schema,
            empty_search_path: None,
            has_history: true,
            applied: sorted(applied.collect()),
            hidden_history: Vec::new(),
            objects: Vec::new(),
            invalid_indexes: Vec::new(),
            locked: false,
            coordinator: None,
            ledger: Some(ledger),
        }))
    }

    /// Two rounds, the first of which begins the transaction and the last of which ends it.
    fn read_any(connection: &mut Connection) -> Result<Self, SqlError> {
        let begin = format!("{BEGIN}; {OVERVIEW}");
        finished(connection, |connection| {
            let overview: Overview = connection.execute_json(&begin)?;
            let details = connection.execute_json(&format!("{}; ROLLBACK", details(&overview)))?;
            Ok(Self::of(overview, details))
        })
    }

    fn of(overview: Overview, details: Details) -> Self {
        Self {
            identity: Some(details.identity),
            has_history: overview.history_schema.is_some(),
            empty_search_path: match (&overview.history_schema, &overview.current_schema) {
                (None, None) => Some(overview.search_path),
                _ => None,
            },
            history_schema: overview
                .history_schema
                .or(overview.current_schema)
                .unwrap_or_else(|| "public".to_owned()),
            applied: sorted(details.applied),
            hidden_history: overview.hidden_history,
            objects: details.objects,
            invalid_indexes: Vec::new(),
            locked: details.locked,
            coordinator: details.coordinator,
            ledger: overview.has_ledger.then_some(Ledger {
                owner: details.owner,
                unfinished: details.unfinished,
            }),
        }
    }

    /// Whether a database has no objects, with or without an owner.
    ///
    /// # Errors
    /// The server's.
    pub(crate) fn is_empty(connection: &mut Connection) -> Result<bool, SqlError> {
        let objects: Vec<String> = connection.query_json(&format!("SELECT {}", objects()), &[])?;
        Ok(objects.is_empty())
    }

    /// The service that the ledger names as owner.
    pub(crate) fn owner(&self) -> Option<&str> {
        Some(&self.ledger.as_ref()?.owner.as_ref()?.service)
    }

    /// Whether the database says of itself that it is protected.
    pub(crate) fn is_protected(&self) -> bool {
        let owner = self
            .ledger
            .as_ref()
            .and_then(|ledger| ledger.owner.as_ref());
        owner.is_some_and(|owner| owner.protected)
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
            .find(|(table, _)| self.objects.iter().any(|name| bare(name) == *table))
    }

    /// The applied versions whose `up.sql` is not the text that was run.
    pub(crate) fn edited(&self, migrations: &Migrations) -> Vec<String> {
        let differs =
            |applied: &&Applied| match (&applied.checksum, migrations.get(&applied.version)) {
                (Some(recorded), Some(migration)) => *recorded != migration.checksum(),
                _ => false,
            };
        let edited = self.applied.iter().filter(differs);
        edited.map(|applied| applied.version.clone()).collect()
    }

    /// The applied versions of which the ledger knows no checksum: another program applied them.
    pub(crate) fn unrecorded(&self) -> Vec<&Applied> {
        let unrecorded = |applied: &&Applied| applied.checksum.is_none();
        self.applied.iter().filter(unrecorded).collect()
    }

    /// The last runs that failed or never finished, as long as nothing else has brought what they were for.
    pub(crate) fn unfinished(&self, migrations: &Migrations) -> Vec<&Run> {
        let runs = self.ledger.iter().flat_map(|ledger| &ledger.unfinished);
        runs.filter(|run| {
            // A migration that was given up, and a transactional one that did not revert, have left nothing.
            let left = match run.kind {
                RunKind::Down => run.outcome == RunOutcome::Started,
                _ => migrations.get(&run.version).is_some(),
            };
            let applied = self
                .applied
                .iter()
                .any(|applied| applied.version == run.version);
            left && applied == (run.kind == RunKind::Down)
        })
        .collect()
    }
}
