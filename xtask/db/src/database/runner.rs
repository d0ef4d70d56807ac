//! Running one migration, up or down, with its bookkeeping.

use std::time::{Duration, Instant};

use crate::database::ledger::{self, Direction};
use crate::database::session::{RESET, Session};
use crate::migrations::Migration;
use crate::pg::{Connection, SqlError};
use crate::sql::diagnostic;
use crate::sql::statements::{self, End};
use crate::ui::failure::{Failure, Kind, Result};
use crate::workspace::Workspace;

/// A migration that was run.
pub(crate) struct Done {
    pub(crate) name: String,
    pub(crate) duration: Duration,
    /// What the server and we have to say about it.
    pub(crate) notes: Vec<String>,
}

/// Applies a migration.
///
/// # Errors
/// The failing statement, shown in its file. The ledger has it, too.
pub(crate) fn up(session: &mut Session<'_>, migration: &Migration) -> Result<Done> {
    run(session, migration, &migration.up, Direction::Up)
}

/// Reverts a migration with the text of its `down.sql`.
///
/// # Errors
/// As for [`up`].
pub(crate) fn down(session: &mut Session<'_>, migration: &Migration, sql: &str) -> Result<Done> {
    run(session, migration, sql, Direction::Down)
}

fn run(
    session: &mut Session<'_>,
    migration: &Migration,
    sql: &str,
    direction: Direction,
) -> Result<Done> {
    let begin = Instant::now();
    let mut notes = Vec::new();
    let outcome = match migration.in_transaction {
        true => in_transaction(session, migration, sql, direction, &mut notes),
        false => without_transaction(session, migration, sql, direction),
    };
    notes.extend(session.connection.take_notices());
    match outcome {
        Ok(()) => Ok(Done {
            name: migration.name.clone(),
            duration: begin.elapsed(),
            notes,
        }),
        Err(error) => Err(explain(session, migration, sql, direction, &error)),
    }
}

/// The migration and its bookkeeping in one transaction: both, or neither and a row that says why.
fn in_transaction(
    session: &mut Session<'_>,
    migration: &Migration,
    sql: &str,
    direction: Direction,
    notes: &mut Vec<String>,
) -> Result<(), SqlError> {
    let begin = Instant::now();
    let connection = &mut session.connection;
    let books = ledger::done(migration, direction, &session.state.history_schema);
    let ran = connection.begin_and_execute(sql).and_then(|()| {
        let own_end = !connection.in_transaction();
        let end = statements::transaction_end(sql).filter(|_| own_end);
        if end == Some(End::Rollback) {
            return Err(SqlError {
                message: "the file rolls back its own work: remove its ROLLBACK".to_owned(),
                statements_done: usize::MAX,
                ..SqlError::default()
            });
        }
        if own_end {
            notes.push(format!(
                "{}.sql ends the transaction itself (COMMIT), so it is not all or nothing: remove that",
                direction.word()
            ));
        }
        let again = if own_end { "BEGIN;" } else { "" };
        // Whatever fails from here on stands in no line of the file.
        connection
            .execute(&format!("{again}{RESET};{books};COMMIT"))
            .map_err(|error| SqlError {
                position: None,
                statements_done: usize::MAX,
                ..error
            })
    });
    if let Err(error) = &ran {
        // Where the connection is lost, the server has rolled back by itself, and the row can't be written.
        let row = ledger::failed(migration, direction, begin.elapsed(), error);
        let _ = connection.execute("ROLLBACK");
        let _ = connection.execute(&format!("{RESET};{row}"));
    }
    ran
}

/// The ledger says `started` first: whatever interrupts the migration, it is known. The indexes that were there tell
/// the next run which ones this run left behind.
fn without_transaction(
    session: &mut Session<'_>,
    migration: &Migration,
    sql: &str,
    direction: Direction,
) -> Result<(), SqlError> {
    let connection = &mut session.connection;
    let row = connection
        .query_text(&ledger::started(migration, direction), &[])?
        .unwrap_or_default();
    let ran = connection.execute(sql);
    // A BEGIN of its own may be left open.
    let ran = match (ran, connection.in_transaction()) {
        (Ok(()), true) => connection.execute("COMMIT"),
        (Err(error), true) => {
            let _ = connection.execute("ROLLBACK");
            Err(error)
        }
        (ran, false) => ran,
    };
    let end = match &ran {
        Ok(()) => ledger::finished(&row, migration, direction, &session.state.history_schema),
        Err(error) => ledger::ended(&row, error),
    };
    let written = connection.execute(&format!("{RESET};{end}"));
    ran.and(written)
}

/// Clears up after a non-transactional migration that failed or was interrupted, so that it can run again:
/// drops the INVALID indexes that it left, or finds that it had done its work.
///
/// # Errors
/// The server's.
pub(crate) fn recover(session: &mut Session<'_>, migration: &Migration) -> Result<Option<Done>> {
    let unfinished = session
        .state
        .unfinished(&session.target.migrations)
        .into_iter()
        .find(|run| run.version == migration.version)
        .cloned();
    let Some(run) = unfinished.filter(|_| !migration.in_transaction) else {
        return Ok(None);
    };
    let target = session.target;
    let failed =
        |error: SqlError| target.failed("clear up after an interrupted migration in", &error);
    let begin = Instant::now();
    for index in left_indexes(&mut session.connection, migration).map_err(failed)? {
        if !index.valid {
            session.app.progress.line(&format!(
                "{}: dropping the INVALID index {}, left by the last run of {}",
                target.service.name, index.shown, migration.name
            ));
            session
                .connection
                .execute(&format!("DROP INDEX CONCURRENTLY {}", index.shown))
                .map_err(failed)?;
        } else if run.outcome == "started" && statements::only_creates_index(&migration.up) {
            // Killed after the server was done, before it was written down.
            let history = &session.state.history_schema;
            session
                .connection
                .execute(&ledger::finished(
                    &index.run,
                    migration,
                    Direction::Up,
                    history,
                ))
                .map_err(failed)?;
            return Ok(Some(Done {
                name: migration.name.clone(),
                duration: begin.elapsed(),
                notes: vec![format!(
                    "index {} was complete: an interrupted run had built it",
                    index.shown
                )],
            }));
        }
    }
    Ok(None)
}

/// An index that the last, unfinished run of a migration left.
struct LeftIndex {
    /// Quoted, and with its schema where that is needed.
    shown: String,
    valid: bool,
    /// The run's row in the ledger.
    run: String,
}

/// The indexes that came after the last run of a non-transactional migration began, that its text names, and that
/// nobody is building at the moment. Anything less, and an administrator's own index would be dropped.
fn left_indexes(
    connection: &mut Connection,
    migration: &Migration,
) -> Result<Vec<LeftIndex>, SqlError> {
    let rows = connection.query(
        "SELECT i.indexrelid::regclass::text, i.indisvalid, c.relname, r.id
         FROM (SELECT id, indexes_before FROM db_ledger.run WHERE version = $1 ORDER BY id DESC LIMIT 1) r
           JOIN pg_index i ON i.indexrelid <> ALL (r.indexes_before)
           JOIN pg_class c ON c.oid = i.indexrelid
         WHERE c.relkind = 'i' AND c.relnamespace::regnamespace::text !~ '^pg_'
           AND NOT EXISTS (SELECT FROM pg_stat_progress_create_index p WHERE p.index_relid = i.indexrelid)",
        &[&migration.version],
    )?;
    let left = rows.into_iter().filter_map(|row| match row.as_slice() {
        [Some(shown), Some(valid), Some(name), Some(run)]
            if statements::names(&migration.up, name) =>
        {
            Some(LeftIndex {
                shown: shown.clone(),
                valid: valid == "t",
                run: run.clone(),
            })
        }
        _ => None,
    });
    Ok(left.collect())
}

fn explain(
    session: &mut Session<'_>,
    migration: &Migration,
    sql: &str,
    direction: Direction,
    error: &SqlError,
) -> Failure {
    let target = session.target;
    let path = match direction {
        Direction::Up => migration.up_path(),
        Direction::Down => migration.down_path(),
    };
    let path = session.app.workspace.shown(&path);
    let shown = diagnostic::render(&path, sql, error);
    let mut failure = Failure::new(
        Kind::Migration,
        format!(
            "failed to {} migration `{}` of service `{}`\n{}",
            direction.verb(),
            migration.name,
            target.service.name,
            target.url.params.redact(&shown)
        ),
    );
    if session.connection.is_lost() {
        return failure
            .help("the connection was lost; run the command again: it goes on where this stopped");
    }
    let transactional = migration.in_transaction;
    if !transactional {
        let left = left_indexes(&mut session.connection, migration).unwrap_or_default();
        for index in left.iter().filter(|index| !index.valid) {
            failure = failure.help(format!(
                "it left the INVALID index {}, which the next run drops before it tries again",
                index.shown
            ));
        }
    }
    if let Some(help) = not_in_transaction(&session.app.workspace, migration, error) {
        failure = failure.help(help);
    }
    let kept = transactional && statements::transaction_end(sql).is_none();
    failure.help(match kept {
        true => "nothing of this migration was kept; mend it and run the command again",
        false => "what came before the error may have been kept; mend it and run the command again",
    })
}

/// What to do about a statement that can't run inside a transaction.
pub(crate) fn not_in_transaction(
    workspace: &Workspace,
    migration: &Migration,
    error: &SqlError,
) -> Option<String> {
    // 25001: active_sql_transaction.
    (error.sqlstate == "25001").then(|| match migration.in_transaction {
        true => format!(
            "put it in a migration of its own, with `run_in_transaction = false` in {}",
            workspace.shown(&migration.folder.join("metadata.toml"))
        ),
        false => "the statements of one file are one transaction: put each of these in a migration of its own".to_owned(),
    })
}
