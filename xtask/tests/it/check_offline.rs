//! `db check --offline`: each fault is planted alone and found exactly, with its file and line.

use crate::support::{Files, Place};

const UP: &str = "services/arc/migrations/2026-01-02-000000_x/up.sql";
const DOWN: &str = "services/arc/migrations/2026-01-02-000000_x/down.sql";
const METADATA: &str = "services/arc/migrations/2026-01-02-000000_x/metadata.toml";
const X: &str = "2026-01-02-000000_x";
const TIMEOUTS: &str = "SET LOCAL lock_timeout = '5s';\nSET LOCAL statement_timeout = '30s';\n";

/// A sound workspace with one more migration, whose up.sql begins with the timeouts.
fn with(statements: &str) -> Files {
    let files = Files::with(&["arc"]);
    files.migration("arc", X, &format!("{TIMEOUTS}{statements}"), "SELECT 1;\n");
    files
}

/// The same without a transaction.
fn without_transaction(statement: &str) -> Files {
    let files = Files::with(&["arc"]);
    files.migration("arc", X, statement, "SELECT 1;\n");
    files.write(METADATA, "run_in_transaction = false\n");
    files
}

#[test]
fn a_sound_workspace_is_clean() {
    let files = Files::with(&["arc", "cv"]);
    files.add_stateless("ai", "[dependencies]\nserde = \"1\"\n");
    files.finds(&[]);
    files.db("check --offline").exits(0).says("nothing found");
}

#[test]
fn migration_config_at_the_root() {
    let files = Files::with(&["arc"]);
    files.write("migrations/1_x/up.sql", "");
    files.write(
        "migrations/env.py",
        "import os\nfrom arc.models import Base\n",
    );
    files.finds(&[("root-migrations", "", "migrations", 0)]);
    files
        .db("check --offline")
        .says("imports the models of `arc`");

    let files = Files::with(&["arc"]);
    files.write("alembic.ini", "");
    files.finds(&[("root-alembic-ini", "", "alembic.ini", 0)]);

    let files = Files::with(&["arc"]);
    files.write("diesel.toml", "");
    files.finds(&[("root-diesel-toml", "", "diesel.toml", 0)]);
}

#[test]
fn a_stateless_service_with_migrations_or_diesel_toml() {
    let files = Files::with(&["arc"]);
    files.add_stateless("ai", "");
    files.write("services/ai/migrations/1_x/up.sql", "SELECT 1");
    files.finds(&[("stateless-migrations", "ai", "services/ai/migrations", 0)]);

    let files = Files::with(&["arc"]);
    files.add_stateless("ai", "");
    files.write("services/ai/diesel.toml", "");
    files.finds(&[("stateless-diesel-toml", "ai", "services/ai/diesel.toml", 0)]);
}

#[test]
fn a_stateless_service_that_depends_on_diesel() {
    // The line is counted from the one after `db = false`, which is the fifth.
    for (dependencies, line) in [
        ("\n[dependencies]\nserde = \"1\"\ndiesel = \"2\"\n", 9),
        ("\n[build-dependencies]\ndiesel-async = \"0.6\"\n", 8),
        (
            "\n[target.'cfg(unix)'.dependencies]\ndiesel_migrations.workspace = true\n",
            8,
        ),
        (
            "\n[dependencies.orm]\nversion = \"2\"\npackage = \"diesel\"\n",
            7,
        ),
        // `db` is Diesel in [workspace.dependencies].
        (
            "\n[dependencies]\ndb = { workspace = true, optional = true }\n",
            8,
        ),
    ] {
        let files = Files::with(&["arc"]);
        files.add_stateless("ai", dependencies);
        files.finds(&[(
            "stateless-diesel-dependency",
            "ai",
            "services/ai/Cargo.toml",
            line,
        )]);
    }
    let files = Files::with(&["arc"]);
    files.add_stateless(
        "ai",
        "\n[dependencies]\ndieselish = \"1\"\n\n[dev-dependencies]\ndiesel = \"2\"\n",
    );
    files.finds(&[]);
}

#[test]
fn texts_that_are_missing_or_empty() {
    for (file, text, check, line) in [
        (UP, None, "missing-up", 0),
        (UP, Some("-- nothing yet\n"), "empty-up", 1),
        (DOWN, None, "missing-down", 0),
        (DOWN, Some(" \n;\n"), "empty-down", 1),
    ] {
        let files = with("SELECT 1;\n");
        match text {
            None => std::fs::remove_file(files.path(file)).unwrap(),
            Some(text) => files.write(file, text),
        }
        files.finds(&[(check, "arc", file, line)]);
    }
}

#[test]
fn versions() {
    let files = with("SELECT 1;\n");
    files.migration("arc", "20260102000000_y", "SELECT 1;", "SELECT 1;");
    files.finds(&[(
        "duplicate-version",
        "arc",
        "services/arc/migrations/20260102000000_y",
        0,
    )]);
    files.db("check --offline").says(X);

    let files = Files::with(&["arc"]);
    files.migration("arc", "_x", "SELECT 1;", "SELECT 1;");
    files.finds(&[(
        "migration-without-version",
        "arc",
        "services/arc/migrations/_x",
        0,
    )]);
}

#[test]
fn metadata_that_diesel_takes_for_something_else() {
    for (text, check, line) in [
        ("# a comment\n", "metadata-without-transaction", 1),
        (
            "# c\nrun_in_transactoin = true\n",
            "metadata-without-transaction",
            2,
        ),
        ("# c\nrun_in_transaction = \n", "malformed-metadata", 2),
        (
            "# c\n\nrun_in_transaction = \"no\"\n",
            "malformed-metadata",
            3,
        ),
    ] {
        let files = with("");
        files.write(UP, "SELECT 1;\n");
        files.write(METADATA, text);
        files.finds(&[(check, "arc", METADATA, line)]);
    }
    let files = with("SELECT 1;\n");
    files.write(METADATA, "run_in_transaction = true\n");
    files.finds(&[]);
    // As Diesel reads them: without a transaction where nothing is said, with one where the file is ignored.
    files.write(METADATA, "# nothing\n");
    let checks = |files: &Files| {
        let places = files.places().into_iter();
        places.map(|place| place.0).collect::<Vec<_>>()
    };
    assert_eq!(
        checks(&files),
        ["metadata-without-transaction", "several-statements"]
    );
    files.write(METADATA, "run_in_transaction = 0\n");
    assert_eq!(checks(&files), ["malformed-metadata"]);
}

#[test]
fn several_statements_without_a_transaction() {
    let files = without_transaction("-- one\nSELECT ';';\n\n-- two\nSELECT 2;\n");
    files.finds(&[("several-statements", "arc", UP, 5)]);
    let files = without_transaction("SELECT 1;\n-- and nothing else;\n");
    files.finds(&[]);
    files.write(DOWN, "SELECT 1;\nSELECT 2;");
    files.finds(&[("several-statements", "arc", DOWN, 2)]);
}

#[test]
fn what_needs_to_be_without_a_transaction() {
    let sql = "CREATE INDEX CONCURRENTLY i ON arc_items (id);\n";
    let files = Files::with(&["arc"]);
    files.migration("arc", X, sql, "DROP INDEX CONCURRENTLY i;\n");
    let places = files.places();
    let checks: Vec<_> = places.iter().map(|place| place.0.as_str()).collect();
    // In a transaction the timeouts are asked for too.
    assert_eq!(
        checks,
        [
            "concurrently-in-transaction",
            "concurrently-in-transaction",
            "require-lock-timeout",
            "require-statement-timeout"
        ]
    );
    // And without one, nothing is said of a transaction, nor of a SET that would be a second statement.
    files.write(METADATA, "run_in_transaction = false\n");
    files.finds(&[]);
    files.write(UP, &format!("BEGIN;\n{sql}"));
    let says_transaction =
        |places: &[Place]| places.iter().any(|place| place.0 == "transaction-nesting");
    assert!(!says_transaction(&files.places()));
    std::fs::remove_file(files.path(METADATA)).unwrap();
    assert!(says_transaction(&files.places()));
}

#[test]
fn the_template_and_the_variables() {
    const TEMPLATE: &str = ".env.template";
    let files = Files::with(&["arc", "cv"]);
    files.write(TEMPLATE, "# ARC_DATABASE_URL=\nexport CV_DATABASE_URL=\n");
    files.finds(&[("env-template", "arc", TEMPLATE, 0)]);

    let files = Files::with(&["arc"]);
    files.append(TEMPLATE, "RUST_LOG=info\n\nOLD_DATABASE_URL=\n");
    files.finds(&[("env-template-unknown", "", TEMPLATE, 4)]);

    let files = Files::with(&["arc"]);
    files.append(TEMPLATE, "DATABASE_URL=postgres://localhost/x\n");
    files.finds(&[("env-template", "", TEMPLATE, 2)]);
}

#[test]
fn one_url_for_all() {
    let mut files = Files::with(&["arc", "cv"]);
    files.write(
        ".env",
        "RUST_LOG=info\nDATABASE_URL=postgres://u:geheim@localhost/all\n",
    );
    files.finds(&[("shared-database-url", "", ".env", 2)]);
    files
        .db("check --offline")
        .says("`arc`, `cv`")
        .does_not_say("geheim");
    files.append(".env", "ARC_DATABASE_URL=postgres://localhost/arc_db\n");
    files.finds(&[("shared-database-url", "", ".env", 2)]);
    files.db("check --offline").does_not_say("`arc`");
    files.set("CV_DATABASE_URL", "postgres://localhost/cv_db");
    files.finds(&[]);
}

#[test]
fn the_settings_and_what_else_can_be_looked_at() {
    let files = Files::with(&["arc", "cv"]);
    files.write("services/cv/Cargo.toml", "[package]\nname = \"cv\"\n");
    files.write("diesel.toml", "");
    let places = files.places();
    assert!(places.contains(&(
        "settings".to_owned(),
        None,
        Some("services/cv/Cargo.toml".to_owned()),
        Some(1)
    )));
    assert!(places.iter().any(|place| place.0 == "root-diesel-toml"));
    // The others stop.
    files
        .db("status")
        .exits(2)
        .says("does not say whether it has a database");
}

#[test]
fn settings_have_lines() {
    const ARC: &str = "services/arc/Cargo.toml";
    const CV: &str = "services/cv/Cargo.toml";
    let head = "[package]\nname = \"cv\"\n\n[package.metadata.db]\n";
    for (text, lines) in [
        ("[package]\n# c\nnme = \"cv\"\n".to_owned(), vec![1]),
        ("# c\n[package]\nname = \"cv\"\n".to_owned(), vec![2]),
        ("[package]\nname = \"cv\"\n\nx = \n".to_owned(), vec![4]),
        (
            "[package]\nname = \"cv\"\n[package.metadata]\ndb = 3\n".to_owned(),
            vec![4],
        ),
        (format!("{head}nme = \"x\"\n"), vec![4, 5]),
        (format!("{head}name = \"cv_db\"\n\nurl = 3\n"), vec![7]),
        (
            format!("{head}name = \"cv_db\"\nurl = \"DATABASE_URL\"\n"),
            vec![6],
        ),
        (
            format!("{head}url = \"ARC_DATABASE_URL\"\nname = \"arc_db\"\n"),
            vec![5, 6],
        ),
    ] {
        let files = Files::with(&["arc", "cv"]);
        files.write(CV, &text);
        let mut places = files.places();
        places.retain(|place| place.0 == "settings");
        let found: Vec<_> = places
            .into_iter()
            .map(|place| (place.2.unwrap(), place.3))
            .collect();
        let expected: Vec<_> = lines
            .into_iter()
            .map(|line| (CV.to_owned(), Some(line)))
            .collect();
        assert_eq!(found, expected, "{text}");
    }
    let files = Files::with(&["arc"]);
    files.append(
        "Cargo.toml",
        "\n[workspace.metadata.db]\n\nservice = \"x\"\n",
    );
    files.write(".env", "ARC_DATABASE_URL=x\n\nnot a variable\n");
    files.finds(&[
        ("settings", "", ".env", 3),
        ("settings", "", "Cargo.toml", 9),
    ]);
    // Beside it, one is switched off as any other.
    files.write(".env", "");
    let text = files.read(ARC);
    files.write(
        ARC,
        &format!("{text}# db-check-ignore settings: for another tool\nx = 1\n"),
    );
    files.finds(&[("settings", "", "Cargo.toml", 9)]);
}

#[test]
fn encodings() {
    let sql = |text: &str| [b"\xef\xbb\xbf", text.as_bytes()].concat();
    let files = with("");
    let write = |file: &str, bytes: &[u8]| std::fs::write(files.path(file), bytes).unwrap();
    // A mark that no editor shows is no part of the text.
    write(UP, &sql(&format!("{TIMEOUTS}DROP TABLE old;\n")));
    write(DOWN, &sql("SELECT 1;\n"));
    write(
        "services/arc/diesel.toml",
        &sql(&files.read("services/arc/diesel.toml")),
    );
    write(METADATA, &sql("run_in_transaction = true\n"));
    write(
        ".env",
        &sql("ARC_DATABASE_URL=postgres://localhost/arc_db\n"),
    );
    files.finds(&[("ban-drop-table", "arc", UP, 3)]);
    // What no server would take: running refuses it, so it is found.
    write(UP, b"SELECT 1;\nSELECT '\xe9';\n");
    let mut places = files.places();
    places.retain(|place| place.0 == "missing-up");
    assert_eq!(places[0].3, Some(2));
    files.db("check --offline").says("is not valid UTF-8");
}

#[test]
fn the_paths_in_diesel_toml() {
    const FILE: &str = "services/arc/diesel.toml";
    for (text, line) in [
        ("[migrations_directory]\ndir = \"../../migrations\"\n", 2),
        (
            "[migrations_directory]\n\ndir = \"/somewhere/migrations\"\n",
            3,
        ),
        ("[migrations_directory]\ndir = \"migrationz\"\n", 2),
        ("[print_schema]\nfile = \"source/schema.rs\"\n", 2),
        ("[print_schema]\nfile = \n", 2),
        ("\n[migrations_directory]\n", 2),
    ] {
        let files = Files::with(&["arc"]);
        files.write(FILE, text);
        files.finds(&[("diesel-toml", "arc", FILE, line)]);
    }
    let files = Files::with(&["arc"]);
    std::fs::remove_file(files.path(FILE)).unwrap();
    files.finds(&[("diesel-toml", "arc", FILE, 0)]);
    std::fs::remove_dir_all(files.path("services/arc/migrations")).unwrap();
    files.write(FILE, "");
    files.finds(&[("diesel-toml", "arc", FILE, 0)]);
}

#[test]
fn rules_of_every_kind() {
    for (statement, rule) in [
        (
            "CREATE INDEX i ON old (a);",
            "require-concurrent-index-creation",
        ),
        ("DROP INDEX i;", "require-concurrent-index-deletion"),
        (
            "ALTER TABLE old ADD COLUMN n bigint NOT NULL;",
            "adding-required-field",
        ),
        (
            "ALTER TABLE old ALTER COLUMN a TYPE text;",
            "changing-column-type",
        ),
        (
            "ALTER TABLE old ALTER COLUMN a SET NOT NULL;",
            "adding-not-nullable-field",
        ),
        (
            "ALTER TABLE old ADD COLUMN t timestamptz DEFAULT clock_timestamp();",
            "adding-field-with-default",
        ),
        (
            "ALTER TABLE old ADD CONSTRAINT c CHECK (a > 0);",
            "constraint-missing-not-valid",
        ),
        (
            "ALTER TABLE old ADD CONSTRAINT c FOREIGN KEY (a) REFERENCES b (id);",
            "adding-foreign-key-constraint",
        ),
        (
            "ALTER TABLE old ADD CONSTRAINT c UNIQUE (a);",
            "disallowed-unique-constraint",
        ),
        ("ALTER TABLE old RENAME COLUMN a TO b;", "renaming-column"),
        ("ALTER TABLE old RENAME TO older;", "renaming-table"),
        ("ALTER TABLE old DROP COLUMN a;", "ban-drop-column"),
        ("DROP TABLE old;", "ban-drop-table"),
        ("TRUNCATE old CASCADE;", "ban-truncate-cascade"),
        ("CREATE TABLE n (id bigint, c char(3));", "ban-char-field"),
        ("CREATE TABLE n (id integer);", "prefer-bigint-over-int"),
        (
            "CREATE TABLE n (id bigint, t timestamp);",
            "prefer-timestamp-tz",
        ),
        (
            "ALTER TYPE mood ADD VALUE 'glad';",
            "require-enum-value-ordering",
        ),
        ("COMMIT;", "transaction-nesting"),
    ] {
        let files = with(&format!("\n{statement}\n"));
        files.finds(&[(rule, "arc", UP, 4)]);
    }
}

#[test]
fn timeouts() {
    let files = with("");
    files.write(
        UP,
        "SET LOCAL lock_timeout = '5s';\nALTER TABLE old ADD COLUMN a text;\n",
    );
    files.finds(&[("require-statement-timeout", "arc", UP, 2)]);
    files.write(
        UP,
        "SET LOCAL statement_timeout = '5s';\nALTER TABLE old ADD COLUMN a text;\n",
    );
    files.finds(&[("require-lock-timeout", "arc", UP, 2)]);
}

#[test]
fn a_table_of_the_same_migration_is_nobodys_yet() {
    let files = Files::with(&["arc"]);
    files.migration(
        "arc",
        X,
        "CREATE TYPE mood AS ENUM ('sad');\n\
         CREATE TABLE public.new (id bigint PRIMARY KEY, boss bigint REFERENCES new (id));\n\
         CREATE INDEX new_idx ON new (id);\n\
         ALTER TABLE new ADD COLUMN n bigint NOT NULL, ADD CONSTRAINT c CHECK (id > 0);\n\
         COMMENT ON TABLE new IS 'x';\n",
        "DROP TABLE new;\nDROP TYPE mood;\n",
    );
    files.finds(&[]);
    // An old table is somebody's.
    files.append(UP, "CREATE INDEX old_idx ON old (id);\n");
    files.finds(&[
        ("require-concurrent-index-creation", "arc", UP, 6),
        ("require-lock-timeout", "arc", UP, 6),
        ("require-statement-timeout", "arc", UP, 6),
    ]);
}

#[test]
fn a_down_sql_may_drop_but_not_break() {
    let files = with("SELECT 1;\n");
    files.write(DOWN, "DROP TABLE old;\nALTER TABLE b DROP COLUMN c;\n");
    files.finds(&[]);
    files.append(DOWN, "COMMIT;\n");
    files.finds(&[("transaction-nesting", "arc", DOWN, 3)]);
}

#[test]
fn the_version_of_postgresql_is_the_workspaces() {
    // From 11 on, a constant default rewrites nothing.
    let files = with("ALTER TABLE old ADD COLUMN a bigint DEFAULT 1;\n");
    files.finds(&[]);
    files.append(
        "Cargo.toml",
        "\n[workspace.metadata.db]\npostgres = \"10\"\n",
    );
    files.finds(&[("adding-field-with-default", "arc", UP, 3)]);
    // Of several the oldest: what is safe there is safe on all.
    for (list, finds) in [
        (r#"["10", "18"]"#, true),
        (r#"["18", "10"]"#, true),
        (r#"["12", "18"]"#, false),
    ] {
        let files = with("ALTER TABLE old ADD COLUMN a bigint DEFAULT 1;\n");
        files.append(
            "Cargo.toml",
            &format!("\n[workspace.metadata.db]\npostgres = {list}\n"),
        );
        let found = [("adding-field-with-default", "arc", UP, 3)];
        files.finds(if finds { &found } else { &[] });
    }
}

#[test]
fn one_finding_is_switched_off_beside_the_sql() {
    let drop = "ALTER TABLE old\n    DROP COLUMN a;\nALTER TABLE old DROP COLUMN b;\n";
    let files = with(drop);
    files.finds(&[
        ("ban-drop-column", "arc", UP, 4),
        ("ban-drop-column", "arc", UP, 5),
    ]);
    for comment in [
        "-- db-check-ignore ban-drop-column: nothing reads it since 1.4",
        "/* db-check-ignore ban-drop-column : why */",
        "-- squawk-ignore ban-drop-column",
    ] {
        let files = with(&format!("{comment}\n{drop}"));
        files.finds(&[("ban-drop-column", "arc", UP, 6)]);
    }
    with(&format!("-- squawk-ignore-file ban-drop-column\n{drop}")).finds(&[]);
    // Not without a reason.
    let files = with(&format!("-- db-check-ignore ban-drop-column\n{drop}"));
    files.finds(&[
        ("allow-without-reason", "arc", UP, 3),
        ("ban-drop-column", "arc", UP, 6),
    ]);
}

#[test]
fn a_switch_of_no_use_is_found() {
    let files = with("-- db-check-ignore ban-drop-column: why\nSELECT 1;\n");
    files.finds(&[("unused-allow", "arc", UP, 3)]);
    let files = with("-- squawk-ignore ban-drop-column, prefer-robust-stmts\nSELECT 1;\n");
    // The second rule is not used here, so it is not judged.
    files.finds(&[("unused-allow", "arc", UP, 3)]);
    let files = with("-- db-check-ignore ban-drop-colum: why\nSELECT 1;\n");
    files.finds(&[("unknown-check", "arc", UP, 3)]);
    files
        .db("check --offline")
        .says("did you mean `ban-drop-column`?");
}

#[test]
fn a_check_is_switched_off_in_the_settings() {
    const MANIFEST: &str = "services/arc/Cargo.toml";
    let files = with("DROP TABLE old;\n");
    files.append(
        MANIFEST,
        "\n[package.metadata.db.allow]\nban-drop-table = \"nobody reads them\"\n",
    );
    files.finds(&[]);
    files.write(UP, "SELECT 1;\n");
    files.finds(&[("unused-allow", "arc", MANIFEST, 8)]);

    let files = with("DROP TABLE old;\n");
    files.append(MANIFEST, "allow.ban-drop-table = \"\"\n");
    files.finds(&[("allow-without-reason", "arc", MANIFEST, 6)]);

    let files = with("SELECT 1;\n");
    files.append(MANIFEST, "allow.ban-drop-tabel = \"why\"\n");
    files.finds(&[("unknown-check", "arc", MANIFEST, 6)]);

    let files = with("DROP TABLE old;\n");
    files.append("Cargo.toml", "\n[workspace.metadata.db]\nallow = { ban-drop-table = \"why\", root-alembic-ini = \"why\" }\n");
    files.finds(&[("unused-allow", "", "Cargo.toml", 8)]);
    files.write("alembic.ini", "");
    files.finds(&[]);
    // What may fire in another service is not judged by a look at one.
    std::fs::remove_file(files.path("alembic.ini")).unwrap();
    files.db("check arc --offline").exits(0);
}

#[test]
fn a_file_that_is_no_sql_is_switched_off_in_it() {
    let files = with("SELECT 1;\n");
    files.write(UP, "SELECT 1;\n");
    files.write(
        METADATA,
        "# db-check-ignore metadata-without-transaction: as Diesel takes it\n",
    );
    files.finds(&[]);
}

#[test]
fn findings_are_annotations_on_github() {
    let mut files = with("DROP TABLE old;\n");
    files.set("GITHUB_ACTIONS", "true");
    let line = format!("::error file={UP},line=3,title=ban-drop-table::dropping a table");
    let run = files.db("check --offline").exits(1);
    assert!(run.stdout.contains(&line), "{}", run.stdout);
    let run = files.db("check --offline --json").exits(1);
    assert!(run.stderr.contains(&line), "{}", run.stderr);
    serde_json::from_str::<serde_json::Value>(&run.stdout).unwrap();
}

/// Fifteen migrations that drop a column each, and one that renames a table.
fn with_repeats() -> Files {
    let files = Files::with(&["arc"]);
    for number in 10..25 {
        let sql = format!("{TIMEOUTS}ALTER TABLE old DROP COLUMN c{number};\n");
        let name = format!("2026-01-{number}-000000_drop");
        files.migration("arc", &name, &sql, "SELECT 1;\n");
    }
    let rename = format!("{TIMEOUTS}ALTER TABLE old RENAME TO new;\n");
    files.migration("arc", "2026-02-01-000000_rename", &rename, "SELECT 1;\n");
    files
}

#[test]
fn carets_stand_under_the_words_that_are_meant() {
    let files = with("ALTER TABLE old\n\tDROP COLUMN \u{e9};\n");
    let shown = files.db("check --offline").exits(1).stdout;
    let excerpt =
        format!(" --> {UP}:4:2\n  |\n4 | \tDROP COLUMN \u{e9};\n  | \t^^^^^^^^^^^^^\n  help: ");
    assert!(shown.contains(&excerpt), "{shown}");
}

#[test]
fn no_line_of_a_env_is_shown() {
    let files = Files::with(&["arc", "cv"]);
    let line = "# x\nDATABASE_URL=postgres://me:geheim@localhost/all\n";
    files.write(".env", line);
    files.append(".env.template", line);
    for format in ["full", "concise", "github", "json", "sarif"] {
        let run = files.db(&format!("check --offline --format {format}"));
        let run = run
            .exits(1)
            .says("shared-database-url")
            .says("env-template");
        run.does_not_say("geheim");
    }
}

#[test]
fn a_terminal_shows_a_screen_and_a_pipe_all() {
    let files = with_repeats();
    let screen = files.db_at_terminal("check --offline").exits(1).stdout;
    assert!(screen.lines().count() < 24, "{screen}");
    assert_eq!(screen.matches("error[ban-drop-column]").count(), 1);
    assert!(screen.contains("and 14 more in 14 files"), "{screen}");
    for line in ["check --offline", "check --offline -v"] {
        let all = match line.ends_with("-v") {
            true => files.db_at_terminal(line).exits(1).stdout,
            false => files.db(line).exits(1).stdout,
        };
        assert_eq!(all.matches("error[ban-drop-column]").count(), 15, "{all}");
        assert_eq!(all.matches("error[renaming-table]").count(), 1, "{all}");
    }
    // What says something else is counted where there is no room for it.
    for service in ["cv", "dx", "ex", "fx", "gx"] {
        files.manifest(service, "");
    }
    let screen = files.db_at_terminal("check --offline").exits(1).stdout;
    assert!(screen.lines().count() < 24, "{screen}");
    let counted = screen.contains("not shown: `cargo xtask db check -v` shows all");
    assert!(counted && screen.contains("21 findings"), "{screen}");
}

#[test]
fn the_last_line_says_what_to_do_next() {
    let last = |files: &Files| {
        let shown = files.db("check --offline").stdout;
        shown.lines().last().unwrap_or_default().to_owned()
    };
    let files = with("ALTER TABLE old DROP COLUMN c;\n");
    assert!(last(&files).starts_with("next: correct it, or allow it with a reason"));
    files.write("alembic.ini", "");
    assert!(last(&files).starts_with("next: `cargo xtask db fix` repairs 1 of them"));
    files.write(UP, "SELECT 1;\n");
    assert!(last(&files).starts_with("next: `cargo xtask db fix` repairs this"));
}

#[test]
fn sarif_names_its_rules_and_the_region_of_each_result() {
    let files = with("ALTER TABLE old\n    DROP COLUMN c;\n");
    files.write("services/arc/migrations/_stray file/up.sql", "");
    let run = files.db("check --offline --format sarif").exits(1);
    let log: serde_json::Value = serde_json::from_str(&run.stdout).unwrap();
    assert_eq!(log["version"], "2.1.0");
    let (driver, results) = (
        &log["runs"][0]["tool"]["driver"],
        log["runs"][0]["results"].as_array().unwrap(),
    );
    let of = |check: &str| {
        let found = results.iter().find(|result| result["ruleId"] == check);
        found.unwrap_or_else(|| panic!("{check}: {log:#}"))
    };
    for result in results {
        let index = usize::try_from(result["ruleIndex"].as_u64().unwrap()).unwrap();
        assert_eq!(driver["rules"][index]["id"], result["ruleId"]);
    }
    let place = &of("ban-drop-column")["locations"][0]["physicalLocation"];
    assert_eq!(place["artifactLocation"]["uri"], UP);
    let region =
        serde_json::json!({"startLine": 4, "startColumn": 5, "endLine": 4, "endColumn": 18});
    assert_eq!(place["region"], region);
    let folder = &of("migration-without-version")["locations"][0]["physicalLocation"];
    let uri = "services/arc/migrations/_stray%20file";
    assert_eq!(folder["artifactLocation"]["uri"], uri);
    assert_eq!(folder["region"], serde_json::Value::Null);
}

#[test]
fn json_has_the_documented_keys_in_order() {
    let files = with("DROP TABLE old;\n");
    let run = files.db("check --offline --json").exits(1);
    let keys: Vec<_> = run
        .stdout
        .lines()
        .filter_map(|line| line.trim().strip_prefix('"')?.split('"').next())
        .collect();
    assert_eq!(
        keys,
        [
            "findings", "check", "service", "file", "line", "message", "help", "ignored"
        ]
    );
}

#[test]
fn some_services_only() {
    let files = Files::with(&["arc", "cv"]);
    files.write("alembic.ini", "");
    std::fs::remove_file(files.path("services/cv/diesel.toml")).unwrap();
    files.db("check arc --offline").exits(0);
    files
        .db("check cv --offline")
        .exits(1)
        .does_not_say("alembic");
    files
        .db("check ai --offline")
        .exits(2)
        .says("unknown service `ai`");
}
