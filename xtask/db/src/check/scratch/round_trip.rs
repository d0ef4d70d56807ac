//! Every migration goes up, down and up again, and the catalog has to be the same after each pair.

use super::{PARTS_FROM, Trial, Watched, first_line};
use crate::app::App;
use crate::catalog::{Changes, Difference, render};
use crate::check::Finding;
use crate::migrations::{Migration, Migrations};
use crate::scratch::throwaway::{Failed, ThrowawayDatabase, ThrowawayServer};
use crate::ui::failure::Result;
use crate::workspace::Service;

/// What down and up again has left of the database.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Left {
    /// As it was.
    Same,
    /// As it was, but for the order of columns, which can't be undone.
    Reordered,
    /// Something else, which must not be put down to the next migration.
    Spoilt,
}

/// Tries all migrations of `service`. The database that is handed back is as they make it from empty.
///
/// Only what a migration has touched is read after it. If a whole snapshot does not agree with that at the end, or where
/// there is something to tell, everything is done once more with whole snapshots alone.
///
/// # Errors
/// The server's; a migration that fails is no error.
pub(super) fn run<'c>(
    app: &'c App,
    server: &ThrowawayServer<'c>,
    service: &'c Service,
    migrations: &Migrations,
) -> Result<(Trial, ThrowawayDatabase<'c>)> {
    let tried = |parts_from| {
        let tour = Tour {
            server,
            service,
            parts_from,
        };
        tour.run(app, Trial::new(migrations))
    };
    match tried(PARTS_FROM)? {
        (trial, database, true) => Ok((trial, database)),
        _ => tried(usize::MAX).map(|(trial, database, _)| (trial, database)),
    }
}

/// The migrations of a service, up, down and up again.
struct Tour<'t, 'c> {
    server: &'t ThrowawayServer<'c>,
    service: &'c Service,
    parts_from: usize,
}

impl<'c> Tour<'_, 'c> {
    /// What became of the migrations, their database, and whether a whole snapshot agrees.
    fn run(&self, app: &App, mut trial: Trial) -> Result<(Trial, ThrowawayDatabase<'c>, bool)> {
        let mut watched = self.watch(self.server.database(self.service)?)?;
        let mut is_pristine = true;
        for index in 0..trial.migrations.len() {
            let migration = &trial.migrations[index];
            if let Err(failed) = watched.database.up(migration) {
                trial.failed = Some((index, failed));
                return Ok((trial, watched.database, true));
            }
            let up = watched.changes()?;
            let step = Step {
                app,
                service: self.service,
                migration,
                up: &up,
            };
            let (left, finding) = step.down_and_up(&mut watched)?;
            trial.findings.extend(finding);
            match left {
                Left::Same => {}
                Left::Reordered => is_pristine = false,
                Left::Spoilt => {
                    if !watched.is_right()? {
                        return Ok((trial, watched.database, false));
                    }
                    drop(watched);
                    watched = self.watch(self.rebuilt(&mut trial, index + 1)?)?;
                    is_pristine = true;
                    if trial.failed.is_some() {
                        break;
                    }
                }
            }
            trial.note(index, &up);
        }
        let is_right = watched.is_right()?;
        if !is_right || is_pristine {
            return Ok((trial, watched.database, is_right));
        }
        drop(watched);
        let number = trial.migrations.len();
        let database = self.rebuilt(&mut trial, number)?;
        Ok((trial, database, true))
    }

    fn watch(&self, database: ThrowawayDatabase<'c>) -> Result<Watched<'c>> {
        Watched::new(database, self.service, self.parts_from)
    }

    /// A fresh database with the first migrations, so many of them.
    fn rebuilt(&self, trial: &mut Trial, number: usize) -> Result<ThrowawayDatabase<'c>> {
        let mut database = self.server.database(self.service)?;
        for (index, migration) in trial.migrations[..number].iter().enumerate() {
            if let Err(failed) = database.up(migration) {
                trial.failed = Some((index, failed));
                break;
            }
        }
        Ok(database)
    }
}

/// One migration, applied, with what it changed.
struct Step<'s> {
    app: &'s App,
    service: &'s Service,
    migration: &'s Migration,
    up: &'s Changes,
}

impl Step<'_> {
    fn down_and_up(&self, watched: &mut Watched<'_>) -> Result<(Left, Option<Finding>)> {
        // A missing or empty one is found by the checks of files.
        let Ok(down) = self.migration.down() else {
            return Ok((Left::Same, None));
        };
        let spoilt = |finding: Finding| Ok((Left::Spoilt, Some(finding)));
        if let Err(failed) = watched.database.down(self.migration) {
            return spoilt(self.down_fails(&failed));
        }
        let undoing = watched.changes()?;
        let (undone, order) = differences(self.up, &undoing);
        if !undone.is_empty() {
            return spoilt(self.not_undone(&down, &undone));
        }
        if let Err(failed) = watched.database.up(self.migration) {
            return spoilt(self.not_again(&failed));
        }
        let (again, order_again) = differences(&undoing, &watched.changes()?);
        if !again.is_empty() {
            return spoilt(self.not_the_same(&again));
        }
        match order || order_again {
            true => Ok((Left::Reordered, None)),
            false => Ok((Left::Same, None)),
        }
    }

    fn down_fails(&self, failed: &Failed) -> Finding {
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

    fn not_undone(&self, down: &str, differences: &[Difference]) -> Finding {
        let shown = render(differences, "before up.sql", "after down.sql");
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

    fn not_again(&self, failed: &Failed) -> Finding {
        let message = format!(
            "`{}` can't be applied again after its down.sql: {}",
            self.migration.name, failed.message
        );
        let finding = Finding::new("not-repeatable", message).of(&self.service.name);
        at(self.app, finding, failed).help(remedy(
            failed,
            "have down.sql undo everything that up.sql does, the rows that it writes too",
        ))
    }

    fn not_the_same(&self, differences: &[Difference]) -> Finding {
        let shown = render(differences, "the first time", "the second time");
        let path = self.app.workspace.shown(&self.migration.up_path());
        Finding::new(
            "not-repeatable",
            format!("up.sql makes something else when it runs again after down.sql:\n{shown}"),
        )
        .of(&self.service.name)
        .at(path, first_line(&self.migration.up))
        .help("IF NOT EXISTS and OR REPLACE keep what an earlier run left: create plainly, drop in down.sql: name what has to be made, and drop it in down.sql")
    }
}

/// What is left of two changes, of which the second should undo the first; and whether the order of columns is.
fn differences(change: &Changes, back: &Changes) -> (Vec<Difference>, bool) {
    let all = change.then(back).differences();
    let (order, differences): (Vec<_>, Vec<_>) = all.into_iter().partition(Difference::is_order);
    (differences, !order.is_empty())
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
