//! How a person is told of a migration that failed.

use std::thread;
use std::time::{Duration, Instant};

use crate::database::fault::Fault;
use crate::database::lock;
use crate::database::recovery::{Recovery, left_indexes};
use crate::database::runner::Runner;
use crate::database::state::State;
use crate::database::target::Target;
use crate::database::task::{Direction, Failed, Task};
use crate::sql::diagnostic;
use crate::sql::statements::place_of;
use crate::ui::failure::{Failure, Kind};

impl Runner<'_> {
    pub(super) fn explain(&mut self, task: &Task<'_>, fault: &Fault) -> Failed {
        let Fault { error, offset, .. } = fault;
        let Task { migration, sql, .. } = task;
        let path = task.path();
        let shown = diagnostic::render(&self.workspace.shown(&path), sql, *offset, error);
        let is_lasting = self.books.is_lasting();
        let mut failure = Failure::new(
            Kind::Migration,
            format!(
                "failed to {} migration `{}` of service `{}`{}\n{}",
                task.verb(),
                migration.name,
                self.service.name,
                if is_lasting {
                    ""
                } else {
                    " on a throw-away database"
                },
                (self.clean)(&shown)
            ),
        );
        let since = match &self.recovery {
            Some(Recovery { target, .. }) if self.connection.is_lost() => {
                Some(after_loss(target, task))
            }
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
    while connection.query_bool(&at_work, &[]).unwrap_or(false) {
        if begin.elapsed() > PATIENCE {
            return format!("the connection was lost, and the server is still at work on `{name}`");
        }
        thread::sleep(Duration::from_millis(100));
    }
    let Ok(state) = State::read(&mut connection) else {
        return format!("the connection was lost, and it is not known whether `{name}` is applied");
    };
    match state.versions().contains(&task.migration.version) {
        true => format!("the connection was lost; `{name}` is applied"),
        false => format!("the connection was lost; `{name}` is not applied"),
    }
}
