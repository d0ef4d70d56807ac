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
    /// A company or a title is blank.
    #[error("the {0} of a work experience must not be blank")]
    Blank(&'static str),
    /// The worker has the task no longer: its lease ran out, or it ended the task already.
    #[error("attempt {attempt} has lost its lease on task {task}")]
    LeaseLost {
        /// The task.
        task: i64,
        /// The number of the attempt.
        attempt: i64,
    },
    /// The task is not a dead letter, or not there.
    #[error("task {0} is not a dead letter")]
    NotFailed(i64),
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
        let by_constraint = match (kind, info.constraint_name()) {
            (
                DatabaseErrorKind::ForeignKeyViolation,
                Some("work_experiences_user_id_fkey" | "cv_tasks_user_id_fkey"),
            ) => Some(Self::UnknownUser),
            (DatabaseErrorKind::UniqueViolation, Some("user_arc_data_pkey")) => {
                Some(Self::UserExists)
            }
            (DatabaseErrorKind::CheckViolation, Some(name)) => match name {
                "work_experiences_dates_check" => Some(Self::EndsBeforeStart),
                "work_experiences_company_check" => Some(Self::Blank("company")),
                "work_experiences_title_check" => Some(Self::Blank("title")),
                _ => None,
            },
            _ => None,
        };
        by_constraint.unwrap_or(Self::Database(error))
    }
}
