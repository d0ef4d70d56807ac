//! `ci`: every step of CI, though one has failed.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};

use crate::{Outcome, child, github, matrix};

/// Run the steps of CI, all of them even if one fails
#[derive(clap::Args)]
pub struct Args {
    /// Print the steps and the command of each
    #[arg(long)]
    list: bool,
    /// Run only these steps, in this order [default: all]
    #[arg(value_name = "STEP")]
    steps: Vec<String>,
}

/// What a step is called, the program (our own where it is `xtask`) with its arguments, and a variable that it needs.
struct Step {
    name: &'static str,
    command: &'static [&'static str],
    variable: Option<(&'static str, &'static str)>,
}

const fn step(name: &'static str, command: &'static [&'static str]) -> Step {
    Step {
        name,
        command,
        variable: None,
    }
}

/// Run only if they are named: `lints` builds the same with the newest Rust, advisories are downloaded, and `citus` needs a
/// cluster.
const MORE: [Step; 3] = [
    step(
        "build",
        &["cargo", "check", "--workspace", "--all-targets", "--locked"],
    ),
    step("advisories", &["cargo", "deny", "check", "advisories"]),
    step(
        "citus",
        &[
            "cargo", "test", "-p", "xtask", "--test", "citus", "--locked",
        ],
    ),
];

const STEPS: [Step; 7] = [
    step("format", &["cargo", "fmt", "--all", "--check"]),
    step(
        "lints",
        &[
            "cargo",
            "clippy",
            "--workspace",
            "--all-targets",
            "--locked",
            "--",
            "-D",
            "warnings",
        ],
    ),
    Step {
        name: "documentation",
        command: &[
            "cargo",
            "doc",
            "--workspace",
            "--no-deps",
            "--locked",
            "--quiet",
        ],
        variable: Some(("RUSTDOCFLAGS", "-D warnings")),
    },
    step(
        "examples",
        &[
            "cargo",
            "test",
            "--workspace",
            "--doc",
            "--locked",
            "--quiet",
        ],
    ),
    step(
        "licences",
        &["cargo", "deny", "check", "licenses", "bans", "sources"],
    ),
    step("db-check", &["xtask", "db", "check"]),
    step("tests", &["xtask", "test"]),
];

/// A step that was run.
struct Ran {
    step: &'static Step,
    passed: bool,
    time: Duration,
    output: String,
}

pub(crate) fn run(args: &Args) -> anyhow::Result<Outcome> {
    let steps = select(&args.steps)?;
    if args.list {
        let rows: Vec<_> = steps
            .iter()
            .map(|step| vec![step.name.to_owned(), step.shown()])
            .collect();
        print!("{}", github::aligned(&rows));
        return Ok(Outcome::Done);
    }
    let root = matrix::settings()?.root;
    // Found now: a step may build it anew.
    let xtask = std::env::current_exe().context("failed to find this program")?;
    let mut ran = Vec::new();
    for step in steps {
        if step.name == "licences" && args.steps.is_empty() && !has_deny(&root) {
            eprintln!("\n== {}: left out, cargo-deny is not installed", step.name);
            continue;
        }
        ran.push(step.run(&root, &xtask)?);
    }
    finish(&ran)
}

fn select(names: &[String]) -> anyhow::Result<Vec<&'static Step>> {
    if names.is_empty() {
        return Ok(STEPS.iter().collect());
    }
    let find = |name: &String| {
        let found = STEPS.iter().chain(&MORE).find(|step| step.name == name);
        let known = || STEPS.map(|step| step.name).join(", ");
        found.with_context(|| format!("unknown step `{name}`\n  help: the steps are {}", known()))
    };
    names.iter().map(find).collect()
}

fn has_deny(root: &Path) -> bool {
    child::answer(child::cargo(root).args(["deny", "--version"])).is_ok()
}

/// What failed again, whole, and a line per step.
fn finish(ran: &[Ran]) -> anyhow::Result<Outcome> {
    let failed: Vec<_> = ran.iter().filter(|it| !it.passed).collect();
    for it in &failed {
        eprintln!(
            "\n== {} failed: {}\n{}",
            it.step.name,
            it.step.shown(),
            it.output.trim_end()
        );
        github::annotate(&format!("{} failed", it.step.name), &it.step.shown());
    }
    let row = |it: &Ran| {
        let result = if it.passed { "passed" } else { "FAILED" };
        vec![
            it.step.name.to_owned(),
            result.to_owned(),
            format!("{:.1} s", it.time.as_secs_f64()),
        ]
    };
    let mut rows = vec![["STEP", "RESULT", "TIME"].map(str::to_owned).to_vec()];
    rows.extend(ran.iter().map(row));
    println!("\n{}", github::aligned(&rows).trim_end());
    github::summary(&github::markdown(&rows))?;
    if ran.is_empty() {
        bail!("no step was run");
    }
    Ok(if failed.is_empty() {
        Outcome::Done
    } else {
        Outcome::Findings
    })
}

impl Step {
    fn shown(&self) -> String {
        let words = self.command.join(" ");
        let words = if self.command[0] == "xtask" {
            format!("cargo {words}")
        } else {
            words
        };
        match self.variable {
            Some((name, value)) => format!("{name}='{value}' {words}"),
            None => words,
        }
    }

    fn run(&'static self, root: &Path, xtask: &PathBuf) -> anyhow::Result<Ran> {
        eprintln!("\n== {}: {}", self.name, self.shown());
        let mut command = match self.command[0] {
            "xtask" => {
                let mut command = Command::new(xtask);
                command.current_dir(root);
                command
            }
            program => child::program(program, root),
        };
        command.args(&self.command[1..]).envs(self.variable);
        let start = Instant::now();
        let (status, output) = child::both(&mut command, true)?;
        let ran = Ran {
            step: self,
            passed: status.success(),
            time: start.elapsed(),
            output,
        };
        let result = if ran.passed { "passed" } else { "FAILED" };
        eprintln!(
            "== {}: {result} in {:.1} s",
            self.name,
            ran.time.as_secs_f64()
        );
        Ok(ran)
    }
}
