//! Taking over a running database: what other tools left in it, how it differs from what migrations make, and the first
//! migration written from it.

pub(crate) mod bookkeeping;
pub(crate) mod compare;
pub(crate) mod first;
pub(crate) mod pg_dump;
mod proof;
mod script;
