//! The workflow and its action, held against the tool's own command line and the workspace.

use std::collections::BTreeSet;
use std::process::Command;

use serde_json::Value;

use super::repository::{Repository, names};
use crate::support::{Run, repository};

const WORKFLOW: &str = ".github/workflows/ci.yml";
const ACTION: &str = ".github/actions/xtask/action.yml";

fn read(path: &str) -> String {
    std::fs::read_to_string(repository().join(path)).unwrap()
}

/// The commands of a file's steps: what `run` has, and the action's `command` with `cargo xtask` before it.
fn commands(text: &str) -> Vec<String> {
    let mut commands = Vec::new();
    for line in text.lines().map(str::trim) {
        let line = line.trim_start_matches("- ");
        if let Some(command) = line.strip_prefix("run: ") {
            assert!(!command.starts_with(['|', '>']), "on one line: {command}");
            commands.push(command.to_owned());
        } else if let Some(command) = line.strip_prefix("with: { command: ") {
            let command = command.strip_suffix(" }").unwrap().trim_matches('"');
            commands.push(format!("cargo xtask {command}"));
        }
    }
    commands
}

/// A command with what the workflow puts in: `${{ … }}` and `$VARIABLE`.
fn filled(command: &str) -> String {
    command
        .replace("${{ join(matrix.services, ' ') }}", "arc cv")
        .replace("${{ matrix.postgres }}", "18")
        .replace("\"$BASE\"", "main")
}

/// The lines of a job, by its name.
fn jobs(text: &str) -> Vec<(String, String)> {
    let (_, text) = text.split_once("\njobs:\n").unwrap();
    let mut jobs = Vec::<(String, String)>::new();
    for line in text.lines() {
        match line
            .strip_prefix("  ")
            .and_then(|line| line.strip_suffix(':'))
        {
            Some(name) if !name.starts_with([' ', '#']) => {
                jobs.push((name.to_owned(), String::new()));
            }
            _ => {
                if let Some((_, lines)) = jobs.last_mut() {
                    *lines += line;
                    lines.push('\n');
                }
            }
        }
    }
    jobs
}

#[test]
fn every_command_is_one_of_the_tools() {
    let found = commands(&read(WORKFLOW));
    assert!(found.len() >= 8, "{found:?}");
    for command in found {
        // The one thing that is no task: the sum of the other jobs.
        if command == "test \"$PASSED\" = true" {
            continue;
        }
        let command = filled(&command);
        assert!(!command.contains('$'), "{command}");
        let arguments = command
            .strip_prefix("cargo xtask ")
            .unwrap_or_else(|| panic!("{command}"));
        let mut tool = Command::new(env!("CARGO_BIN_EXE_xtask"));
        tool.args(arguments.split(' ')).arg("--help");
        Run::of(&mut tool, &command).exits(0);
        if let Some(steps) = arguments.strip_prefix("ci ") {
            let mut tool = Command::new(env!("CARGO_BIN_EXE_xtask"));
            tool.args(["ci", "--list"])
                .args(steps.split(' '))
                .current_dir(repository());
            Run::of(&mut tool, &command).exits(0);
        }
    }
    let action = commands(&read(ACTION));
    assert_eq!(
        action,
        ["brew install --quiet postgresql@18", "cargo xtask $COMMAND"]
    );
}

#[test]
fn every_step_of_ci_is_run_by_a_job() {
    let mut tool = Command::new(env!("CARGO_BIN_EXE_xtask"));
    let list = Run::of(
        tool.args(["ci", "--list"]).current_dir(repository()),
        "ci --list",
    )
    .exits(0)
    .stdout;
    let steps = list
        .lines()
        .map(|line| line.split(' ').next().unwrap())
        .filter(|step| *step != "tests");
    let steps: Vec<_> = steps.collect();
    let checks = format!("cargo xtask ci {}", steps.join(" "));
    let checks = checks + " advisories";
    assert!(commands(&read(WORKFLOW)).contains(&checks), "{checks}");
}

#[test]
fn every_service_is_in_the_matrix_and_none_is_in_the_workflow() {
    let mut tool = Command::new(env!("CARGO_BIN_EXE_xtask"));
    let run = Run::of(tool.arg("matrix").current_dir(repository()), "matrix").exits(0);
    let matrix: Value = serde_json::from_str(&run.stdout).unwrap();
    let folders = std::fs::read_dir(repository().join("services")).unwrap();
    let services: BTreeSet<_> = folders
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    assert_eq!(names(&matrix), services);
    let text = read(WORKFLOW) + &read(ACTION);
    let words: BTreeSet<_> = text
        .split(|c: char| !(c.is_ascii_alphanumeric() || c == '-'))
        .collect();
    for service in &services {
        assert!(!words.contains(service.as_str()), "{service}");
    }
}

#[test]
fn a_service_by_the_steps_of_the_readme_is_in_the_matrix_with_no_other_edit() {
    let readme = read("README.md");
    let steps = readme.split_once("## Add a service\n").unwrap().1;
    let settings = steps
        .split("```toml\n")
        .nth(1)
        .unwrap()
        .split("```")
        .next()
        .unwrap();
    let repository = Repository::new();
    repository.package("services/team", settings);
    repository.affects(&["team"]);
    let matrix = repository
        .matrix("--by postgres --changed main")
        .to_string();
    let expected = r#"{"include":[{"postgres":"15","services":["team"]},{"postgres":"18","services":["team"]}]}"#;
    assert_eq!(matrix, expected);
}

#[test]
fn one_job_waits_for_all_others_and_is_never_skipped() {
    let text = read(WORKFLOW);
    let mut jobs = jobs(&text);
    let (name, passed) = jobs.pop().unwrap();
    assert_eq!(name, "passed");
    assert!(passed.contains("\n    if: always()\n"), "{passed}");
    let names: Vec<_> = jobs.iter().map(|(name, _)| name.as_str()).collect();
    assert!(
        passed.contains(&format!("    needs: [{}]\n", names.join(", "))),
        "{names:?}"
    );
    for (name, lines) in &jobs {
        let succeeded = format!("needs.{name}.result == 'success'");
        assert!(passed.contains(&succeeded), "{name}");
        // Skipped is as good as green only where the plan has left it out.
        let condition = lines
            .lines()
            .find_map(|line| line.strip_prefix("    if: needs.plan.outputs."));
        let skipped = passed.contains(&format!("needs.{name}.result == 'skipped'"));
        assert_eq!(condition.is_some(), skipped, "{name}");
        if let Some(condition) = condition {
            let output = condition.strip_suffix(" != '{\"include\":[]}'").unwrap();
            let left_out = format!(
                "({succeeded} || needs.{name}.result == 'skipped' && needs.plan.outputs.{output} == '{{\"include\":[]}}')"
            );
            assert!(passed.contains(&left_out), "{left_out}");
        }
        assert!(lines.contains("    timeout-minutes: "), "{name}");
    }
}

#[test]
fn what_a_workflow_should_have() {
    let text = read(WORKFLOW);
    for part in [
        "\npermissions: {}\n",
        "\nconcurrency:\n",
        "\n  merge_group:\n",
    ] {
        assert!(text.contains(part), "{part}");
    }
    let checkouts = text.matches("uses: actions/checkout@").count();
    assert_eq!(
        text.matches("persist-credentials: false").count(),
        checkouts
    );
    for line in (text.clone() + &read(ACTION))
        .lines()
        .filter(|line| line.contains("uses: "))
    {
        let action = line.split_once("uses: ").unwrap().1;
        let Some((_, pin)) = action.split_once('@') else {
            assert_eq!(action, "$/.github/actions/xtask");
            continue;
        };
        let (digest, version) = pin.split_once(" # v").unwrap();
        let is_digest = digest.len() == 40 && digest.bytes().all(|it| it.is_ascii_hexdigit());
        assert!(is_digest && !version.is_empty(), "{line}");
    }
    let manifest = read("Cargo.toml");
    let oldest = manifest
        .split_once("rust-version = ")
        .unwrap()
        .1
        .lines()
        .next()
        .unwrap();
    assert!(
        text.contains(&format!("RUSTUP_TOOLCHAIN: {oldest}")),
        "{oldest}"
    );
}
