//! Settings, names and URLs that make no sense, and servers that can't be reached.

use crate::support::{Run, Workspace, snapshot};

#[test]
fn names() {
    let workspace = Workspace::with(&["arc", "cv"]);
    workspace.manifest("ai", "[package.metadata]\ndb = false\n");
    let run = workspace.db("migrate arcc");
    snapshot(&workspace, "unknown_service", &run);
    let run = workspace.db("migrate ai");
    snapshot(&workspace, "stateless_service", &run);
    let run = workspace.db("migrate arc --to 2026-01-01-000001");
    snapshot(&workspace, "unknown_version", &run);
}

#[test]
fn faults_in_the_manifests() {
    let workspace = Workspace::with(&["arc", "cv", "user"]);
    workspace.manifest("arc", "");
    workspace.manifest("cv", "[package.metadata.db]\nnme = \"x\"\n");
    workspace.write(
        "Cargo.toml",
        "[workspace]\n[workspace.metadata.db]\nservice = \"x\"\n",
    );
    let run = workspace.db("migrate");
    snapshot(&workspace, "settings_faults", &run);
    let one = "[package.metadata.db]\nname = \"one\"\nurl = \"ONE_URL\"\n";
    workspace.write("Cargo.toml", "[workspace]\n");
    workspace.manifest("arc", one);
    workspace.manifest("cv", one);
    let run = workspace.db("migrate");
    snapshot(&workspace, "settings_one_database_twice", &run);
    workspace.manifest("arc", "[package.metadata.db\n");
    let run = workspace.db("migrate");
    snapshot(&workspace, "settings_malformed_manifest", &run);
    let lonely = tempfile::TempDir::new().unwrap();
    let mut command = workspace.command(&["db", "status"]);
    let run = Run::of(command.current_dir(lonely.path()), "db status").exits(2);
    assert!(run.stderr.contains("found no Cargo workspace"), "{run:?}");
}

#[test]
fn faults_in_a_services_folder() {
    let workspace = Workspace::with(&["arc"]);
    workspace.migration("arc", "20260101000000_twin", "SELECT 1;", "SELECT 1;");
    let run = workspace.db("migrate");
    snapshot(&workspace, "folder_two_of_one_version", &run);
    workspace.remove("services/arc/migrations/20260101000000_twin");
    workspace.write(
        "services/arc/migrations/2026-01-02-000000_note/up.sql",
        "\n",
    );
    workspace.db("create").exits(0);
    let run = workspace.db("migrate");
    snapshot(&workspace, "folder_empty_up", &run);
    workspace.remove("services/arc/diesel.toml");
    let run = workspace.db("migrate");
    snapshot(&workspace, "folder_without_diesel_toml", &run);
}

#[test]
fn urls() {
    let mut workspace = Workspace::with(&["arc"]);
    workspace.set("ARC_DATABASE_URL", "mysql://me:geheim@h/d");
    let run = workspace.db("migrate");
    snapshot(&workspace, "url_of_another_kind", &run);
    workspace.set("ARC_DATABASE_URL", "postgres://me@h");
    let run = workspace.db("migrate");
    snapshot(&workspace, "url_without_a_database", &run);
    workspace.unset("ARC_DATABASE_URL");
    let run = workspace.db("migrate");
    snapshot(&workspace, "url_missing", &run);
    workspace.write(".env", "ARC_DATABASE_URL='postgres://me:geheim@h/d\n");
    let run = workspace.db("migrate");
    snapshot(&workspace, "dotenv_malformed", &run);
}

#[test]
fn a_server_that_is_away_and_a_database_that_is_missing() {
    let mut workspace = Workspace::with(&["arc", "cv"]);
    let run = workspace.db("migrate cv");
    snapshot(&workspace, "missing_database", &run);
    workspace.db("create cv").exits(0);
    workspace.set("ARC_DATABASE_URL", "postgres://me:geheim@127.0.0.1:1/d");
    let run = workspace.db("migrate");
    snapshot(&workspace, "cannot_connect", &run);
    let run = workspace.db("status --exit-code");
    snapshot(&workspace, "status_cannot_connect", &run);
}
