//! What decides whether there is a difference: `pg_dump`, on databases that came to one state in two ways.

use std::collections::BTreeSet;
use std::sync::OnceLock;

use super::told::Told;
use super::{Ignored, Trial};
use crate::app::App;
use crate::catalog::dump::Dump;
use crate::check::Finding;
use crate::migrations::Migration;
use crate::pg::Tool;
use crate::scratch::throwaway::{Dumped, ThrowawayDatabase, ThrowawayServer};
use crate::ui::failure::Result;
use crate::workspace::Service;

/// The `pg_dump` of the throw-away server, if there is one.
pub(super) struct Judge<'j> {
    pub(super) app: &'j App,
    tool: Option<Tool>,
    /// Of a database without migrations.
    empty: OnceLock<Option<Dump>>,
}

impl<'j> Judge<'j> {
    /// Without a `pg_dump`, says that the catalog decides.
    ///
    /// # Errors
    /// The server's.
    pub(super) fn new(app: &'j App, server: &ThrowawayServer<'_>) -> Result<Self> {
        let tool = server.pg_dump()?;
        let tool = tool.inspect_err(|failure| {
            let text = format!(
                "{}: only snapshots of the catalog are compared",
                failure.message
            );
            app.progress.note(&text);
        });
        Ok(Self {
            app,
            tool: tool.ok(),
            empty: OnceLock::new(),
        })
    }

    /// `None` without `pg_dump`, or where it can't read what the migrations made, which is said.
    pub(super) fn dump(&self, dumped: &Dumped) -> Option<Dump> {
        let dump = dumped.dump(self.tool.as_ref()?);
        dump.inspect_err(|error| {
            self.app.progress.note(&format!("pg_dump can't read a throw-away database, so only snapshots of the catalog are compared: {error:#}"));
        })
        .ok()
    }
}

/// A service's migrations, all of which apply.
pub(super) struct Case<'t, 'c> {
    pub(super) judge: &'t Judge<'t>,
    pub(super) server: &'t ThrowawayServer<'c>,
    pub(super) service: &'c Service,
    pub(super) migrations: &'t [Migration],
}

/// The way to the state after some of the migrations.
#[derive(Clone, Copy)]
enum Way<'w> {
    /// Up.
    Straight,
    /// Up, down and up each, but for these.
    Toured(&'w BTreeSet<usize>),
    /// Up to so many, and down again.
    Back(usize),
}

impl<'c> Case<'_, 'c> {
    /// Tells the migration that makes something else the second time, given that one does. `told` are those of which there
    /// is a finding already, and those that can't be reverted.
    ///
    /// # Errors
    /// The server's.
    pub(super) fn repeated(&self, told: &BTreeSet<usize>, trial: &mut Trial) -> Result<()> {
        let number = bisect(self.migrations.len(), |number| {
            let difference = self.difference(number, Way::Toured(told))?;
            Ok(difference.is_some())
        })?;
        // Alone, after the others went up only.
        let others = (0..number - 1).collect();
        let told = self.told(number - 1);
        match self.difference(number, Way::Toured(&others))? {
            Some(shown) => trial.findings.push(told.not_the_same(&shown)),
            None => trial.ignored.push(Ignored::new(
                told,
                "its result depends on the order of columns, which an earlier down.sql can't restore",
            )),
        }
        Ok(())
    }

    /// Runs every down.sql, newest first, and tells the one after which it is not as before its migration. The database is
    /// handed back if it is as it was without migrations.
    ///
    /// # Errors
    /// The server's.
    pub(super) fn reverted(
        &self,
        database: ThrowawayDatabase<'c>,
        told: &BTreeSet<usize>,
        trial: &mut Trial,
    ) -> Result<Option<ThrowawayDatabase<'c>>> {
        let (mut database, mut end) = (Some(database), self.migrations.len());
        let mut empty = None;
        // Those between two that are told, or behind the last.
        while end > 0 {
            let start = told.range(..end).next_back().map_or(0, |told| told + 1);
            if start < end {
                let back = match database.take() {
                    Some(database) => database,
                    None => self.database(end, Way::Straight)?,
                };
                let (back, finding) = self.back(back, start, end)?;
                trial.findings.extend(finding);
                empty = back;
            }
            database = None;
            end = start.saturating_sub(1);
        }
        Ok(empty)
    }

    /// Reverts the migrations from `start` to before `end`; gives the database if it is as it was without migrations, and
    /// what is wrong.
    fn back(
        &self,
        mut database: ThrowawayDatabase<'c>,
        start: usize,
        end: usize,
    ) -> Result<(Option<ThrowawayDatabase<'c>>, Option<Finding>)> {
        for index in (start..end).rev() {
            if let Err(failed) = database.down(&self.migrations[index]) {
                return Ok((None, Some(self.told(index).down_fails(&failed))));
            }
        }
        let left = self.judge.dump(&database.dumped());
        // Else it goes first: roles are the server's, and two databases can't both make one.
        let empty = (start == 0).then_some(database);
        if left.is_none() || left == self.straight(start)? {
            return Ok((empty, None));
        }
        drop(empty);
        let steps = bisect(end - start, |steps| {
            let difference = self.difference(end - steps, Way::Back(end))?;
            Ok(difference.is_some())
        })?;
        let difference = self.difference(end - steps, Way::Back(end))?;
        let told = self.told(end - steps);
        let down = told.migration.down()?;
        let finding = difference.map(|shown| told.not_undone(&down, &shown));
        Ok((None, finding))
    }

    /// What the first `number` migrations did not make on this way as they make it straight.
    fn difference(&self, number: usize, way: Way<'_>) -> Result<Option<String>> {
        let names = match way {
            Way::Back(_) => ["before up.sql", "after down.sql"],
            _ => ["the first time", "the second time"],
        };
        let other = self.judge.dump(&self.database(number, way)?.dumped());
        let straight = self.straight(number)?;
        Ok(straight
            .zip(other)
            .and_then(|(a, b)| a.difference(&b, names)))
    }

    /// What the first `number` migrations make straight.
    pub(super) fn straight(&self, number: usize) -> Result<Option<Dump>> {
        let dump = || -> Result<_> {
            let database = self.database(number, Way::Straight)?;
            Ok(self.judge.dump(&database.dumped()))
        };
        if number > 0 {
            return dump();
        }
        if let Some(empty) = self.judge.empty.get() {
            return Ok(empty.clone());
        }
        let empty = dump()?;
        Ok(self.judge.empty.get_or_init(|| empty).clone())
    }

    /// A database in the state after the first `number` migrations.
    fn database(&self, number: usize, way: Way<'_>) -> Result<ThrowawayDatabase<'c>> {
        let mut database = self.server.database(self.service)?;
        let last = match way {
            Way::Back(last) => last,
            _ => number,
        };
        for (index, migration) in self.migrations[..last].iter().enumerate() {
            database.up(migration)?;
            if let Way::Toured(told) = way
                && !told.contains(&index)
            {
                database.down(migration)?;
                database.up(migration)?;
            }
        }
        for migration in self.migrations[number..last].iter().rev() {
            database.down(migration)?;
        }
        Ok(database)
    }

    fn told(&self, index: usize) -> Told<'_> {
        Told {
            app: self.judge.app,
            service: self.service,
            migration: &self.migrations[index],
        }
    }
}

/// The smallest number from 1 to `all` of which it is so, given that it is of `all`, and of every one behind the first.
fn bisect(all: usize, mut is_so: impl FnMut(usize) -> Result<bool>) -> Result<usize> {
    let (mut no, mut yes) = (0, all);
    while yes - no > 1 {
        let middle = usize::midpoint(no, yes);
        match is_so(middle)? {
            true => yes = middle,
            false => no = middle,
        }
    }
    Ok(yes)
}
