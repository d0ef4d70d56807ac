//! What is not restored or backed up, before anything is touched.

use std::os::unix::fs::FileExt as _;

use super::{back_up, databases, with_everything};
use crate::support::{PgPrograms, Workspace};

/// A URL at which nothing answers: who connects fails with 3.
const NOWHERE: &str = "postgres://u@127.0.0.1:1/nowhere";

fn flip(workspace: &Workspace, path: &str, at: u64) {
    let file = std::fs::OpenOptions::new()
        .read(true)
        .write(true)
        .open(workspace.path(path))
        .unwrap();
    let mut byte = [0];
    file.read_exact_at(&mut byte, at).unwrap();
    file.write_all_at(&[byte[0] ^ 1], at).unwrap();
}

#[test]
fn a_damaged_backup_is_refused_before_anybody_connects() {
    let (mut workspace, _) = with_everything();
    let name = back_up(&workspace, "arc");
    workspace.set("ARC_DATABASE_URL", NOWHERE);
    let good = format!("backups/arc/{name}");
    let length = |file: &str| {
        workspace
            .path(&format!("{good}/{file}"))
            .metadata()
            .unwrap()
            .len()
    };
    let dump = length("data.dump");
    let flips = [0, dump / 2, dump - 1].map(|at| ("data.dump", at));
    let manifest = workspace.read(&format!("{good}/manifest.json"));
    let comment = manifest.find("always").unwrap() as u64;
    for (file, at) in flips.into_iter().chain([
        ("manifest.json", comment),
        ("SHA256SUMS", 3),
        ("SHA256SUMS", 70),
    ]) {
        workspace.copy(&good, "backups/arc/bad");
        flip(&workspace, &format!("backups/arc/bad/{file}"), at);
        workspace
            .db("restore arc bad --yes nowhere")
            .exits(2)
            .says("refused backup")
            .says("nothing was changed");
        workspace.remove("backups/arc/bad");
    }
    for (file, length) in [
        ("data.dump", dump - 1),
        ("data.dump", 0),
        ("manifest.json", 20),
        ("SHA256SUMS", 0),
    ] {
        workspace.copy(&good, "backups/arc/bad");
        let path = workspace.path(&format!("backups/arc/bad/{file}"));
        std::fs::OpenOptions::new()
            .write(true)
            .open(path)
            .unwrap()
            .set_len(length)
            .unwrap();
        workspace
            .db("restore arc bad --yes nowhere")
            .exits(2)
            .says("refused backup");
        workspace.remove("backups/arc/bad");
    }
    for file in ["data.dump", "SHA256SUMS", "manifest.json"] {
        workspace.copy(&good, "backups/arc/bad");
        workspace.remove(&format!("backups/arc/bad/{file}"));
        workspace.db("restore arc bad --yes nowhere").exits(2);
        workspace.remove("backups/arc/bad");
    }
    workspace
        .db("restore arc 2020-01-01-000000")
        .exits(2)
        .says("found no backup")
        .says("--list");
    workspace.write("some.dump", "PGDMP");
    workspace
        .db("restore arc some.dump")
        .exits(2)
        .says("is not a backup of this tool");
    // The good one gets as far as the server.
    workspace.db(&format!("restore arc {name}")).exits(3);
}

#[test]
fn another_services_backup_is_refused_and_so_is_a_newer_checkouts() {
    let mut workspace = Workspace::with(&["arc", "cv"]);
    workspace.db("create").exits(0);
    workspace.db("migrate").exits(0);
    let theirs = back_up(&workspace, "cv");
    let own = back_up(&workspace, "arc");
    workspace.set("ARC_DATABASE_URL", NOWHERE);
    workspace
        .db(&format!("restore arc backups/cv/{theirs} --yes nowhere"))
        .exits(6)
        .says("is a backup of service `cv`, not of service `arc`");
    workspace.copy(&format!("backups/cv/{theirs}"), "backups/arc/theirs");
    workspace.db("restore arc theirs --yes nowhere").exits(6);
    workspace.remove("services/arc/migrations/2026-01-02-000000_note");
    workspace
        .db(&format!("restore arc {own} --yes nowhere"))
        .exits(6)
        .says("20260102000000")
        .says("older than the backup");
}

#[test]
fn a_database_that_is_not_the_services_own_is_neither_backed_up_nor_replaced() {
    let mut workspace = Workspace::with(&["arc", "cv"]);
    workspace.db("create").exits(0);
    workspace.db("migrate").exits(0);
    let programs = PgPrograms::new(&workspace);
    let own = back_up(&workspace, "arc");
    let cv = workspace.url(&workspace.database("cv"));
    let before = programs.dump(&cv, &["--create"]);
    // Under a name that no service declares.
    let other = format!("{}_x", workspace.database("cv"));
    workspace.execute(
        "postgres",
        &format!(
            "ALTER DATABASE \"{}\" RENAME TO \"{other}\"",
            workspace.database("cv")
        ),
    );
    let url = workspace.url(&other);
    workspace.set("ARC_DATABASE_URL", &url);
    workspace
        .db("backup arc")
        .exits(6)
        .says("belongs to service `cv`");
    workspace
        .db(&format!("restore arc {own} --yes {other}"))
        .exits(6)
        .says("belongs to service `cv`");
    assert_eq!(workspace.list("backups/arc"), [own]);
    workspace.execute(
        "postgres",
        &format!(
            "ALTER DATABASE \"{other}\" RENAME TO \"{}\"",
            workspace.database("cv")
        ),
    );
    assert_eq!(programs.dump(&cv, &["--create"]), before);
    assert_eq!(databases(&workspace, "cv"), [workspace.database("cv")]);
}

#[test]
fn nothing_is_replaced_that_was_not_confirmed() {
    let (mut workspace, programs) = with_everything();
    let arc = workspace.database("arc");
    let url = workspace.url(&arc);
    let name = back_up(&workspace, "arc");
    workspace.execute(&arc, "INSERT INTO parent VALUES (3)");
    let before = programs.dump(&url, &["--create"]);
    workspace
        .db(&format!("restore arc {name}"))
        .exits(7)
        .says("there is no terminal");
    workspace
        .db(&format!("restore arc {name} --yes arc"))
        .exits(7)
        .says("is not the name");
    workspace
        .db(&format!("restore arc {name} --force"))
        .exits(7);
    // A service file may lead anywhere, so this is not known to be this machine.
    let (place, database) = url.rsplit_once('@').unwrap().1.split_once('/').unwrap();
    let (host, port) = place.split_once(':').unwrap();
    workspace.write(
        "services.conf",
        &format!("[here]\nhost={host}\nport={port}\n"),
    );
    let account = url.split_once("://").unwrap().1.rsplit_once('@').unwrap().0;
    let (user, password) = account.split_once(':').unwrap_or((account, ""));
    let file = workspace.path("services.conf");
    workspace.set("PGSERVICEFILE", file.to_str().unwrap());
    workspace.set(
        "ARC_DATABASE_URL",
        &format!("service=here user='{user}' password='{password}' dbname='{database}'"),
    );
    workspace
        .db(&format!("restore arc {name} --yes {arc}"))
        .exits(7)
        .says("which is not on this machine")
        .says("--force");
    assert_eq!(programs.dump(&url, &["--create"]), before);
    assert_eq!(databases(&workspace, "arc"), std::slice::from_ref(&arc));
    workspace.db("backup arc").exits(0);
    workspace
        .db(&format!("restore arc {name} --yes {arc} --force"))
        .exits(0);
    assert_ne!(programs.dump(&url, &["--create"]), before);
    databases(&workspace, "arc");
}

#[test]
fn a_table_that_somebody_locks_is_waited_for_as_long_as_was_asked() {
    use diesel::connection::SimpleConnection as _;
    let (workspace, _) = with_everything();
    let mut session = workspace.session(&workspace.database("arc"));
    session
        .batch_execute("BEGIN; LOCK TABLE parent IN ACCESS EXCLUSIVE MODE")
        .unwrap();
    workspace
        .db("backup arc --lock-timeout 0")
        .exits(5)
        .says("lock timeout")
        .says("--lock-timeout SECONDS");
    assert_eq!(workspace.list("backups/arc"), [""; 0]);
    session.batch_execute("ROLLBACK").unwrap();
    back_up(&workspace, "arc");
}
