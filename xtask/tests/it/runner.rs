//! How a file reaches the server: statement by statement where we see the same ones as the server, else whole.

use diesel::connection::SimpleConnection as _;

use crate::support::{Printed, Run, Workspace, on_throwaway, only, value, wait_until};

const X: &str = "2026-01-03-000000_x";

fn migrated() -> Workspace {
    let workspace = Workspace::with(&["arc"]);
    workspace.db("create").exits(0);
    workspace.db("migrate").exits(0);
    workspace
}

#[test]
fn each_statement_is_sent_by_itself_and_a_file_without_transaction_as_one_string() {
    let workspace = migrated();
    let up = "-- first\nCREATE TABLE x ();\nINSERT INTO arc_items VALUES (1, current_query());\n";
    workspace.migration("arc", X, up, "DROP TABLE x;");
    workspace.db("migrate").exits(0);
    let note = |id: u8| {
        let query = format!("SELECT note FROM arc_items WHERE id = {id}");
        workspace.value(&workspace.database("arc"), &query)
    };
    assert_eq!(note(1), "INSERT INTO arc_items VALUES (1, current_query())");
    let up = "CREATE TABLE y (); INSERT INTO arc_items VALUES (2, current_query());";
    workspace.migration_without_transaction("arc", "2026-01-04-000000_y", up, "DROP TABLE y;");
    workspace.db("migrate").exits(0);
    assert_eq!(note(2), up);
}

#[test]
fn statements_without_a_transaction_are_still_all_or_nothing() {
    let workspace = migrated();
    workspace.migration_without_transaction(
        "arc",
        X,
        "CREATE TABLE kept ();\n SELECT 1/0;",
        "DROP TABLE kept;",
    );
    workspace
        .db("migrate")
        .exits(4)
        .says("up.sql:2:2\n  |\n2 |  SELECT 1/0;\n  |  ^");
    assert_eq!(workspace.tables(&workspace.database("arc")), "arc_items");
}

#[test]
fn the_failing_statement_is_found_after_a_rule_that_gives_several_results() {
    let workspace = migrated();
    let up = "CREATE RULE r AS ON INSERT TO arc_items DO ALSO (SELECT 1; SELECT 2);\n\
              INSERT INTO arc_items VALUES (1);\nSELECT 1;\nSELECT 1/0;\nSELECT 2;\n";
    let shown = "up.sql:4:1\n  |\n4 | SELECT 1/0;\n  | ^";
    workspace.migration("arc", X, up, "SELECT 1;");
    workspace.db("migrate").exits(4).says(shown);
    workspace.migration_without_transaction("arc", X, up, "SELECT 1;");
    workspace.db("migrate").exits(4).says(shown);
}

#[test]
fn a_file_of_many_rows_is_one_string_and_its_failing_row_is_found() {
    let workspace = migrated();
    let row = |id: usize| format!("INSERT INTO arc_items VALUES ({id});\n");
    let up: String = (0..2500).chain([7]).map(row).collect();
    workspace.migration("arc", X, &up, "DELETE FROM arc_items;");
    workspace
        .db("migrate")
        .exits(4)
        .says("up.sql:2501:1\n     |\n2501 | INSERT INTO arc_items VALUES (7);");
    let up = up.replacen("(7)", "(-1, current_query())", 1);
    workspace.migration("arc", X, &up, "DELETE FROM arc_items;");
    workspace.db("migrate").exits(0);
    assert_eq!(
        workspace.value(
            &workspace.database("arc"),
            "SELECT note FROM arc_items WHERE id = -1"
        ),
        up
    );
}

#[test]
fn a_name_that_reads_like_the_end_of_a_body_ends_nothing() {
    let workspace = migrated();
    let body = |label: &str| {
        format!(
            "CREATE OR REPLACE FUNCTION f() RETURNS int BEGIN ATOMIC SELECT 1 {label}; SELECT 2; END;\nSELECT 1/0;\n"
        )
    };
    workspace.migration("arc", X, &body("AS end"), "DROP FUNCTION f;");
    workspace
        .db("migrate")
        .exits(4)
        .says("up.sql:2:1\n  |\n2 | SELECT 1/0;");
    // Without AS, we take it for the end; the server knows better, and is asked.
    let up = body("end").replace("1/0", "1");
    workspace.migration("arc", X, &up, "DROP FUNCTION f;");
    workspace.db("migrate").exits(0);
    assert_eq!(
        workspace.value(&workspace.database("arc"), "SELECT f()"),
        "2"
    );
}

#[test]
fn strings_are_read_as_the_database_has_it() {
    let workspace = migrated();
    let arc = workspace.database("arc");
    workspace.execute(
        "postgres",
        &format!("ALTER DATABASE \"{arc}\" SET standard_conforming_strings = off"),
    );
    // Read otherwise, it is two statements and a comment.
    let up = r"INSERT INTO arc_items SELECT 1, 'it\'; SELECT 1; --'";
    workspace.migration("arc", X, up, "DELETE FROM arc_items;");
    let whole = "SELECT 1; INSERT INTO arc_items VALUES (2, current_query());";
    workspace.migration("arc", "2026-01-04-000000_y", whole, "SELECT 1;");
    workspace.db("migrate").exits(0);
    let note = |id: u8| {
        let query = format!("SELECT note FROM arc_items WHERE id = {id}");
        workspace.value(&arc, &query)
    };
    assert_eq!(note(1), "it'; SELECT 1; --");
    assert_eq!(note(2), whole, "not split");
}

/// Ways for a file to end the transaction that it runs in: the statement that does, and its place.
const ENDS: [(&str, &str, &str); 8] = [
    ("CREATE TABLE a ();\nROLLBACK AND CHAIN;", "2:1", "ROLLBACK"),
    (
        "CREATE TABLE a ();\nROLLBACK; BEGIN; CREATE TABLE b ();",
        "2:1",
        "ROLLBACK",
    ),
    (
        "BEGIN; CREATE TABLE a ();\nABORT; BEGIN; CREATE TABLE b (); COMMIT;",
        "2:1",
        "ROLLBACK",
    ),
    (
        "CREATE TABLE a ();\nPREPARE TRANSACTION 'p';",
        "2:1",
        "PREPARE TRANSACTION",
    ),
    ("CREATE TABLE a ();\nCOMMIT AND CHAIN;", "2:1", "COMMIT"),
    ("BEGIN;\nCREATE TABLE a ();\nEND;", "3:1", "COMMIT"),
    (
        "CREATE TABLE a (); COMMIT; CREATE TABLE z (i nope);",
        "1:20",
        "COMMIT",
    ),
    (
        "COPY (SELECT 1) TO STDOUT;\nCREATE TABLE a (); COMMIT;",
        "2:20",
        "COMMIT",
    ),
];

#[test]
fn a_file_that_ends_its_transaction_is_refused_before_its_first_statement() {
    let workspace = migrated();
    let arc = workspace.database("arc");
    workspace.execute(&arc, "CREATE SEQUENCE ran");
    for (up, place, end) in ENDS {
        let up = format!("SELECT nextval('ran'); {up}");
        let place = match place.strip_prefix("1:") {
            Some(_) => "1:43",
            None => place,
        };
        workspace.migration("arc", X, &up, "SELECT 1;");
        workspace
            .db("migrate")
            .exits(4)
            .says(&format!("up.sql:{place}\n"))
            .says(&format!("the file ends its own transaction: remove {end}"))
            .says("nothing was applied");
        let script = workspace.db("migrate --sql").exits(4);
        assert_eq!(script.stdout, "");
        script.says(&format!("remove {end}"));
    }
    assert_eq!(workspace.tables(&arc), "arc_items");
    assert_eq!(
        workspace.value(&arc, "SELECT is_called FROM ran"),
        "false",
        "a statement ran"
    );
    workspace.migration(
        "arc",
        X,
        "SAVEPOINT s; CREATE TABLE a (); ROLLBACK TO s; RELEASE s; CREATE TABLE b ();",
        "CREATE TABLE a (); ROLLBACK; BEGIN;",
    );
    workspace.db("migrate").exits(0);
    workspace
        .db("revert arc")
        .exits(4)
        .says("down.sql:1:20\n")
        .says("remove ROLLBACK");
    assert_eq!(workspace.tables(&arc), "arc_items b");
}

#[test]
fn a_file_that_ends_its_transaction_where_no_word_shows_it_is_not_applied() {
    let workspace = migrated();
    let arc = workspace.database("arc");
    workspace.execute(
        "postgres",
        &format!("ALTER DATABASE \"{arc}\" SET standard_conforming_strings = off"),
    );
    for end in [
        "ROLLBACK AND CHAIN",
        "ROLLBACK; BEGIN",
        "ROLLBACK",
        "COMMIT AND CHAIN",
        "COMMIT; BEGIN",
        "COMMIT",
    ] {
        // Read by the standard, the statements are in a string.
        let up = format!(r"SELECT 'it\'; CREATE TABLE a (); {end}; SELECT '\'';");
        let up = up.replacen(r"'it\'", r"'it\''", 1);
        workspace.migration("arc", X, &up, "SELECT 1;");
        workspace
            .db("migrate")
            .exits(4)
            .says("the file ends its own transaction")
            .says("statements before the error may have been kept");
        assert!(!workspace.applied(&arc).contains("20260103"), "{end}");
        workspace.execute(&arc, "DROP TABLE IF EXISTS a");
    }
    let up = r"SAVEPOINT s; SELECT 'it\''; CREATE TABLE a (); ROLLBACK TO s; SELECT '\'';";
    workspace.migration("arc", X, up, "SELECT 1;");
    workspace.db("migrate").exits(0);
    assert_eq!(workspace.tables(&arc), "arc_items");
}

#[test]
fn a_file_without_a_transaction_may_commit_its_own_and_not_undo_it() {
    let workspace = migrated();
    let arc = workspace.database("arc");
    for (end, named) in [
        ("ROLLBACK", "ROLLBACK"),
        ("PREPARE TRANSACTION 'p'", "PREPARE TRANSACTION"),
    ] {
        let up = format!("BEGIN;\nCREATE TABLE a ();\n{end};");
        workspace.migration_without_transaction("arc", X, &up, "SELECT 1;");
        workspace
            .db("migrate")
            .exits(4)
            .says("up.sql:3:1\n")
            .says(&format!("remove {named}"));
    }
    assert_eq!(workspace.tables(&arc), "arc_items");
    let up = "BEGIN;\nCREATE TABLE a ();\nCOMMIT;";
    workspace.migration_without_transaction("arc", X, up, "SELECT 1;");
    workspace.db("migrate").exits(0);
    assert_eq!(workspace.tables(&arc), "a arc_items");
    workspace.db("status --exit-code").exits(0);
}

#[test]
fn a_file_that_rolls_itself_back_is_refused_on_a_throwaway_database_too() {
    let workspace = on_throwaway(&["arc"]);
    workspace.migration("arc", X, "CREATE TABLE gone ();\nROLLBACK;", "SELECT 1;");
    let found = only(&workspace, "check");
    assert_eq!(found.0, "migration-fails");
    assert_eq!(found.2, format!("services/arc/migrations/{X}/up.sql:2"));
    assert!(found.3.contains("ends its own transaction"), "{}", found.3);

    let printed = Printed::new();
    printed.migration("notes", X, "CREATE TABLE gone (); ROLLBACK;", "SELECT 1;");
    printed
        .db("schema notes", 4)
        .says("on a throw-away database")
        .says("ends its own transaction");
}

#[test]
fn an_error_of_the_books_is_not_drawn_in_the_file() {
    let workspace = on_throwaway(&["arc"]);
    let down = "-- all of it\nDROP SCHEMA public CASCADE;\nCREATE SCHEMA public;\n";
    workspace.migration("arc", X, "CREATE TABLE x ();", down);
    let run = workspace.db("check --json").exits(1);
    let found = only(&workspace, "check");
    assert_eq!(found.0, "down-fails");
    assert!(
        found.3.contains("__diesel_schema_migrations"),
        "{}",
        found.3
    );
    // Where no line is known, the file's first statement stands for it; never the place of our own statement.
    let place = format!("services/arc/migrations/{X}/down.sql");
    assert!(
        found.2 == place || found.2 == format!("{place}:2"),
        "{} {}",
        found.2,
        run.stdout
    );
}

#[test]
fn a_long_statement_is_shown_with_its_number_and_no_value_of_it() {
    let workspace = migrated();
    workspace.migration(
        "arc",
        X,
        "CREATE TABLE x ();\n-- slow\nSELECT pg_sleep(2.5), 'a s3cr3t';",
        "DROP TABLE x;",
    );
    workspace
        .db("migrate")
        .exits(0)
        .says(&format!(
            "arc: applying {X} (1/1): statement 2, SELECT pg_sleep, "
        ))
        .does_not_say("s3cr3t");
}

#[test]
fn a_ledger_of_a_later_format_is_refused_by_name_and_left_alone() {
    let workspace = migrated();
    let arc = workspace.database("arc");
    workspace.execute(
        &arc,
        "UPDATE db_ledger.owner SET format = 99;
         ALTER TABLE db_ledger.run DROP CONSTRAINT run_direction_check;
         UPDATE db_ledger.run SET direction = 'squash'",
    );
    workspace.migration("arc", X, "CREATE TABLE x ();", "DROP TABLE x;");
    let dump = "SELECT md5(string_agg(r::text, ' ')) || (SELECT o::text FROM db_ledger.owner o) FROM db_ledger.run r";
    let before = workspace.value(&arc, dump);
    for line in [
        "migrate",
        "migrate --dry-run",
        "migrate --sql",
        "revert arc",
        "redo arc",
        "baseline arc",
        "history arc",
        "create",
    ] {
        workspace.db(line).exits(6).says("has format 99");
    }
    workspace
        .db("status --exit-code")
        .exits(1)
        .says("has format 99");
    assert_eq!(workspace.value(&arc, dump), before);
    assert_eq!(workspace.tables(&arc), "arc_items");
}

#[test]
fn a_ledger_of_the_first_format_is_read_as_it_is_and_upgraded_by_the_first_write() {
    let workspace = migrated();
    let arc = workspace.database("arc");
    workspace.execute(
        &arc,
        "ALTER TABLE db_ledger.owner DROP COLUMN format, DROP COLUMN protected",
    );
    let columns = "SELECT count(*) FROM pg_attribute WHERE attrelid = 'db_ledger.owner'::regclass AND attname = 'format'";
    for line in ["status --exit-code", "history arc", "migrate", "create"] {
        workspace.db(line).exits(0);
    }
    assert_eq!(workspace.value(&arc, columns), "0");
    workspace.migration("arc", X, "CREATE TABLE x ();", "DROP TABLE x;");
    // A note about what was there already would be the ledger's, not the migration's.
    workspace.db("migrate").exits(0).does_not_say("note:");
    assert_eq!(
        workspace.value(&arc, "SELECT format FROM db_ledger.owner"),
        "3"
    );
    workspace.db("status --exit-code").exits(0);
}

#[cfg(target_os = "linux")]
#[test]
fn rows_that_a_migration_selects_are_not_kept_in_memory() {
    let workspace = migrated();
    let arc = workspace.database("arc");
    let mut other = workspace.session(&arc);
    let waits = "SELECT count(*) > 0 FROM pg_locks WHERE locktype = 'advisory' AND objid = 77 AND NOT granted
        AND database = (SELECT oid FROM pg_database WHERE datname = current_database())";
    // One that is sent statement by statement, and one that goes as one string.
    for (name, before) in [
        (X, String::new()),
        ("2026-01-04-000000_y", "SELECT 1;".repeat(2001)),
    ] {
        // 100 MB of rows; then it waits, so that the most that it has taken can be read.
        let rows = "SELECT repeat('x', 200) FROM generate_series(1, 500000)";
        let up = format!("{before}{rows}; SELECT pg_advisory_lock(77);");
        workspace.migration("arc", name, &up, "SELECT 1;");
        other.batch_execute("SELECT pg_advisory_lock(77)").unwrap();
        let mut child = workspace.start("migrate");
        wait_until(&mut child, || value(&mut other, waits) == "true");
        let status = std::fs::read_to_string(format!("/proc/{}/status", child.id())).unwrap();
        let (_, most) = status.split_once("VmHWM:").unwrap();
        let most: u64 = most.split_whitespace().next().unwrap().parse().unwrap();
        other
            .batch_execute("SELECT pg_advisory_unlock_all()")
            .unwrap();
        Run::from(child.wait_with_output().unwrap(), "migrate").exits(0);
        assert!(most < 64 * 1024, "{name}: {most} KiB");
    }
}

/// A migration and its books are one: what can't be written down did not happen, or is told where it can't be undone.
#[test]
fn a_migration_that_can_not_be_written_down_is_not_applied() {
    let workspace = migrated();
    let arc = workspace.database("arc");
    workspace.execute(
        &arc,
        "CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE 'the books are full'; END $$;
         CREATE TRIGGER refuse BEFORE INSERT ON __diesel_schema_migrations FOR EACH ROW EXECUTE FUNCTION refuse()",
    );
    // Statement by statement, and as one string.
    let many = format!("CREATE TABLE kept ();\n{}", "SELECT 1;\n".repeat(2001));
    for up in ["CREATE TABLE kept ();", &many] {
        workspace.migration("arc", X, up, "DROP TABLE kept;");
        workspace.db("migrate").exits(4).says("the books are full");
        assert_eq!(workspace.tables(&arc), "arc_items");
    }
    let up = "CREATE TABLE IF NOT EXISTS kept ();";
    workspace.migration_without_transaction("arc", X, up, "DROP TABLE kept;");
    workspace.db("migrate").exits(4).says("the books are full");
    workspace.db("status --exit-code").exits(1);
    workspace.execute(&arc, "DROP TRIGGER refuse ON __diesel_schema_migrations");
    workspace.db("migrate").exits(0).says("applied 1 migration");
    workspace.db("status --exit-code").exits(0);
}

#[test]
fn what_a_migration_without_a_transaction_sets_is_not_the_next_ones() {
    let workspace = migrated();
    let up = "CREATE SCHEMA other; SET search_path = other;";
    workspace.migration_without_transaction("arc", X, up, "DROP SCHEMA other CASCADE;");
    workspace.migration(
        "arc",
        "2026-01-04-000000_next",
        "CREATE TABLE next_one ();",
        "DROP TABLE next_one;",
    );
    workspace.db("migrate").exits(0);
    let arc = workspace.database("arc");
    assert_eq!(workspace.tables(&arc), "arc_items next_one");
}

/// The statements of a file go one by one, and again as a whole only where the server understands them differently.
#[test]
fn what_fails_is_run_once() {
    let workspace = Workspace::with(&["arc"]);
    let arc = workspace.database("arc");
    workspace.migration(
        "arc",
        "2026-01-03-000000_s",
        "CREATE SEQUENCE s;",
        "DROP SEQUENCE s;",
    );
    workspace.db("create").exits(0);
    workspace.db("migrate").exits(0);
    // No transaction takes back the number of a sequence.
    let fails = "SELECT nextval('s'); SELECT 1 / 0;";
    workspace.migration("arc", "2026-01-04-000000_fails", fails, "SELECT 1;");
    workspace.db("migrate").exits(4).says("division by zero");
    assert_eq!(workspace.value(&arc, "SELECT last_value FROM s"), "1");
}

/// Where a backslash escapes a quote, it is not known which statement fails: none is shown, rather than a wrong one.
#[test]
fn no_statement_is_shown_where_it_may_be_another() {
    let workspace = Workspace::with(&["arc"]);
    let arc = workspace.database("arc");
    workspace.db("create").exits(0);
    let setting = format!("ALTER DATABASE \"{arc}\" SET standard_conforming_strings = off");
    workspace.execute(&arc, &setting);
    workspace.db("migrate").exits(0);
    let fails = "SELECT 'it\\'s; one; two; three' AS one;\nSELECT 2;\nSELECT 1 / 0;\nSELECT 4;\n";
    workspace.migration("arc", "2026-01-04-000000_fails", fails, "SELECT 1;");
    workspace
        .db("migrate")
        .exits(4)
        .says("division by zero")
        .does_not_say("up.sql:");
}

/// A second session keeps the lock only where the work could let go of it.
#[test]
fn one_session_does_the_work() {
    let workspace = Workspace::with(&["arc"]);
    let arc = workspace.database("arc");
    workspace.db("create").exits(0);
    let count = "SELECT count(*) AS of FROM pg_stat_activity WHERE datname = current_database()";
    for (day, prefix, sessions) in [("03", "", "1"), ("04", "DISCARD PLANS; ", "2")] {
        let name = format!("2026-01-{day}-000000_count");
        let up = format!("{prefix}CREATE TABLE seen{day} AS {count};");
        workspace.migration("arc", &name, &up, &format!("DROP TABLE seen{day};"));
        workspace.db("migrate").exits(0);
        let seen = workspace.value(&arc, &format!("SELECT of FROM seen{day}"));
        assert_eq!(seen, sessions, "{prefix}");
    }
}

/// At the COMMIT no statement of the file is at hand any more, however long it takes.
#[test]
fn a_slow_commit_is_not_taken_for_the_last_statement() {
    let workspace = Workspace::with(&["arc"]);
    let slow = "CREATE FUNCTION slow() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN PERFORM pg_sleep(1.5); RETURN NULL; END';
        CREATE CONSTRAINT TRIGGER slow AFTER INSERT ON arc_items DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION slow();
        INSERT INTO arc_items VALUES (1);";
    workspace.migration("arc", "2026-01-03-000000_slow", slow, "SELECT 1;");
    workspace.db("create").exits(0);
    workspace
        .db("migrate")
        .exits(0)
        .says("applying 2026-01-03-000000_slow (3/3), 1 s\n");
}

/// Parameters are a matter of how a statement is sent: what the server says of the file itself is shown.
#[test]
fn a_parameter_is_refused_as_in_psql() {
    let workspace = Workspace::with(&["arc"]);
    workspace.db("create").exits(0);
    workspace.migration(
        "arc",
        "2026-01-03-000000_x",
        "SELECT 1;\nSELECT $1;",
        "SELECT 1;",
    );
    workspace
        .db("migrate")
        .exits(4)
        .says("up.sql:2:8")
        .says("there is no parameter $1");
}

#[test]
fn a_database_with_an_owner_is_read_by_one_short_question() {
    let workspace = Workspace::with(&["arc"]);
    workspace.create_database(&workspace.database("arc"));
    let long = "'may_identify'";
    workspace.db("migrate -v").exits(0).says(long);
    workspace.db("migrate -v").exits(0).does_not_say(long);
}
