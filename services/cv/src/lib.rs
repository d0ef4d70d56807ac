//! CV documents: what a CV says, in the order in which it is printed.
//!
//! A CV is stored and loaded as a whole, in a number of queries that depends neither on how long it
//! is nor on how many there are. A user is a UUID: the account behind it lives in another service,
//! in another database.

pub mod cvs;
mod error;
pub mod models;
#[allow(missing_docs, reason = "the file is printed by Diesel")]
pub mod schema;
mod section;

use diesel_migrations::{EmbeddedMigrations, embed_migrations};

pub use error::{Error, Result};

/// The migrations of this service's database, for a service that migrates when it starts.
pub const MIGRATIONS: EmbeddedMigrations = embed_migrations!();
