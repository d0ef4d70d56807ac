//! Servers in containers, through `testcontainers`.

mod daemon;
mod log;
mod start;
mod stop;

pub(crate) use daemon::volume;
pub(crate) use log::log;
pub(crate) use start::start;
pub(crate) use stop::{remove_leftovers, remove_running, remove_volume, stop};
