//! Every help screen.

use std::collections::BTreeSet;
use std::path::Path;

use crate::support::{Folder, Run, Workspace, commands, snapshot};

/// The help of `arguments`, on a terminal of 80 columns.
fn help(workspace: &Workspace, arguments: &[&str]) -> Run {
    let arguments = [arguments, &["--help"]].concat();
    let mut command = workspace.command(&arguments);
    // Without a terminal clap takes the width from here.
    command.env("COLUMNS", "80");
    Run::of(&mut command, &arguments.join(" ")).exits(0)
}

fn fits(help: &str) {
    let long = help.lines().find(|line| line.chars().count() > 80);
    assert_eq!(long, None, "{help}");
    // The ones that are read first, with the prompt below them.
    if help.contains("\nCommands:\n") {
        assert!(help.lines().count() < 24, "{help}");
    }
}

/// The example of a verb has no option that the verb does not take.
fn an_example_works(workspace: &Workspace, verb: &str, help: &str) {
    let begin = format!("Example: cargo xtask db {verb}");
    let example = help.lines().find(|line| line.starts_with(&begin));
    let example = example.unwrap_or_else(|| panic!("no example: {help}"));
    let words = example.trim_start_matches("Example: cargo xtask ");
    let words = words.split(" -- ").next().unwrap().split(' ');
    let words: Vec<_> = words.chain(["--help"]).collect();
    Run::of(&mut workspace.command(&words), example).exits(0);
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
        fits(&run.stdout);
        if let [_, verb] = screen.as_slice()
            && screen[0] == "db"
        {
            an_example_works(&workspace, verb, &run.stdout);
        }
        names.insert(name);
        if run.stdout.contains("\nCommands:\n") {
            let below = commands(&run.stdout);
            assert!(!below.is_empty(), "{}", run.stdout);
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
        command.env("COLUMNS", "80");
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
