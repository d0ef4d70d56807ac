//! How much is said: to a terminal, to a pipe, with `-v` and with `-q`.

use crate::support::Workspace;

/// Eleven more migrations, of which the last two take longer than the others.
fn with_many() -> Workspace {
    let workspace = Workspace::with(&["arc"]);
    for number in 10..21 {
        let seconds = if number > 18 { 0.3 } else { 0.0 };
        let name = format!("2026-02-{number}-000000_m");
        workspace.migration(
            "arc",
            &name,
            &format!("SELECT pg_sleep({seconds});"),
            "SELECT 1;",
        );
    }
    workspace.db("create").exits(0);
    workspace
}

#[test]
fn a_terminal_is_told_of_the_slowest_migrations_and_a_pipe_of_all() {
    let workspace = with_many();
    let shown = workspace.db_at_terminal("migrate", "").exits(0).stdout;
    assert!(shown.contains("applied 13 migrations"), "{shown}");
    let (_, listed) = shown.split_once("the slowest 5, `-v` lists all:").unwrap();
    let names: Vec<_> = listed
        .lines()
        .filter(|line| line.contains("2026-"))
        .collect();
    assert_eq!(names.len(), 5, "{shown}");
    let slow = |line: &str| line.contains("2026-02-19") || line.contains("2026-02-20");
    assert!(slow(names[0]) && slow(names[1]), "{shown}");
    let again = || {
        let drop = format!("drop arc --yes {}", workspace.database("arc"));
        workspace.db(&drop).exits(0);
        workspace.db("create").exits(0);
    };
    again();
    let piped = workspace.db("migrate").exits(0).stdout;
    again();
    let verbose = workspace.db_at_terminal("migrate -v", "").exits(0).stdout;
    let (_, verbose) = verbose.split_once("applied 13 migrations").unwrap();
    for shown in [&piped, verbose] {
        assert_eq!(shown.matches("_m  ").count(), 11, "{shown}");
    }
}

#[test]
fn what_the_server_skips_is_counted() {
    let workspace = Workspace::with(&["arc"]);
    workspace.migration(
        "arc",
        "2026-01-03-000000_skips",
        "CREATE TABLE IF NOT EXISTS arc_items ();\nDROP TABLE IF EXISTS nobody;\n\
         DO $$ BEGIN RAISE NOTICE 'of the author, skipping nothing'; END $$;",
        "DROP TABLE IF EXISTS nobody;",
    );
    workspace.db("create").exits(0);
    let run = workspace.db("migrate").exits(0);
    let run = run.says("2 statements skipped").says("of the author");
    run.does_not_say("already exists");
    let run = workspace
        .db("redo arc")
        .exits(0)
        .says("1 statement skipped");
    run.does_not_say("does not exist");
    let run = workspace.db("redo arc -v").exits(0);
    run.says("\"arc_items\" already exists, skipping")
        .says("\"nobody\" does not exist, skipping")
        .does_not_say("statements skipped");
}

#[test]
fn verbose_shows_statements_and_programs_with_their_times() {
    let workspace = Workspace::with(&["arc"]);
    workspace.db("create").exits(0);
    let run = workspace.db("migrate -v").exits(0);
    let timed = |text: &str, of: &str| {
        let line = of.lines().find(|line| line.contains(text));
        let line = line.unwrap_or_else(|| panic!("no {text:?} in {of}"));
        assert!(line.contains(" ms  ") || line.contains(" s  "), "{line}");
    };
    timed(
        "sql: SELECT pg_try_advisory_lock($1::int, $2::int)",
        &run.stderr,
    );
    timed("sql: BEGIN", &run.stderr);
    assert!(
        run.stderr.contains("sql: CREATE TABLE \"arc_items\""),
        "{}",
        run.stderr
    );
    let run = workspace.db("psql arc -v -- -Xc SELECT").exits(0);
    timed("/psql --no-password --dbname dbname=", &run.stderr);
    let silent = workspace.db("status").exits(0);
    assert_eq!(silent.stderr, "");
}

#[test]
fn quiet_says_a_line_for_each_service_and_warns_nevertheless() {
    let mut workspace = Workspace::with(&["arc", "cv"]);
    workspace.db("create").exits(0);
    let run = workspace.db("migrate -q").exits(0);
    assert_eq!(run.stderr, "");
    assert_eq!(run.stdout.lines().count(), 2, "{}", run.stdout);
    let url = workspace.get("ARC_DATABASE_URL");
    workspace.unset("ARC_DATABASE_URL");
    workspace.set("DATABASE_URL", &url);
    workspace.db("migrate arc -q").exits(0).says("WARNING");
    workspace.db("migrate -q -v").exits(2);
}

#[test]
fn of_many_pending_migrations_the_first_the_last_and_their_number_are_shown() {
    let workspace = Workspace::with(&["arc"]);
    for number in 100..193 {
        workspace.migration("arc", &format!("9{number}_m"), "SELECT 1;", "SELECT 1;");
    }
    workspace.db("create").exits(0);
    let shown = workspace.db("status").exits(0).stdout;
    let list = "pending: 20260101000000, 20260102000000, 9100, … 9192 (95 in all; `-v` lists them)";
    assert!(
        shown.contains(list) && shown.contains("95 pending"),
        "{shown}"
    );
    workspace.db("status -v").exits(0).says(", 9101, 9102, ");
    // A reason that the table has no room for is whole below it.
    let long = "x".repeat(60);
    workspace.migration("arc", "1_fails", &format!("SELECT {long};"), "SELECT 1;");
    workspace.db("migrate").exits(4);
    let shown = workspace.db("status").exits(0).stdout;
    let reason = format!("column \"{long}\" does not exist (SQLSTATE 42703)\n");
    assert!(shown.contains(&reason), "{shown}");
}
