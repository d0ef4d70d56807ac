//! Files as machines and editors leave them: links, other line ends, odd names, huge ones, and none that may be written.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::symlink;

use crate::support::{Files, Run, Workspace};

#[test]
fn links_are_followed_to_what_they_name() {
    let mut workspace = Workspace::with(&["arc"]);
    let url = workspace.get("ARC_DATABASE_URL");
    workspace.unset("ARC_DATABASE_URL");
    workspace.write("secrets/env", &format!("ARC_DATABASE_URL={url}\n"));
    symlink("secrets/env", workspace.path(".env")).unwrap();
    let migrations = workspace.path("services/arc/migrations");
    workspace.copy("services/arc/migrations", "elsewhere");
    std::fs::remove_dir_all(&migrations).unwrap();
    symlink("../../elsewhere", &migrations).unwrap();
    let one = "elsewhere/2026-01-02-000000_note";
    workspace.copy(one, "apart");
    workspace.remove(one);
    symlink("../apart", workspace.path(one)).unwrap();
    workspace.db("create").exits(0);
    workspace
        .db("migrate")
        .exits(0)
        .says("applied 2 migrations");
    workspace.db("status --exit-code").exits(0);
    // What a link names that is not there is not taken for nothing.
    workspace.remove("apart");
    workspace.db("migrate").exits(6).says("20260102000000");
    workspace.remove("secrets");
    workspace
        .db("status")
        .exits(2)
        .says("service `arc` has no database URL");
}

#[test]
fn a_schema_that_is_a_link_is_checked_where_it_leads() {
    let files = Files::with(&["arc"]);
    let schema = "services/arc/src/schema.rs";
    files.write("generated.rs", &files.read(schema));
    std::fs::remove_file(files.path(schema)).unwrap();
    symlink("../../../generated.rs", files.path(schema)).unwrap();
    files.finds(&[]);
}

#[test]
fn line_ends_and_byte_order_marks_of_other_editors_change_nothing() {
    let mut workspace = Workspace::with(&["arc"]);
    workspace.migration_without_transaction(
        "arc",
        "2026-01-03-000000_index",
        "-- one\nCREATE INDEX CONCURRENTLY i ON arc_items (note);\n",
        "DROP INDEX i;\n",
    );
    let url = workspace.get("ARC_DATABASE_URL");
    workspace.unset("ARC_DATABASE_URL");
    workspace.write(".env", &format!("ARC_DATABASE_URL={url}\nOTHER=1\n"));
    workspace.db("create").exits(0);
    workspace.db("migrate --to 20260102000000").exits(0);
    for path in [
        ".env",
        "Cargo.toml",
        "services/arc/Cargo.toml",
        "services/arc/diesel.toml",
        "services/arc/migrations/2026-01-01-000000_create/up.sql",
        "services/arc/migrations/2026-01-03-000000_index/up.sql",
        "services/arc/migrations/2026-01-03-000000_index/down.sql",
        "services/arc/migrations/2026-01-03-000000_index/metadata.toml",
    ] {
        let text = workspace.read(path).replace('\n', "\r\n");
        workspace.write(path, &format!("\u{feff}{text}"));
    }
    workspace.db("migrate").exits(0).says("applied 1 migration");
    workspace.db("status --exit-code").exits(0);
    workspace.db("revert arc").exits(0);
}

#[test]
fn names_that_are_not_utf8_are_told_and_hide_nothing() {
    let workspace = Workspace::with(&["arc"]);
    let broken = OsStr::from_bytes(b"2026-01-03-000000_\xff");
    let folder = workspace.path("services/arc/migrations").join(broken);
    std::fs::create_dir(&folder).unwrap();
    workspace
        .db("status")
        .exits(2)
        .says("2026-01-03-000000_\u{fffd}/up.sql");
    std::fs::write(folder.join("up.sql"), "CREATE TABLE odd ();").unwrap();
    workspace.db("create").exits(0);
    workspace
        .db("migrate")
        .exits(0)
        .says("applied 3 migrations");
    // Text that is not UTF-8, in each file.
    for path in [
        "services/arc/migrations/2026-01-02-000000_note/metadata.toml",
        "services/arc/diesel.toml",
        "services/arc/Cargo.toml",
        ".env",
    ] {
        let path = workspace.path(path);
        let before = std::fs::read(&path).ok();
        std::fs::write(&path, b"# \xff\n").unwrap();
        let run = workspace.db("status").exits(2);
        run.says(path.to_str().unwrap()).does_not_say("panicked");
        match before {
            Some(bytes) => std::fs::write(&path, bytes).unwrap(),
            None => std::fs::remove_file(&path).unwrap(),
        }
    }
    let mut command = workspace.command(&["db", "new", "arc"]);
    let run = Run::of(command.arg(OsStr::from_bytes(b"a\xff")), "new");
    run.exits(2).does_not_say("panicked");
}

#[test]
fn the_place_in_a_file_of_ten_megabytes_is_found() {
    let workspace = Workspace::with(&["arc"]);
    let line = "-- é; a line of a hundred characters, as a dump that somebody has put into a migration has many of them\n";
    let lines = 10_000_000 / line.len();
    let text = format!("{}SELECT 1;\nSELECT nothing;\n", line.repeat(lines));
    workspace.migration("arc", "2026-01-03-000000_large", &text, "SELECT 1;");
    workspace.db("create").exits(0);
    workspace
        .db("migrate")
        .exits(4)
        .says("2026-01-03-000000_large")
        .says(&format!("up.sql:{}:8", lines + 2));
}

#[test]
fn five_thousand_migrations_are_listed() {
    let workspace = Workspace::with(&["arc"]);
    for number in 0..4998 {
        let name = format!("2026-02-01-{number:06}_x");
        workspace.migration("arc", &name, "SELECT 1;", "SELECT 1;");
    }
    workspace.db("create").exits(0);
    workspace.db("migrate --to 20260102000000").exits(0);
    workspace.db("status").exits(0).says("4998 pending");
}

/// Runs as somebody who may write nothing, though the tests are root's: util-linux's `setpriv` gives its rights away.
#[cfg(target_os = "linux")]
#[test]
fn a_checkout_that_may_not_be_written_is_read() {
    use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};

    let workspace = Workspace::with(&["arc"]);
    workspace.db("create").exits(0);
    let mode = |mode: &str| {
        let mut chmod = std::process::Command::new("chmod");
        chmod.args(["-R", mode]).arg(workspace.root());
        Run::of(&mut chmod, "chmod").exits(0);
    };
    mode("a-w,a+rX");
    let is_root = std::fs::metadata("/proc/self").unwrap().uid() == 0;
    let run = |line: &str| {
        let tool = env!("CARGO_BIN_EXE_xtask");
        let mut arguments = vec![tool, "db"];
        if is_root {
            arguments.splice(0..0, ["--reuid=65534", "--regid=65534", "--clear-groups"]);
        }
        arguments.extend(line.split_whitespace());
        let program = if is_root {
            "setpriv"
        } else {
            arguments.remove(0)
        };
        let command = std::process::Command::new(program);
        Run::of(&mut workspace.prepared(command, &arguments), line)
    };
    run("migrate").exits(0).says("applied 2 migrations");
    run("status --exit-code").exits(0);
    run("check --offline").does_not_say("failed to");
    run("new arc more")
        .exits(2)
        .says("services/arc/migrations")
        .says("ermission denied");
    let folder = workspace.root().metadata().unwrap().permissions();
    assert_eq!(folder.mode() & 0o222, 0);
    mode("u+w");
}
