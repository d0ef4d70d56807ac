//! Running one migration, up or down, with its bookkeeping.

use std::time::{Duration, Instant};

use crate::diagnostic;
use crate::failure::{Failure, Kind, Result};
use crate::ledger;
use crate::migrations::Migration;
use crate::pg::{Ident, SqlError};
use crate::session::Session;
use crate::statements;
use crate::workspace::Workspace;

/// A migration that was run.
pub(crate) struct Done {
    pub(crate) name: String,
    pub(crate) duration: Duration,
    /// What the server and we have to say about it.
    pub(crate) notes: Vec<String>,
}

/// The way a migration is run.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Direction {
    Up,
    Down,
}

impl Direction {
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Up => "up",
            Self::Down => "down",
        }
    }

    pub(crate) fn verb(self) -> &'static str {
        match self {
            Self::Up => "apply",
            Self::Down => "revert",
        }
    }
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
    let started_at = session
        .connection
        .query_text("SELECT clock_timestamp()::text", &[])?
        .unwrap_or_default();
    let ran = (|| {
        session.connection.execute("BEGIN")?;
        session.connection.execute(sql)?;
        if !session.connection.in_transaction() {
            notes.push(format!(
                "{}.sql ends the transaction itself (COMMIT or ROLLBACK), so it is not all or nothing: remove that",
                direction.word()
            ));
            session.connection.execute("BEGIN")?;
        }
        session.reset()?;
        keep_books(session, migration, direction, &started_at)?;
        session
            .connection
            .execute("COMMIT")
            .map_err(|error| SqlError {
                statements_done: usize::MAX,
                ..error
            })
    })();
    if let Err(error) = &ran {
        // Where the connection is lost, the server does both by itself, and the row can't be written.
        let _ = session.connection.execute("ROLLBACK");
        let _ = session.reset();
        let _ = session.connection.query(
            "INSERT INTO db_ledger.run (version, name, direction, checksum, started_at, finished_at, run_by, outcome, error)
             VALUES ($1, $2, $3, $4, $5::timestamptz, clock_timestamp(), session_user || $6, 'failed', $7)",
            &[
                &migration.version,
                &migration.name,
                direction.word(),
                &migration.checksum(),
                &started_at,
                &ledger::run_by(),
                &error.to_string(),
            ],
        );
    }
    ran
}

fn keep_books(
    session: &mut Session<'_>,
    migration: &Migration,
    direction: Direction,
    started_at: &str,
) -> Result<(), SqlError> {
    let history = Ident(&session.state.history_schema).to_string();
    let change = match direction {
        Direction::Up => {
            format!(
                "INSERT INTO {history}.__diesel_schema_migrations (version) VALUES ($1) RETURNING run_on"
            )
        }
        Direction::Down => {
            format!(
                "DELETE FROM {history}.__diesel_schema_migrations WHERE version = $1 RETURNING run_on"
            )
        }
    };
    let sql = format!(
        "WITH changed AS ({change})
         INSERT INTO db_ledger.run (version, name, direction, checksum, started_at, finished_at, run_by, outcome, run_on)
         SELECT $1, $2, $3, $4, $5::timestamptz, clock_timestamp(), session_user || $6, 'done', run_on FROM changed"
    );
    let values: [&str; 6] = [
        &migration.version,
        &migration.name,
        direction.word(),
        &migration.checksum(),
        started_at,
        &ledger::run_by(),
    ];
    session.connection.query(&sql, &values).map(drop)
}

/// The ledger says `started` first: whatever interrupts the migration, it is known. The indexes that were there tell
/// the next run which ones this run left behind.
fn without_transaction(
    session: &mut Session<'_>,
    migration: &Migration,
    sql: &str,
    direction: Direction,
) -> Result<(), SqlError> {
    let row = session.connection.query_text(
        "INSERT INTO db_ledger.run (version, name, direction, checksum, run_by, outcome, indexes_before)
         SELECT $1, $2, $3, $4, session_user || $5, 'started', (SELECT array_agg(indexrelid) FROM pg_index) RETURNING id::text",
        &[&migration.version, &migration.name, direction.word(), &migration.checksum(), &ledger::run_by()],
    )?;
    let row = row.unwrap_or_default();
    let ran = session.connection.execute(sql);
    if session.connection.in_transaction() {
        // A BEGIN of its own, left open.
        session
            .connection
            .execute(if ran.is_ok() { "COMMIT" } else { "ROLLBACK" })?;
    }
    session.reset()?;
    match ran {
        Ok(()) => finish(session, migration, direction, &row),
        Err(error) => {
            session.connection.query(
                "UPDATE db_ledger.run SET outcome = 'failed', finished_at = clock_timestamp(), error = $2
                 WHERE id = $1::bigint",
                &[&row, &error.to_string()],
            )?;
            Err(error)
        }
    }
}

/// Marks a non-transactional run as done, in Diesel's table and in the ledger at once.
fn finish(
    session: &mut Session<'_>,
    migration: &Migration,
    direction: Direction,
    row: &str,
) -> Result<(), SqlError> {
    let history = Ident(&session.state.history_schema).to_string();
    let change = match direction {
        Direction::Up => {
            format!(
                "INSERT INTO {history}.__diesel_schema_migrations (version) VALUES ($2) RETURNING run_on"
            )
        }
        Direction::Down => {
            format!(
                "DELETE FROM {history}.__diesel_schema_migrations WHERE version = $2 RETURNING run_on"
            )
        }
    };
    session
        .connection
        .query(
            &format!(
                "WITH changed AS ({change})
                 UPDATE db_ledger.run SET outcome = 'done', finished_at = clock_timestamp(), run_on = changed.run_on
                 FROM changed WHERE id = $1::bigint"
            ),
            &[row, &migration.version],
        )
        .map(drop)
}

/// Clears up after a non-transactional migration that failed or was interrupted, so that it can run again:
/// drops the INVALID indexes that it left, or finds that it had done its work.
///
/// # Errors
/// The server's.
pub(crate) fn recover(session: &mut Session<'_>, migration: &Migration) -> Result<Option<Done>> {
    let unfinished = session
        .state
        .unfinished()
        .into_iter()
        .find(|run| run.version == migration.version)
        .cloned();
    let Some(run) = unfinished.filter(|_| !migration.in_transaction) else {
        return Ok(None);
    };
    let target = session.target;
    let failed =
        |error: SqlError| target.failed("clear up after an interrupted migration in", &error);
    let left = session
        .connection
        .query(
            "SELECT i.indexrelid::regclass::text, i.indisvalid, c.relname, r.id
             FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid,
               LATERAL (SELECT id, indexes_before FROM db_ledger.run WHERE version = $1 ORDER BY id DESC LIMIT 1) r
             WHERE c.relkind = 'i' AND c.relnamespace::regnamespace::text !~ '^pg_'
               AND i.indexrelid <> ALL (coalesce(r.indexes_before, '{}'))",
            &[&migration.version],
        )
        .map_err(failed)?;
    let begin = Instant::now();
    for row in left {
        let [Some(index), Some(valid), Some(name), Some(id)] = row.as_slice() else {
            continue;
        };
        if valid == "f" {
            session.context.progress.line(&format!(
                "{}: dropping the INVALID index {index}, left by the last run of {}",
                target.service.name, migration.name
            ));
            session
                .connection
                .execute(&format!("DROP INDEX CONCURRENTLY {index}"))
                .map_err(failed)?;
        } else if run.outcome == "started"
            && only_creates_index(&migration.up)
            && migration.up.contains(name.as_str())
        {
            // Killed after the server was done, before it was written down.
            finish(session, migration, Direction::Up, id).map_err(failed)?;
            return Ok(Some(Done {
                name: migration.name.clone(),
                duration: begin.elapsed(),
                notes: vec![format!(
                    "index {index} was complete: an interrupted run had built it"
                )],
            }));
        }
    }
    Ok(None)
}

fn only_creates_index(sql: &str) -> bool {
    let words = statements::first_words(sql, 4);
    let words: Vec<_> = words
        .iter()
        .map(String::as_str)
        .filter(|word| *word != "unique")
        .take(3)
        .collect();
    words == ["create", "index", "concurrently"] && statements::starts(sql).len() == 1
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
    let path = session.context.workspace.shown(&path);
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
    if error.sqlstate.is_empty() {
        return failure
            .help("the connection was lost; run the command again: it goes on where this stopped");
    }
    if !migration.in_transaction && session.read_again().is_ok() {
        for index in &session.state.invalid_indexes {
            failure = failure.help(format!(
                "it left the INVALID index {index}, which the next run drops before it tries again"
            ));
        }
    }
    if let Some(help) = not_in_transaction(&session.context.workspace, migration, error) {
        failure = failure.help(help);
    }
    failure.help(match migration.in_transaction {
        true => "nothing of this migration was kept; mend it and run the command again",
        false => "it ran without a transaction: what came before the error may have been kept; mend it and run the command again",
    })
}

/// What to do about a statement that can't run inside the transaction that surrounds its migration.
pub(crate) fn not_in_transaction(
    workspace: &Workspace,
    migration: &Migration,
    error: &SqlError,
) -> Option<String> {
    (error.sqlstate == "25001" && migration.in_transaction).then(|| {
        format!(
            "put it in a migration of its own, with `run_in_transaction = false` in {}",
            workspace.shown(&migration.folder.join("metadata.toml"))
        )
    })
}
