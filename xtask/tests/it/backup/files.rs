//! The files of a backup: private, complete under their names, and as many as are wanted.

use std::os::unix::fs::PermissionsExt as _;

use super::{back_up, newest, unfinished};
use crate::support::{Run, Workspace};

fn migrated() -> Workspace {
    let workspace = Workspace::with(&["arc"]);
    workspace.db("create").exits(0);
    workspace.db("migrate").exits(0);
    workspace
}

#[test]
fn only_their_owner_can_read_them_and_git_never_sees_them() {
    let workspace = migrated();
    let name = back_up(&workspace, "arc");
    let folder = format!("backups/arc/{name}");
    assert_eq!(
        workspace.list(&folder),
        ["SHA256SUMS", "data.dump", "manifest.json"]
    );
    for (path, mode) in [
        ("backups", 0o700),
        ("backups/arc", 0o700),
        (&folder, 0o700),
        (&format!("{folder}/data.dump"), 0o600),
        (&format!("{folder}/manifest.json"), 0o600),
        (&format!("{folder}/SHA256SUMS"), 0o600),
    ] {
        let found = workspace
            .path(path)
            .metadata()
            .unwrap()
            .permissions()
            .mode();
        assert_eq!(found & 0o777, mode, "{path}");
    }
    assert_eq!(workspace.read("backups/.gitignore"), "*\n");
    let mut sums = std::process::Command::new("sha256sum");
    sums.args(["--check", "--strict", "SHA256SUMS"])
        .current_dir(workspace.path(&folder));
    Run::of(&mut sums, "sha256sum").exits(0);
    let manifest: serde_json::Value =
        serde_json::from_str(&workspace.read(&format!("{folder}/manifest.json"))).unwrap();
    assert_eq!(manifest["service"], "arc");
    assert_eq!(manifest["census"]["owner"], "arc");
    assert_eq!(manifest["census"]["rows"]["public.arc_items"], 0);
    assert_eq!(manifest["census"]["rows"]["db_ledger.run"], 2);
    assert_eq!(
        manifest["census"]["versions"],
        serde_json::json!(["20260101000000", "20260102000000"])
    );
}

/// A power cut at any moment leaves a whole backup or none.
#[cfg(target_os = "linux")]
#[test]
fn everything_is_synced_before_it_has_its_name_and_the_name_after() {
    let workspace = migrated();
    let calls = crate::support::Calls::new(workspace.root());
    let mut command = workspace.command(&["db", "backup"]);
    calls.of(&mut command);
    Run::of(&mut command, "backup").exits(0);
    let parent = workspace.path("backups/arc").canonicalize().unwrap();
    let all = calls.all();
    let ours: Vec<_> = all
        .iter()
        .filter(|(_, path, _)| path.starts_with(&parent))
        .collect();
    let renamed = ours.iter().position(|(call, ..)| call == "rename").unwrap();
    let (before, after) = ours.split_at(renamed);
    let (_, temporary, place) = after[0];
    assert_eq!(*place, parent.join(newest(&workspace, "arc")));
    let mut synced: Vec<_> = before
        .iter()
        .map(|(_, path, _)| path.strip_prefix(temporary).unwrap())
        .collect();
    assert_eq!(
        synced.pop().unwrap(),
        std::path::Path::new(""),
        "the folder last"
    );
    synced.sort();
    assert_eq!(
        synced,
        ["SHA256SUMS", "data.dump", "manifest.json"].map(std::path::Path::new)
    );
    let after: Vec<_> = after[1..]
        .iter()
        .map(|(call, path, _)| (call.as_str(), path))
        .collect();
    assert_eq!(after, [("fsync", &parent)]);
}

/// The clock may have been set back since the others were made.
#[test]
fn keep_never_removes_the_one_that_was_just_made() {
    let workspace = migrated();
    let (name, ahead) = (back_up(&workspace, "arc"), "2099-01-01-000000");
    let path = |name: &str| workspace.path(&format!("backups/arc/{name}"));
    std::fs::rename(path(&name), path(ahead)).unwrap();
    workspace
        .db("backup arc --keep 1")
        .exits(0)
        .says(&format!("removed {ahead}"));
    let [made] = workspace.list("backups/arc").try_into().unwrap();
    assert_ne!(made, ahead);
}

#[test]
fn keep_removes_the_oldest_good_ones_only_after_a_new_one() {
    let workspace = migrated();
    let first = back_up(&workspace, "arc");
    let parent = workspace.path("backups/arc");
    // As they are called after days, not after the seconds of a test.
    std::fs::rename(parent.join(&first), parent.join("2020-01-01-000000")).unwrap();
    workspace.copy(
        "backups/arc/2020-01-01-000000",
        "backups/arc/2020-01-02-000000",
    );
    workspace.copy(
        "backups/arc/2020-01-01-000000",
        "backups/arc/2020-01-03-000000",
    );
    workspace.write("backups/arc/2020-01-01-000000/manifest.json", "damaged");
    workspace.write("backups/arc/notes/mine.txt", "keep");
    workspace.db("backup --keep 0").exits(2);
    // One that fails removes nothing.
    let mut command = workspace.command(&["db", "backup", "--keep", "1"]);
    command.env("ARC_DATABASE_URL", "postgres://u@127.0.0.1:1/d");
    Run::of(&mut command, "backup --keep 1").exits(3);
    assert_eq!(workspace.list("backups/arc").len(), 4);
    workspace
        .db("backup --keep 2")
        .exits(0)
        .says("removed 2020-01-02-000000");
    let new = workspace.list("backups/arc")[2].clone();
    assert_eq!(
        workspace.list("backups/arc"),
        [
            "2020-01-01-000000",
            "2020-01-03-000000",
            new.as_str(),
            "notes"
        ]
    );
    workspace
        .db("backup --keep 1")
        .exits(0)
        .says("removed 2020-01-03-000000");
}

#[test]
fn the_list_shows_what_is_damaged_and_connects_to_nothing() {
    let mut workspace = migrated();
    workspace
        .db("backup --list")
        .exits(0)
        .says("SERVICE")
        .does_not_say("complete");
    let name = back_up(&workspace, "arc");
    workspace.unset("ARC_DATABASE_URL");
    let major = |run: &Run| run.stdout.lines().count();
    let run = workspace
        .db("backup --list")
        .exits(0)
        .says(&name)
        .says("complete")
        .says("20260102000000");
    assert_eq!(major(&run), 2);
    let dump = workspace.path(&format!("backups/arc/{name}/data.dump"));
    let length = dump.metadata().unwrap().len();
    std::fs::OpenOptions::new()
        .write(true)
        .open(&dump)
        .unwrap()
        .set_len(length - 1)
        .unwrap();
    workspace
        .db("backup arc --list")
        .exits(0)
        .says("is damaged")
        .does_not_say("complete");
    workspace.db("backup nobody --list").exits(2);
}

#[test]
fn two_backups_in_one_second_have_two_names() {
    let workspace = migrated();
    let children: Vec<_> = (0..4).map(|_| workspace.start("backup arc")).collect();
    for child in children {
        Run::from(child.wait_with_output().unwrap(), "backup arc").exits(0);
    }
    assert_eq!(workspace.list("backups/arc").len(), 4);
    assert!(unfinished(&workspace, "arc").is_empty());
    let arc = workspace.database("arc");
    let name = newest(&workspace, "arc");
    // By its folder, and by the dump in it.
    for named in [
        format!("backups/arc/{name}"),
        format!("backups/arc/{name}/data.dump"),
    ] {
        workspace
            .db(&format!("restore arc {named} --yes {arc}"))
            .exits(0);
        super::databases(&workspace, "arc");
    }
}
