//! A backup or a restore that ends half way leaves no half backup, and the old database serving.

use std::path::PathBuf;
use std::process::{Child, Command};

use super::{WithRole, back_up, databases, newest, run, unfinished, with_everything, with_path};
use crate::support::{PgPrograms, Run, SmallDisk, Workspace, value, wait_until};

/// A program of that name that writes `before` to its output, says that it is there, and waits until it may go on.
struct Paused {
    folder: PathBuf,
    there: PathBuf,
    go: PathBuf,
}

impl Paused {
    fn new(workspace: &Workspace, programs: &PgPrograms, name: &str, before: &str) -> Self {
        let (there, go) = (workspace.path("there"), workspace.path("go"));
        let text = format!(
            "{before}\necho $$ >'{0}.new' && mv '{0}.new' '{0}'\nwhile ! [ -e '{1}' ]; do sleep 0.05; done\nexec \"$real\" \"$@\"",
            there.display(),
            go.display()
        );
        Self {
            folder: programs.instead_of(name, &text),
            there,
            go,
        }
    }

    /// Starts the tool, and gives its process and the program's number once that is there.
    fn start(&self, workspace: &Workspace, line: &str) -> (Child, String) {
        let mut command = with_path(workspace, &self.folder, line);
        command
            .stdout(std::process::Stdio::piped())
            .stderr(std::process::Stdio::piped());
        let mut child = command.spawn().unwrap();
        wait_until(&mut child, || self.there.exists());
        (
            child,
            std::fs::read_to_string(&self.there)
                .unwrap()
                .trim()
                .to_owned(),
        )
    }

    fn go_on(&self) {
        std::fs::write(&self.go, "").unwrap();
    }
}

fn kill(process: &str) {
    Run::of(Command::new("kill").args(["-KILL", process]), "kill").exits(0);
}

/// Ends every session of the tool and its programs on a database, as a restart of the server does.
fn end_sessions(workspace: &Workspace, database: &str) {
    let ended = value(
        &mut workspace.admin(),
        &format!(
            "SELECT count(pg_terminate_backend(pid, 10000)) FROM pg_stat_activity WHERE datname = '{database}'"
        ),
    );
    assert_ne!(ended, "0");
}

fn serves(workspace: &Workspace) {
    let arc = workspace.database("arc");
    workspace.db("status --exit-code").exits(0);
    assert_eq!(
        workspace.value(&arc, "SELECT count(*) FROM ONLY parent"),
        "2"
    );
}

#[test]
fn a_killed_backup_leaves_nothing_under_a_final_name_and_the_next_clears_away() {
    let (workspace, programs) = with_everything();
    let half = "\"$real\" \"$@\" | head -c 2000";
    let paused = Paused::new(&workspace, &programs, "pg_dump", half);
    let (mut child, program) = paused.start(&workspace, "backup arc");
    child.kill().unwrap();
    child.wait().unwrap();
    let left = workspace.list("backups/arc");
    assert!(
        left.len() == 1 && left[0].ends_with(".unfinished"),
        "{left:?}"
    );
    assert_eq!(
        workspace
            .path(&format!("backups/arc/{}/data.dump", left[0]))
            .metadata()
            .unwrap()
            .len(),
        2000
    );
    workspace
        .db("backup --list")
        .exits(0)
        .does_not_say("complete");
    workspace.db(&format!("restore arc {}", left[0])).exits(2);
    // As long as its pg_dump is at work, nobody clears away what it writes to.
    workspace.db("backup arc").exits(0);
    assert_eq!(unfinished(&workspace, "arc"), left);
    kill(&program);
    // Its lock goes a moment later.
    let cleared = (0..100).any(|_| {
        workspace.db("backup arc").exits(0);
        unfinished(&workspace, "arc").is_empty()
    });
    assert!(cleared);
    serves(&workspace);
}

#[test]
fn a_server_that_restarts_in_a_backup_leaves_none() {
    let (workspace, programs) = with_everything();
    let paused = Paused::new(&workspace, &programs, "pg_dump", "");
    let (child, _) = paused.start(&workspace, "backup arc");
    end_sessions(&workspace, &workspace.database("arc"));
    paused.go_on();
    Run::from(child.wait_with_output().unwrap(), "backup")
        .exits(4)
        .says("failed to back up database")
        .says("snapshot")
        .says("no backup was kept");
    assert_eq!(workspace.list("backups/arc"), [""; 0]);
    serves(&workspace);
}

#[test]
fn a_program_that_fails_or_says_too_little_leaves_no_backup() {
    let (workspace, programs) = with_everything();
    let failing = programs.instead_of("pg_dump", "\"$real\" \"$@\"; exit 3");
    run(with_path(&workspace, &failing, "backup arc"), "backup")
        .exits(4)
        .says("exit status: 3");
    assert_eq!(workspace.list("backups/arc"), [""; 0]);
    // One that ends well but left rows out is found when it is restored, before the swap.
    let forgetful = programs.instead_of(
        "pg_dump",
        "exec \"$real\" \"$@\" --exclude-table-data=parent",
    );
    run(with_path(&workspace, &forgetful, "backup arc"), "backup").exits(0);
    let arc = workspace.database("arc");
    workspace
        .db(&format!(
            "restore arc {} --yes {arc}",
            newest(&workspace, "arc")
        ))
        .exits(4)
        .says("rows of public.parent: found 0, expected 2")
        .says("the new database was dropped");
    assert_eq!(databases(&workspace, "arc"), [arc]);
    serves(&workspace);
}

#[test]
fn a_killed_restore_leaves_the_old_database_serving_and_is_named_by_the_next() {
    let (workspace, programs) = with_everything();
    let arc = workspace.database("arc");
    let name = back_up(&workspace, "arc");
    let line = format!("restore arc {name} --yes {arc}");
    let paused = Paused::new(&workspace, &programs, "pg_restore", "");
    let (mut child, program) = paused.start(&workspace, &line);
    child.kill().unwrap();
    child.wait().unwrap();
    kill(&program);
    serves(&workspace);
    let all = databases(&workspace, "arc");
    assert!(
        all.len() == 2 && all[1].starts_with(&format!("{arc}_restoring_")),
        "{all:?}"
    );
    workspace
        .db(&format!("{line} --lock-timeout 30"))
        .exits(0)
        .says(&format!(
            "an interrupted restore left database `{}`",
            all[1]
        ));
    serves(&workspace);
    databases(&workspace, "arc");
}

#[test]
fn a_server_that_restarts_in_a_restore_leaves_the_old_database_serving() {
    let (workspace, programs) = with_everything();
    let arc = workspace.database("arc");
    let name = back_up(&workspace, "arc");
    let paused = Paused::new(&workspace, &programs, "pg_restore", "");
    let (child, _) = paused.start(&workspace, &format!("restore arc {name} --yes {arc}"));
    // Only the session with the lock: all the rest would go on.
    end_sessions(&workspace, &arc);
    workspace.execute(
        &arc,
        "INSERT INTO parent VALUES (3); DELETE FROM ONLY parent WHERE a = 3",
    );
    paused.go_on();
    Run::from(child.wait_with_output().unwrap(), "restore")
        .exits(4)
        .says("the session that holds the lock was lost")
        .says("the new database was dropped");
    assert_eq!(databases(&workspace, "arc"), std::slice::from_ref(&arc));
    serves(&workspace);
}

#[test]
fn a_restore_that_pg_restore_does_not_finish_changes_nothing() {
    let (workspace, programs) = with_everything();
    let arc = workspace.database("arc");
    let name = back_up(&workspace, "arc");
    let failing = programs.instead_of(
        "pg_restore",
        "echo 'pg_restore: error: no space' >&2; exit 1",
    );
    let line = format!("restore arc {name} --yes {arc}");
    run(with_path(&workspace, &failing, &line), "restore")
        .exits(4)
        .says("pg_restore: error: no space");
    assert_eq!(databases(&workspace, "arc"), std::slice::from_ref(&arc));
    serves(&workspace);
}

#[test]
fn a_swap_that_the_server_refuses_leaves_both_names_as_they_were() {
    let role = WithRole::new("CREATEDB");
    let (workspace, arc) = (&role.workspace, role.workspace.database("arc"));
    let name = back_up(workspace, "arc");
    // A superuser's session, which the role can't end.
    let mut session = workspace.session(&arc);
    let oid = format!("(SELECT oid FROM pg_database WHERE datname = '{arc}')");
    let before = value(&mut session, &oid);
    let line = format!("restore arc {name} --yes {arc}");
    workspace
        .db(&line)
        .exits(4)
        .says("is being accessed by other users")
        .says("can't be ended by this role")
        .says("the new database was dropped");
    assert_eq!(value(&mut session, &oid), before);
    assert_eq!(databases(workspace, "arc"), std::slice::from_ref(&arc));
    drop(session);
    workspace.db("status --exit-code").exits(0);
    workspace.db(&line).exits(0);
    assert_ne!(workspace.value("postgres", &oid), before);
}

#[test]
fn a_swap_that_fails_half_way_takes_the_first_rename_back() {
    let role = WithRole::new("CREATEDB");
    let (workspace, arc) = (&role.workspace, role.workspace.database("arc"));
    let programs = PgPrograms::new(workspace);
    let name = back_up(workspace, "arc");
    let oid = format!("(SELECT oid FROM pg_database WHERE datname = '{arc}')");
    let before = workspace.value("postgres", &oid);
    let paused = Paused::new(workspace, &programs, "pg_restore", "");
    let (child, _) = paused.start(workspace, &format!("restore arc {name} --yes {arc}"));
    // A superuser's session on the new database: the old one is renamed, that one can't be.
    let beside = databases(workspace, "arc").pop().unwrap();
    assert!(beside.contains("_restoring_"), "{beside}");
    let session = workspace.session(&beside);
    paused.go_on();
    Run::from(child.wait_with_output().unwrap(), "restore")
        .exits(4)
        .says(&format!(
            "database \"{beside}\" is being accessed by other users"
        ))
        .says(&format!("to drop it: DROP DATABASE \"{beside}\""));
    drop(session);
    assert_eq!(workspace.value("postgres", &oid), before);
    assert_eq!(databases(workspace, "arc"), [arc, beside]);
    workspace.db("status --exit-code").exits(0);
}

#[test]
fn a_full_disk_leaves_no_backup_and_no_rest() {
    let (workspace, _) = with_everything();
    let arc = workspace.database("arc");
    // It can't be compressed to less than the disk has.
    workspace.execute(
        &arc,
        "INSERT INTO always (body) SELECT decode(md5(n::text) || md5((-n)::text), 'hex') FROM generate_series(1, 10000) n",
    );
    let small = SmallDisk::mount(&workspace.path("backups"), "64k");
    let run = match &small {
        Some(_) => workspace
            .db("backup arc")
            .exits(4)
            .says("o space left on device"),
        // Files of at most 64 KiB: the same write fails.
        None => {
            let mut limited = workspace.prepared(
                Command::new("bash"),
                &["-c", "ulimit -f 64; exec \"$0\" db backup arc"],
            );
            limited.arg(env!("CARGO_BIN_EXE_xtask"));
            Run::of(&mut limited, "backup arc").exits(4)
        }
    };
    run.says("no backup was kept");
    assert_eq!(workspace.list("backups/arc"), [""; 0]);
    drop(small);
    serves(&workspace);
    back_up(&workspace, "arc");
}
