use diesel::result::{DatabaseErrorKind, Error as DieselError};
use uuid::Uuid;

/// What can go wrong with career data.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The user has no career data.
    #[error("the user has no career data")]
    UnknownUser,
    /// The user has career data already.
    #[error("the user has career data already")]
    UserExists,
    /// Somebody changed the data after the caller had read it.
    #[error(
        "the data of user {user_id} is at version {actual}, the change was made from {expected}"
    )]
    Conflict {
        /// Whose data.
        user_id: Uuid,
        /// The version that the change was made from.
        expected: i64,
        /// The version in the database.
        actual: i64,
    },
    /// A job that ends before it starts.
    #[error("a work experience cannot end before it starts")]
    EndsBeforeStart,
    /// The worker tried to end a task that it does not run, or runs no longer.
    #[error("task {task} is not run by worker `{worker}`")]
    NotRunning {
        /// The task.
        task: i64,
        /// The worker.
        worker: String,
    },
    /// Anything else the database objects to.
    #[error(transparent)]
    Database(DieselError),
}

/// A result with this service's [`Error`].
pub type Result<T, E = Error> = std::result::Result<T, E>;

impl From<DieselError> for Error {
    /// The constraints of the database speak in types.
    fn from(error: DieselError) -> Self {
        let DieselError::DatabaseError(kind, info) = &error else {
            return Self::Database(error);
        };
        match (kind, info.constraint_name()) {
            (DatabaseErrorKind::ForeignKeyViolation, _) => Self::UnknownUser,
            (DatabaseErrorKind::UniqueViolation, Some("user_arc_data_pkey")) => Self::UserExists,
            (DatabaseErrorKind::CheckViolation, Some("work_experiences_dates_check")) => {
                Self::EndsBeforeStart
            }
            _ => Self::Database(error),
        }
    }
}
