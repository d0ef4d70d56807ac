//! The table of checks: who looks, at what, and what is found under which name.

use super::finding::Finding;
use super::rules::RULES;
use super::scope::{Scope, SqlFile, Subject};
use super::{ddl, diesel_toml, env_files, folders, layout, settings, transaction};
use crate::migrations::folder::Folder;
use crate::workspace::Stateless;

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

/// What looks, and how often.
#[derive(Clone, Copy)]
pub(super) enum Look {
    /// Once, whichever services are looked at.
    Settings(fn(&Scope<'_>) -> Vec<Finding>),
    /// Once, if all of the workspace is looked at.
    Workspace(fn(&Scope<'_>) -> Vec<Finding>),
    Stateless(fn(&Scope<'_>, &Stateless) -> Vec<Finding>),
    Service(fn(&Scope<'_>, &Subject<'_>) -> Vec<Finding>),
    Folder(fn(&Scope<'_>, &Subject<'_>, &Folder) -> Vec<Finding>),
    Sql(fn(&Scope<'_>, &SqlFile<'_>) -> Vec<Finding>),
    Throwaway,
    Live,
}

/// The checks that are made in one look.
pub(super) struct Group {
    pub(super) look: Look,
    /// Each by the name that switches it off, with what it finds.
    checks: &'static [(&'static str, &'static str)],
}

/// A check, as `db check --list` prints it.
pub(crate) struct Check {
    pub(crate) name: &'static str,
    pub(crate) needs: Needs,
    pub(crate) finds: String,
    /// Whether it is about files and folders, not about what the SQL does.
    pub(crate) is_layout: bool,
}

/// Each look with its checks.
#[rustfmt::skip]
pub(super) const GROUPS: &[Group] = &[
    Group { look: Look::Settings(settings::check), checks: &[
        ("settings", "a service that does not say whether it has a database; unknown keys; a database or variable of two services; a .env that can't be read"),
    ] },
    Group { look: Look::Workspace(layout::root), checks: &[
        ("root-migrations", "a migrations folder at the root that belongs to no service"),
        ("root-alembic-ini", "an alembic.ini at the root"),
        ("root-diesel-toml", "a diesel.toml at the root that belongs to no service"),
    ] },
    Group { look: Look::Workspace(env_files::root), checks: &[
        ("env-template-unknown", "a variable in .env.template that no service reads"),
        ("shared-database-url", "a .env that gives several services one database"),
    ] },
    Group { look: Look::Stateless(layout::stateless), checks: &[
        ("stateless-migrations", "migrations of a service without a database"),
        ("stateless-diesel-toml", "a diesel.toml of a service without a database"),
        ("stateless-diesel-dependency", "a service without a database that depends on Diesel"),
    ] },
    Group { look: Look::Service(env_files::template), checks: &[
        ("env-template", "a service's variable that .env.template misses, or DATABASE_URL in it"),
    ] },
    Group { look: Look::Service(diesel_toml::check), checks: &[
        ("diesel-toml", "a diesel.toml that is missing or malformed, or whose paths do not exist or leave the service's folder"),
    ] },
    Group { look: Look::Folder(folders::check), checks: &[
        ("migration-without-version", "a migration folder whose name has no version"),
        ("duplicate-version", "two folders with the same version, one of which Diesel ignores silently"),
        ("missing-up", "a migration whose up.sql is missing or can't be read"),
        ("empty-up", "an up.sql without a statement"),
        ("missing-down", "a migration whose down.sql is missing or can't be read"),
        ("empty-down", "a down.sql without a statement"),
        ("metadata-without-transaction", "a metadata.toml that turns the transaction off without saying so"),
        ("malformed-metadata", "a metadata.toml that Diesel ignores silently"),
    ] },
    Group { look: Look::Sql(transaction::check), checks: &[
        ("several-statements", "more than one statement without a transaction"),
        ("concurrently-in-transaction", "a statement that can't run inside a transaction"),
    ] },
    // The rules of squawk, which are a table of their own.
    Group { look: Look::Sql(ddl::check), checks: &[] },
    Group { look: Look::Throwaway, checks: &[
        ("migration-fails", "a migration that does not apply"),
        ("needs-other-service", "a migration that needs another service's tables"),
        ("shared-table", "a table that two services make"),
        ("down-fails", "a migration that can't be reverted"),
        ("not-undone", "a down.sql that does not undo its up.sql"),
        ("not-repeatable", "a migration with a different result the second time"),
        ("schema", "a schema.rs that differs from Diesel's output, or that Diesel can't generate"),
        ("diagram", "a SCHEMA.md that `db diagram` generated and that is out of date"),
    ] },
    Group { look: Look::Live, checks: &[
        ("live-url", "a service whose URL is missing or invalid"),
        ("live-missing", "a database that does not exist"),
        ("live-owner", "a database that is not the service's own"),
        ("live-pending", "migrations that are not applied"),
        ("live-unknown", "applied migrations that are not in the folder"),
        ("live-edited", "migrations that were edited since they were applied"),
        ("live-invalid-index", "an INVALID index"),
        ("live-drift", "a database that differs from what its migrations make"),
    ] },
];

/// Every check that can be switched off by its name.
pub(crate) fn checks() -> impl Iterator<Item = Check> {
    let listed = GROUPS.iter().flat_map(|group| {
        let needs = match group.look {
            Look::Throwaway => Needs::Throwaway,
            Look::Live => Needs::Live,
            _ => Needs::Files,
        };
        let is_layout = needs == Needs::Files && !matches!(group.look, Look::Sql(_));
        group.checks.iter().map(move |(name, finds)| Check {
            name,
            needs,
            finds: (*finds).to_owned(),
            is_layout,
        })
    });
    let rules = RULES.iter().map(|rule| Check {
        name: rule.name,
        needs: Needs::Files,
        finds: format!("unsafe SQL: {}", rule.page()),
        is_layout: false,
    });
    listed.chain(rules)
}

/// The check of that name.
pub(crate) fn check(name: &str) -> Option<Check> {
    checks().find(|check| check.name == name)
}
