//! Throw-away databases, and what is made on them: `schema.rs`, `SCHEMA.md`, Diesel's diff.

pub(crate) mod diesel_cli;
pub(crate) mod local_postgres;
pub(crate) mod schema_diff;
pub(crate) mod schema_md;
pub(crate) mod schema_rs;
pub(crate) mod throwaway;
