//! What a backup says about itself.

use serde::{Deserialize, Serialize};

use super::census::Census;
use super::properties::Properties;
use crate::pg::major;

/// The version of the form below.
pub(super) const FORMAT: u32 = 1;

/// What must be in a dump, and what is not in it but belongs to the database.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Manifest {
    pub(super) format: u32,
    pub(crate) service: String,
    /// The name of the database that was dumped.
    pub(crate) database: String,
    /// When, in UTC: also the name of the folder.
    pub(crate) time: String,
    /// The tool that wrote it.
    pub(super) tool: String,
    /// The server's version as a number: 150018 is 15.18.
    pub(crate) server_version: i32,
    /// As `pg_dump` says it.
    pub(super) pg_dump: String,
    /// As libpq numbers servers.
    pub(super) pg_dump_number: i32,
    /// The length of the dump.
    pub(crate) bytes: u64,
    /// The schema of Diesel's bookkeeping table, where there is one.
    pub(super) history_schema: Option<String>,
    /// Counted exactly, in the very snapshot that was dumped.
    pub(crate) census: Census,
    pub(super) properties: Properties,
}

impl Manifest {
    /// The major version of the server that was dumped.
    pub(crate) fn server_major(&self) -> i32 {
        major(self.server_version)
    }
}
