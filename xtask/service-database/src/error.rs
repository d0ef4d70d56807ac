use std::error::Error as StdError;

use service_url::Origin;

/// Why a service does not start. No message shows a URL: it may hold a password.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// There is no URL.
    #[error(transparent)]
    Url(#[from] service_url::Error),
    /// libpq can't use the URL.
    #[error(
        "failed to connect: {origin} is not a PostgreSQL URL, or names a host that is not known"
    )]
    Unusable {
        /// Where the URL is.
        origin: Origin,
    },
    /// The server does not answer, or refuses the connection.
    #[error("failed to connect ({origin}): {reason}")]
    Unreachable {
        /// Where the URL is.
        origin: Origin,
        /// libpq's reason.
        reason: String,
    },
    /// The database belongs to another service.
    #[error(
        "refused: database `{database}` belongs to service `{owner}`, not to service `{service}`"
    )]
    NotOwn {
        /// This service.
        service: &'static str,
        /// The database.
        database: String,
        /// The service that it belongs to.
        owner: String,
        /// Where the URL is.
        origin: Origin,
    },
    /// The database belongs to no service.
    #[error("refused: database `{database}` belongs to no service")]
    NoOwner {
        /// This service.
        service: &'static str,
        /// The database.
        database: String,
        /// Where the URL is.
        origin: Origin,
    },
    /// The database lacks migrations of this service.
    #[error("refused: database `{database}` of service `{service}` lacks migrations: {}", versions.join(", "))]
    Pending {
        /// This service.
        service: &'static str,
        /// The database.
        database: String,
        /// What is missing, in order.
        versions: Vec<String>,
    },
    /// Another run holds the lock.
    #[error("failed to lock the database of service `{service}` in time: another run is at work")]
    Locked {
        /// This service.
        service: &'static str,
    },
    /// A migration failed.
    #[error("failed to migrate the database of service `{service}`: {source}")]
    Migration {
        /// This service.
        service: &'static str,
        /// The reason.
        source: Box<dyn StdError + Send + Sync>,
    },
    /// The server refused a question about the state of the database.
    #[error("failed to read the state of the database: {0}")]
    State(#[from] diesel::result::Error),
}

/// A result with this crate's [`Error`].
pub type Result<T, E = Error> = std::result::Result<T, E>;

impl Error {
    /// What to do about it.
    #[must_use]
    pub fn help(&self) -> Option<String> {
        match self {
            Self::Url(error) => error.help(),
            Self::Unusable { .. } | Self::Unreachable { .. } => {
                Some("`cargo xtask db status` shows the URL and what is wrong with it".to_owned())
            }
            Self::NotOwn { origin, .. } => Some(format!(
                "{origin} leads to it: set it to the service's own database"
            )),
            Self::NoOwner {
                service, origin, ..
            } => Some(format!(
                "{origin} leads to it; if it is the service's own, run `cargo xtask db migrate {service}`"
            )),
            Self::Pending { service, .. } => Some(format!(
                "run `cargo xtask db migrate {service}`, or start the service with `--migrate`"
            )),
            Self::State(_) => Some(
                "the role needs USAGE on the schema `db_ledger`, and SELECT on its tables and on \
                 `__diesel_schema_migrations`"
                    .to_owned(),
            ),
            Self::Locked { .. } | Self::Migration { .. } => None,
        }
    }

    /// The exit code of `cargo xtask db` for this kind of failure.
    #[must_use]
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::Pending { .. } => 1,
            Self::Url(_) => 2,
            Self::Unusable { .. } | Self::Unreachable { .. } => 3,
            Self::Migration { .. } | Self::State(_) => 4,
            Self::Locked { .. } => 5,
            Self::NotOwn { .. } | Self::NoOwner { .. } => 6,
        }
    }
}
