//! What is to be run, and what became of it.

use std::borrow::Cow;
use std::path::PathBuf;
use std::time::Duration;

use crate::database::ledger::RunKind;
use crate::migrations::Migration;
use crate::ui::failure::{Failure, Kind};

/// The way a migration is run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Direction {
    Up,
    Down,
}

/// A migration to run.
#[derive(Debug)]
pub(crate) struct Task<'m> {
    pub(crate) migration: &'m Migration,
    pub(crate) direction: Direction,
    /// What to run.
    pub(super) sql: Cow<'m, str>,
}

/// What became of some tasks.
#[derive(Default)]
pub(crate) struct Ran {
    pub(crate) done: Vec<Done>,
    /// The task after those that were done; none was run after it.
    pub(crate) failed: Option<Failed>,
}

/// A migration that was run.
pub(crate) struct Done {
    pub(crate) name: String,
    pub(crate) direction: Direction,
    pub(crate) duration: Duration,
    /// What the server and we have to say about it.
    pub(crate) notes: Vec<String>,
}

/// A migration that did not run.
#[derive(Debug)]
pub(crate) struct Failed {
    /// `up.sql` or `down.sql`.
    pub(crate) path: PathBuf,
    /// From 1, where it is known.
    pub(crate) line: Option<usize>,
    /// PostgreSQL's message, with its SQLSTATE.
    pub(crate) message: String,
    /// Empty where no statement was refused.
    pub(crate) sqlstate: String,
    /// What is known of the migration since, in words; nothing of one that did not begin, or that was tried out.
    pub(crate) since: Option<String>,
    /// Whether the migration itself may be right: it was interrupted, or the connection was lost.
    pub(crate) may_be_right: bool,
    /// All of it, for a person, but for what to do.
    pub(crate) failure: Failure,
}

impl Failed {
    /// The failure, with what to do now: to go on where the migration itself may be right.
    pub(crate) fn advised(self, advice: &str, to_go_on: &str) -> Failure {
        let advice = match self.may_be_right {
            true => to_go_on,
            false => advice,
        };
        match self.since {
            Some(since) => self.failure.help(format!("{since}; {advice}")),
            None => self.failure,
        }
    }
}

impl From<Failed> for Failure {
    fn from(failed: Failed) -> Self {
        failed.failure
    }
}

impl<'m> Task<'m> {
    pub(crate) fn up(migration: &'m Migration) -> Self {
        Self {
            migration,
            direction: Direction::Up,
            sql: Cow::Borrowed(&migration.up),
        }
    }

    /// With the text of its `down.sql`.
    pub(crate) fn down(migration: &'m Migration, sql: impl Into<Cow<'m, str>>) -> Self {
        Self {
            migration,
            direction: Direction::Down,
            sql: sql.into(),
        }
    }

    pub(crate) fn sql(&self) -> &str {
        &self.sql
    }

    pub(super) fn kind(&self) -> RunKind {
        match self.direction {
            Direction::Up => RunKind::Up,
            Direction::Down => RunKind::Down,
        }
    }

    pub(super) fn path(&self) -> PathBuf {
        match self.direction {
            Direction::Up => self.migration.up_path(),
            Direction::Down => self.migration.down_path(),
        }
    }

    /// What failed, in a message: to apply or to revert.
    pub(super) fn verb(&self) -> &'static str {
        match self.direction {
            Direction::Up => "apply",
            Direction::Down => "revert",
        }
    }

    /// What is going on, in a message.
    pub(super) fn going_on(&self) -> &'static str {
        match self.direction {
            Direction::Up => "applying",
            Direction::Down => "reverting",
        }
    }

    /// How a message begins that says what is going on: number `index` of `tasks`.
    pub(super) fn doing(&self, index: usize, tasks: &[Task<'_>]) -> String {
        let alike = |tasks: &[Task<'_>]| {
            let alike = tasks.iter().filter(|task| task.direction == self.direction);
            alike.count()
        };
        let doing = self.going_on();
        let (number, all) = (alike(&tasks[..=index]), alike(tasks));
        format!("{doing} {} ({number}/{all})", self.migration.name)
    }
}

impl Failed {
    /// Of a task that could not even begin.
    pub(crate) fn before_running(task: &Task<'_>, failure: Failure) -> Self {
        Self {
            path: task.path(),
            line: None,
            message: failure.message.clone(),
            sqlstate: String::new(),
            since: None,
            may_be_right: failure.kind == Kind::Interrupted,
            failure,
        }
    }
}
