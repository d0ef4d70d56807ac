//! The migrations that `revert` and `redo` take down: chosen and confirmed before the lock, and the same ones under it.

use crate::database::session::Session;
use crate::database::state::State;
use crate::database::target::{Target, Visit};
use crate::database::task::Task;
use crate::ui::failure::{Failure, Kind, Result};
use crate::ui::report::count;
use crate::verbs::confirm::{self, Confirmation, Danger};

/// The migrations to revert.
pub(crate) struct Chosen {
    /// What was applied when they were chosen.
    applied: Vec<String>,
    /// How many of the newest.
    number: usize,
    is_protected: bool,
}

impl Chosen {
    /// The `number` newest of what is applied.
    pub(crate) fn of(visit: &Visit<'_>, number: usize) -> Self {
        let applied = visit.state.versions();
        Self {
            number: number.min(applied.len()),
            applied,
            is_protected: visit.state.is_protected(),
        }
    }

    /// Asks, where nothing would stay applied, or where the database is protected or elsewhere.
    ///
    /// # Errors
    /// Not confirmed.
    pub(crate) fn confirm(&self, visit: &mut Visit<'_>, confirmation: &Confirmation) -> Result<()> {
        let is_all = self.stays().is_none();
        if self.number == 0 || !(is_all || confirm::is_guarded(visit.target, &visit.state)) {
            return Ok(());
        }
        let whose = match is_all {
            true => "every table and row of",
            false => "what was made by",
        };
        let what = format!("{whose} {}", count(self.number, "migration"));
        let danger = Danger::to(visit, &what)?;
        confirmation.of(&visit.app.progress, &danger)
    }

    /// Their tasks, newest first. All of their down.sql are read before one is run.
    ///
    /// By version, as Diesel reverts, not by the time of application.
    ///
    /// # Errors
    /// One that can't be reverted.
    pub(crate) fn tasks<'t>(&self, target: &'t Target<'_>) -> Result<Vec<Task<'t>>> {
        let newest = self.applied.iter().rev().take(self.number);
        let task = |version: &String| {
            let migration = target.migrations.named(target.service, version)?;
            Ok(Task::down(migration, migration.down()?))
        };
        newest.map(task).collect()
    }

    /// The newest version that stays, if one does.
    pub(crate) fn stays(&self) -> Option<&str> {
        let stay = self.applied.len() - self.number;
        Some(self.applied[..stay].last()?.as_str())
    }

    /// The newest of them.
    pub(crate) fn newest(&self) -> Option<&str> {
        self.applied.last().map(String::as_str)
    }

    /// What was confirmed is what is there under the lock.
    ///
    /// # Errors
    /// Another run was at work meanwhile.
    pub(crate) fn still_holds(&self, session: &Session<'_>) -> Result<()> {
        let State { applied, .. } = &session.state;
        let is_same = applied
            .iter()
            .map(|applied| &applied.version)
            .eq(&self.applied);
        if is_same && session.state.is_protected() == self.is_protected {
            return Ok(());
        }
        let newest = |versions: Option<&str>| versions.unwrap_or("none").to_owned();
        let now = applied.last().map(|applied| applied.version.as_str());
        let service = &session.target.service.name;
        Err(Failure::new(
            Kind::NotConfirmed,
            format!(
                "refused: the applied migrations of service `{service}` changed while the lock was waited for: the newest is {}, but was {}",
                newest(now),
                newest(self.newest())
            ),
        )
        .help(format!(
            "nothing was reverted; look at `cargo xtask db status {service}`, then decide again"
        )))
    }
}
