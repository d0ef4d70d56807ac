//! What `db check --offline`, `db fix` and `db new` show: no server.

use crate::support::{Files, Workspace, snapshot, snapshot_with};

/// As OASIS publishes it, and the crate `serde-sarif` 0.8.0 ships it (MIT); unchanged.
const SARIF_SCHEMA: &str = include_str!("sarif-schema-2.1.0.json");

/// A workspace with a fault of every kind that the files alone show.
fn faulty() -> Files {
    let files = Files::with(&["arc", "cv", "user"]);
    // The root's, and those of a service without a database.
    files.share_migrations();
    files.add_stateless("ai", "\n[dependencies]\ndiesel = \"2\"\n");
    files.write("services/ai/migrations/1_x/up.sql", "CREATE TABLE x ();\n");
    files.write("services/ai/diesel.toml", "");
    files.manifest("lost", "");
    files.write(
        "services/cv/diesel.toml",
        "[migrations_directory]\ndir = \"../../migrations\"\n",
    );
    files.write(
        ".env.template",
        "ARC_DATABASE_URL=\nDATABASE_URL=postgres://me:geheim@localhost:5432/all\nOLD_DATABASE_URL=\n",
    );
    files.write(
        ".env",
        "DATABASE_URL=postgres://me:geheim@localhost:5432/all\n",
    );
    // The migrations.
    let timeouts = "SET LOCAL lock_timeout = '5s';\nSET LOCAL statement_timeout = '30s';\n";
    files.migration("arc", "_x", "SELECT 1;", "SELECT 1;");
    files.migration("arc", "20260101000000_twin", "SELECT 1;", "SELECT 1;");
    files.migration(
        "arc",
        "2026-01-02-000000_empty",
        "-- nothing yet\n",
        " \n;\n",
    );
    files.migration("arc", "2026-01-03-000000_gone", "SELECT 1;", "SELECT 1;");
    files.remove("services/arc/migrations/2026-01-03-000000_gone/up.sql");
    files.remove("services/arc/migrations/2026-01-03-000000_gone/down.sql");
    files.migration_without_transaction(
        "arc",
        "2026-01-04-000000_several",
        "SELECT 1;\nSELECT 2;\n",
        "SELECT 1;",
    );
    let unsaid = "2026-01-05-000000_unsaid";
    files.migration("arc", unsaid, "SELECT 1;", "SELECT 1;");
    files.write(
        &format!("services/arc/migrations/{unsaid}/metadata.toml"),
        "run_in_transactoin = true\n",
    );
    let malformed = "2026-01-06-000000_malformed";
    files.migration("arc", malformed, "SELECT 1;", "SELECT 1;");
    files.write(
        &format!("services/arc/migrations/{malformed}/metadata.toml"),
        "run_in_transaction = \n",
    );
    files.migration(
        "arc",
        "2026-01-07-000000_index",
        "CREATE INDEX CONCURRENTLY i ON arc_items (id);\n",
        "DROP INDEX i;\n",
    );
    files.migration(
        "arc",
        "2026-01-08-000000_rules",
        &format!("{timeouts}ALTER TABLE arc_items\n    DROP COLUMN a;\n-- db-check-ignore ban-drop-table\nDROP TABLE old;\n"),
        "SELECT 1;",
    );
    files
}

#[test]
fn everything_that_is_found_in_files() {
    let files = faulty();
    snapshot(&files, "check_offline", &files.db("check --offline"));
    snapshot(
        &files,
        "check_offline_json",
        &files.db("check --offline --json"),
    );
    for format in ["concise", "github", "sarif"] {
        let run = files.db(&format!("check --offline --format {format}"));
        snapshot(&files, &format!("check_offline_{format}"), &run);
    }
    snapshot(&files, "fix_dry_run", &files.db("fix --dry-run"));
    let backup = [(
        r"(migration_backups/|--restore |backups: )20\S+",
        "${1}BACKUP",
    )];
    snapshot_with(&files, "fix", &files.db("fix"), &backup);
    let run = files.db("fix --restore nothing");
    snapshot_with(&files, "fix_unknown_backup", &run, &backup);
}

#[test]
fn sarif_is_valid_by_its_schema() {
    let mut compiler = boon::Compiler::new();
    compiler.enable_format_assertions();
    let schema = serde_json::from_str(SARIF_SCHEMA).unwrap();
    compiler.add_resource("sarif.json", schema).unwrap();
    let mut schemas = boon::Schemas::new();
    let sarif = compiler.compile("sarif.json", &mut schemas).unwrap();
    for files in [faulty(), Files::with(&["arc"])] {
        let run = files.db("check --offline --format sarif");
        let mut log: serde_json::Value = serde_json::from_str(&run.stdout).unwrap();
        if let Err(error) = schemas.validate(&log, sarif) {
            panic!("{error:#}");
        }
        log["runs"][0]["columnKind"] = "bytes".into();
        assert!(schemas.validate(&log, sarif).is_err());
    }
}

#[test]
fn nothing_is_found() {
    let files = Files::with(&["arc", "cv"]);
    snapshot(&files, "check_offline_clean", &files.db("check --offline"));
    snapshot(
        &files,
        "check_unknown_service",
        &files.db("check --offline arcc"),
    );
}

#[test]
fn a_new_migration() {
    let workspace = Workspace::with(&["arc"]);
    let now = [(r"20\d\d-\d\d-\d\d-\d{6}_add_phone", "NOW_add_phone")];
    let run = workspace.db("new arc add_phone");
    snapshot_with(&workspace, "new", &run, &now);
    snapshot(
        &workspace,
        "new_bad_name",
        &workspace.db("new arc Add.Phone"),
    );
    let newer = "2999-01-01-000000_future";
    workspace.migration("arc", newer, "SELECT 1;", "SELECT 1;");
    let run = workspace.db("new arc late");
    let now = [
        (r"\b20\d{12}\b", "NOW"),
        (r"20\d\d-\d\d-\d\d-\d{6}_late", "NOW_late"),
    ];
    snapshot_with(&workspace, "new_not_the_newest", &run, &now);
}
