//! What `db check` shows of throw-away and of configured databases, and `db schema`.

use crate::support::{Printed, diesel_program, on_throwaway, snapshot, snapshot_with, variable};

const X: &str = "2026-01-03-000000_x";
const TIMEOUTS: &str = "SET LOCAL lock_timeout = '5s';\nSET LOCAL statement_timeout = '30s';\n";

#[test]
fn on_throw_away_databases() {
    let services = ["again", "down", "fails", "late", "needs", "undone"];
    let workspace = on_throwaway(&services);
    let template = services.map(|service| format!("{}=\n", variable(service)));
    workspace.write(".env.template", &template.concat());
    let migration = |service: &str, up: &str, down: &str| {
        workspace.migration(service, X, &format!("{TIMEOUTS}{up}"), down);
    };
    migration("fails", "\nALTER TABLE old ADD y int;", "SELECT 1;");
    migration(
        "undone",
        "CREATE TABLE half (a bigint);\nCOMMENT ON TABLE half IS 'half';\nCREATE TABLE whole (a bigint);",
        "\nDROP TABLE half;",
    );
    migration("again", "INSERT INTO again_items VALUES (1);", "SELECT 1;");
    migration(
        "down",
        "CREATE TABLE d (x bigint);",
        "DROP TABLE d;\nDROP TABLE nobody;",
    );
    migration(
        "needs",
        "CREATE TABLE n (a bigint REFERENCES undone_items);",
        "DROP TABLE n;",
    );
    migration(
        "late",
        "CREATE TABLE whole (a bigint);",
        "DROP TABLE whole;",
    );
    snapshot(
        &workspace,
        "check_throwaway",
        &workspace.db("check --jobs 1"),
    );
    let run = workspace.db("check undone --json --jobs 1");
    snapshot(&workspace, "check_json", &run);
}

#[test]
fn of_a_configured_database() {
    let mut workspace = on_throwaway(&["arc", "cv"]);
    workspace.write(".env.template", "ARC_DATABASE_URL=\nCV_DATABASE_URL=\n");
    for service in ["arc", "cv"] {
        let url = workspace.url(&workspace.database(service));
        workspace.set(&variable(service), &url);
    }
    workspace.db("create arc").exits(0);
    workspace.db("migrate arc").exits(0);
    workspace.execute(
        &workspace.database("arc"),
        "ALTER TABLE arc_items ADD hand int; CREATE INDEX by_hand ON arc_items (hand)",
    );
    workspace.append(
        "services/arc/migrations/2026-01-01-000000_create/up.sql",
        "-- edited",
    );
    workspace.migration("arc", X, "SELECT 1;", "SELECT 1;");
    let run = workspace.db("check --live --jobs 1");
    snapshot(&workspace, "check_live", &run);
}

#[test]
fn of_schema_rs() {
    // Else the first run would say that it installs one.
    diesel_program();
    let workspace = Printed::new();
    workspace.write(".env.template", "NOTES_DATABASE_URL=\nUSER_DATABASE_URL=\n");
    let db = |line: &str, code| workspace.db(&format!("{line} --jobs 1"), code);
    snapshot(&workspace, "schema", &db("schema", 0));
    let file = "services/notes/src/schema.rs";
    workspace.edit(file, "body -> Text", "body -> Nullable<Text>");
    snapshot(&workspace, "schema_check", &db("schema --check", 1));
    snapshot(&workspace, "check_schema", &db("check", 1));
    let now = [(r"20\d\d-\d\d-\d\d-\d{6}_loosen", "NOW_loosen")];
    let run = db("new notes loosen --diff", 0);
    snapshot_with(&workspace, "new_diff", &run, &now);
}
