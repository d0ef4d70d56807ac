//! A statement that the server refused while a migration ran, and where it stands in the file.

use crate::migrations::Migration;
use crate::pg::SqlError;
use crate::sql::diagnostic;
use crate::sql::statements::{End, Script, Statement, offset_of};
use crate::ui::failure::{Failure, Kind, Result};
use crate::workspace::{Service, Workspace};

/// A file that can't run as it is, on any server; for a script that is printed.
///
/// # Errors
/// One of its statements ends the transaction of the file.
pub(super) fn refuse_own_end(
    workspace: &Workspace,
    service: &Service,
    migration: &Migration,
) -> Result<()> {
    let script = Script::of(&migration.up);
    let found = script.forbidden_end(migration.in_transaction);
    let Some((statement, end)) = found.filter(|_| script.is_sure) else {
        return Ok(());
    };
    let Fault { error, offset, .. } = Fault::forbidden(&statement, end);
    let path = workspace.shown(&migration.up_path());
    Err(Failure::new(
        Kind::Migration,
        format!(
            "failed to print migration `{}` of service `{}`\n{}",
            migration.name,
            service.name,
            diagnostic::render(&path, &migration.up, offset, &error)
        ),
    ))
}

/// An error, and where it stands in the file: a byte offset, where it is known.
pub(super) struct Fault {
    pub(super) error: SqlError,
    pub(super) offset: Option<usize>,
    /// Whether nothing of a file in a transaction was kept.
    pub(super) is_whole: bool,
}

/// What there is to know about a file that ends its transaction.
const ONE_TRANSACTION: &str = "the tool runs a file and its bookkeeping in one transaction, so the file must have no BEGIN, COMMIT or ROLLBACK of its own; if a database already has the migration, accept the edit with `cargo xtask db migrate --accept-edited`";

impl From<SqlError> for Fault {
    /// Of a statement that is not in the file.
    fn from(error: SqlError) -> Self {
        Self {
            error,
            offset: None,
            is_whole: true,
        }
    }
}

impl Fault {
    /// Of a statement that is not run, since it ends the transaction of the file.
    pub(super) fn forbidden(statement: &Statement<'_>, end: End) -> Self {
        Self {
            error: SqlError {
                message: format!("the file ends its own transaction: remove {end}"),
                hint: Some(ONE_TRANSACTION.to_owned()),
                ..SqlError::default()
            },
            offset: Some(statement.start),
            is_whole: true,
        }
    }

    /// Of a file that can't be sent.
    pub(super) fn nul(offset: usize) -> Self {
        Self {
            error: SqlError {
                message: "the file has a NUL byte here, which PostgreSQL can't take: remove it"
                    .to_owned(),
                ..SqlError::default()
            },
            offset: Some(offset),
            is_whole: true,
        }
    }

    /// Of a file that ended its transaction with a statement that we did not see.
    pub(super) fn ended() -> Self {
        Self {
            error: SqlError {
                message: "the file ends its own transaction: remove its COMMIT, ROLLBACK or PREPARE TRANSACTION"
                    .to_owned(),
                hint: Some(ONE_TRANSACTION.to_owned()),
                ..SqlError::default()
            },
            offset: None,
            is_whole: false,
        }
    }

    /// Of a statement in the file; `error.position` counts in it.
    pub(super) fn in_statement(error: SqlError, statement: &Statement<'_>) -> Self {
        let position = error.position;
        let inner = position.map_or(0, |position| offset_of(statement.sql, position));
        Self {
            error,
            offset: Some(statement.start + inner),
            is_whole: true,
        }
    }

    /// Whether it may be that we took a part of a statement, or more than one, for a statement; then the server must see
    /// the file whole. Also what it says of a `$1` depends on how it gets the statement.
    pub(super) fn may_be_the_splitting(&self) -> bool {
        // syntax_error, protocol_violation; not from inside a function.
        let is_alike = ["42601", "08P01"].contains(&self.error.sqlstate.as_str());
        is_alike && self.offset.is_some() && self.error.context.is_none()
    }
}
