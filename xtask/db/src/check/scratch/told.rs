//! What is said of a migration that does not go up, down and up again.

use super::first_line;
use crate::app::App;
use crate::check::Finding;
use crate::check::finding::Ignored;
use crate::migrations::Migration;
use crate::scratch::throwaway::Failed;
use crate::workspace::Service;

/// The migration that a finding is about.
#[derive(Clone, Copy)]
pub(super) struct Told<'s> {
    pub(super) app: &'s App,
    pub(super) service: &'s Service,
    pub(super) migration: &'s Migration,
}

impl Told<'_> {
    pub(super) fn down_fails(&self, failed: &Failed) -> Finding {
        let message = format!(
            "`{}` can't be reverted: {}",
            self.migration.name, failed.message
        );
        let finding = Finding::new("down-fails", message).of(&self.service.name);
        at(self.app, finding, failed).help(remedy(
            failed,
            "fix down.sql: undo the steps of up.sql in the opposite order",
        ))
    }

    /// `shown` are the differences; `down` is the text of down.sql.
    pub(super) fn not_undone(&self, down: &str, shown: &str) -> Finding {
        let path = self.app.workspace.shown(&self.migration.down_path());
        Finding::new(
            "not-undone",
            format!("these changes must be undone in down.sql:\n{shown}"),
        )
        .of(&self.service.name)
        .at(path, first_line(down))
        .help(format!(
            "`{}` must leave the database as it was before; declare a step that can't be undone in a comment before its first statement: `-- db-check-ignore not-undone: why`",
            self.migration.name
        ))
    }

    pub(super) fn not_again(&self, failed: &Failed) -> Finding {
        let message = format!(
            "`{}` can't be applied again after its down.sql: {}",
            self.migration.name, failed.message
        );
        let finding = Finding::new("not-repeatable", message).of(&self.service.name);
        at(self.app, finding, failed).help(remedy(
            failed,
            "down.sql must undo everything that up.sql does, including the rows that it writes",
        ))
    }

    pub(super) fn not_the_same(&self, shown: &str) -> Finding {
        let path = self.app.workspace.shown(&self.migration.up_path());
        Finding::new(
            "not-repeatable",
            format!("up.sql has a different result when it runs again after down.sql:\n{shown}"),
        )
        .of(&self.service.name)
        .at(path, first_line(&self.migration.up))
        .help("IF NOT EXISTS and OR REPLACE keep objects of an earlier run: use a plain CREATE in up.sql, and drop the object in down.sql")
    }
}

impl Ignored {
    pub(super) fn new(told: Told<'_>, message: &str) -> Self {
        let path = told.app.workspace.shown(&told.migration.up_path());
        Self {
            service: told.service.name.clone(),
            file: Some(path),
            message: message.to_owned(),
        }
    }
}

/// What is known of this failure to help, or else what usually does.
pub(super) fn remedy(failed: &Failed, usual: &str) -> String {
    match failed.failure.help.as_slice() {
        [] => usual.to_owned(),
        help => help.join("\n"),
    }
}

/// Where a migration failed.
pub(super) fn at(app: &App, finding: Finding, failed: &Failed) -> Finding {
    let path = app.workspace.shown(&failed.path);
    match failed.line {
        Some(line) => finding.at(path, line),
        None => finding.file(path),
    }
}
