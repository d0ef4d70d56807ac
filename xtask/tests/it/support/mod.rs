//! What the tests share: generated workspaces, runs of the tool, and stand-ins for other programs.

mod breaking;
#[cfg(target_os = "linux")]
mod calls;
mod diesel;
mod document;
mod files;
mod findings;
mod folder;
mod own_server;
mod pg_programs;
mod pooler;
mod printed;
mod proxy;
mod random;
mod run;
mod screen;
mod small_disk;
mod snapshot;
mod tls;
mod workspace;

use std::path::Path;

pub(crate) use breaking::{Breaking, Fault, How, Phase};
#[cfg(target_os = "linux")]
pub(crate) use calls::Calls;
pub(crate) use diesel::{diesel_program, target};
pub(crate) use document::{Section, Shown, sections, shown};
pub(crate) use files::{Files, Place};
pub(crate) use findings::{Seen, adopting, findings, on_throwaway, only, superuser};
pub(crate) use folder::Folder;
pub(crate) use own_server::OwnServer;
pub(crate) use pg_programs::PgPrograms;
pub(crate) use pooler::Pooler;
pub(crate) use printed::{PRINT, Printed, wait_until};
pub(crate) use proxy::{Link, Proxy};
pub(crate) use random::Random;
pub(crate) use run::{Run, commands};
pub(crate) use screen::Screen;
pub(crate) use small_disk::SmallDisk;
pub(crate) use snapshot::{snapshot, snapshot_text, snapshot_with};
pub(crate) use tls::TlsFront;
pub(crate) use workspace::{Workspace, value};

/// The default variable of a service.
pub(crate) fn variable(service: &str) -> String {
    format!("{}_DATABASE_URL", service.to_uppercase().replace('-', "_"))
}

pub(crate) fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// Percent-encodes everything but letters, digits and `_`.
pub(crate) fn encoded(text: &str) -> String {
    text.bytes()
        .map(|byte| match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'_' => char::from(byte).to_string(),
            byte => format!("%{byte:02X}"),
        })
        .collect()
}

/// The root of this repository, for what is compared with it.
pub(crate) fn repository() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap()
}
