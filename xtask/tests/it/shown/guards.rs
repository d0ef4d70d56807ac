//! Each guard's refusal.

use crate::support::{Pooler, Workspace, adopting, snapshot};

#[test]
fn by_the_url_alone() {
    let mut workspace = Workspace::with(&["arc", "cv"]);
    let url = workspace.get("ARC_DATABASE_URL");
    let cv = workspace.get("CV_DATABASE_URL");
    workspace.set("ARC_DATABASE_URL", &cv);
    let run = workspace.db("migrate arc");
    snapshot(&workspace, "guard_another_services_name", &run);
    let (server, _) = url.rsplit_once('/').unwrap();
    workspace.set("ARC_DATABASE_URL", &format!("{server}/postgres"));
    let run = workspace.db("migrate arc");
    snapshot(&workspace, "guard_servers_own_database", &run);
    workspace.unset("ARC_DATABASE_URL");
    workspace.unset("CV_DATABASE_URL");
    workspace.set("DATABASE_URL", &url);
    let run = workspace.db("migrate");
    snapshot(&workspace, "guard_several_on_the_fallback", &run);
    workspace.create_database(&workspace.database("arc"));
    let run = workspace.db("migrate arc --dry-run");
    snapshot(&workspace, "fallback_warning", &run);
}

#[test]
fn one_physical_database() {
    let mut workspace = Workspace::with(&["arc", "cv"]);
    let shared = workspace.database("shared");
    workspace.create_database(&shared);
    let url = workspace.url(&shared);
    workspace.set("ARC_DATABASE_URL", &url.replace("localhost", "127.0.0.1"));
    workspace.set("CV_DATABASE_URL", &url.replace("127.0.0.1", "localhost"));
    let run = workspace.db("migrate");
    snapshot(&workspace, "guard_same_database", &run);
    let run = workspace.db("status --exit-code");
    snapshot(&workspace, "status_same_database", &run);
}

#[test]
fn the_owner() {
    let workspace = Workspace::with(&["arc"]);
    workspace.db("create").exits(0);
    workspace.execute(
        &workspace.database("arc"),
        "UPDATE db_ledger.owner SET service = 'cv'",
    );
    let run = workspace.db("migrate");
    snapshot(&workspace, "guard_owner", &run);
    let run = workspace.db("baseline arc");
    snapshot(&workspace, "baseline_owner", &run);
    let run = workspace.db("status --exit-code");
    snapshot(&workspace, "status_owner", &run);
}

#[test]
fn tables_without_a_history_and_other_tools() {
    let workspace = adopting(&["arc"]);
    let arc = workspace.database("arc");
    workspace.create_database(&arc);
    let run = workspace.db("baseline arc");
    snapshot(&workspace, "baseline_empty_database", &run);
    workspace.execute(&arc, "CREATE TABLE arc_items (id bigint PRIMARY KEY)");
    let run = workspace.db("migrate");
    snapshot(&workspace, "guard_tables_without_history", &run);
    workspace.execute(&arc, "CREATE TABLE alembic_version (version_num text)");
    let run = workspace.db("migrate");
    snapshot(&workspace, "guard_another_tool", &run);
    let run = workspace.db("baseline arc");
    snapshot(&workspace, "baseline_differs", &run);
    let run = workspace.db("baseline arc --to 2026-01-01-000000");
    snapshot(&workspace, "baseline", &run);
    let run = workspace.db("baseline arc --to 2026-01-01-000000");
    snapshot(&workspace, "baseline_again", &run);
    let run = workspace.db("baseline arc");
    snapshot(&workspace, "baseline_without_a_version", &run);
}

#[test]
fn a_foreign_history() {
    let mut workspace = Workspace::with(&["arc", "cv"]);
    workspace.migration("cv", "2026-03-01-000000_only_cv", "SELECT 1;", "SELECT 1;");
    let plain = workspace.database("plain");
    workspace.create_database(&plain);
    workspace.execute(
        &plain,
        "CREATE TABLE __diesel_schema_migrations (version varchar(50) PRIMARY KEY, run_on timestamp NOT NULL DEFAULT now());
         INSERT INTO __diesel_schema_migrations (version) VALUES ('20260101000000'), ('20260301000000')",
    );
    workspace.set("ARC_DATABASE_URL", &workspace.url(&plain));
    let run = workspace.db("migrate arc");
    snapshot(&workspace, "guard_foreign_history", &run);
    workspace.execute(
        &plain,
        "DELETE FROM __diesel_schema_migrations WHERE version = '20260301000000'",
    );
    let run = workspace.db("migrate arc");
    snapshot(&workspace, "guard_history_of_two_services", &run);
    let url = workspace.get("ARC_DATABASE_URL");
    workspace.execute(&plain, "CREATE SCHEMA app");
    workspace.set(
        "ARC_DATABASE_URL",
        &format!("{url}?options=-csearch_path%3Dapp"),
    );
    let run = workspace.db("migrate arc");
    snapshot(&workspace, "guard_hidden_history", &run);
}

#[test]
fn ahead_of_the_checkout_and_edited() {
    let workspace = Workspace::with(&["arc"]);
    workspace.db("create").exits(0);
    workspace.db("migrate").exits(0);
    let up = "services/arc/migrations/2026-01-01-000000_create/up.sql";
    workspace.append(up, "-- edited\n");
    let run = workspace.db("migrate");
    snapshot(&workspace, "guard_edited", &run);
    let run = workspace.db("status --exit-code");
    snapshot(&workspace, "status_edited", &run);
    let run = workspace.db("migrate --accept-edited");
    snapshot(&workspace, "migrate_accept_edited", &run);
    workspace.remove("services/arc/migrations/2026-01-02-000000_note");
    let run = workspace.db("migrate");
    snapshot(&workspace, "guard_ahead_of_checkout", &run);
}

#[test]
fn a_pooler() {
    let mut workspace = Workspace::with(&["arc"]);
    workspace.db("create").exits(0);
    let pooler = Pooler::start(&workspace.get("ARC_DATABASE_URL"), 1);
    workspace.set("ARC_DATABASE_URL", &pooler.url);
    let run = workspace.db("migrate");
    snapshot(&workspace, "guard_pooler", &run);
}

#[test]
fn what_destroys_data_is_not_confirmed() {
    let workspace = Workspace::with(&["arc"]);
    workspace.db("create").exits(0);
    workspace.db("migrate").exits(0);
    let run = workspace.db("revert arc --all");
    snapshot(&workspace, "not_confirmed", &run);
    let run = workspace.db("revert arc --all --yes arc");
    snapshot(&workspace, "confirmed_by_another_name", &run);
}
