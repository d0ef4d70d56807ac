//! Taking over a running database: what other tools left in it, and how it differs from what migrations make.

pub(crate) mod bookkeeping;
pub(crate) mod compare;
