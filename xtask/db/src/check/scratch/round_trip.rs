//! Every migration goes up, down and up again, and the catalog has to be the same after each pair.

use super::{Trial, first_line, snapshot};
use crate::app::App;
use crate::catalog::{Difference, Snapshot, render};
use crate::check::Finding;
use crate::migrations::{Migration, Migrations};
use crate::scratch::throwaway::{Failed, ThrowawayDatabase, ThrowawayServer};
use crate::sql::statements::starts;
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
/// # Errors
/// The server's; a migration that fails is no error.
pub(super) fn run<'c>(
    app: &'c App,
    server: &ThrowawayServer<'c>,
    service: &'c Service,
    migrations: &Migrations,
) -> Result<(Trial, ThrowawayDatabase<'c>)> {
    let mut trial = Trial {
        migrations: migrations.plan(&[]).pending.into_iter().cloned().collect(),
        ..Trial::default()
    };
    let mut database = server.database(service)?;
    let mut before = snapshot(&mut database, service)?;
    let mut is_pristine = true;
    for index in 0..trial.migrations.len() {
        let migration = &trial.migrations[index];
        if let Err(failed) = database.up(migration) {
            trial.failed = Some((index, failed));
            break;
        }
        let after = snapshot(&mut database, service)?;
        let step = Step {
            app,
            service,
            migration,
            before: &before,
            after: &after,
        };
        let (left, finding) = step.down_and_up(&mut database)?;
        trial.findings.extend(finding);
        match left {
            Left::Same => {}
            Left::Reordered => is_pristine = false,
            Left::Spoilt => {
                drop(database);
                database = rebuilt(server, service, &trial.migrations[..=index])?;
                is_pristine = true;
            }
        }
        trial.note(index, &after);
        before = match left {
            Left::Reordered => snapshot(&mut database, service)?,
            Left::Same | Left::Spoilt => after,
        };
    }
    if !is_pristine && trial.failed.is_none() {
        drop(database);
        database = rebuilt(server, service, &trial.migrations)?;
    }
    Ok((trial, database))
}

/// A fresh database with these migrations.
fn rebuilt<'c>(
    server: &ThrowawayServer<'c>,
    service: &'c Service,
    migrations: &[Migration],
) -> Result<ThrowawayDatabase<'c>> {
    let mut database = server.database(service)?;
    for migration in migrations {
        database.up(migration)?;
    }
    Ok(database)
}

/// One migration, applied, with the catalog before and after it.
struct Step<'s> {
    app: &'s App,
    service: &'s Service,
    migration: &'s Migration,
    before: &'s Snapshot,
    after: &'s Snapshot,
}

impl Step<'_> {
    fn down_and_up(&self, database: &mut ThrowawayDatabase<'_>) -> Result<(Left, Option<Finding>)> {
        // A missing or empty one is found by the checks of files.
        let Some(down) = self
            .migration
            .down()
            .ok()
            .filter(|sql| !starts(sql).is_empty())
        else {
            return Ok((Left::Same, None));
        };
        let spoilt = |finding: Finding| Ok((Left::Spoilt, Some(finding)));
        if let Err(failed) = database.down(self.migration) {
            return spoilt(self.down_fails(&failed));
        }
        let (undone, order) = self.differences(self.before, database)?;
        if !undone.is_empty() {
            return spoilt(self.not_undone(&down, &undone));
        }
        if let Err(failed) = database.up(self.migration) {
            return spoilt(self.not_again(&failed));
        }
        let (again, order_again) = self.differences(self.after, database)?;
        if !again.is_empty() {
            return spoilt(self.not_the_same(&again));
        }
        match order || order_again {
            true => Ok((Left::Reordered, None)),
            false => Ok((Left::Same, None)),
        }
    }

    /// What differs from `expected`, and whether the order of columns does.
    fn differences(
        &self,
        expected: &Snapshot,
        database: &mut ThrowawayDatabase<'_>,
    ) -> Result<(Vec<Difference>, bool)> {
        let all = expected.diff(&snapshot(database, self.service)?);
        let (order, differences): (Vec<_>, Vec<_>) =
            all.into_iter().partition(Difference::is_order);
        Ok((differences, !order.is_empty()))
    }

    fn down_fails(&self, failed: &Failed) -> Finding {
        let message = format!(
            "`{}` can't be reverted: {}",
            self.migration.name, failed.message
        );
        let finding = Finding::new("down-fails", message).of(&self.service.name);
        at(self.app, finding, failed)
            .help("mend down.sql, so that it undoes what up.sql does in the opposite order")
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
            "`{}` has to leave the database as it was before; what can't be undone, say in a comment before its first statement: `-- db-check-ignore not-undone: why`",
            self.migration.name
        ))
    }

    fn not_again(&self, failed: &Failed) -> Finding {
        let message = format!(
            "`{}` can't be applied again after its down.sql: {}",
            self.migration.name, failed.message
        );
        let finding = Finding::new("not-repeatable", message).of(&self.service.name);
        at(self.app, finding, failed)
            .help("have down.sql undo everything that up.sql does, the rows that it writes too")
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
        .help("IF NOT EXISTS and OR REPLACE take what they find: name what has to be made, and drop it in down.sql")
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
