//! `Cargo.toml`, `diesel.toml` and `metadata.toml`, whatever is in them.

use std::fs;
use std::path::Path;

use super::{ODD, Random, damaged, rounds};
use crate::migrations::Migrations;
use crate::migrations::folder::{Folder, Metadata};
use crate::workspace::Workspace;
use crate::workspace::diesel_toml::DieselToml;

const ROOT: &str = "[workspace]\nmembers = [\"services/*\"]\n[workspace.metadata.db]\nservices = \"services/*\"\n\
    postgres = [\"15\", \"18\"]\nallow = { ban-drop-table = \"é\" }\n";
const SERVICE: &str = "[package]\nname = \"arc\"\n[package.metadata.db]\nname = \"arc_db\"\nurl = \"ARC_URL\"\n\
    postgres = \"18\"\nsuperuser = true\nsuperuser-reason = \"é\"\npostgresql-conf = { work_mem = \"4MB\" }\n";
const DIESEL: &str =
    "[print_schema]\nfile = \"src/schema.rs\"\n[migrations_directory]\ndir = \"migrations\"\n";
const METADATA: &str = "# é\nrun_in_transaction = false\n";

/// Of TOML, and of these files.
const PIECES: &[&str] = &[
    "=",
    "[",
    "]",
    "[[",
    "\"",
    "'",
    "\"\"\"",
    "{",
    "}",
    ",",
    "\n",
    "1",
    "true",
    "false",
    "nan",
    "1979-05-27",
    "[a]\n",
    "x = 1\n",
    "\"é\"",
    "db = false\n",
    "name = 1\n",
    "..",
    "/",
    "*",
    "**",
    "[!",
    "\0",
    "\u{feff}",
    "\r",
];

/// The file as it should be, or not.
fn write(random: &mut Random, path: &Path, right: &str) -> String {
    let mut text = right.to_owned();
    for _ in 0..random.below(3) {
        let pieces = random.choose(&[PIECES, ODD]).unwrap();
        text = damaged(random, &text, pieces);
    }
    fs::write(path, &text).unwrap();
    text
}

#[test]
fn no_settings_panic_and_every_fault_has_its_place() {
    let folder = tempfile::TempDir::new().unwrap();
    let root = folder.path();
    let service = root.join("services/arc");
    let migration = service.join("migrations/2026-01-01-000000_create");
    fs::create_dir_all(&migration).unwrap();
    fs::write(migration.join("up.sql"), "SELECT 1;").unwrap();
    let (mut sound, mut faulty) = (0, 0);
    rounds(600, |random| {
        for (path, right) in [
            (root.join("Cargo.toml"), ROOT),
            (service.join("Cargo.toml"), SERVICE),
            (service.join("diesel.toml"), DIESEL),
            (migration.join("metadata.toml"), METADATA),
        ] {
            write(random, &path, right);
        }
        let (workspace, faults) = match Workspace::find_with_faults(root) {
            Ok(found) => found,
            Err(failure) => {
                faulty += 1;
                // No [workspace] any more, or a pattern that matches nothing.
                let names =
                    failure.message.contains("Cargo.toml") || failure.message.contains("workspace");
                assert!(names, "{failure:?}");
                return;
            }
        };
        match faults.0.is_empty() {
            true => sound += 1,
            false => faulty += 1,
        }
        for fault in &faults.0 {
            let text = fs::read_to_string(root.join(&fault.file)).unwrap();
            super::has_line(&text, fault.line.unwrap_or_else(|| panic!("{fault:?}")));
        }
        for service in &workspace.services {
            looked_at(service);
        }
    });
    assert!(sound > 0 && faulty > 0, "{sound} sound, {faulty} faulty");
}

/// What running and checking make of a service.
fn looked_at(service: &crate::workspace::Service) {
    let diesel = DieselToml::read(service);
    if let Some(error) = diesel.error() {
        super::has_line(diesel.text(), error.line.unwrap());
        assert!(error.message.contains("diesel.toml"), "{error:?}");
    }
    for path in diesel.schemas().iter().chain([&diesel.migrations()]) {
        if let Some((line, span)) = &path.place {
            super::has_line(diesel.text(), *line);
            let _ = &diesel.text()[span.clone()];
        }
    }
    if let Err(failure) = Migrations::read(service) {
        let names = ["diesel.toml", "metadata.toml", "migrations"];
        let names = names.iter().any(|name| failure.message.contains(name));
        assert!(names, "{failure:?}");
    }
    let Some(folder) = diesel.folder_to_check() else {
        return;
    };
    for folder in Folder::all(&folder).unwrap_or_default() {
        if let Metadata::Malformed(error) = &folder.metadata {
            super::has_line(&folder.metadata_text, error.line.unwrap());
            assert!(error.message.contains("metadata.toml"), "{error:?}");
        }
    }
}
