//! Completions, as the shells themselves make them at the end of a line.

use std::io::Write as _;
use std::process::{Command, Stdio};

use crate::support::{Run, Workspace};

/// A line without `cargo xtask`, and its last word once Tab was pressed: the same where nothing fits.
const LINES: [(&str, &str); 6] = [
    ("db migr", "migrate"),
    ("db migrate a", "arc"),
    ("db status --json c", "cv"),
    ("db migrate arc --to 20260102", "20260102000000"),
    ("db resolve cv 2026-01-01", "2026-01-01-000000_create"),
    ("db up a", "a"),
];

/// Each line's last word, completed by a shell. `cargo` is a function there that runs the tool which is tested.
fn completes(shell: &str, completed: fn(&Workspace, &str) -> Vec<String>) {
    if Command::new(shell).arg("--version").output().is_err() {
        eprintln!("{shell} is not installed: its completions are not tested");
        return;
    }
    let workspace = Workspace::with(&["arc", "cv"]);
    let mut command = workspace.command(&["completions", shell]);
    let script = Run::of(&mut command, "completions").exits(0).stdout;
    workspace.write("completions", &script);
    let program = env!("CARGO_BIN_EXE_xtask");
    let expected: Vec<_> = LINES.iter().map(|(_, word)| *word).collect();
    assert_eq!(completed(&workspace, program), expected);
}

#[test]
fn bash_completes_services_versions_and_the_names_of_migrations() {
    completes("bash", |workspace, program| {
        let each = LINES.iter().map(|(line, _)| {
            let words: Vec<_> = line.split(' ').collect();
            let last = words[words.len() - 1];
            let script = format!(
                "cargo() {{ shift; '{program}' \"$@\"; }}; source completions; COMP_WORDS=(cargo xtask {line}); \
                 COMP_CWORD={}; _cargo_xtask cargo; echo \"${{COMPREPLY[*]:-{last}}}\"",
                words.len() + 1
            );
            let bash = workspace.prepared(Command::new("bash"), &["-c", &script]);
            Run::of(&mut { bash }, line).exits(0).stdout.trim().to_owned()
        });
        each.collect()
    });
}

#[test]
fn fish_completes_services_versions_and_the_names_of_migrations() {
    completes("fish", |workspace, program| {
        let mut script = format!("function cargo; '{program}' $argv[2..]; end; source completions");
        for (line, _) in LINES {
            let last = line.rsplit(' ').next().unwrap();
            // A candidate and what it is; a file that has such a name is none.
            script += &format!(
                "\nset found (complete -C 'cargo xtask {line}')\ntest -n \"$found\"; or set found {last}\necho $found"
            );
        }
        let fish = workspace.prepared(Command::new("fish"), &["--no-config", "-c", &script]);
        let run = Run::of(&mut { fish }, "fish").exits(0);
        let words = run
            .stdout
            .lines()
            .map(|line| line.split('\t').next().unwrap().to_owned());
        words.collect()
    });
}

#[test]
fn zsh_completes_services_versions_and_the_names_of_migrations() {
    completes("zsh", |workspace, program| {
        // Only its line editor completes, so the lines are typed, and `cargo` tells what came of them.
        workspace.write(
            ".zshrc",
            &format!(
                "autoload -U compinit; compinit -u -D\n\
                 cargo() {{ shift; [[ $1 == completions ]] && '{program}' \"$@\" || print -r -- \"typed: $*\" }}\n\
                 source completions\n"
            ),
        );
        let arguments = ["--quiet", "--return", "--command", "zsh -i", "/dev/null"];
        let mut script = workspace.prepared(Command::new("script"), &arguments);
        script.env("ZDOTDIR", workspace.root()).env("TERM", "dumb");
        let mut child = script
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut typed: String = LINES
            .iter()
            .map(|(line, _)| format!("cargo xtask {line}\t\n"))
            .collect();
        typed += "exit\n";
        child
            .stdin
            .take()
            .unwrap()
            .write_all(typed.as_bytes())
            .unwrap();
        let run = Run::from(child.wait_with_output().unwrap(), "zsh");
        let lines = run
            .stdout
            .lines()
            .filter_map(|line| line.strip_prefix("typed: "));
        lines
            .map(|line| line.trim_end().rsplit(' ').next().unwrap().to_owned())
            .collect()
    });
}
