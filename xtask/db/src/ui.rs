//! How the tool talks to people: failures, reports, progress.

pub(crate) mod failure;
pub(crate) mod parallel;
pub(crate) mod progress;
pub(crate) mod replace;
pub(crate) mod report;
pub(crate) mod trace;
