//! The one way to run migrations, up or down, on a service's database or a throw-away one, with their bookkeeping.
//!
//! Rounds to the server: a migration in a transaction is one, with its BEGIN, its statements, the reset of the session,
//! the books and the COMMIT. One that ends its own transaction is two or three: up to there, the rest, the books. One that
//! goes as one string is three: BEGIN, the string, the books. One without a transaction is three: the row that says
//! `started`, the string, the books. A failure adds two: ROLLBACK, and the row that says so.

use std::time::Instant;

use crate::app::App;
use crate::database::books::{Books, LedgerBooks};
use crate::database::fault::Fault;
use crate::database::recovery::Recovery;
use crate::database::session::{RESET, Session};
use crate::database::task::{Direction, Done, Failed, Ran, Task};
use crate::pg::Connection;
use crate::sql::statements::{self, End, Script, offset_of, place_of};
use crate::ui::failure::Result;
use crate::ui::progress::{Step, Watch};
use crate::workspace::{Service, Workspace};

/// The most statements of a file that are sent by themselves. Each costs the server 8 µs more than in one string, which is
/// nothing beside a CREATE TABLE, and half of an INSERT: a file with more of them has rows, and goes as one string.
const MOST: usize = 2000;

/// Runs migrations on one database.
pub(crate) struct Runner<'a> {
    pub(crate) workspace: &'a Workspace,
    pub(crate) service: &'a Service,
    pub(crate) connection: &'a mut Connection,
    pub(crate) books: &'a dyn Books,
    /// Where runs may have been interrupted before.
    pub(crate) recovery: Option<Recovery<'a>>,
    /// Takes secrets and private names out of what is shown.
    pub(crate) clean: &'a dyn Fn(&str) -> String,
}

/// Runs tasks on the database of a session, one after the other, until one fails.
pub(crate) fn run(session: &mut Session<'_>, tasks: &[Task<'_>], step: &Step<'_>) -> Ran {
    let Session {
        app,
        target,
        connection,
        state,
        ..
    } = session;
    let (app, target): (&App, _) = (app, *target);
    Runner {
        workspace: &app.workspace,
        service: target.service,
        connection,
        books: &LedgerBooks {
            history_schema: &state.history_schema,
        },
        recovery: Some(Recovery {
            app,
            target,
            unfinished: state.unfinished(&target.migrations),
        }),
        clean: &|text| target.url.params.redact(text),
    }
    .run(tasks, Some(step))
}

impl Runner<'_> {
    /// Runs tasks one after the other, until one fails. `step` shows what is going on.
    pub(crate) fn run(&mut self, tasks: &[Task<'_>], step: Option<&Step<'_>>) -> Ran {
        Watch::over(step, |watch| {
            let mut ran = Ran::default();
            for (index, task) in tasks.iter().enumerate() {
                watch.begin(|| task.doing(index, tasks));
                match self.run_one(task, watch) {
                    Ok(done) => ran.done.push(done),
                    Err(failed) => {
                        ran.failed = Some(failed);
                        break;
                    }
                }
            }
            ran
        })
    }

    fn run_one<'t>(&mut self, task: &'t Task<'_>, watch: &Watch<'t>) -> Result<Done, Failed> {
        let begin = Instant::now();
        let mut notes = Vec::new();
        let recovered = match (&self.recovery, task.direction) {
            (Some(recovery), Direction::Up) => {
                recovery.clear_up(self.connection, self.books, task.migration)
            }
            _ => Ok(None),
        };
        match recovered {
            Err(failure) => return Err(Failed::before_running(task, failure)),
            Ok(Some(note)) => notes.push(note),
            Ok(None) => {
                let ran = match task.migration.in_transaction {
                    true => self.with_transaction(task, &mut notes, watch),
                    false => self.without_transaction(task, watch),
                };
                // Taken in any case: they are not the next one's.
                notes.extend(self.connection.take_notices());
                ran.map_err(|fault| self.explain(task, &fault))?;
            }
        }
        Ok(Done {
            name: task.migration.name.clone(),
            direction: task.direction,
            duration: begin.elapsed(),
            notes,
        })
    }

    /// The migration and its bookkeeping in one transaction: both, or neither and a row that says why.
    fn with_transaction<'t>(
        &mut self,
        task: &'t Task<'_>,
        notes: &mut Vec<String>,
        watch: &Watch<'t>,
    ) -> Result<(), Fault> {
        let begin = Instant::now();
        let ran = self.in_transaction(task, notes, watch);
        if let Err(fault) = &ran {
            // Where the connection is lost, the server has rolled back by itself, and the row can't be written.
            let _ = self.connection.execute("ROLLBACK");
            let Task { migration, .. } = task;
            let took = begin.elapsed();
            let row = self
                .books
                .failed(migration, task.kind(), None, took, &fault.error);
            let row = row.unwrap_or_default();
            let _ = self.connection.execute(&format!("{RESET};{row}"));
        }
        ran
    }

    fn in_transaction<'t>(
        &mut self,
        task: &'t Task<'_>,
        notes: &mut Vec<String>,
        watch: &Watch<'t>,
    ) -> Result<(), Fault> {
        let script = Script::of(&task.sql);
        let is_split = script.is_sure
            && !script.copies
            && script.statements.len() <= MOST
            && self.connection.has_standard_strings();
        // From where the file goes as one string.
        let mut rest = 0;
        let mut ended = None;
        if is_split {
            match (self.one_by_one(task, &script, watch), script.first_end()) {
                (Ok(()), None) => return Ok(()),
                (Ok(()), Some((number, end))) => {
                    let statement = script.statements[number];
                    if end == End::Rollback {
                        return Err(Fault::rolls_back(Some(statement.start)));
                    }
                    ended = Some(statement.start);
                    rest = statement.start + statement.sql.len();
                }
                (Err(fault), _) if fault.may_be_the_splitting() => {
                    self.connection.execute("ROLLBACK")?;
                    self.connection.take_notices();
                }
                (Err(fault), _) => return Err(fault),
            }
        }
        if ended.is_none() {
            self.connection.execute("BEGIN")?;
        }
        self.as_one_string(&task.sql, rest, &script)?;
        let is_over = !self.connection.in_transaction();
        if is_over && let Some((start, end)) = statements::transaction_end(&task.sql[rest..]) {
            let start = rest + start;
            if end == End::Rollback {
                return Err(Fault::rolls_back(script.is_sure.then_some(start)));
            }
            ended = ended.or(Some(start));
        }
        if is_over || ended.is_some() {
            notes.push(own_end(task, ended));
        }
        let close = self.close(task, None);
        let mut flight = script_of(&close);
        flight.push("COMMIT");
        if is_over {
            flight.insert(0, "BEGIN");
        }
        // Whatever fails from here on stands in no line of the file.
        self.connection.pipeline(&flight).map_err(Fault::from)
    }

    /// In one round: BEGIN, and each statement by itself up to the one that ends the transaction; or to the last, the
    /// books and COMMIT.
    fn one_by_one<'t>(
        &mut self,
        task: &'t Task<'_>,
        script: &Script<'t>,
        watch: &Watch<'t>,
    ) -> Result<(), Fault> {
        let own = match script.first_end() {
            Some((number, _)) => &script.statements[..=number],
            None => &script.statements,
        };
        let close = self.close(task, None);
        let mut flight = vec!["BEGIN"];
        flight.extend(own.iter().map(|statement| statement.sql));
        if own.len() == script.statements.len() && script.first_end().is_none() {
            flight.extend(script_of(&close));
            flight.push("COMMIT");
        }
        if let Some(first) = own.first() {
            watch.at(1, first.sql);
        }
        // The first is our BEGIN, so that `done` is the number of the one at hand, from 1.
        let at = |done: usize| match own.get(done - 1) {
            Some(statement) => watch.at(done, statement.sql),
            None => watch.at_books(),
        };
        let ran = self.connection.pipeline_told(&flight, own.len() + 1, at);
        ran.map_err(|error| {
            let number = error.statements_done.checked_sub(1);
            match number.and_then(|number| own.get(number)) {
                Some(statement) => Fault::in_statement(error, statement),
                // Ours; or a constraint that is checked last, which belongs to no statement.
                None => Fault::from(error),
            }
        })
    }

    /// The ledger says `started` first: whatever interrupts the migration, it is known. The file goes as one string: the
    /// server makes one transaction of several statements, and none of one.
    fn without_transaction<'t>(
        &mut self,
        task: &'t Task<'_>,
        watch: &Watch<'t>,
    ) -> Result<(), Fault> {
        let begin = Instant::now();
        let row = match self.books.started(task.migration, task.kind()) {
            Some(started) => self.connection.query_text(&started, &[])?,
            None => None,
        };
        let script = Script::of(&task.sql);
        if let [only] = script.statements.as_slice() {
            watch.at(1, only.sql);
        }
        let ran = self.as_one_string(&task.sql, 0, &script);
        // A BEGIN of its own may be left open.
        let ran = match (ran, self.connection.in_transaction()) {
            (Ok(()), true) => self.connection.execute("COMMIT").map_err(Fault::from),
            (Err(fault), true) => {
                let _ = self.connection.execute("ROLLBACK");
                Err(fault)
            }
            (ran, false) => ran,
        };
        let close = match &ran {
            Ok(()) => self.close(task, row.as_deref()),
            Err(Fault { error, .. }) => {
                let Task { migration, .. } = task;
                let (row, took) = (row.as_deref(), begin.elapsed());
                let row = self.books.failed(migration, task.kind(), row, took, error);
                format!("{RESET};{}", row.unwrap_or_default())
            }
        };
        let written = self.connection.execute(&close).map_err(Fault::from);
        ran.and(written)
    }

    /// Sends the file from a byte offset on as one string.
    fn as_one_string(&mut self, sql: &str, from: usize, script: &Script<'_>) -> Result<(), Fault> {
        let mut later = script.statements.iter().filter(|own| own.start >= from);
        if from > 0 && later.clone().next().is_none() {
            return Ok(());
        }
        self.connection.execute(&sql[from..]).map_err(|error| {
            let offset = match error.position {
                Some(position) => Some(from + offset_of(&sql[from..], position)),
                // PostgreSQL gives a position for what it can't parse or resolve; of the rest, how many were complete.
                None if script.is_sure => later.nth(error.statements_done).map(|own| own.start),
                None => None,
            };
            Fault { error, offset }
        })
    }

    /// The reset of the session and the books.
    fn close(&self, task: &Task<'_>, row: Option<&str>) -> String {
        let done = self.books.done(task.migration, task.kind(), row);
        format!("{RESET};{done}")
    }
}

fn script_of(sql: &str) -> Vec<&str> {
    let statements = Script::of(sql).statements;
    statements.iter().map(|statement| statement.sql).collect()
}

/// The note about a file that ends its own transaction; `start` is the statement that does.
fn own_end(task: &Task<'_>, start: Option<usize>) -> String {
    let file = match task.direction {
        Direction::Up => "up.sql",
        Direction::Down => "down.sql",
    };
    let line = start.map(|start| format!(" in line {}", place_of(&task.sql, start).line));
    format!(
        "{file} ends the transaction itself (COMMIT{}), so it is not all or nothing: remove that",
        line.unwrap_or_default()
    )
}
