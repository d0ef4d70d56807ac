//! Scripts that an administrator feeds to psql: they write to the database that they were made for, or not at all.

use std::process::{Command, Stdio};

use diesel::connection::SimpleConnection as _;
use local_postgres::Server;

use crate::support::{Run, Workspace, value};

/// Feeds a script to a psql that is on the server of `url`.
pub(crate) fn psql(workspace: &Workspace, url: &str, script: &str, encoding: &str) -> Run {
    workspace.write("script.sql", script);
    let file = std::fs::File::open(workspace.path("script.sql")).unwrap();
    let mut command = workspace.prepared(Command::new("psql"), &["-X", url]);
    command.env("PGCLIENTENCODING", encoding).stdin(file);
    command.stdout(Stdio::piped());
    Run::of_output(&mut command, "psql")
}

#[test]
fn a_script_writes_to_no_database_but_its_own() {
    let workspace = Workspace::with(&["arc"]);
    let arc = workspace.database("arc");
    workspace.migration(
        "arc",
        "2026-01-03-000000_text",
        "INSERT INTO arc_items VALUES (1, 'é'); RESET ALL; INSERT INTO arc_items VALUES (2, 'é');",
        "SELECT 1;",
    );
    workspace.migration(
        "arc",
        "2026-01-04-000000_text",
        "INSERT INTO arc_items VALUES (3, 'é');",
        "SELECT 1;",
    );
    workspace.db("create").exits(0);
    let script = workspace.db("migrate --sql").exits(0).stdout;

    // Another server has a database of that name.
    let elsewhere = Server::for_tests("elsewhere").unwrap();
    let other = elsewhere.url("postgres");
    let mut admin = <diesel::PgConnection as diesel::Connection>::establish(&other).unwrap();
    let name = format!("\"{arc}\"");
    let create = format!("CREATE DATABASE {name}");
    admin.batch_execute(&create).unwrap();
    let run = psql(&workspace, &other, &script, "UTF8");
    let mut session =
        <diesel::PgConnection as diesel::Connection>::establish(&elsewhere.url(&arc)).unwrap();
    let made = "SELECT count(*) FROM pg_class WHERE relname = 'arc_items'";
    let made = value(&mut session, made);
    drop(session);
    let drop = format!("DROP DATABASE {name} WITH (FORCE)");
    admin.batch_execute(&drop).unwrap();
    assert_eq!(made, "0");
    run.exits(3)
        .says("is not on the server that it was made for");

    // Made anew under the same name, it is another one as well.
    let url = workspace.admin_url();
    let create = format!("CREATE DATABASE {name}");
    let away = format!("ALTER DATABASE {name} RENAME TO \"{arc}_kept\"");
    let back = format!("ALTER DATABASE \"{arc}_kept\" RENAME TO {name}");
    workspace.execute_each(&[away, create]);
    let run = psql(&workspace, &url, &script, "UTF8");
    assert_eq!(workspace.tables(&arc), "");
    workspace.execute_each(&[drop, back]);
    run.exits(3).says("is not the one that it was made for");

    // While another run is at work.
    let mut runs = workspace.session(&arc);
    let lock = "SELECT pg_advisory_lock(x'64626c67'::int, 1)";
    runs.batch_execute(lock).unwrap();
    psql(&workspace, &url, &script, "UTF8")
        .exits(3)
        .says("another run is at work");
    runs.batch_execute("SELECT pg_advisory_unlock_all()")
        .unwrap();

    psql(&workspace, &url, &script, "LATIN1").exits(0);
    let lengths = "SELECT string_agg(length(note)::text, ' ' ORDER BY id) FROM arc_items";
    assert_eq!(workspace.value(&arc, lengths), "1 1 1");
    workspace.db("status --exit-code").exits(0);

    // Once it has run, it is over.
    psql(&workspace, &url, &script, "UTF8")
        .exits(3)
        .says("the newest applied migration is 20260104000000");
}

#[test]
fn several_services_get_a_file_each() {
    let workspace = Workspace::with(&["arc", "cv"]);
    workspace.db("create").exits(0);
    workspace
        .db("migrate --sql")
        .exits(2)
        .says("`--sql` prints the script of one service")
        .says("--sql=DIR");
    workspace
        .db("migrate --sql=out/scripts")
        .exits(0)
        .says("2 migrations in out/scripts/arc.sql");
    assert_eq!(workspace.list("out/scripts"), ["arc.sql", "cv.sql"]);
    let url = workspace.admin_url();
    for service in ["arc", "cv"] {
        let script = workspace.read(&format!("out/scripts/{service}.sql"));
        psql(&workspace, &url, &script, "UTF8").exits(0);
    }
    workspace.db("status --exit-code").exits(0);
    let run = workspace.db("migrate --sql=out/scripts").exits(0);
    run.says("nothing pending");
    assert!(
        workspace.list("out/scripts").is_empty(),
        "an old script stays"
    );
}

/// The name of a folder may have a line break, which ends a comment.
#[test]
fn nothing_of_a_folders_name_is_run() {
    let workspace = Workspace::with(&["arc"]);
    let arc = workspace.database("arc");
    workspace.db("create").exits(0);
    workspace.db("migrate").exits(0);
    let name = "2026-01-03-000000_a\nDROP TABLE arc_items;";
    workspace.migration("arc", name, "CREATE TABLE a ();", "DROP TABLE a;");
    let script = workspace.db("migrate arc --sql").exits(0).stdout;
    psql(&workspace, &workspace.url(&arc), &script, "UTF8").exits(0);
    assert_eq!(workspace.tables(&arc), "a arc_items");
}
