//! Backups of a service's database, and what puts one back.
//!
//! A backup is a folder `backups/<service>/<time>/`: the dump in `pg_dump`'s custom format, a manifest of what must be in it,
//! and the checksums of both. It is written beside its place, synced, and renamed: under its final name it is complete.

mod census;
mod checksum;
mod database;
pub(crate) mod dump;
pub(crate) mod folder;
mod manifest;
mod properties;
pub(crate) mod restore;
mod swap;
