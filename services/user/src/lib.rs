//! Accounts and billing: user profiles and the ledger of their credits.
//!
//! Every function takes a connection to this service's own database. The id of a profile is what
//! every other service calls a user.

pub mod credits;
mod error;
pub mod models;
pub mod profiles;
#[allow(missing_docs, reason = "the file is printed by Diesel")]
pub mod schema;

use diesel_migrations::{EmbeddedMigrations, embed_migrations};

pub use error::{Error, Result};

/// The migrations of this service's database, for a service that migrates when it starts.
pub const MIGRATIONS: EmbeddedMigrations = embed_migrations!();
