//! A database is the same after its backup was restored, to the last byte of a dump.

use std::process::{Command, Stdio};

use diesel::connection::SimpleConnection as _;

use super::{WithRole, back_up, databases, newest, run, with_everything, with_path};
use crate::support::{PgPrograms, Workspace, quoted, variable, wait_until};

/// Everything that `pg_dump --create` prints: schema, data, large objects, sequences, grants, and the database itself.
fn whole(workspace: &Workspace, programs: &PgPrograms) -> String {
    programs.dump(&workspace.url(&workspace.database("arc")), &["--create"])
}

#[test]
fn backup_drop_restore_brings_back_every_byte() {
    let (workspace, programs) = with_everything();
    let arc = workspace.database("arc");
    let role = workspace.database("reader");
    let (arc_name, role_name) = (quoted(&arc), quoted(&role));
    workspace.execute(
        "postgres",
        &format!(
            "CREATE ROLE {role_name};
             COMMENT ON DATABASE {arc_name} IS 'it''s arc''s';
             REVOKE TEMPORARY ON DATABASE {arc_name} FROM PUBLIC;
             GRANT CREATE, CONNECT ON DATABASE {arc_name} TO {role_name} WITH GRANT OPTION;
             SET ROLE {role_name}; GRANT CONNECT ON DATABASE {arc_name} TO PUBLIC; RESET ROLE;
             ALTER DATABASE {arc_name} SET search_path TO \"$user\", public, \"odd schema\";
             ALTER DATABASE {arc_name} SET default_transaction_read_only = off;
             ALTER DATABASE {arc_name} SET \"my.setting\" = 'a, b''c';
             ALTER DATABASE {arc_name} CONNECTION LIMIT 50;
             ALTER ROLE {role_name} IN DATABASE {arc_name} SET work_mem = '8MB'"
        ),
    );
    workspace.execute(&arc, &format!("GRANT SELECT ON always TO {role_name}"));
    let before = whole(&workspace, &programs);
    for part in [
        "lo_create",
        "setval",
        "CONNECTION LIMIT",
        "my.setting",
        "work_mem",
        "db_ledger",
        "a large object",
    ] {
        let hex: String = part.bytes().map(|byte| format!("{byte:02x}")).collect();
        assert!(before.contains(part) || before.contains(&hex), "{part}");
    }
    let name = back_up(&workspace, "arc");
    assert_eq!(whole(&workspace, &programs), before);

    workspace.execute_each(&[format!("DROP DATABASE {arc_name} WITH (FORCE)")]);
    workspace
        .db(&format!("restore arc {name}"))
        .exits(0)
        .says("restored the backup of")
        .does_not_say("kept as")
        .does_not_say("not carried over");
    assert_eq!(whole(&workspace, &programs), before);
    workspace.db("status --exit-code").exits(0);
    workspace.db("migrate").exits(0).says("up to date");
    // What the planner knows is in no dump.
    let known = "SELECT count(*) > 0 FROM pg_stats WHERE tablename = 'always'";
    assert_eq!(workspace.value(&arc, known), "true");

    // And over a database that serves, and went on meanwhile.
    workspace.execute(&arc, "DROP TABLE always; INSERT INTO parent VALUES (99)");
    workspace
        .db(&format!("restore arc {name} --yes {arc}"))
        .exits(0)
        .says("the former database is kept as")
        .says("DROP DATABASE");
    assert_eq!(whole(&workspace, &programs), before);
    let all = databases(&workspace, "arc");
    let [serves, kept] = all.as_slice() else {
        panic!("{all:?}")
    };
    assert_eq!(*serves, arc);
    assert!(kept.starts_with(&format!("{arc}_replaced_20")), "{kept}");
    assert_eq!(
        workspace.value(kept, "SELECT count(*) FROM ONLY parent"),
        "3"
    );
    workspace.execute_each(&[
        format!("DROP DATABASE {arc_name} WITH (FORCE)"),
        format!("DROP DATABASE {} WITH (FORCE)", quoted(kept)),
        format!("DROP ROLE {role_name}"),
    ]);
}

#[test]
fn a_dump_and_its_counts_are_of_one_moment() {
    let (workspace, programs) = with_everything();
    let arc = workspace.database("arc");
    let (go, waits) = (workspace.path("go"), workspace.path("waits"));
    let folder = programs.instead_of(
        "pg_dump",
        &format!(
            "touch '{}'; while ! [ -e '{}' ]; do sleep 0.05; done; exec \"$real\" \"$@\"",
            waits.display(),
            go.display()
        ),
    );
    let mut command = with_path(&workspace, &folder, "backup arc");
    let mut child = quiet(&mut command).spawn().unwrap();
    wait_until(&mut child, || waits.exists());
    workspace.execute(&arc, "INSERT INTO parent SELECT generate_series(100, 999)");
    std::fs::write(go, "").unwrap();
    assert!(child.wait().unwrap().success());
    workspace.execute_each(&[format!("DROP DATABASE {} WITH (FORCE)", quoted(&arc))]);
    workspace
        .db(&format!("restore arc {}", newest(&workspace, "arc")))
        .exits(0);
    assert_eq!(
        workspace.value(&arc, "SELECT count(*) FROM ONLY parent"),
        "2"
    );
}

#[test]
fn services_are_backed_up_at_once_and_one_that_fails_stops_no_other() {
    let mut workspace = Workspace::with(&["arc", "cv", "user"]);
    workspace.db("create arc user").exits(0);
    workspace.db("migrate arc user").exits(0);
    workspace
        .db("backup")
        .exits(3)
        .says("arc   ")
        .says("backed up 4 tables")
        .says("cv_db".replace("cv_db", &workspace.database("cv")).as_str())
        .says("not backed up");
    assert_eq!(workspace.list("backups"), [".gitignore", "arc", "user"]);
    workspace.unset(&variable("cv"));
    workspace.db("backup arc user").exits(0);
    assert_eq!(workspace.list("backups/arc").len(), 2);
}

#[test]
fn a_session_on_the_old_database_is_ended_at_the_swap_and_not_before() {
    let (workspace, programs) = with_everything();
    let arc = workspace.database("arc");
    let name = back_up(&workspace, "arc");
    let mut session = workspace.session(&arc);
    let log = workspace.path("seen");
    // While the new database is filled, the old one serves.
    let folder = programs.instead_of(
        "pg_restore",
        &format!(
            "touch '{0}'; while [ -e '{0}' ]; do sleep 0.05; done; exec \"$real\" \"$@\"",
            log.display()
        ),
    );
    let line = format!("restore arc {name} --yes {arc}");
    let mut command = with_path(&workspace, &folder, &line);
    let mut child = quiet(&mut command).spawn().unwrap();
    wait_until(&mut child, || log.exists());
    session
        .batch_execute("INSERT INTO parent VALUES (7)")
        .unwrap();
    workspace.migration("arc", "2026-01-04-000000_later", "SELECT 1;", "SELECT 1;");
    workspace.db("migrate --lock-timeout 0").exits(5);
    std::fs::remove_file(log).unwrap();
    assert!(child.wait().unwrap().success());
    assert!(session.batch_execute("SELECT 1").is_err());
    assert_eq!(
        workspace.value(&arc, "SELECT count(*) FROM ONLY parent"),
        "2"
    );
    databases(&workspace, "arc");
}

#[test]
fn a_role_that_may_create_databases_restores_with_any_password_and_shows_it_nowhere() {
    let role = WithRole::new("CREATEDB");
    let (workspace, arc) = (&role.workspace, role.workspace.database("arc"));
    let programs = PgPrograms::new(workspace);
    let url = workspace.url(&arc);
    let before = programs.dump(&url, &["--create"]);
    let log = workspace.path("arguments");
    let text = format!(
        "printf '%s\\n' \"$@\" >>'{}'; exec \"$real\" \"$@\"",
        log.display()
    );
    let folder = programs.instead_of("pg_dump", &text);
    let restores = programs.instead_of("pg_restore", &text);
    std::fs::rename(restores.join("pg_restore"), folder.join("pg_restore")).unwrap();
    run(with_path(workspace, &folder, "backup arc"), "backup")
        .exits(0)
        .does_not_say("cr3t");
    let line = format!("restore arc {} --yes {arc}", newest(workspace, "arc"));
    run(with_path(workspace, &folder, &line), "restore")
        .exits(0)
        .does_not_say("cr3t")
        .does_not_say("not carried over");
    assert_eq!(programs.dump(&url, &["--create"]), before);
    let arguments = workspace.read("arguments");
    assert!(
        arguments.contains("--snapshot=") && arguments.contains("--exit-on-error"),
        "{arguments}"
    );
    assert!(!arguments.contains("cr3t"), "{arguments}");
    databases(workspace, "arc");
}

#[test]
fn a_role_that_may_not_create_databases_backs_up_and_is_told_why_it_can_not_restore() {
    let role = WithRole::new("NOCREATEDB");
    let (workspace, arc) = (&role.workspace, role.workspace.database("arc"));
    let name = back_up(workspace, "arc");
    workspace
        .db(&format!("restore arc {name} --yes {arc}"))
        .exits(4)
        .says("may not create databases")
        .says("CREATEDB");
    assert_eq!(databases(workspace, "arc"), [arc]);
    workspace.db("status --exit-code").exits(0);
}

fn quiet(command: &mut Command) -> &mut Command {
    command.stdout(Stdio::null()).stderr(Stdio::null())
}
