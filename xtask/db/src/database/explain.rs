//! How a person is told of a migration that failed.

use std::thread;
use std::time::{Duration, Instant};

use crate::database::fault::Fault;
use crate::database::interrupt;
use crate::database::lock;
use crate::database::recovery::{Recovery, left_indexes};
use crate::database::runner::Runner;
use crate::database::state::State;
use crate::database::target::Target;
use crate::database::task::{Direction, Failed, Task};
use crate::sql::diagnostic;
use crate::sql::statements::{Script, place_of};
use crate::ui::failure::{Failure, Kind};

/// How many of the server's notices are shown beside an error.
const LAST_NOTICES: usize = 20;

impl Runner<'_> {
    pub(super) fn explain(&mut self, task: &Task<'_>, fault: &Fault, notices: &[String]) -> Failed {
        let Fault { error, offset, .. } = fault;
        let Task { migration, sql, .. } = task;
        let path = task.path();
        let mut shown = diagnostic::render(&self.workspace.shown(&path), sql, *offset, error);
        // The last ones: a loop may have said thousands.
        for notice in &notices[notices.len().saturating_sub(LAST_NOTICES)..] {
            shown.push_str(&format!("\n  = {}", notice.replace('\n', "\n    ")));
        }
        let is_lasting = self.books.is_lasting();
        let what = format!(
            "migration `{}` of service `{}`",
            migration.name, self.service.name
        );
        // query_canceled
        let mut failure = match error.sqlstate == "57014" && interrupt::is_interrupted() {
            true => Failure::new(
                Kind::Interrupted,
                format!("interrupted while {} {what}", task.going_on()),
            ),
            false => Failure::new(
                Kind::Migration,
                format!(
                    "failed to {} {what}{}\n{}",
                    task.verb(),
                    if is_lasting {
                        ""
                    } else {
                        " on a throw-away database"
                    },
                    (self.clean)(&shown)
                ),
            ),
        };
        let is_lost = self.connection.is_lost();
        let since = match &self.recovery {
            Some(Recovery { target, .. }) if is_lost => Some(after_loss(target, task)),
            _ => {
                for help in self.help(task, fault) {
                    failure = failure.help(help);
                }
                is_lasting.then(|| kept(task, fault))
            }
        };
        Failed {
            path,
            line: offset.map(|offset| place_of(sql, offset).line),
            message: (self.clean)(&error.to_string()),
            sqlstate: error.sqlstate.clone(),
            since,
            may_be_right: is_lost || failure.kind == Kind::Interrupted,
            failure,
        }
    }

    /// What there is to do after a failure.
    fn help(&mut self, task: &Task<'_>, fault: &Fault) -> Vec<String> {
        let error = &fault.error;
        let migration = task.migration;
        let mut help = Vec::new();
        if self.recovery.is_some() && !migration.in_transaction {
            let left = left_indexes(self.connection, migration).unwrap_or_default();
            for index in left.iter().filter(|index| !index.valid) {
                help.push(format!(
                    "it left the INVALID index {}, which the next run drops before it tries again",
                    index.shown
                ));
            }
        }
        help.extend(for_psql(task, fault));
        help.extend(lost_books(fault));
        if self.recovery.is_some()
            && !migration.in_transaction
            && DONE_ALREADY.contains(&error.sqlstate.as_str())
        {
            let (service, version) = (&self.service.name, &migration.version);
            let flag = match task.direction {
                Direction::Up => "--applied",
                Direction::Down => "--reverted",
            };
            help.push(format!(
                "if an interrupted run has done this already, look at the database, then: cargo xtask db resolve {service} {version} {flag}"
            ));
        }
        // active_sql_transaction
        if error.sqlstate == "25001" {
            help.push(match migration.in_transaction {
                true => format!(
                    "put it in a migration of its own, with `run_in_transaction = false` in {}",
                    self.workspace.shown(&migration.folder.join("metadata.toml"))
                ),
                false => "the statements of one file are one transaction: put each of these in a migration of its own".to_owned(),
            });
        }
        help
    }
}

/// What is there already, or is not there any more: relations, types and labels, columns, functions, other objects.
const DONE_ALREADY: [&str; 7] = [
    "42P07", "42P01", "42710", "42704", "42701", "42703", "42723",
];

/// What a failed migration has left.
fn kept(task: &Task<'_>, fault: &Fault) -> String {
    match (
        task.migration.in_transaction && fault.is_whole,
        task.direction,
    ) {
        (true, Direction::Up) => "nothing was applied",
        (true, Direction::Down) => "nothing was reverted",
        (false, _) => "statements before the error may have been kept",
    }
    .to_owned()
}

/// How long the server gets to notice that we are gone.
const PATIENCE: Duration = Duration::from_secs(5);

/// Asks the server once more what became of a migration whose connection was lost: its COMMIT may have arrived.
fn after_loss(target: &Target<'_>, task: &Task<'_>) -> String {
    let name = &task.migration.name;
    let Ok(mut connection) = target.url.connect(target.service) else {
        return format!(
            "the connection was lost, and the server can't be asked whether `{name}` is applied"
        );
    };
    let at_work = format!("SELECT {}", lock::is_at_work());
    let begin = Instant::now();
    loop {
        // Asked first: what is so once nobody is at work any more stays so.
        let is_at_work = connection.soon(|connection| connection.query_bool(&at_work, &[]));
        let is_at_work = is_at_work.unwrap_or(false);
        let Ok(state) = State::read(&mut connection) else {
            return format!(
                "the connection was lost, and it is not known whether `{name}` is applied"
            );
        };
        let is_applied = state.versions().contains(&task.migration.version);
        let is_done = is_applied == (task.direction == Direction::Up);
        if is_done || !is_at_work {
            let is = if is_applied { "is" } else { "is not" };
            return format!("the connection was lost; `{name}` {is} applied");
        }
        if begin.elapsed() > PATIENCE {
            return format!("the connection was lost, and the server is still at work on `{name}`");
        }
        thread::sleep(Duration::from_millis(100));
    }
}

/// What to do about a file that was written for psql.
fn for_psql(task: &Task<'_>, fault: &Fault) -> Option<String> {
    let is_syntax = fault.error.sqlstate == "42601";
    let offset = fault.offset.filter(|_| is_syntax)?;
    let rest = &task.sql[offset..];
    let word = rest.split_whitespace().next().unwrap_or_default();
    if Script::of(&task.sql[..offset]).copies {
        return Some(
            "data after COPY … FROM stdin is read by psql, not by the server: write the rows as INSERT (pg_dump --inserts)"
                .to_owned(),
        );
    }
    let is_command = word.starts_with('\\') && word.len() > 1;
    is_command.then(|| {
        format!("`{word}` is a command of psql, which the server does not know: remove the line")
    })
}

/// Where the books fail, since the migration took them away.
fn lost_books(fault: &Fault) -> Option<String> {
    // undefined_table, invalid_schema_name
    let is_gone = ["42P01", "3F000"].contains(&fault.error.sqlstate.as_str());
    let table = ["__diesel_schema_migrations", "db_ledger"];
    let is_ours = table
        .iter()
        .any(|table| fault.error.message.contains(table));
    (is_gone && is_ours && fault.offset.is_none()).then(|| {
        let message = &fault.error.message;
        let name = message.split('"').nth(1).unwrap_or(message);
        format!("the migration drops `{name}`, the record of what is applied: drop tables by name, and leave that one and its schema")
    })
}
