//! Career data: profiles, work experiences, and the queue of CVs to write.
//!
//! Every function takes a connection to this service's own database. A user is a UUID: the account
//! behind it lives in another service, in another database.

pub mod careers;
mod error;
pub mod models;
#[allow(missing_docs, reason = "the file is printed by Diesel")]
pub mod schema;
pub mod tasks;
pub mod work;
pub mod worker;

use diesel_migrations::{EmbeddedMigrations, embed_migrations};

pub use error::{Error, Result};

/// The migrations of this service's database, for a service that migrates when it starts.
pub const MIGRATIONS: EmbeddedMigrations = embed_migrations!();
