//! One binary for all tests: against real servers, of the provider that the variables choose.

mod database;
mod dev;
mod machine;
mod process;
mod readme;
mod server;
mod settings;
