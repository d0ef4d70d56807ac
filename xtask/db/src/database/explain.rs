//! How a person is told of a migration that failed.

use crate::database::fault::Fault;
use crate::database::recovery::left_indexes;
use crate::database::runner::Runner;
use crate::database::task::{Failed, Task};
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
        if is_lasting && self.connection.is_lost() {
            failure = failure.help(
                "the connection was lost; run the command again: it goes on where this stopped",
            );
        } else {
            for help in self.help(task, fault) {
                failure = failure.help(help);
            }
        }
        Failed {
            path,
            line: offset.map(|offset| place_of(sql, offset).line),
            message: (self.clean)(&error.to_string()),
            sqlstate: error.sqlstate.clone(),
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
        if self.books.is_lasting() {
            help.push(match migration.in_transaction && fault.is_whole {
                true => "nothing was applied; fix the migration and run the command again",
                false => "statements before the error may have been kept; fix the migration and run the command again",
            }.to_owned());
        }
        help
    }
}
