//! Every help screen.

use std::collections::BTreeSet;
use std::path::Path;

use crate::support::{Folder, Run, Workspace, snapshot};

/// The help of `arguments`, as wide as a pipe of 100 columns.
fn help(workspace: &Workspace, arguments: &[&str]) -> Run {
    let arguments = [arguments, &["--help"]].concat();
    let mut command = workspace.command(&arguments);
    // Without a terminal clap takes the width from here.
    command.env("COLUMNS", "100");
    Run::of(&mut command, &arguments.join(" ")).exits(0)
}

/// The commands that a help screen lists.
fn commands(help: &str) -> Vec<String> {
    let commands: Vec<_> = help
        .lines()
        .skip_while(|line| *line != "Commands:")
        .skip(1)
        .take_while(|line| line.starts_with("  "))
        .filter(|line| !line.starts_with("   "))
        .filter_map(|line| line.split_whitespace().next())
        .filter(|command| *command != "help")
        .map(str::to_owned)
        .collect();
    assert!(!commands.is_empty(), "{help}");
    commands
}

#[test]
fn every_help_screen() {
    let workspace = Workspace::empty();
    let mut names = BTreeSet::new();
    let mut screens = vec![vec![]];
    // A new command is found in the program itself, and fails without a snapshot.
    while let Some(screen) = screens.pop() {
        let arguments: Vec<_> = screen.iter().map(String::as_str).collect();
        let run = help(&workspace, &arguments);
        let name = [&["help"], &arguments[..]].concat().join("_");
        snapshot(&workspace, &name, &run);
        names.insert(name);
        if run.stdout.contains("\nCommands:\n") {
            let below = commands(&run.stdout);
            screens.extend(
                below
                    .into_iter()
                    .map(|command| [&screen[..], &[command]].concat()),
            );
        }
    }
    assert!(names.contains("help_db_migrate"), "{names:?}");
    // And none is kept of a command that is gone.
    let kept = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/snapshots");
    let kept: BTreeSet<_> = std::fs::read_dir(kept)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter_map(|file| file.strip_suffix(".snap").map(str::to_owned))
        .filter(|name| name == "help" || name.starts_with("help_"))
        .collect();
    assert_eq!(kept, names);
}

#[test]
fn a_command_line_that_clap_refuses() {
    let workspace = Workspace::empty();
    let run = |arguments: &[&str]| {
        let mut command = workspace.command(arguments);
        command.env("COLUMNS", "100");
        Run::of(&mut command, &arguments.join(" "))
    };
    let folder: &Folder = &workspace;
    snapshot(folder, "usage_without_a_command", &run(&["db"]));
    snapshot(folder, "usage_unknown_verb", &run(&["db", "migrat"]));
    snapshot(
        folder,
        "usage_conflict",
        &run(&["db", "migrate", "--dry-run", "--sql"]),
    );
}
