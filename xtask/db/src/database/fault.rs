//! A statement that the server refused while a migration ran, and where it stands in the file.

use crate::pg::SqlError;
use crate::sql::statements::{Statement, offset_of};

/// An error, and where it stands in the file: a byte offset, where it is known.
pub(super) struct Fault {
    pub(super) error: SqlError,
    pub(super) offset: Option<usize>,
}

impl From<SqlError> for Fault {
    /// Of a statement that is not in the file.
    fn from(error: SqlError) -> Self {
        Self {
            error,
            offset: None,
        }
    }
}

impl Fault {
    pub(super) fn rolls_back(offset: Option<usize>) -> Self {
        Self {
            error: SqlError {
                message: "the file rolls back its own work: remove its ROLLBACK".to_owned(),
                ..SqlError::default()
            },
            offset,
        }
    }

    /// Of a statement in the file; `error.position` counts in it.
    pub(super) fn in_statement(error: SqlError, statement: &Statement<'_>) -> Self {
        let position = error.position;
        let inner = position.map_or(0, |position| offset_of(statement.sql, position));
        Self {
            error,
            offset: Some(statement.start + inner),
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
