//! Create, migrate, and again: the main job.

use crate::scripts::psql;
use crate::support::{Run, Workspace};

#[test]
fn every_service_gets_its_own_database_and_a_second_run_changes_nothing() {
    let workspace = Workspace::with(&["arc", "cv", "user"]);
    workspace
        .db("migrate")
        .exits(3)
        .says("does not exist")
        .says("run `cargo xtask db create arc`");
    workspace
        .db("create")
        .exits(0)
        .says("created, owned by service `user`");
    workspace
        .db("create")
        .exits(0)
        .says("exists")
        .does_not_say("created");
    workspace
        .db("status --exit-code")
        .exits(1)
        .says("2 pending");
    workspace
        .db("migrate")
        .exits(0)
        .says("applied 2 migrations");
    for service in ["arc", "cv", "user"] {
        let database = workspace.database(service);
        assert_eq!(workspace.tables(&database), format!("{service}_items"));
        assert_eq!(
            workspace.value(&database, "SELECT service FROM db_ledger.owner"),
            service
        );
        assert_eq!(
            workspace.applied(&database),
            "20260101000000 20260102000000"
        );
    }
    workspace
        .db("migrate")
        .exits(0)
        .says("up to date at 20260102000000")
        .does_not_say("applied 2");
    let runs = workspace.value(
        &workspace.database("arc"),
        "SELECT count(*) FROM db_ledger.run",
    );
    assert_eq!(runs, "2");
    workspace
        .db("status --exit-code")
        .exits(0)
        .says("up to date");
}

#[test]
fn a_service_can_be_named_and_the_others_stay_as_they_are() {
    let workspace = Workspace::with(&["arc", "cv"]);
    workspace.db("create cv").exits(0);
    assert!(!workspace.exists(&workspace.database("arc")));
    workspace
        .db("migrate cv --to 2026-01-01-000000")
        .exits(0)
        .says("applied 1 migration");
    assert_eq!(
        workspace.applied(&workspace.database("cv")),
        "20260101000000"
    );
    workspace
        .db("migrate cv --to 2026-01-01-000000_create")
        .exits(0)
        .says("up to date at 20260101000000");
    workspace
        .db("migrate cv --to 2026-01-05-000000")
        .exits(2)
        .says("has no migration `2026-01-05-000000`")
        .says("did you mean");
    workspace
        .db("migrate cvv")
        .exits(2)
        .says("unknown service `cvv`")
        .says("did you mean `cv`?")
        .says("arc, cv");
}

#[test]
fn a_dry_run_lists_and_writes_nothing() {
    let workspace = Workspace::with(&["arc"]);
    workspace.create_database(&workspace.database("arc"));
    workspace
        .db("migrate --dry-run")
        .exits(0)
        .says("would apply 2 migrations")
        .says("2026-01-02-000000_note");
    let relations = "SELECT count(*) FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace \
                     WHERE n.nspname IN ('public', 'db_ledger')";
    assert_eq!(workspace.value(&workspace.database("arc"), relations), "0");
    // Nor is a refusal kept for later.
    workspace.execute(&workspace.database("arc"), "CREATE TABLE stray ()");
    workspace.db("migrate --dry-run").exits(6).says("`stray`");
}

#[test]
fn the_printed_scripts_do_what_the_commands_do() {
    let workspace = Workspace::with(&["arc"]);
    workspace.migration_without_transaction(
        "arc",
        "2026-01-03-000000_index",
        "CREATE INDEX CONCURRENTLY arc_note ON arc_items (note) -- no semicolon, and a comment",
        "DROP INDEX arc_note;",
    );
    let database = workspace.database("arc");
    let create = workspace.db("create --sql").exits(0).stdout;
    assert!(!workspace.exists(&database), "only printed");
    let url = workspace.admin_url();
    psql(&workspace, &url, &create, "UTF8").exits(0);
    workspace.db("create").exits(0).says("exists");
    let migrate = workspace.db("migrate --sql").exits(0).stdout;
    psql(&workspace, &url, &migrate, "UTF8").exits(0);
    workspace.db("status --exit-code").exits(0);
    workspace
        .db("migrate")
        .exits(0)
        .says("up to date at 20260103000000");
    let said = workspace.value(
        &database,
        "SELECT string_agg(version || outcome, ' ' ORDER BY id) FROM db_ledger.run",
    );
    assert_eq!(
        said,
        "20260101000000done 20260102000000done 20260103000000done"
    );
    // Written down with its checksum, so that a later edit is seen.
    workspace.migration("arc", "2026-01-02-000000_note", "SELECT 1;", "SELECT 1;");
    workspace
        .db("migrate")
        .exits(6)
        .says("were edited after they were applied");
}

#[test]
fn ten_at_once_on_empty_databases_run_each_migration_once() {
    let workspace = Workspace::with(&["arc", "cv", "user"]);
    for service in ["arc", "cv", "user"] {
        workspace.migration(
            service,
            "2026-01-03-000000_slow",
            "CREATE TABLE slow (id int); INSERT INTO slow SELECT 1 FROM pg_sleep(0.05);",
            "DROP TABLE slow;",
        );
    }
    workspace.db("create").exits(0);
    let children: Vec<_> = (0..10).map(|_| workspace.start("migrate")).collect();
    for child in children {
        let output = child.wait_with_output().unwrap();
        assert!(
            output.status.success(),
            "{}",
            String::from_utf8_lossy(&output.stderr)
        );
    }
    for service in ["arc", "cv", "user"] {
        let database = workspace.database(service);
        assert_eq!(workspace.value(&database, "SELECT count(*) FROM slow"), "1");
        assert_eq!(
            workspace.value(&database, "SELECT count(*) FROM db_ledger.run"),
            "3"
        );
    }
}

#[test]
fn ten_creates_at_once_agree() {
    let workspace = Workspace::with(&["arc", "cv"]);
    let children: Vec<_> = (0..10).map(|_| workspace.start("create")).collect();
    for child in children {
        let output = child.wait_with_output().unwrap();
        assert!(
            output.status.success(),
            "{}",
            String::from_utf8_lossy(&output.stderr)
        );
    }
    assert_eq!(
        workspace.value(
            &workspace.database("cv"),
            "SELECT count(*) FROM db_ledger.owner"
        ),
        "1"
    );
}

#[test]
fn wait_waits_for_the_server_and_gives_up_in_time() {
    let mut workspace = Workspace::with(&["arc"]);
    workspace
        .db("wait --timeout 5")
        .exits(0)
        .says("the database is missing");
    workspace.db("create").exits(0);
    workspace.db("wait").exits(0).says("answers");
    workspace.set("ARC_DATABASE_URL", "postgres://u@127.0.0.1:1/d");
    workspace
        .db("wait --timeout 1")
        .exits(3)
        .says("no answer")
        .says("127.0.0.1");
}

#[test]
fn dotenv_is_read_at_the_root_only_and_the_environment_wins() {
    let mut workspace = Workspace::with(&["arc"]);
    let url = workspace.get("ARC_DATABASE_URL");
    workspace.unset("ARC_DATABASE_URL");
    workspace.write(
        ".env",
        &format!("# local\nexport ARC_DATABASE_URL='{url}'\n"),
    );
    workspace.db("create").exits(0);
    workspace
        .db("status")
        .exits(0)
        .says("ARC_DATABASE_URL in ")
        .says(".env)");
    // From inside a service, too; and that folder's own .env is not read.
    workspace.write(
        "services/arc/.env",
        "ARC_DATABASE_URL=postgres://nobody@127.0.0.1:1/none\n",
    );
    let mut command = workspace.command(&["db", "migrate", "arc"]);
    Run::of(
        command.current_dir(workspace.path("services/arc")),
        "migrate",
    )
    .exits(0);
    workspace.set(
        "ARC_DATABASE_URL",
        &workspace.url(&format!("{}_x", workspace.database("arc"))),
    );
    workspace
        .db("status")
        .exits(0)
        .says("ARC_DATABASE_URL in the environment")
        .says("missing");
    workspace.write(".env", "ARC_DATABASE_URL='postgres://me:secret@h/d\n");
    workspace
        .db("status")
        .exits(2)
        .says("line 1 is not NAME=value")
        .does_not_say("secret");
}

#[test]
fn a_printed_script_stops_in_the_wrong_database() {
    use diesel::connection::SimpleConnection as _;
    let workspace = Workspace::with(&["arc", "cv"]);
    workspace.db("create").exits(0);
    let script: String = workspace
        .db("migrate arc --sql")
        .exits(0)
        .stdout
        .lines()
        .filter(|line| !line.starts_with('\\'))
        .map(|line| format!("{line}\n"))
        .collect();
    let cv = workspace.database("cv");
    let error = workspace.session(&cv).batch_execute(&script).unwrap_err();
    assert!(
        error
            .to_string()
            .contains("this script is not for the database"),
        "{error}"
    );
    assert_eq!(workspace.tables(&cv), "");
    // Nor in the right one once it is another service's.
    let arc = workspace.database("arc");
    workspace.execute(&arc, "UPDATE db_ledger.owner SET service = 'cv'");
    let error = workspace.session(&arc).batch_execute(&script).unwrap_err();
    assert!(
        error.to_string().contains("belongs to another service"),
        "{error}"
    );
    assert_eq!(workspace.tables(&arc), "");
}

#[test]
fn a_service_without_a_url_does_not_hide_the_others() {
    let mut workspace = Workspace::with(&["arc", "cv"]);
    workspace.db("create").exits(0);
    workspace.unset("CV_DATABASE_URL");
    workspace
        .db("status")
        .exits(2)
        .says("2 pending")
        .says("service `cv` has no database URL");
    workspace.db("migrate").exits(2).does_not_say("applied");
}
