//! Every migration goes up, down and up again, and the catalog has to be the same after each pair.

use std::collections::BTreeSet;

use super::judge::{Case, Judge};
use super::told::Told;
use super::{Ignored, PARTS_FROM, Trial, Watched};
use crate::catalog::dump::Dump;
use crate::catalog::{Changes, Difference, render};
use crate::check::Finding;
use crate::migrations::{Migration, Migrations};
use crate::scratch::throwaway::{Failed, ThrowawayDatabase, ThrowawayServer};
use crate::ui::failure::Result;
use crate::workspace::Service;

/// What down and up again has left of the database.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Left {
    /// As it was, but for what is no difference: the order of columns can't be undone.
    Same,
    /// As it was after down.sql; up.sql is taken to make what it made the first time. If it does not, that shows at the
    /// next look.
    Assumed,
    /// There is no way down.
    Up,
    /// Something else, which must not be put down to the next migration.
    Spoilt,
}

/// Tries all migrations of `service`. The database that is handed back is as they make it from empty.
///
/// Only what a migration has touched is read after it, and that twice: after up.sql and after down.sql. Where something
/// shows that could be of the one before, both are done once more with a look after every step. If a whole snapshot does
/// not agree at the end, everything is done once more with whole snapshots alone.
///
/// # Errors
/// The server's; a migration that fails is no error.
pub(super) fn run<'c>(
    judge: &Judge<'_>,
    server: &ThrowawayServer<'c>,
    service: &'c Service,
    migrations: &Migrations,
) -> Result<(Trial, ThrowawayDatabase<'c>)> {
    let tried = |parts_from| {
        let tour = Tour {
            judge,
            server,
            service,
            parts_from,
        };
        tour.run(Trial::new(migrations))
    };
    match tried(PARTS_FROM)? {
        (trial, database, true) => Ok((trial, database)),
        _ => tried(usize::MAX).map(|(trial, database, _)| (trial, database)),
    }
}

/// The migrations of a service, up, down and up again.
struct Tour<'t, 'c> {
    judge: &'t Judge<'t>,
    server: &'t ThrowawayServer<'c>,
    service: &'c Service,
    parts_from: usize,
}

impl<'c> Tour<'_, 'c> {
    /// What became of the migrations, a database that they made straight, and whether a whole snapshot agrees.
    fn run(&self, mut trial: Trial) -> Result<(Trial, ThrowawayDatabase<'c>, bool)> {
        let migrations = trial.migrations.clone();
        let mut watched = self.watch(self.server.database(self.service)?)?;
        // What is told of already, or can't be reverted.
        let mut told = BTreeSet::new();
        let (mut index, mut left, mut known) = (0, Left::Same, None);
        // Those before this one are looked at after every step.
        let mut watched_to = if self.parts_from == usize::MAX {
            usize::MAX
        } else {
            0
        };
        while index < migrations.len() && trial.failed.is_none() {
            let before = &migrations[..index];
            let is_watched = index < watched_to;
            let step = self.step(
                &mut watched,
                before,
                &migrations[index],
                known.take(),
                is_watched,
            )?;
            if left == Left::Assumed && step.tells() {
                // That may be of the one before it.
                (watched_to, index, left) = (index + 1, index - 1, Left::Same);
                drop(watched);
                watched = self.watch(self.rebuilt(&mut trial, index)?)?;
                continue;
            }
            (left, known) = (step.left, step.known);
            trial.ignored.extend(step.ignored);
            if step.finding.is_some() || left == Left::Up {
                told.insert(index);
            }
            trial.findings.extend(step.finding);
            trial.failed = step.failed.map(|failed| (index, failed));
            trial.note(index, &step.up);
            index += 1;
            if left == Left::Spoilt {
                if !watched.is_right()? {
                    return Ok((trial, watched.database, false));
                }
                drop(watched);
                watched = self.watch(self.rebuilt(&mut trial, index)?)?;
            }
        }
        if trial.failed.is_some() || !watched.is_right()? {
            let is_right = trial.failed.is_some();
            return Ok((trial, watched.database, is_right));
        }
        let straight = self.judged(&migrations, watched.database, &told, &mut trial)?;
        Ok((trial, straight, true))
    }

    /// Applies a migration, reverts it, and applies it again. After that it is looked at only if `is_watched`.
    fn step<'s>(
        &'s self,
        watched: &mut Watched<'_>,
        before: &'s [Migration],
        migration: &'s Migration,
        known: Option<(usize, Dump)>,
        is_watched: bool,
    ) -> Result<Step<'s, 'c>> {
        let mut step = Step {
            tour: self,
            told: self.told(migration),
            before,
            is_watched,
            up: Changes::default(),
            known,
            left: Left::Same,
            failed: None,
            finding: None,
            ignored: Vec::new(),
        };
        if let Err(failed) = watched.database.up(migration) {
            step.failed = Some(failed);
            return Ok(step);
        }
        step.up = watched.changes()?;
        (step.left, step.finding) = step.down_and_up(watched)?;
        Ok(step)
    }

    /// What `pg_dump` finds of a database that went through up, down and up of each; gives one that they made straight.
    fn judged(
        &self,
        migrations: &[Migration],
        database: ThrowawayDatabase<'c>,
        told: &BTreeSet<usize>,
        trial: &mut Trial,
    ) -> Result<ThrowawayDatabase<'c>> {
        let case = self.case(migrations);
        let toured = self.judge.dump(&database.dumped());
        let empty = match &toured {
            Some(_) => case.reverted(database, told, trial),
            None => {
                drop(database);
                Ok(None)
            }
        };
        let empty = empty.unwrap_or_else(|failure| {
            trial.failures.push(failure);
            None
        });
        // One that pg_dump shows as empty is as good as another, unless there are rows in the way.
        let again = empty.and_then(|mut database| {
            let mut all = migrations.iter();
            all.all(|migration| database.up(migration).is_ok())
                .then_some(database)
        });
        let mut straight = match again {
            Some(database) => database,
            None => self.rebuilt(trial, migrations.len())?,
        };
        if trial.failed.is_none()
            && let (Some(toured), Some(dump)) = (toured, self.judge.dump(&straight.dumped()))
            && toured != dump
        {
            drop(straight);
            let repeated = case.repeated(told, trial);
            trial.failures.extend(repeated.err());
            straight = self.rebuilt(trial, migrations.len())?;
        }
        Ok(straight)
    }

    fn case<'m>(&'m self, migrations: &'m [Migration]) -> Case<'m, 'c> {
        Case {
            judge: self.judge,
            server: self.server,
            service: self.service,
            migrations,
        }
    }

    fn told<'m>(&'m self, migration: &'m Migration) -> Told<'m> {
        Told {
            app: self.judge.app,
            service: self.service,
            migration,
        }
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

/// One migration, with what it changed, and what became of it.
struct Step<'s, 'c> {
    tour: &'s Tour<'s, 'c>,
    told: Told<'s>,
    /// The migrations before it.
    before: &'s [Migration],
    is_watched: bool,
    up: Changes,
    /// A state that was dumped: after how many migrations, and the dump.
    known: Option<(usize, Dump)>,
    left: Left,
    failed: Option<Failed>,
    finding: Option<Finding>,
    ignored: Vec<Ignored>,
}

impl Step<'_, '_> {
    /// Whether there is something to tell.
    fn tells(&self) -> bool {
        self.failed.is_some() || self.finding.is_some() || !self.ignored.is_empty()
    }

    fn down_and_up(&mut self, watched: &mut Watched<'_>) -> Result<(Left, Option<Finding>)> {
        let told = self.told;
        // A missing or empty one is found by the checks of files.
        let Ok(down) = told.migration.down() else {
            return Ok((Left::Up, None));
        };
        let number = self.before.len();
        let spoilt = |finding: Finding| Ok((Left::Spoilt, Some(finding)));
        if let Err(failed) = watched.database.down(told.migration) {
            return spoilt(told.down_fails(&failed));
        }
        let undoing = watched.changes()?;
        let names = ["before up.sql", "after down.sql"];
        let (differences, order) = left_of(&self.up, &undoing, names);
        let is_undone = differences.is_empty();
        if let Some(shown) = self.confirmed(watched, number, differences, names) {
            return spoilt(told.not_undone(&down, &shown));
        }
        if let Err(failed) = watched.database.up(told.migration) {
            return spoilt(told.not_again(&failed));
        }
        if is_undone && order.is_none() && !self.is_watched {
            watched.assume(&self.up);
            return Ok((Left::Assumed, None));
        }
        let names = ["the first time", "the second time"];
        let (differences, order_again) = left_of(&undoing, &watched.changes()?, names);
        if let Some(shown) = self.confirmed(watched, number + 1, differences, names) {
            return spoilt(told.not_the_same(&shown));
        }
        self.known = match self.ignored.is_empty() {
            true => None,
            // The next one begins with it: what is no difference may be so in every migration.
            false => {
                let dump = self.tour.judge.dump(&watched.database.dumped());
                dump.map(|dump| (number + 1, dump))
            }
        };
        if let Some(order) = order.or(order_again) {
            self.ignored.push(Ignored::new(told, &order));
        }
        Ok((Left::Same, None))
    }

    /// What is told of differences after the first `number` migrations, given what to call the two moments: what `pg_dump`
    /// sees, too, and large objects.
    fn confirmed(
        &mut self,
        watched: &Watched<'_>,
        number: usize,
        differences: Vec<Difference>,
        [first, second]: [&str; 2],
    ) -> Option<String> {
        let (large, mut told): (Vec<_>, Vec<_>) =
            differences.into_iter().partition(Difference::is_large);
        if !told.is_empty() && !self.is_so(watched, number, &render(&told, first, second)) {
            told.clear();
        }
        told.extend(large);
        (!told.is_empty()).then(|| render(&told, first, second))
    }

    /// Whether `pg_dump` sees a difference, too, between what the first `number` migrations make and what is there.
    fn is_so(&mut self, watched: &Watched<'_>, number: usize, shown: &str) -> bool {
        let Some(now) = self.tour.judge.dump(&watched.database.dumped()) else {
            return true;
        };
        let straight = match self.known.take() {
            Some((known, dump)) if known == number => Some(dump),
            _ => {
                let mut migrations = self.before.to_vec();
                if number > migrations.len() {
                    migrations.push(self.told.migration.clone());
                }
                // A second database can't make the roles that the first one made: then it is told unjudged.
                self.tour
                    .case(&migrations)
                    .straight(number)
                    .unwrap_or_default()
            }
        };
        let is_same = straight.is_some_and(|straight| straight == now);
        if is_same {
            self.ignored.push(Ignored::new(self.told, shown));
            self.known = Some((number, now));
        }
        !is_same
    }
}

/// What is left of two changes, of which the second should undo the first; apart and shown, given what to call the two
/// moments, the order of columns.
fn left_of(
    change: &Changes,
    back: &Changes,
    [first, second]: [&str; 2],
) -> (Vec<Difference>, Option<String>) {
    let all = change.then(back).differences();
    let (order, differences): (Vec<_>, Vec<_>) = all.into_iter().partition(Difference::is_order);
    let order = (!order.is_empty()).then(|| render(&order, first, second));
    (differences, order)
}
