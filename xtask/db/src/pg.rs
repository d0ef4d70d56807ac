//! A safe, small face on libpq: connection settings, a connection, errors with every field.
//!
//! Why not Diesel: its errors leave out the SQLSTATE and its connection hides libpq's, and an error at
//! 2 a.m. without its SQLSTATE is half an error. The `libpq` crate can't be linked beside `pq-sys`.
//! It also builds in a fraction of the time, and everybody waits for this crate.

mod child;
mod connection;
mod error;
mod given;
mod params;
mod pipeline;
mod quoted;
mod raw;
mod roots;
mod tools;

pub(crate) use connection::{Connection, answer_timeout};
pub(crate) use error::SqlError;
pub(crate) use params::Params;
pub(crate) use quoted::{Ident, Literal};
pub(crate) use raw::{Cancel, Rows};
pub(crate) use tools::{Tool, Work};

/// The major version in libpq's number: 15 in 150018.
pub(crate) fn major(version: i32) -> i32 {
    version / 10_000
}
