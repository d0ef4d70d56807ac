use diesel::result::{DatabaseErrorKind, Error as DieselError};

/// What can go wrong with accounts and credits.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// Another profile has this address, perhaps in other letter case.
    #[error("another user has this e-mail address")]
    EmailTaken,
    /// Not an e-mail address.
    #[error("this is not an e-mail address")]
    InvalidEmail,
    /// Nobody has this id.
    #[error("there is no such user")]
    UnknownUser,
    /// The user wants to spend more than there is.
    #[error("{wanted} credits are wanted, the balance is {balance}")]
    InsufficientCredits {
        /// What the user has.
        balance: i64,
        /// What the user wants to spend.
        wanted: i64,
    },
    /// Credits are bought and spent in positive amounts, and balances have a limit.
    #[error("{0} is not an amount of credits that can be booked")]
    InvalidAmount(i64),
    /// The payment has been booked already, for another user or another amount.
    #[error("payment `{0}` has been booked differently")]
    PaymentReused(String),
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
            (DatabaseErrorKind::UniqueViolation, Some("user_profiles_lower_email_key")) => {
                Self::EmailTaken
            }
            (DatabaseErrorKind::CheckViolation, Some("user_profiles_email_check")) => {
                Self::InvalidEmail
            }
            _ => Self::Database(error),
        }
    }
}
