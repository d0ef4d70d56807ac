//! What `db check` finds, and the table of everything that it looks for.

pub(crate) mod annotations;
mod comments;
mod ddl;
pub(crate) mod diesel_toml;
pub(crate) mod env_files;
pub(crate) mod folders;
pub(crate) mod layout;
pub(crate) mod live;
pub(crate) mod manifest;
pub(crate) mod offline;
mod rules;
pub(crate) mod scratch;
mod statement;
pub(crate) mod switched_off;

use serde::Serialize;

use crate::ui::failure::Failure;

/// What a check needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Needs {
    /// The files of the workspace.
    Files,
    /// A throw-away server.
    Throwaway,
    /// The configured databases.
    Live,
}

/// Every check that can be switched off by its name, beside the rules in [`rules::RULES`].
const CHECKS: &[(&str, Needs)] = &[
    ("settings", Needs::Files),
    ("root-migrations", Needs::Files),
    ("root-alembic-ini", Needs::Files),
    ("root-diesel-toml", Needs::Files),
    ("stateless-migrations", Needs::Files),
    ("stateless-diesel-toml", Needs::Files),
    ("stateless-diesel-dependency", Needs::Files),
    ("diesel-toml", Needs::Files),
    ("migration-without-version", Needs::Files),
    ("duplicate-version", Needs::Files),
    ("missing-up", Needs::Files),
    ("empty-up", Needs::Files),
    ("missing-down", Needs::Files),
    ("empty-down", Needs::Files),
    ("metadata-without-transaction", Needs::Files),
    ("malformed-metadata", Needs::Files),
    ("several-statements", Needs::Files),
    ("concurrently-in-transaction", Needs::Files),
    ("env-template", Needs::Files),
    ("env-template-unknown", Needs::Files),
    ("shared-database-url", Needs::Files),
    ("migration-fails", Needs::Throwaway),
    ("needs-other-service", Needs::Throwaway),
    ("shared-table", Needs::Throwaway),
    ("down-fails", Needs::Throwaway),
    ("not-undone", Needs::Throwaway),
    ("not-repeatable", Needs::Throwaway),
    ("schema", Needs::Throwaway),
    ("live-url", Needs::Live),
    ("live-missing", Needs::Live),
    ("live-owner", Needs::Live),
    ("live-pending", Needs::Live),
    ("live-unknown", Needs::Live),
    ("live-edited", Needs::Live),
    ("live-invalid-index", Needs::Live),
    ("live-drift", Needs::Live),
];

/// Whether a check is about files and folders, not about what the SQL does.
pub(crate) fn is_layout(check: &str) -> bool {
    let not_in_files = ["several-statements", "concurrently-in-transaction"];
    !not_in_files.contains(&check)
        && CHECKS
            .iter()
            .any(|(name, needs)| *name == check && *needs == Needs::Files)
}

/// The name under which a check is switched off, and what it needs.
pub(crate) fn known() -> impl Iterator<Item = (&'static str, Needs)> {
    let rules = rules::RULES.iter().map(|rule| (rule.name, Needs::Files));
    CHECKS.iter().copied().chain(rules)
}

/// One thing that is wrong: the documented, stable form of `--json`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Finding {
    /// Its name in the table of checks, by which it is switched off.
    pub(crate) check: &'static str,
    /// `None` when it is about the workspace.
    pub(crate) service: Option<String>,
    /// From the workspace's root.
    pub(crate) file: Option<String>,
    /// From 1.
    pub(crate) line: Option<usize>,
    pub(crate) message: String,
    /// What to do.
    pub(crate) help: String,
    /// Whether `db fix` does it.
    #[serde(skip)]
    pub(crate) fixable: bool,
}

impl Finding {
    pub(crate) fn new(check: &'static str, message: impl Into<String>) -> Self {
        Self {
            check,
            service: None,
            file: None,
            line: None,
            message: message.into(),
            help: String::new(),
            fixable: false,
        }
    }

    /// Says whose it is.
    #[must_use]
    pub(crate) fn of(mut self, service: &str) -> Self {
        self.service = Some(service.to_owned());
        self
    }

    /// Says where it is, without a line.
    #[must_use]
    pub(crate) fn file(mut self, file: impl Into<String>) -> Self {
        self.file = Some(file.into());
        self
    }

    /// Says where it is.
    #[must_use]
    pub(crate) fn at(mut self, file: impl Into<String>, line: usize) -> Self {
        self.line = Some(line);
        self.file(file)
    }

    /// Says what to do.
    #[must_use]
    pub(crate) fn help(mut self, help: impl Into<String>) -> Self {
        self.help = help.into();
        self
    }

    /// Says that `db fix` repairs it.
    #[must_use]
    pub(crate) fn fixable(mut self, fixable: bool) -> Self {
        self.fixable = fixable;
        self
    }
}

/// What the rules object to in an up.sql that runs in a transaction: the rule, and the line from 1.
pub(crate) fn unsafe_ddl(sql: &str, postgres: &str) -> Vec<(&'static str, usize)> {
    let migration = ddl::Migration {
        sql,
        in_transaction: true,
        down: false,
    };
    let objections = ddl::lint(&migration, postgres).into_iter();
    objections
        .map(|objection| (objection.rule, objection.line))
        .collect()
}

/// What a group of checks hands back: what is wrong, and what kept it from looking.
#[derive(Debug, Default)]
pub(crate) struct Found {
    pub(crate) findings: Vec<Finding>,
    pub(crate) failures: Vec<Failure>,
}
