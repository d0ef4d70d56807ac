//! One binary for all tests: against real servers, of the provider that the variables choose.

mod database;
