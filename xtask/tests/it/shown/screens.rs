//! The most frequent errors and findings on a terminal of 80 columns and 24 lines, without colour and with.
//!
//! The rows of each table: the snapshot, the command, its exit code, and what makes the workspace.

use diesel::connection::SimpleConnection as _;

use crate::support::{Screen, Workspace, adopting, on_throwaway, snapshot_text, value};

type Case = (&'static str, &'static str, i32, fn() -> Workspace);

const SERVICES: [&str; 3] = ["arc", "cv", "user"];

/// Both screens of a run that changes nothing; of `names`, what is shown for what the run has.
fn shows(
    mut workspace: Workspace,
    (name, line, code): (&str, &str, i32),
    names: &[(&str, String)],
) {
    workspace.set("TERM", "xterm-256color");
    let coloured = workspace.db_at_terminal(line, "").exits(code);
    workspace.set("NO_COLOR", "1");
    let plain = workspace.db_at_terminal(line, "").exits(code);
    let styled = plain.stdout.split("\u{1b}[").skip(1).find(|rest| {
        let end = rest.find(|c: char| c.is_ascii_alphabetic());
        end.is_some_and(|end| rest.as_bytes()[end] == b'm')
    });
    assert_eq!(styled, None, "NO_COLOR is not honoured");
    let [coloured, plain] =
        [coloured, plain].map(|run| Screen::after(&workspace, &SERVICES, names, &run));
    let lines = plain.lines();
    let shown = format!(
        "exit code: {code}\n===== without colour =====\n{}\n===== with colour =====\n{}\n",
        lines.join("\n"),
        coloured.coloured().join("\n")
    );
    snapshot_text(&workspace, &format!("screen_{name}"), &shown, &[]);
    // Nothing has scrolled away, and what to do comes last.
    assert_eq!(lines[0], format!("$ cargo xtask db {line}"), "{shown}");
    let advises = |line: &str| line.starts_with("  help: ") || line.starts_with("next: ");
    let tells = |line: &str| {
        let told = ["error", "WARNING", "  --> ", " --> ", "  = "];
        told.iter().any(|begin| line.starts_with(begin))
    };
    let mut last = lines.iter().rev().filter(|it| advises(it) || tells(it));
    assert!(advises(last.next().unwrap()), "{shown}");
}

fn all(cases: &[Case]) {
    for (name, line, code, workspace) in cases {
        shows(workspace(), (name, line, *code), &[]);
    }
}

fn created() -> Workspace {
    let workspace = Workspace::with(&["arc"]);
    workspace.db("create").exits(0);
    workspace
}

fn migrated() -> Workspace {
    let workspace = created();
    workspace.db("migrate").exits(0);
    workspace
}

/// A migrated service with one more migration.
fn with_next(up: &str) -> Workspace {
    let workspace = migrated();
    workspace.migration("arc", "2026-11-20-101500_add_team", up, "DROP TABLE team;");
    workspace
}

/// A database that the tool did not make.
fn with_tables(sql: &str) -> Workspace {
    let workspace = adopting(&["arc"]);
    let arc = workspace.database("arc");
    workspace.create_database(&arc);
    workspace.execute(&arc, sql);
    workspace
}

#[test]
fn settings_and_urls() {
    all(&[
        ("no_url", "migrate", 2, || {
            let mut workspace = Workspace::with(&["arc"]);
            workspace.unset("ARC_DATABASE_URL");
            workspace
        }),
        ("malformed_url", "migrate", 2, || {
            let mut workspace = Workspace::with(&["arc"]);
            workspace.set(
                "ARC_DATABASE_URL",
                "postgres://me:p@ss/word#1@localhost/arc_db",
            );
            workspace
        }),
        ("unsaid_service", "migrate", 2, || {
            let workspace = Workspace::with(&["arc"]);
            workspace.manifest("team", "");
            workspace
        }),
        ("unknown_service", "migrate arcc", 2, || {
            Workspace::with(&["arc"])
        }),
        ("no_server", "migrate", 3, || {
            let mut workspace = Workspace::with(&["arc"]);
            workspace.set(
                "ARC_DATABASE_URL",
                "postgres://me:secret@127.0.0.1:1/arc_db",
            );
            workspace
        }),
        ("no_database", "migrate", 3, || Workspace::with(&["arc"])),
    ]);
}

#[test]
fn refusals() {
    all(&[
        ("one_url_for_all", "migrate", 6, || {
            let mut workspace = Workspace::with(&SERVICES);
            workspace.set("DATABASE_URL", &workspace.get("ARC_DATABASE_URL"));
            for service in ["ARC", "CV", "USER"] {
                workspace.unset(&format!("{service}_DATABASE_URL"));
            }
            workspace
        }),
        ("another_service", "migrate arc", 6, || {
            let mut workspace = Workspace::with(&["arc", "cv"]);
            workspace.db("create").exits(0);
            workspace.set("ARC_DATABASE_URL", &workspace.get("CV_DATABASE_URL"));
            workspace
        }),
        ("another_tool", "migrate", 6, || {
            with_tables("CREATE TABLE alembic_version (version_num text)")
        }),
        ("no_history", "migrate", 6, || {
            with_tables("CREATE TABLE users (id bigint); CREATE TABLE orders (id bigint)")
        }),
        ("edited", "migrate", 6, || {
            let workspace = migrated();
            workspace.append(
                "services/arc/migrations/2026-01-01-000000_create/up.sql",
                "-- x\n",
            );
            workspace
        }),
        ("ahead", "migrate", 6, || {
            let workspace = migrated();
            workspace.remove("services/arc/migrations/2026-01-02-000000_note");
            workspace
        }),
        ("not_confirmed", "drop arc", 7, || {
            let workspace = migrated();
            let rows = "INSERT INTO arc_items SELECT generate_series(1, 42); ANALYZE arc_items";
            workspace.execute(&workspace.database("arc"), rows);
            workspace
        }),
    ]);
}

#[test]
fn a_lock_that_another_run_holds() {
    let workspace = created();
    let mut other = workspace.session(&workspace.database("arc"));
    other
        .batch_execute("SET application_name = 'me on laptop (cargo xtask db)'; SELECT pg_advisory_lock(1684171879, 1)")
        .unwrap();
    let mut of_other = |what: &str| {
        let query = format!("SELECT {what} FROM pg_stat_activity WHERE pid = pg_backend_pid()");
        value(&mut other, &query)
    };
    let names = [
        (
            "2026-01-01 00:00:00+00",
            of_other("backend_start::timestamptz(0)"),
        ),
        ("process 4711", of_other("'process ' || pid")),
        ("from 127.0.0.1", of_other("'from ' || host(client_addr)")),
    ];
    shows(workspace, ("locked", "migrate --lock-timeout 0", 5), &names);
}

#[test]
fn migrations_that_fail() {
    all(&[
        ("failed", "migrate", 4, || {
            with_next(
                "CREATE TABLE team (\n    id bigint PRIMARY KEY,\n    name txet NOT NULL\n);\n",
            )
        }),
        ("concurrently", "migrate", 4, || {
            with_next("CREATE INDEX CONCURRENTLY by_note ON arc_items (note);\n")
        }),
    ]);
}

/// A service with a fault in its newest migration; nothing else is found.
fn checked(up: &str, down: &str) -> Workspace {
    let workspace = on_throwaway(&["arc"]);
    workspace.remove("services/arc/migrations/2026-01-02-000000_note");
    workspace.write(".env.template", "ARC_DATABASE_URL=\n");
    let timeouts = "SET LOCAL lock_timeout = '5s';\nSET LOCAL statement_timeout = '30s';\n";
    let up = format!("{timeouts}{up}");
    workspace.migration("arc", "2026-11-20-101500_add_team", &up, down);
    workspace
}

#[test]
fn findings() {
    all(&[
        ("unsafe_ddl", "check --offline", 1, || {
            checked(
                "ALTER TABLE arc_items\n    ALTER COLUMN id TYPE uuid USING gen_random_uuid();\n",
                "SELECT 1;",
            )
        }),
        ("not_undone", "check", 1, || {
            checked("CREATE TABLE team ();\n", "SELECT 1;\n")
        }),
        ("many", "check --offline", 1, || {
            let workspace = checked("DROP TABLE arc_items;\n", "");
            for day in 10..40 {
                let name = format!("2026-11-20-1015{day}_more");
                workspace.migration("arc", &name, "ALTER TABLE arc_items DROP COLUMN note;", "");
            }
            workspace
        }),
        ("drift", "check --live", 1, || {
            let mut workspace = checked("CREATE TABLE team ();\n", "DROP TABLE team;\n");
            let arc = workspace.database("arc");
            workspace.set("ARC_DATABASE_URL", &workspace.url(&arc));
            for line in ["create", "migrate"] {
                workspace.db(line).exits(0);
            }
            workspace.execute(&arc, "CREATE INDEX by_hand ON arc_items (id)");
            workspace
        }),
    ]);
}
