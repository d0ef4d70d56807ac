//! A migration that fails: how it is shown, what stays, what goes on.

use crate::support::Workspace;

#[test]
fn a_failure_in_the_middle_is_shown_in_its_file_and_the_rest_tells_the_story() {
    let workspace = Workspace::with(&["arc", "cv"]);
    let broken = "-- a comment\nCREATE TABLE fine (id int);\nCREATE TABLE wrong (\n    id int,\n    name txet\n);\n";
    workspace.migration(
        "arc",
        "2026-01-03-000000_broken",
        broken,
        "DROP TABLE wrong; DROP TABLE fine;",
    );
    workspace.migration(
        "arc",
        "2026-01-04-000000_later",
        "CREATE TABLE later ();",
        "DROP TABLE later;",
    );
    workspace.db("create").exits(0);
    let run = workspace
        .db("migrate")
        .exits(4)
        .says("not run: 1 migration, from 2026-01-04-000000_later on");
    assert!(run.stderr.contains(
        "failed to apply migration `2026-01-03-000000_broken` of service `arc`\n \
         --> services/arc/migrations/2026-01-03-000000_broken/up.sql:5:10\n  |\n\
         5 |     name txet\n  |          ^\n  = ERROR: type \"txet\" does not exist\n  = SQLSTATE: 42704\n"
    ), "{}", run.stderr);
    assert!(
        !run.stderr.contains("CREATE TABLE fine"),
        "never the whole file"
    );
    assert!(
        run.stdout.contains("failed after 2 migrations")
            && run.stdout.contains("2026-01-02-000000_note")
    );
    let arc = workspace.database("arc");
    assert_eq!(workspace.tables(&arc), "arc_items");
    assert_eq!(workspace.applied(&arc), "20260101000000 20260102000000");
    assert_eq!(
        workspace.applied(&workspace.database("cv")),
        "20260101000000 20260102000000"
    );
    workspace
        .db("status --exit-code")
        .exits(1)
        .says("the last run of 2026-01-03-000000_broken failed")
        .says("42704");
    workspace
        .db("history arc")
        .exits(0)
        .says("failed: type \"txet\" does not exist (SQLSTATE 42704)");
    workspace.migration(
        "arc",
        "2026-01-03-000000_broken",
        "CREATE TABLE fine ();",
        "DROP TABLE fine;",
    );
    workspace
        .db("migrate")
        .exits(0)
        .says("applied 2 migrations");
    workspace
        .db("status --exit-code")
        .exits(0)
        .does_not_say("failed");
    assert_eq!(workspace.tables(&arc), "arc_items fine later");
}

#[test]
fn a_failing_statement_without_a_position_is_found_by_counting() {
    let workspace = Workspace::with(&["arc"]);
    workspace.migration(
        "arc",
        "2026-01-03-000000_data",
        "INSERT INTO arc_items VALUES (1);\n\n-- again\n  INSERT INTO arc_items\n  VALUES (1);\nSELECT 1;\n",
        "DELETE FROM arc_items;",
    );
    workspace.db("create").exits(0);
    workspace
        .db("migrate")
        .exits(4)
        .says("up.sql:4:3\n  |\n4 |   INSERT INTO arc_items\n  |   ^")
        .says("= detail: Key (id)=(1) already exists.")
        .says("SQLSTATE: 23505");
    assert_eq!(
        workspace.value(&workspace.database("arc"), "SELECT count(*) FROM arc_items"),
        "0"
    );
}

#[test]
fn a_non_transactional_failure_leaves_an_invalid_index_and_the_next_run_clears_it() {
    let workspace = Workspace::with(&["arc"]);
    let arc = workspace.database("arc");
    workspace.db("create").exits(0);
    workspace.db("migrate").exits(0);
    workspace.execute(
        &arc,
        "INSERT INTO arc_items VALUES (1, 'same'), (2, 'same')",
    );
    workspace.migration_without_transaction(
        "arc",
        "2026-01-03-000000_unique",
        "-- one of each\nCREATE UNIQUE INDEX CONCURRENTLY one_note ON arc_items (note);\n",
        "DROP INDEX CONCURRENTLY one_note;",
    );
    workspace
        .db("migrate")
        .exits(4)
        .says("up.sql:2:1")
        .says("CREATE UNIQUE INDEX CONCURRENTLY")
        .says("SQLSTATE: 23505")
        .says("it left the INVALID index one_note");
    workspace
        .db("status --exit-code")
        .exits(1)
        .says("index one_note is INVALID")
        .says("2026-01-03-000000_unique failed");
    workspace
        .db("history arc")
        .exits(0)
        .says("failed: could not create unique index");
    workspace
        .db("migrate")
        .exits(4)
        .says("dropping the INVALID index one_note")
        .says("23505");
    workspace.execute(&arc, "DELETE FROM arc_items WHERE id = 2");
    workspace
        .db("migrate")
        .exits(0)
        .says("dropping the INVALID index one_note")
        .says("applied 1 migration");
    workspace.db("status --exit-code").exits(0);
    let valid = "SELECT indisvalid FROM pg_index WHERE indexrelid = 'one_note'::regclass";
    assert_eq!(workspace.value(&arc, valid), "true");
}

#[test]
fn a_concurrent_index_in_a_transaction_is_told_what_to_do() {
    let workspace = Workspace::with(&["arc"]);
    workspace.migration(
        "arc",
        "2026-01-03-000000_i",
        "CREATE INDEX CONCURRENTLY i ON arc_items (note);",
        "DROP INDEX i;",
    );
    workspace.db("create").exits(0);
    workspace
        .db("migrate")
        .exits(4)
        .says("SQLSTATE: 25001")
        .says("`run_in_transaction = false` in services/arc/migrations");
}

#[test]
fn what_a_migration_does_to_its_session_stays_in_it() {
    let workspace = Workspace::with(&["arc"]);
    workspace.migration(
        "arc",
        "2026-01-03-000000_path",
        "CREATE SCHEMA other; SELECT set_config('search_path', 'other', false); CREATE TABLE inside ();
         SET ROLE pg_monitor;",
        "DROP SCHEMA other CASCADE;",
    );
    workspace.migration(
        "arc",
        "2026-01-04-000000_next",
        "CREATE TABLE next_one ();",
        "DROP TABLE next_one;",
    );
    workspace.db("create").exits(0);
    workspace
        .db("migrate")
        .exits(0)
        .says("applied 4 migrations");
    assert_eq!(
        workspace.tables(&workspace.database("arc")),
        "arc_items next_one"
    );
    assert_eq!(
        workspace.value(
            &workspace.database("arc"),
            "SELECT to_regclass('other.inside') IS NOT NULL"
        ),
        "true"
    );
}

#[test]
fn notices_and_copies_do_not_confuse() {
    let workspace = Workspace::with(&["arc"]);
    workspace.db("create").exits(0);
    workspace.migration(
        "arc",
        "2026-01-03-000000_own",
        "DO $$ BEGIN RAISE NOTICE 'mind the gap'; END $$; COPY (SELECT 1) TO STDOUT; CREATE TABLE own ();",
        "DROP TABLE own;",
    );
    workspace.db("migrate").exits(0).says("mind the gap");
    assert_eq!(
        workspace.tables(&workspace.database("arc")),
        "arc_items own"
    );
    workspace.migration(
        "arc",
        "2026-01-04-000000_copy",
        "COPY own FROM STDIN;",
        "SELECT 1;",
    );
    workspace
        .db("migrate")
        .exits(4)
        .says("COPY FROM STDIN has no data here");
}

#[test]
fn what_fails_at_the_commit_is_shown_without_a_line() {
    let workspace = Workspace::with(&["arc"]);
    workspace.db("create").exits(0);
    workspace.migration(
        "arc",
        "2026-01-03-000000_deferred",
        "CREATE TABLE child (arc bigint REFERENCES arc_items (id) DEFERRABLE INITIALLY DEFERRED);
         INSERT INTO child VALUES (9);",
        "DROP TABLE child;",
    );
    workspace
        .db("migrate")
        .exits(4)
        .says("2026-01-03-000000_deferred/up.sql\n")
        .says("SQLSTATE: 23503");
    assert_eq!(workspace.tables(&workspace.database("arc")), "arc_items");
}

#[test]
fn an_older_migration_from_another_branch_runs_and_is_pointed_out() {
    let workspace = Workspace::with(&["arc"]);
    workspace.db("create").exits(0);
    workspace.db("migrate").exits(0);
    workspace.migration(
        "arc",
        "2026-01-01-120000_late",
        "CREATE TABLE late ();",
        "DROP TABLE late;",
    );
    workspace
        .db("status")
        .exits(0)
        .says("2026-01-01-120000_late is pending, but older");
    workspace
        .db("migrate")
        .exits(0)
        .says("out of order: a newer migration is already applied");
}

#[test]
fn two_statements_that_each_want_no_transaction_are_told_to_part() {
    let workspace = Workspace::with(&["arc"]);
    workspace.db("create").exits(0);
    workspace.migration_without_transaction(
        "arc",
        "2026-01-03-000000_two",
        "CREATE INDEX CONCURRENTLY a ON arc_items (note); CREATE INDEX CONCURRENTLY b ON arc_items (id);",
        "SELECT 1;",
    );
    workspace
        .db("migrate")
        .exits(4)
        .says("25001")
        .says("put each of these in a migration of its own");
}

#[test]
fn indexes_of_others_are_left_alone() {
    let workspace = Workspace::with(&["arc"]);
    let arc = workspace.database("arc");
    workspace.db("create").exits(0);
    workspace.db("migrate").exits(0);
    workspace.execute(
        &arc,
        "INSERT INTO arc_items VALUES (1, 'same'), (2, 'same')",
    );
    let up = "CREATE UNIQUE INDEX CONCURRENTLY ours ON arc_items (note);";
    // First inside a transaction, which fails; then as the help says, without.
    workspace.migration("arc", "2026-01-03-000000_index", up, "DROP INDEX ours;");
    workspace.db("migrate").exits(4);
    let broken = |name: &str| {
        let create = format!("CREATE UNIQUE INDEX CONCURRENTLY {name} ON arc_items (note)");
        use diesel::connection::SimpleConnection as _;
        assert!(workspace.session(&arc).batch_execute(&create).is_err());
    };
    broken("theirs_before");
    workspace.migration_without_transaction(
        "arc",
        "2026-01-03-000000_index",
        up,
        "DROP INDEX ours;",
    );
    workspace
        .db("migrate")
        .exits(4)
        .says("it left the INVALID index ours")
        .does_not_say("theirs_before");
    broken("theirs_after");
    workspace.execute(&arc, "DELETE FROM arc_items WHERE id = 2");
    workspace
        .db("migrate")
        .exits(0)
        .says("dropping the INVALID index ours")
        .does_not_say("theirs");
    assert_eq!(
        workspace.value(&arc, "SELECT count(*) FROM pg_index WHERE NOT indisvalid"),
        "2"
    );
}

#[test]
fn text_is_utf8_whatever_the_url_says() {
    let mut workspace = Workspace::with(&["arc"]);
    let arc = workspace.database("arc");
    let url = workspace.get("ARC_DATABASE_URL");
    workspace.set("ARC_DATABASE_URL", &format!("{url}?client_encoding=LATIN1"));
    workspace.migration(
        "arc",
        "2026-01-03-000000_text",
        "\u{feff}INSERT INTO arc_items VALUES (1, 'é');",
        "\u{feff}DELETE FROM arc_items;",
    );
    workspace.db("create").exits(0);
    workspace.db("migrate").exits(0);
    assert_eq!(
        workspace.value(&arc, "SELECT length(note) FROM arc_items"),
        "1"
    );
    workspace.db("revert arc").exits(0);
}

#[test]
fn a_server_that_ends_the_session_is_quoted() {
    let workspace = Workspace::with(&["arc"]);
    workspace.db("create").exits(0);
    workspace.migration_without_transaction(
        "arc",
        "2026-01-03-000000_end",
        "SELECT pg_terminate_backend(pg_backend_pid());",
        "SELECT 1;",
    );
    workspace
        .db("migrate")
        .exits(4)
        .says("terminating connection due to administrator command")
        .says("the connection was lost");
    workspace
        .db("status --exit-code")
        .exits(1)
        .says("2026-01-03-000000_end was interrupted");
}

#[test]
fn a_failed_migration_that_was_given_up_is_no_problem_any_more() {
    let workspace = Workspace::with(&["arc"]);
    workspace.db("create").exits(0);
    workspace.migration(
        "arc",
        "2026-01-03-000000_bad",
        "CREATE nonsense;",
        "SELECT 1;",
    );
    workspace.db("migrate").exits(4);
    workspace
        .db("status --exit-code")
        .exits(1)
        .says("2026-01-03-000000_bad failed");
    workspace.remove("services/arc/migrations/2026-01-03-000000_bad");
    workspace.db("status --exit-code").exits(0);
    workspace
        .db("history arc")
        .exits(0)
        .says("2026-01-03-000000_bad");
}

#[test]
fn a_lock_may_be_waited_for_as_long_as_one_likes() {
    let workspace = Workspace::with(&["arc"]);
    workspace.db("create").exits(0);
    let line = format!("migrate --lock-timeout {}", u64::MAX);
    workspace.db(&line).exits(0).says("applied 2 migrations");
    let wait = format!("wait --timeout {}", u64::MAX);
    workspace.db(&wait).exits(0);
}

#[test]
fn a_server_that_answers_is_not_said_to_be_down() {
    let mut workspace = Workspace::with(&["arc"]);
    let url = workspace.get("ARC_DATABASE_URL");
    let (_, place) = url.rsplit_once('@').unwrap();
    let wrong = format!("postgres://nobody_at_all:hush@{place}");
    workspace.set("ARC_DATABASE_URL", &wrong);
    workspace
        .db("migrate")
        .exits(3)
        .says("the server answers, and refuses: check the role, the password and the database")
        .does_not_say("if the server is not running");
    workspace.set("ARC_DATABASE_URL", "postgres://me@127.0.0.1:1/arc_db");
    workspace
        .db("migrate")
        .exits(3)
        .says("if the server is not running");
}

#[test]
fn what_the_server_said_before_an_error_is_kept() {
    let workspace = Workspace::with(&["arc"]);
    workspace.db("create").exits(0);
    let up = "DO $$ BEGIN RAISE NOTICE 'row 7 is odd'; END $$;\nSELECT 1/0;";
    workspace.migration("arc", "2026-01-03-000000_odd", up, "SELECT 1;");
    workspace
        .db("migrate")
        .exits(4)
        .says("= NOTICE:  row 7 is odd");
}

#[test]
fn what_is_meant_for_psql_is_named() {
    let workspace = Workspace::with(&["arc"]);
    workspace.db("create").exits(0);
    let data = "COPY arc_items FROM stdin;\n1\tone\n\\.\n";
    workspace.migration("arc", "2026-01-03-000000_dump", data, "SELECT 1;");
    workspace
        .db("migrate")
        .exits(4)
        .says("data after COPY … FROM stdin is read by psql")
        .says("pg_dump --inserts");
    let connect = "\\connect other\nSELECT 1;";
    workspace.migration("arc", "2026-01-03-000000_dump", connect, "SELECT 1;");
    workspace
        .db("migrate")
        .exits(4)
        .says("`\\connect` is a command of psql");
}

#[test]
fn a_session_that_may_not_write_is_told_before_the_lock() {
    let workspace = Workspace::with(&["arc"]);
    let arc = workspace.database("arc");
    workspace.db("create").exits(0);
    let set = format!("ALTER DATABASE \"{arc}\" SET default_transaction_read_only = on");
    workspace.execute("postgres", &set);
    workspace
        .db("migrate")
        .exits(3)
        .says("takes no writes: default_transaction_read_only is on")
        .does_not_say("CREATE TABLE");
    workspace.db("status").exits(0).says("2 pending");
}

#[test]
fn a_history_that_the_migration_drops_and_a_byte_that_nobody_sees_are_named() {
    let workspace = Workspace::with(&["arc"]);
    workspace.db("create").exits(0);
    let name = "2026-01-03-000000_drops";
    for up in [
        "DROP SCHEMA public CASCADE; CREATE SCHEMA public;",
        "DROP SCHEMA public CASCADE;",
        "DROP TABLE __diesel_schema_migrations;",
    ] {
        workspace.migration("arc", name, up, "SELECT 1;");
        workspace
            .db("migrate")
            .exits(4)
            .says("the migration drops `public.__diesel_schema_migrations`, the record of what is applied");
    }
    let arc = workspace.database("arc");
    assert_eq!(workspace.applied(&arc), "20260101000000 20260102000000");
    for up in [
        "CREATE TABLE a ();\nSELECT 'x\0y';",
        "CREATE TABLE a ();\nSELECT 1\0;",
    ] {
        workspace.migration("arc", name, up, "SELECT 1;");
        workspace
            .db("migrate")
            .exits(4)
            .says(&format!("up.sql:2:{}", up.find('\0').unwrap() - 18))
            .says("NUL");
    }
}
