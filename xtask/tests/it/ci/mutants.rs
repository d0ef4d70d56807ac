//! `mutants`: what the tests do not notice is told, and nothing of it stays.

use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::process::CommandExt as _;

use super::repository::Repository;
use crate::support::{Run, wait_until};

const SOURCE: &str = r#"//! It.

/// Whether.
pub fn is_own(name: &str) -> bool {
    name == "arc"
}

#[cfg(test)]
mod tests {
    #[test]
    fn others() {
        assert!(!super::is_own("cv"));
    }
}
"#;
const PATCHES: &str = "xtask/db/tests/mutants";

/// A tool with tests, one of which looks at nothing but the good case, and a fault for each end.
fn with_faults() -> Repository {
    let repository = Repository::new();
    repository.write("xtask/db/src/lib.rs", SOURCE);
    repository.write("xtask/tests/it/main.rs", "mod guards;\n");
    repository.write(
        "xtask/tests/it/guards.rs",
        "use workspace_db::is_own;\n\
         #[test]\nfn own() { assert!(is_own(\"arc\")); }\n\
         #[test]\nfn others() { assert!(!is_own(\"cv\")); }\n",
    );
    for (name, test, line) in [
        ("noticed", "guards::others", "true || name == \"arc\""),
        ("survives", "guards::own", "true || name == \"arc\""),
        ("unit", "db::tests::others", "true || name == \"arc\""),
        ("unbuildable", "guards::own", "name == 1"),
    ] {
        repository.write(
            &format!("{PATCHES}/{name}.patch"),
            &format!(
                "Somebody loses {name}.\ntests: {test}\n\n\
                 diff --git a/xtask/db/src/lib.rs b/xtask/db/src/lib.rs\n\
                 --- a/xtask/db/src/lib.rs\n+++ b/xtask/db/src/lib.rs\n\
                 @@ -4,3 +4,3 @@\n pub fn is_own(name: &str) -> bool {{\n-    name == \"arc\"\n+    {line}\n }}\n"
            ),
        );
    }
    // Cargo writes its own.
    repository.remove("Cargo.lock");
    repository.write(".gitignore", "/target/\nCargo.lock\n");
    repository.commit();
    repository.git(&["branch", "--force", "main"]);
    repository
}

#[test]
fn what_survives_is_told_and_nothing_of_it_stays() {
    let repository = with_faults();
    let run = repository.run("mutants --patches").exits(1);
    let rows: Vec<_> = run
        .stdout
        .lines()
        .map(|line| line.split_whitespace().collect::<Vec<_>>().join(" "))
        .collect();
    for row in [
        "noticed noticed",
        "survives SURVIVED",
        "unbuildable DOES NOT BUILD",
        "unit noticed",
        "2 of 4 faults noticed",
        "survives: Somebody loses survives.",
        "unbuildable: Somebody loses unbuildable.",
    ] {
        assert!(rows.iter().any(|it| it == row), "{row}: {}", run.stdout);
    }
    assert_eq!(repository.read("xtask/db/src/lib.rs"), SOURCE);
    assert_eq!(repository.git(&["worktree", "list"]).lines().count(), 1);
    assert_eq!(repository.git(&["status", "--short"]), "");
    // Nor a faulty build, for the one that cargo has of the real sources.
    assert!(!repository.path("target/debug").exists());

    // A test that is not committed yet notices it.
    let survives = format!("mutants --patches {PATCHES}/survives.patch");
    repository.run(&survives).exits(1);
    repository.edit(
        "xtask/tests/it/guards.rs",
        "fn own() {",
        "fn own() { others();",
    );
    repository
        .run(&survives)
        .exits(0)
        .says("1 of 1 faults noticed");
    // One that fails anyway notices nothing.
    repository.edit("xtask/tests/it/guards.rs", "others();", "panic!();");
    repository
        .run(&survives)
        .exits(2)
        .says("the tests fail without a fault planted");
}

/// A fault for which a test waits without end is not one that the test notices.
#[test]
fn a_test_that_does_not_end_is_told() {
    let repository = with_faults();
    repository.edit(
        &format!("{PATCHES}/noticed.patch"),
        "true || name == \"arc\"",
        "loop { std::thread::park(); } #[allow(unreachable_code)] { name == \"arc\" }",
    );
    let line =
        format!("mutants --patches --timeout 6 {PATCHES}/noticed.patch {PATCHES}/unit.patch");
    repository
        .run(&line)
        .exits(1)
        .says("noticed  TIMED OUT")
        .says("unit     noticed")
        .says("1 of 2 faults noticed");
    repository.run("mutants --timeout 0").exits(2);
    // Nor is one that waits without a fault.
    let waits = "fn own() { std::thread::park();";
    repository.edit("xtask/tests/it/guards.rs", "fn own() {", waits);
    let line = format!("mutants --patches --timeout 6 {PATCHES}/survives.patch");
    repository
        .run(&line)
        .exits(2)
        .says("the tests do not end without a fault planted");
}

#[test]
fn patches_are_chosen_by_what_has_changed() {
    let repository = with_faults();
    let listed = |line: &str| repository.run(line).exits(0).stdout.lines().count();
    assert_eq!(listed("mutants --list"), 4);
    assert_eq!(listed("mutants --list xtask/db/src/lib.rs"), 4);
    assert_eq!(listed("mutants --list xtask/db/src/main.rs"), 0);
    assert_eq!(listed("mutants --list --shard 0/3"), 2);
    assert_eq!(listed("mutants --list --shard 2/3"), 1);
    repository.run("mutants --list --shard 3/3").exits(2);
    assert_eq!(listed("mutants --list --in-diff main"), 0);
    repository.append(&format!("{PATCHES}/noticed.patch"), "\n");
    assert_eq!(listed("mutants --list --in-diff main"), 1);
    repository.append("xtask/db/src/lib.rs", "// More.\n");
    assert_eq!(listed("mutants --list --in-diff main"), 4);
    repository.write(&format!("{PATCHES}/noticed.patch"), "No difference.\n");
    repository
        .run("mutants --list")
        .exits(2)
        .says("noticed.patch")
        .says("diff --git");
}

/// Another program plants the rest of the faults: how it is called, and what its exit code means.
#[test]
fn cargo_mutants_is_run_where_it_is_installed() {
    let repository = with_faults();
    let path = std::env::var("PATH").unwrap();
    let program = repository.path("bin/cargo-mutants");
    for (code, expected) in [(0, 0), (2, 1), (3, 1), (4, 2)] {
        let script = format!(
            "#!/bin/sh\n[ \"$2\" = --version ] && exit 0\necho \"$@\" >called\ncat \"$(echo \"$@\" | sed 's/.*--in-diff //; s/ -.*//')\" >>called\nexit {code}\n"
        );
        repository.write("bin/cargo-mutants", &script);
        std::fs::set_permissions(&program, std::fs::Permissions::from_mode(0o755)).unwrap();
        repository.append("xtask/db/src/lib.rs", "// More.\n");
        let first = format!("{}:{path}", repository.path("bin").display());
        let line = "mutants --in-diff main --shard 1/8 --timeout 90 xtask/db/src/main.rs";
        repository
            .run_with(line, &[("PATH", &first)])
            .exits(expected);
        let called = repository.read("called");
        assert!(
            called.starts_with(
                "mutants --package workspace-db --test-package workspace-db --test-package xtask \
                 --output target/mutants --shard 1/8 --timeout 90 --file xtask/db/src/main.rs --in-diff "
            ),
            "{called}"
        );
        let skips = [" -- -- --skip proof::\n", " -- -E not test(/^proof::/)\n"];
        assert!(skips.iter().any(|skip| called.contains(skip)), "{called}");
        assert!(called.contains("\n+// More.\n"), "{called}");
    }
    // Of all sources, those where a fault would cost data; of a branch, those that it touches.
    repository.remove(PATCHES);
    let first = format!("{}:{path}", repository.path("bin").display());
    for (line, decides) in [("mutants", true), ("mutants --in-diff main", false)] {
        repository.remove("called");
        repository.run_with(line, &[("PATH", &first)]).exits(2);
        let called = repository.read("called");
        let file = "--file xtask/db/src/database/lock.rs ";
        assert_eq!(called.contains(file), decides, "{called}");
    }
}

#[test]
fn ctrl_c_leaves_no_copy_of_the_tree() {
    let repository = with_faults();
    let temporary = repository.path("temporary");
    std::fs::create_dir(&temporary).unwrap();
    // A cargo whose test is at work until it is told to stop.
    let cargo = "#!/bin/sh\ncd \"$TMPDIR/..\"\ntrap 'kill $!; echo >told; exit' TERM\nsleep 60 &\necho >at-work\nwait\n";
    repository.write("bin/cargo", cargo);
    let mode = std::fs::Permissions::from_mode(0o755);
    std::fs::set_permissions(repository.path("bin/cargo"), mode).unwrap();
    let path = std::env::var("PATH").unwrap();
    let first = format!("{}:{path}", repository.path("bin").display());
    let mut tool = std::process::Command::new(env!("CARGO_BIN_EXE_xtask"));
    tool.args(["mutants", "--patches"])
        .current_dir(repository.path(""))
        .env("PATH", first)
        .env("TMPDIR", &temporary)
        .stdout(std::process::Stdio::null())
        .stderr(std::process::Stdio::null())
        .process_group(0);
    let mut child = tool.spawn().unwrap();
    let at_work = repository.path("at-work");
    wait_until(&mut child, || at_work.exists());
    assert_eq!(repository.git(&["worktree", "list"]).lines().count(), 2);
    // As a terminal does, with all that is in the foreground.
    let group = format!("-{}", child.id());
    let mut kill = std::process::Command::new("kill");
    Run::of(kill.args(["-INT", "--", &group]), "kill").exits(0);
    assert_eq!(child.wait().unwrap().code(), Some(130));
    assert_eq!(repository.git(&["worktree", "list"]).lines().count(), 1);
    assert_eq!(std::fs::read_dir(&temporary).unwrap().count(), 0);
    // Cargo is not in the group of the terminal, and is told nevertheless.
    let told = repository.path("told");
    let is_told = || told.exists();
    assert!((0..600).any(|_| is_told() || {
        std::thread::sleep(std::time::Duration::from_millis(50));
        false
    }));
}
