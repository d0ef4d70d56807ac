use diesel::result::{DatabaseErrorKind, Error as DieselError};

/// What can go wrong with CVs.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// No CV of this user has this id.
    #[error("the user has no CV {0}")]
    UnknownCv(i64),
    /// Somebody changed the CV after the caller had read it.
    #[error("CV {id} is at version {actual}, the change was made from {expected}")]
    Conflict {
        /// The CV.
        id: i64,
        /// The version that the change was made from.
        expected: i64,
        /// The version in the database.
        actual: i64,
    },
    /// The CV says something that cannot be: an end before its start, a blank name…
    #[error("the CV breaks the rule `{rule}`")]
    Invalid {
        /// The constraint of the database, such as `experiences_dates_check`.
        rule: String,
    },
    /// Anything else the database objects to.
    #[error(transparent)]
    Database(DieselError),
}

/// A result with this service's [`Error`].
pub type Result<T, E = Error> = std::result::Result<T, E>;

impl From<DieselError> for Error {
    /// The checks of the database speak in types.
    fn from(error: DieselError) -> Self {
        match &error {
            DieselError::DatabaseError(DatabaseErrorKind::CheckViolation, info) => Self::Invalid {
                rule: info.constraint_name().unwrap_or_default().to_owned(),
            },
            _ => Self::Database(error),
        }
    }
}
