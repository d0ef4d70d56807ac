//! After a migration without a transaction that failed or was interrupted: the indexes it left, and work it had finished.

use crate::app::App;
use crate::database::books::Books;
use crate::database::ledger::{Run, RunKind, RunOutcome};
use crate::database::target::Target;
use crate::migrations::Migration;
use crate::pg::{Connection, SqlError};
use crate::sql::statements;
use crate::ui::failure::{Failure, Kind, Result};

/// What the ledger says of runs that failed or never ended.
pub(crate) struct Recovery<'a> {
    pub(crate) app: &'a App,
    pub(crate) target: &'a Target<'a>,
    pub(crate) unfinished: Vec<&'a Run>,
}

impl Recovery<'_> {
    /// Clears up so that the migration can run again: drops the INVALID indexes that its last run left. Or finds that
    /// this run had done its work, writes that down, and says so.
    ///
    /// # Errors
    /// The server's.
    pub(crate) fn clear_up(
        &self,
        connection: &mut Connection,
        books: &dyn Books,
        migration: &Migration,
    ) -> Result<Option<String>> {
        let unfinished = self
            .unfinished
            .iter()
            .find(|run| run.version == migration.version);
        let Some(run) = unfinished.filter(|_| !migration.in_transaction) else {
            return Ok(None);
        };
        let failed = |error: SqlError| {
            self.target
                .failed("clear up after an interrupted migration in", &error)
        };
        for index in left_indexes(connection, migration).map_err(failed)? {
            if !index.valid && index.busy {
                return Err(self.busy(&index));
            }
            if !index.valid {
                self.app.progress.warning(&format!(
                    "{}: dropping the INVALID index {}, left by the last run of {}",
                    self.target.service.name, index.shown, migration.name
                ));
                connection
                    .execute(&format!("DROP INDEX CONCURRENTLY {}", index.shown))
                    .map_err(failed)?;
            } else if run.outcome == RunOutcome::Started
                && statements::only_creates_index(&migration.up)
            {
                // Killed after the server was done, before it was written down.
                connection
                    .execute(&books.done(migration, RunKind::Up, Some(&index.run)))
                    .map_err(failed)?;
                return Ok(Some(format!(
                    "index {} was complete: an interrupted run had built it",
                    index.shown
                )));
            }
        }
        Ok(None)
    }
}

impl Recovery<'_> {
    fn busy(&self, index: &LeftIndex) -> Failure {
        let service = &self.target.service.name;
        Failure::new(
            Kind::Lock,
            format!(
                "the INVALID index {} of service `{service}` may still be under construction: another session is at work on its table",
                index.shown
            ),
        )
        .help(format!(
            "it was left alone; when that session has ended: cargo xtask db migrate {service}"
        ))
    }
}

/// An index that the last, unfinished run of a migration left.
pub(super) struct LeftIndex {
    /// Quoted, and with its schema where that is needed.
    pub(super) shown: String,
    pub(super) valid: bool,
    /// Another session holds the lock under which indexes are built: it may be building this one. Its progress is shown to
    /// few roles, its locks to all.
    busy: bool,
    /// The run's row in the ledger.
    run: String,
}

/// The indexes that came after the last run of a non-transactional migration began, and that its text
/// names. Anything less, and an administrator's own index would be dropped.
pub(super) fn left_indexes(
    connection: &mut Connection,
    migration: &Migration,
) -> Result<Vec<LeftIndex>, SqlError> {
    let rows = connection.query(
        "SELECT i.indexrelid::regclass::text, i.indisvalid, c.relname, r.id,
           EXISTS (SELECT FROM pg_locks l WHERE l.relation = i.indrelid AND l.mode = 'ShareUpdateExclusiveLock' AND l.granted
                   AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())
                   AND l.pid <> pg_backend_pid())
         FROM (SELECT id, indexes_before FROM db_ledger.run WHERE version = $1 ORDER BY id DESC LIMIT 1) r
           JOIN pg_index i ON i.indexrelid <> ALL (r.indexes_before)
           JOIN pg_class c ON c.oid = i.indexrelid
         WHERE c.relkind = 'i' AND c.relnamespace::regnamespace::text !~ '^pg_'
",
        &[&migration.version],
    )?;
    let left = rows.into_iter().filter_map(|row| match row.as_slice() {
        [Some(shown), Some(valid), Some(name), Some(run), Some(busy)]
            if statements::names(&migration.up, name) =>
        {
            Some(LeftIndex {
                shown: shown.clone(),
                valid: valid == "t",
                busy: busy == "t",
                run: run.clone(),
            })
        }
        _ => None,
    });
    Ok(left.collect())
}
