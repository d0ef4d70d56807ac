//! Stateless AI processing: how well a CV answers a job advertisement.
//!
//! This service keeps nothing, so it has no database, no migrations and no Diesel.

mod matching;
mod terms;

pub use matching::{Match, score};
