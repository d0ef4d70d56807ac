//! What is written down about migrations, as statements: the runner runs them, `--sql` prints them.

use std::sync::LazyLock;
use std::time::Duration;

use crate::database::ledger::{RunKind, RunOutcome, TOOL};
use crate::migrations::Migration;
use crate::pg::{Ident, Literal, SqlError};

/// What is written down about a migration in one kind of database.
pub(crate) trait Books {
    /// The statement that records, beforehand, a migration that runs without a transaction; it gives the row's id.
    fn started(&self, migration: &Migration, kind: RunKind) -> Option<String>;

    /// The statements that record a migration that was run: inside its transaction, or as the end of the row that
    /// [`started`](Self::started) gave. They fail where a version that was reverted is not applied any more.
    fn done(&self, migration: &Migration, kind: RunKind, row: Option<&str>) -> String;

    /// The statement that records a migration that failed, after its transaction.
    fn failed(
        &self,
        migration: &Migration,
        kind: RunKind,
        row: Option<&str>,
        took: Duration,
        error: &SqlError,
    ) -> Option<String>;

    /// Whether the database outlives the run.
    fn is_lasting(&self) -> bool;
}

/// The books of a throw-away database: Diesel's own table in `public`, as after `diesel migration run`.
pub(crate) struct DieselOnly;

impl Books for DieselOnly {
    fn started(&self, _: &Migration, _: RunKind) -> Option<String> {
        None
    }

    fn done(&self, migration: &Migration, kind: RunKind, _: Option<&str>) -> String {
        change(migration, kind, "public")
    }

    fn failed(
        &self,
        _: &Migration,
        _: RunKind,
        _: Option<&str>,
        _: Duration,
        _: &SqlError,
    ) -> Option<String> {
        None
    }

    fn is_lasting(&self) -> bool {
        false
    }
}

/// The books of a service's own database: Diesel's table in `history_schema`, and our ledger.
pub(crate) struct LedgerBooks<'s> {
    pub(crate) history_schema: &'s str,
}

impl LedgerBooks<'_> {
    /// The statement that records that an applied version is known with the checksum that its file has now.
    pub(crate) fn noted(&self, migration: &Migration, kind: RunKind, run_on: &str) -> String {
        format!(
            "INSERT INTO db_ledger.run (version, name, direction, checksum, run_by, finished_at, outcome, run_on)
             SELECT {}, clock_timestamp(), '{}', {}::timestamp",
            values(migration, kind),
            RunOutcome::Done,
            Literal(run_on),
        )
    }
}

impl Books for LedgerBooks<'_> {
    /// The indexes that were there tell the next run which ones this run left behind.
    fn started(&self, migration: &Migration, kind: RunKind) -> Option<String> {
        Some(format!(
            "INSERT INTO db_ledger.run (version, name, direction, checksum, run_by, outcome, indexes_before)
             SELECT {}, '{}', (SELECT array_agg(indexrelid) FROM pg_index) RETURNING id::text",
            values(migration, kind),
            RunOutcome::Started,
        ))
    }

    fn done(&self, migration: &Migration, kind: RunKind, row: Option<&str>) -> String {
        let change = change(migration, kind, self.history_schema);
        let done = RunOutcome::Done;
        let applied = match kind {
            RunKind::Down => still_applied(migration, self.history_schema),
            _ => String::new(),
        };
        match row {
            None => format!(
                "{applied}WITH changed AS ({change} RETURNING run_on)\n\
                 INSERT INTO db_ledger.run (version, name, direction, checksum, run_by, started_at, finished_at, outcome, run_on)\n\
                 SELECT {}, now(), clock_timestamp(), '{done}', run_on FROM changed",
                values(migration, kind),
            ),
            Some(row) => format!(
                "{applied}WITH changed AS ({change} RETURNING run_on)
                 UPDATE db_ledger.run SET outcome = '{done}', finished_at = clock_timestamp(), run_on = changed.run_on
                 FROM changed WHERE id = {}",
                Literal(row),
            ),
        }
    }

    fn failed(
        &self,
        migration: &Migration,
        kind: RunKind,
        row: Option<&str>,
        took: Duration,
        error: &SqlError,
    ) -> Option<String> {
        let error = error.to_string();
        let (error, failed) = (Literal(&error), RunOutcome::Failed);
        Some(match row {
            None => format!(
                "INSERT INTO db_ledger.run (version, name, direction, checksum, run_by, started_at, finished_at, outcome, error)
                 SELECT {}, clock_timestamp() - interval '{} ms', clock_timestamp(), '{failed}', {error}",
                values(migration, kind),
                took.as_millis(),
            ),
            Some(row) => format!(
                "UPDATE db_ledger.run SET outcome = '{failed}', finished_at = clock_timestamp(), error = {error} WHERE id = {}",
                Literal(row),
            ),
        })
    }

    fn is_lasting(&self) -> bool {
        true
    }
}

/// The change of Diesel's table that goes with a run.
fn change(migration: &Migration, kind: RunKind, schema: &str) -> String {
    let table = format!("{}.__diesel_schema_migrations", Ident(schema));
    let version = Literal(&migration.version);
    match kind {
        RunKind::Down => format!("DELETE FROM {table} WHERE version = {version}"),
        _ => format!("INSERT INTO {table} (version) VALUES ({version})"),
    }
}

/// The statement that fails where another program has reverted a version meanwhile; one that is about to has to wait.
fn still_applied(migration: &Migration, schema: &str) -> String {
    let message = format!(
        "version {} is not applied any more: another program reverted it",
        migration.version
    );
    format!(
        "DO $applied$ BEGIN\n\
         PERFORM FROM {}.__diesel_schema_migrations WHERE version = {} FOR UPDATE;\n\
         IF NOT FOUND THEN RAISE EXCEPTION USING MESSAGE = {}; END IF;\n\
         END $applied$;\n",
        Ident(schema),
        Literal(&migration.version),
        Literal(&message)
    )
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

/// The values that every row has: version, name, kind, checksum and who runs it.
fn values(migration: &Migration, kind: RunKind) -> String {
    format!(
        "{}, {}, '{kind}', {}, session_user || {}",
        Literal(&migration.version),
        Literal(&migration.name),
        Literal(migration.checksum()),
        Literal(&RUN_BY),
    )
}

/// Who runs this, as far as a process can know, to be put after the database role: the account and the machine.
static RUN_BY: LazyLock<String> = LazyLock::new(|| {
    let variable = |names: &[&str]| names.iter().find_map(|name| std::env::var(name).ok());
    let user = variable(&["USER", "LOGNAME", "USERNAME"]).unwrap_or_else(|| "somebody".to_owned());
    let host = variable(&["HOSTNAME"])
        .or_else(|| std::fs::read_to_string("/proc/sys/kernel/hostname").ok())
        .map_or_else(
            || "an unnamed machine".to_owned(),
            |name| name.trim().to_owned(),
        );
    format!(" for {user} on {host} (cargo xtask {TOOL})")
});
