//! A run of a program, and what is asserted of it.

use std::process::{Command, Output, Stdio};

/// What a run gave.
#[derive(Debug)]
pub(crate) struct Run {
    pub(crate) code: i32,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
    pub(super) line: String,
}

/// `cargo xtask db …` at a terminal of its own, of 80 columns and 24 lines: util-linux's `script` makes it.
pub(super) fn at_terminal(line: &str) -> Command {
    let program = env!("CARGO_BIN_EXE_xtask");
    let shell = format!("stty columns 80 rows 24; exec '{program}' db {line}");
    let mut command = Command::new("script");
    command.args(["--quiet", "--return", "--command", &shell, "/dev/null"]);
    command
}

/// The commands that a help screen lists: one in a line, with what it does, or several after what they are about.
pub(crate) fn commands(help: &str) -> Vec<String> {
    let (_, listed) = help.split_once("Commands:\n").unwrap_or_default();
    let lines = listed.lines().take_while(|line| line.starts_with("  "));
    let lines = lines.filter(|line| !line.starts_with("   "));
    let names = lines.flat_map(|line| match line.split_once(": ") {
        // What a command does stands in a column of its own.
        Some((_, names)) if !line.trim().contains("  ") => names.split(", ").collect(),
        _ => line.split_whitespace().take(1).collect::<Vec<_>>(),
    });
    names
        .filter(|name| *name != "help")
        .map(str::to_owned)
        .collect()
}

impl Run {
    /// Runs a program to its end; `line` is how a failed assertion names it.
    pub(crate) fn of(command: &mut Command, line: &str) -> Self {
        Self::from(command.output().unwrap(), line)
    }

    /// As [`of`](Self::of), where the command says where its output goes.
    pub(crate) fn of_output(command: &mut Command, line: &str) -> Self {
        let child = command.stderr(Stdio::piped()).spawn().unwrap();
        Self::from(child.wait_with_output().unwrap(), line)
    }

    /// A run that has ended.
    pub(crate) fn from(output: Output, line: &str) -> Self {
        Self {
            code: output.status.code().unwrap_or(-1),
            stdout: String::from_utf8(output.stdout).unwrap(),
            stderr: String::from_utf8(output.stderr).unwrap(),
            line: line.to_owned(),
        }
    }

    #[track_caller]
    pub(crate) fn exits(self, code: i32) -> Self {
        assert_eq!(
            self.code, code,
            "exit code of `{}`\n{}{}",
            self.line, self.stdout, self.stderr
        );
        self
    }

    /// Both streams hold the text somewhere.
    #[track_caller]
    pub(crate) fn says(self, text: &str) -> Self {
        let both = format!("{}{}", self.stdout, self.stderr);
        assert!(
            both.contains(text),
            "`{}` does not say {text:?}\n{both}",
            self.line
        );
        self
    }

    #[track_caller]
    pub(crate) fn does_not_say(self, text: &str) -> Self {
        let both = format!("{}{}", self.stdout, self.stderr);
        assert!(
            !both.contains(text),
            "`{}` says {text:?}\n{both}",
            self.line
        );
        self
    }
}
