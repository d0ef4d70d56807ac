//! The workflow and its action, held against the tool's own command line and the workspace.

use std::collections::BTreeSet;
use std::process::Command;

use serde_json::{Map, Value};

use super::repository::{Repository, names};
use crate::support::{Run, repository};

const WORKFLOW: &str = ".github/workflows/ci.yml";
const MUTANTS: &str = ".github/workflows/mutants.yml";
const ACTION: &str = ".github/actions/xtask/action.yml";

fn read(path: &str) -> String {
    std::fs::read_to_string(repository().join(path)).unwrap()
}

fn yaml(path: &str) -> Value {
    serde_yaml_ng::from_str(&read(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// The jobs of a workflow, by name.
fn jobs(workflow: &str) -> Map<String, Value> {
    yaml(workflow)["jobs"].as_object().unwrap().clone()
}

/// The steps of all jobs.
fn steps() -> Vec<Value> {
    let jobs = jobs(WORKFLOW).into_iter().chain(jobs(MUTANTS));
    let steps = jobs.flat_map(|(_, job)| job["steps"].as_array().unwrap().clone());
    steps.collect()
}

/// The commands of steps: what `run` has, and the action's `command` with `cargo xtask` before it.
fn commands(steps: &[Value]) -> Vec<String> {
    let command = |step: &Value| {
        let run = step["run"].as_str().map(|run| run.trim().to_owned());
        let given = step["with"]["command"].as_str();
        run.or_else(|| Some(format!("cargo xtask {}", given?)))
    };
    steps.iter().filter_map(command).collect()
}

/// A command with what the workflow puts in: `${{ … }}` and `$VARIABLE`.
fn filled(command: &str) -> String {
    command
        .replace("${{ join(matrix.services, ' ') }}", "arc cv")
        .replace("${{ matrix.postgres }}", "18")
        .replace("${{ matrix.shard }}", "0/8")
        .replace("${{ github.event.pull_request.base.sha }}", "main")
        .replace("\"$BASE\"", "main")
}

#[test]
fn every_command_is_one_of_the_tools() {
    let found = commands(&steps());
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
    let action = commands(yaml(ACTION)["runs"]["steps"].as_array().unwrap());
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
    assert!(commands(&self::steps()).contains(&checks), "{checks}");
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
    let text = read(WORKFLOW) + &read(MUTANTS) + &read(ACTION);
    let words: BTreeSet<_> = text
        .split(|c: char| !(c.is_ascii_alphanumeric() || c == '-'))
        .collect();
    for service in &services {
        assert!(!words.contains(service.as_str()), "{service}");
    }
}

#[test]
fn a_service_by_the_documented_steps_is_in_the_matrix_with_no_other_edit() {
    let steps = read("docs/add-a-service.md");
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
    const LEFT_OUT: &str = "{\"include\":[]}";
    let mut jobs = jobs(WORKFLOW);
    let passed = jobs.remove("passed").unwrap();
    assert_eq!(passed["if"], "always()");
    let needs = passed["needs"].as_array().unwrap().iter();
    let needs: BTreeSet<_> = needs.map(|name| name.as_str().unwrap()).collect();
    assert_eq!(needs, jobs.keys().map(String::as_str).collect());
    let all = passed["env"]["PASSED"].as_str().unwrap();
    for (name, job) in &jobs {
        let succeeded = format!("needs.{name}.result == 'success'");
        assert!(all.contains(&succeeded), "{name}");
        assert!(job["timeout-minutes"].is_number(), "{name}");
        // Skipped is as good as green only where the plan has left it out.
        let condition = job["if"].as_str();
        let skipped = format!("needs.{name}.result == 'skipped'");
        assert_eq!(condition.is_some(), all.contains(&skipped), "{name}");
        if let Some(condition) = condition {
            let output = condition.strip_prefix("needs.plan.outputs.").unwrap();
            let output = output.strip_suffix(&format!(" != '{LEFT_OUT}'")).unwrap();
            let left_out = format!(
                "({succeeded} || {skipped} && needs.plan.outputs.{output} == '{LEFT_OUT}')"
            );
            assert!(all.contains(&left_out), "{left_out}");
        }
    }
}

/// Of 8 parts, each has a job.
#[test]
fn every_part_of_the_faults_has_a_job() {
    let all = &jobs(MUTANTS)["all"];
    let parts = all["strategy"]["matrix"]["shard"].as_array().unwrap();
    let expected: Vec<_> = (0..8)
        .map(|part| Value::from(format!("{part}/8")))
        .collect();
    assert_eq!(*parts, expected);
}

#[test]
fn what_a_workflow_should_have() {
    let workflow = yaml(WORKFLOW);
    for workflow in [&workflow, &yaml(MUTANTS)] {
        assert_eq!(workflow["permissions"], serde_json::json!({}));
        assert!(workflow["concurrency"]["group"].is_string());
        for (name, job) in workflow["jobs"].as_object().unwrap() {
            assert!(job["timeout-minutes"].is_number(), "{name}");
        }
    }
    assert!(
        workflow["on"]
            .as_object()
            .unwrap()
            .contains_key("merge_group")
    );
    for step in steps() {
        if step["uses"]
            .as_str()
            .is_some_and(|action| action.starts_with("actions/checkout@"))
        {
            assert_eq!(step["with"]["persist-credentials"], false, "{step}");
        }
    }
    // A parser does not tell which version a digest is said to be.
    let lines = read(WORKFLOW) + &read(MUTANTS) + &read(ACTION);
    for line in lines.lines().filter(|line| line.contains("uses: ")) {
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
    assert_eq!(
        jobs(WORKFLOW)["msrv"]["env"]["RUSTUP_TOOLCHAIN"].as_str(),
        Some(oldest.trim_matches('"'))
    );
}
