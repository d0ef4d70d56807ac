#![doc = include_str!("../README.md")]
#![cfg(unix)]

mod binaries;
mod clones;
mod database;
pub mod dev;
mod docker;
pub mod manage;
mod native;
mod order;
mod provider;
mod records;
mod release;
mod scram;
mod server;
mod settings;
mod sql;
mod state;
mod template;
mod variable;
mod workspace;

pub use database::TestDatabase;
pub use server::{Server, Wanted};
pub use settings::Provider;
pub use variable::SettingsError;

// Linked for their features: libpq and OpenSSL are built in.
use openssl_sys as _;
use pq_sys as _;
