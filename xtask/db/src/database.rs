//! A service's database: where it is, what state it is in, and the only way to write to it.

pub(crate) mod books;
pub(crate) mod claim;
mod denied;
mod explain;
mod fault;
pub(crate) mod guard;
pub(crate) mod identity;
pub(crate) mod interrupt;
pub(crate) mod ledger;
pub(crate) mod lock;
pub(crate) mod recovery;
pub(crate) mod runner;
pub(crate) mod script;
pub(crate) mod session;
pub(crate) mod stake;
pub(crate) mod state;
pub(crate) mod target;
pub(crate) mod task;
