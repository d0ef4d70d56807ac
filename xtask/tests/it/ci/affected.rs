//! What a change affects, case by case.

use std::process::Command;

use super::repository::{ALL, Repository};
use crate::support::{Folder, Run};

/// A repository whose branch has this change, committed.
fn with(change: impl FnOnce(&Repository)) -> Repository {
    let repository = Repository::new();
    change(&repository);
    repository.commit();
    repository
}

#[test]
fn nothing_changed() {
    let repository = Repository::new();
    assert_eq!(
        repository.matrix("--changed main").to_string(),
        r#"{"include":[]}"#
    );
    assert_eq!(
        repository.run("matrix --changed main --by postgres").stdout,
        "{\"include\":[]}\n"
    );
    assert!(!repository.affects_tools());
}

#[test]
fn one_service() {
    let repository = with(|it| it.append("services/cv/src/lib.rs", "// New.\n"));
    repository.affects(&["cv"]);
    with(|it| it.migration("cv", "2026-01-01-000000_x", "SELECT 1;", "SELECT 1;")).affects(&["cv"]);
}

#[test]
fn a_service_that_another_one_depends_on() {
    with(|it| it.append("services/ai/src/lib.rs", "// New.\n")).affects(&["ai", "arc"]);
    with(|it| it.append("services/arc/src/lib.rs", "// New.\n")).affects(&["arc"]);
}

#[test]
fn a_shared_crate() {
    // Of `user` for its tests alone.
    with(|it| it.append("crates/money/src/lib.rs", "// New.\n")).affects(&["cv", "user"]);
}

#[test]
fn a_dependency_of_one_service_in_the_lockfile() {
    let repository = with(|it| it.lock("1.0.1", "1.0.0", "1.0.0"));
    repository.affects(&["cv"]);
    assert!(repository.affects_tools());
}

#[test]
fn a_dependency_of_all_in_the_lockfile() {
    with(|it| it.lock("1.0.0", "1.0.0", "1.0.1")).affects(&ALL);
}

#[test]
fn a_dependency_of_the_tool_in_the_lockfile_is_not_the_services_of_the_same_name() {
    let repository = with(|it| it.lock("1.0.0", "1.0.1", "1.0.0"));
    repository.affects(&[]);
    assert!(repository.affects_tools());
}

#[test]
fn a_checksum_in_the_lockfile() {
    let printer = "name = \"printer\"\nversion = \"1.0.0\"\nsource = \"registry+https://example.org/index\"\nchecksum = \"0";
    with(|it| it.edit("Cargo.lock", &format!("{printer}0"), &format!("{printer}1")))
        .affects(&["cv"]);
}

#[test]
fn a_lockfile_that_is_new_or_malformed() {
    with(|it| it.write("Cargo.lock", "<<<<<<<\n")).affects(&ALL);
    let repository = Repository::new();
    repository.git(&["rm", "--quiet", "--cached", "Cargo.lock"]);
    repository.git(&["commit", "--quiet", "--message=x"]);
    repository.git(&["branch", "--force", "without"]);
    repository.commit();
    assert_eq!(repository.affected_since("without").len(), ALL.len());
}

#[test]
fn documentation() {
    let repository = with(|it| {
        for file in [
            "README.md",
            "docs/how.md",
            "docs/how.svg",
            "services/cv/README.md",
        ] {
            it.append(file, "More.\n");
        }
        it.write("LICENSE-MIT", "Do.\n");
        it.write("services/arc/NOTES.md", "New.\n");
        it.write(".gitignore", "/target\n");
    });
    repository.affects(&[]);
    assert!(repository.affects_tools(), "their tests read it");
}

#[test]
fn a_document_that_is_compiled_in_is_code() {
    with(|it| it.append("services/cv/prompt.md", "And kind.\n")).affects(&["cv"]);
}

#[test]
fn the_tool() {
    with(|it| it.append("xtask/src/lib.rs", "// New.\n")).affects(&ALL);
    with(|it| it.append("xtask/db/src/lib.rs", "// New.\n")).affects(&ALL);
}

#[test]
fn a_package_that_nothing_depends_on() {
    let repository = with(|it| it.append("xtask/other/src/lib.rs", "// New.\n"));
    repository.affects(&[]);
    assert!(repository.affects_tools());
}

#[test]
fn what_all_are_built_or_tested_with() {
    for file in ["Cargo.toml", ".github/workflows/ci.yml", ".ci/run"] {
        with(|it| it.append(file, "# New.\n")).affects(&ALL);
    }
    for file in [
        "rust-toolchain.toml",
        ".cargo/config.toml",
        "sql/shared.sql",
        ".github/actions/x/action.yml",
    ] {
        with(|it| it.write(file, "# New.\n")).affects(&ALL);
    }
}

#[test]
fn a_new_service() {
    let repository = with(|it| {
        it.package(
            "services/team",
            "[package.metadata.db]\nname = \"team_db\"\n",
        );
    });
    repository.affects(&["team"]);
    assert!(repository.affects_tools());
    // Before it is committed, too.
    repository.package(
        "services/mail",
        "[package.metadata.db]\nname = \"mail_db\"\n",
    );
    repository.affects(&["mail", "team"]);
}

#[test]
fn a_renamed_service() {
    let repository = with(|it| {
        it.git(&["mv", "services/user", "services/people"]);
        it.edit("services/people/Cargo.toml", "\"user\"", "\"people\"");
    });
    repository.affects(&["people"]);
}

#[test]
fn a_removed_service() {
    let repository = with(|it| it.remove("services/user"));
    repository.affects(&[]);
    assert!(repository.affects_tools());
}

#[test]
fn a_removed_file() {
    with(|it| it.remove("services/cv/src/prompt.rs")).affects(&["cv"]);
}

#[test]
fn a_file_that_moves_from_one_service_to_another_affects_both() {
    with(|it| {
        it.git(&[
            "mv",
            "services/cv/src/prompt.rs",
            "services/user/src/prompt.rs",
        ]);
    })
    .affects(&["cv", "user"]);
}

#[test]
fn a_stale_branch() {
    // main has gone on: what it has changed is not the branch's.
    let repository = with(|it| it.append("services/cv/src/lib.rs", "// New.\n"));
    repository.git(&["checkout", "--quiet", "main"]);
    repository.append("Cargo.toml", "# New.\n");
    repository.append("services/user/src/lib.rs", "// New.\n");
    repository.commit();
    repository.git(&["checkout", "--quiet", "change"]);
    repository.affects(&["cv"]);
}

#[test]
fn without_a_base_everything() {
    let repository = Repository::new();
    assert_eq!(
        super::repository::names(&repository.matrix("")).len(),
        ALL.len()
    );
    let mut command = Command::new(env!("CARGO_BIN_EXE_xtask"));
    command
        .args(["matrix", "--changed", ""])
        .current_dir(repository.root());
    Run::of(&mut command, "matrix")
        .exits(0)
        .says("\"service\":\"user\"");
}

#[test]
fn a_shallow_clone_says_what_to_fetch() {
    let repository = with(|it| it.append("services/cv/src/lib.rs", "// New.\n"));
    let clone = Folder::new();
    let url = format!("file://{}", repository.root().display());
    let path = clone.path("clone");
    let mut git = Command::new("git");
    git.args([
        "clone",
        "--quiet",
        "--depth=1",
        "--no-single-branch",
        "--branch=change",
        &url,
    ])
    .arg(&path);
    Run::of(&mut git, "git clone").exits(0);
    let mut command = Command::new(env!("CARGO_BIN_EXE_xtask"));
    command
        .args(["matrix", "--changed", "origin/main"])
        .current_dir(&path);
    let run = Run::of(&mut command, "matrix").exits(2);
    assert_eq!(run.stdout, "");
    run.says("found no merge base of `origin/main` and HEAD")
        .says("git fetch --unshallow origin")
        .says("`fetch-depth: 0` for actions/checkout");
    // Its advice helps.
    let mut git = Command::new("git");
    git.args(["fetch", "--quiet", "--unshallow", "origin"])
        .current_dir(&path);
    Run::of(&mut git, "git fetch").exits(0);
    let run = Run::of(&mut command, "matrix").exits(0);
    assert!(
        run.stdout.contains("cv") && !run.stdout.contains("user"),
        "{}",
        run.stdout
    );
}

#[test]
fn an_unknown_base_and_no_repository() {
    let repository = Repository::new();
    repository
        .run("matrix --changed origin/next")
        .exits(2)
        .says("found no commit `origin/next` to compare with")
        .says("git fetch origin next");
    repository.run("matrix --changed --upload-pack=x").exits(2);
    repository.remove(".git");
    repository
        .run("matrix --changed main")
        .exits(2)
        .says("this is not a git repository");
    repository.run("matrix").exits(0);
}

#[test]
fn a_workspace_in_a_folder_of_a_repository() {
    let repository = Repository::new();
    let outer = Folder::new();
    repository.remove(".git");
    let mut copy = Command::new("cp");
    copy.arg("-a")
        .arg(repository.root())
        .arg(outer.path("inner"));
    Run::of(&mut copy, "cp").exits(0);
    outer.remove("Cargo.toml");
    outer.write("web/index.js", "1\n");
    let git = |arguments: &[&str]| {
        let mut git = Command::new("git");
        git.args(["-c", "user.name=me", "-c", "user.email=me@example.org"])
            .args(arguments);
        Run::of(git.current_dir(outer.root()), "git").exits(0);
    };
    git(&["init", "--quiet", "--initial-branch=main"]);
    git(&["add", "--all"]);
    git(&["commit", "--quiet", "--message=x"]);
    let affected = || {
        let mut command = Command::new(env!("CARGO_BIN_EXE_xtask"));
        command
            .args(["matrix", "--changed", "main", "--format", "table"])
            .current_dir(outer.path("inner/services"));
        let run = Run::of(&mut command, "matrix").exits(0);
        run.stdout
            .lines()
            .skip(1)
            .map(|line| line.split(' ').next().unwrap().to_owned())
            .collect::<Vec<_>>()
    };
    outer.append("web/index.js", "2\n");
    assert!(affected().is_empty());
    outer.append("inner/services/cv/src/lib.rs", "// New.\n");
    assert_eq!(affected(), ["cv"]);
    outer.write(".github/workflows/ci.yml", "on: push\n");
    assert_eq!(affected(), ALL);
}
