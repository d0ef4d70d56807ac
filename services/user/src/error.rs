use diesel::result::{DatabaseErrorKind, Error as DieselError};

/// What can go wrong with accounts and credits.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// Another profile has this address, perhaps in other letter case.
    #[error("another user has this e-mail address")]
    EmailTaken,
    /// The name is blank.
    #[error("a user needs a name that is not blank")]
    InvalidName,
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
    /// The key of a request or the id of a payment is blank.
    #[error("a request needs a key that is not blank")]
    InvalidRequest,
    /// The reason of an entry is blank.
    #[error("an entry needs a reason that is not blank")]
    InvalidReason,
    /// The request has been booked already, for another user, another amount or another purpose.
    #[error("request `{0}` has been booked differently")]
    RequestReused(String),
    /// The user has no entry of this number.
    #[error("the user has no entry {0}")]
    UnknownEntry(i64),
    /// Another entry takes this one back already.
    #[error("the entry has been corrected already")]
    AlreadyCorrected,
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
            (DatabaseErrorKind::UniqueViolation, Some(name)) => match name {
                "user_profiles_lower_email_key" => Some(Self::EmailTaken),
                "topup_credits_corrects_key" => Some(Self::AlreadyCorrected),
                _ => None,
            },
            (DatabaseErrorKind::CheckViolation, Some(name)) => match name {
                "user_profiles_email_check" => Some(Self::InvalidEmail),
                "user_profiles_name_check" => Some(Self::InvalidName),
                "topup_credits_request_check" | "topup_credits_payment_id_check" => {
                    Some(Self::InvalidRequest)
                }
                "topup_credits_reason_check" => Some(Self::InvalidReason),
                _ => None,
            },
            _ => None,
        };
        by_constraint.unwrap_or(Self::Database(error))
    }
}
