//! One module per verb: its arguments, and `run`, which gives a report.

pub(crate) mod backup;
pub(crate) mod baseline;
pub(crate) mod check;
pub(crate) mod confirm;
pub(crate) mod create;
pub(crate) mod doomed;
pub(crate) mod down;
pub(crate) mod downward;
pub(crate) mod drop;
pub(crate) mod fix;
pub(crate) mod history;
pub(crate) mod migrate;
pub(crate) mod new;
pub(crate) mod outcome;
pub(crate) mod protect;
pub(crate) mod redo;
pub(crate) mod reset;
pub(crate) mod resolve;
pub(crate) mod restore;
pub(crate) mod revert;
pub(crate) mod schema;
pub(crate) mod seed;
pub(crate) mod services;
pub(crate) mod status;
pub(crate) mod up;
pub(crate) mod wait;
