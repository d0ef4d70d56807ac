//! The one way to run migrations, up or down, on a service's database or a throw-away one, with their bookkeeping.
//!
//! Rounds to the server: a migration in a transaction is one, with its BEGIN, its statements, the reset of the session,
//! the books and the COMMIT. One that goes as one string is three: BEGIN, the string, the books. One without a transaction
//! is three: the row that says `started`, the string, the books. A failure adds two: ROLLBACK, and the row that says so.

use std::time::Instant;

use crate::app::App;
use crate::database::books::{Books, LedgerBooks};
use crate::database::fault::Fault;
use crate::database::interrupt::{self, AtHand};
use crate::database::recovery::Recovery;
use crate::database::session::{RESET, Session};
use crate::database::task::{Direction, Done, Failed, Ran, Task};
use crate::pg::Connection;
use crate::sql::statements::{Script, offset_of};
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
                let ran_one = match self.stopped(task) {
                    Some(failed) => Err(failed),
                    None => self.run_one(task, watch),
                };
                match ran_one {
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

    /// Why a task is not begun: Ctrl-C was pressed.
    fn stopped(&self, task: &Task<'_>) -> Option<Failed> {
        let (name, service) = (&task.migration.name, &self.service.name);
        let before = || format!("migration `{name}` of service `{service}` was started");
        let failure = interrupt::check(before).err()?;
        Some(Failed {
            since: Some("what was done before it stays".to_owned()),
            ..Failed::before_running(task, failure)
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
                    true => self.with_transaction(task, watch),
                    false => self.without_transaction(task, watch),
                };
                // Taken in any case: they are not the next one's.
                let notices = self.connection.take_notices();
                ran.map_err(|fault| self.explain(task, &fault, &notices))?;
                notes.extend(notices);
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
    fn with_transaction<'t>(&mut self, task: &'t Task<'_>, watch: &Watch<'t>) -> Result<(), Fault> {
        let begin = Instant::now();
        let ran = self.in_transaction(task, watch);
        if let Err(fault) = &ran {
            // Where the connection is lost, the server has rolled back by itself, and the row can't be written.
            if self.connection.in_transaction() {
                let _ = self.connection.execute("ROLLBACK");
            }
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

    fn in_transaction<'t>(&mut self, task: &'t Task<'_>, watch: &Watch<'t>) -> Result<(), Fault> {
        let script = self.script(task)?;
        if script.is_sure && !script.copies && script.statements.len() <= MOST {
            match self.one_by_one(task, &script, watch) {
                Err(fault) if fault.may_be_the_splitting() => {
                    self.connection.execute("ROLLBACK")?;
                    self.connection.take_notices();
                }
                ran => return ran,
            }
        }
        self.connection.execute("BEGIN")?;
        let ended = self.as_one_string(task, &script)?;
        if ended {
            return Err(Fault::ended());
        }
        let close = self.close(task, None);
        let mut flight = script_of(&close);
        flight.push("COMMIT");
        // A failure from here on has no line in the file.
        self.connection.pipeline(&flight).map_err(Fault::from)
    }

    /// The statements of a file, as the session splits it.
    ///
    /// # Errors
    /// One of them ends the file's transaction, or has a character that can't be sent: none was run.
    fn script<'t>(&self, task: &'t Task<'_>) -> Result<Script<'t>, Fault> {
        if let Some(at) = task.sql.find('\0') {
            return Err(Fault::nul(at));
        }
        let mut script = Script::of(&task.sql);
        script.is_sure &= self.connection.has_standard_strings();
        match script.forbidden_end(task.migration.in_transaction) {
            Some((statement, end)) if script.is_sure => Err(Fault::forbidden(&statement, end)),
            _ => Ok(script),
        }
    }

    /// In one round: BEGIN, each statement by itself, the books and COMMIT.
    fn one_by_one<'t>(
        &mut self,
        task: &'t Task<'_>,
        script: &Script<'t>,
        watch: &Watch<'t>,
    ) -> Result<(), Fault> {
        let own = &script.statements;
        let close = self.close(task, None);
        let mut flight = vec!["BEGIN"];
        flight.extend(own.iter().map(|statement| statement.sql));
        flight.extend(script_of(&close));
        flight.push("COMMIT");
        if let Some(first) = own.first() {
            watch.at(1, first.sql);
        }
        // The first is our BEGIN, so that `done` is the number of the one at hand, from 1.
        let at = |done: usize| match own.get(done - 1) {
            Some(statement) => watch.at(done, statement.sql),
            None => watch.at_books(),
        };
        let at_hand = AtHand::of(self.connection);
        let ran = self.connection.pipeline_told(&flight, own.len() + 1, at);
        drop(at_hand);
        ran.map_err(|error| {
            let number = error.statements_done.checked_sub(1);
            match number.and_then(|number| own.get(number)) {
                Some(statement) => Fault::in_statement(error, statement),
                // Ours; or a constraint that is checked last, which belongs to no statement.
                None => Fault::from(error),
            }
        })
    }

    /// The ledger says `started` first, so that any interruption is known. The file goes as one string: the
    /// server makes one transaction of several statements, and none of one.
    fn without_transaction<'t>(
        &mut self,
        task: &'t Task<'_>,
        watch: &Watch<'t>,
    ) -> Result<(), Fault> {
        let begin = Instant::now();
        let script = self.script(task)?;
        let row = match self.books.started(task.migration, task.kind()) {
            Some(started) => self.connection.query_text(&started, &[])?,
            None => None,
        };
        if let [only] = script.statements.as_slice() {
            watch.at(1, only.sql);
        }
        let ran = self.as_one_string(task, &script).map(drop);
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

    /// Sends the file as one string; whether it ended the transaction around it.
    fn as_one_string(&mut self, task: &Task<'_>, script: &Script<'_>) -> Result<bool, Fault> {
        let at_hand = AtHand::of(self.connection);
        let (ran, ended) = self.connection.execute_whole(&task.sql);
        drop(at_hand);
        match ran {
            Ok(()) => Ok(ended || !self.connection.in_transaction()),
            Err(error) => {
                let offset = match error.position {
                    Some(position) => Some(offset_of(&task.sql, position)),
                    // PostgreSQL gives a position for what it can't parse or resolve; of the rest, how many were complete.
                    None if script.is_sure => {
                        let failed = script.statements.get(error.statements_done);
                        failed.map(|statement| statement.start)
                    }
                    None => None,
                };
                Err(Fault {
                    error,
                    offset,
                    is_whole: !ended,
                })
            }
        }
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
