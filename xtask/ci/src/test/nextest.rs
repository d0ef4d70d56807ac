//! Tests by cargo-nextest.

use std::process::Stdio;

use anyhow::Context as _;
use serde::Deserialize;
use tempfile::NamedTempFile;
use workspace_db::settings::Settings;

use super::results::{Binary, Failure, Ran};
use super::{Job, cargo_arguments};
use crate::child;

/// Test binaries, and what nextest knows of them.
pub(super) struct Built {
    metadata: NamedTempFile,
}

/// One line of `--message-format libtest-json-plus`.
#[derive(Deserialize)]
struct Event {
    #[serde(rename = "type")]
    kind: String,
    event: String,
    /// Of a test: `package::binary$test`.
    #[serde(default)]
    name: String,
    #[serde(default)]
    stdout: String,
    #[serde(default)]
    passed: usize,
    #[serde(default)]
    failed: usize,
    #[serde(default)]
    exec_time: f64,
    nextest: Option<Suite>,
}

#[derive(Deserialize)]
struct Suite {
    #[serde(rename = "crate")]
    package: String,
}

impl Built {
    pub(super) fn new(settings: &Settings, names: &[String]) -> anyhow::Result<Option<Self>> {
        let metadata = NamedTempFile::new().context("failed to create a temporary file")?;
        let file = metadata
            .reopen()
            .context("failed to open a temporary file")?;
        let status = child::cargo(&settings.root)
            .args([
                "nextest",
                "list",
                "--list-type=binaries-only",
                "--message-format=json",
            ])
            .args(cargo_arguments(names))
            .stdout(file)
            .status()
            .context("failed to run `cargo nextest list`")?;
        Ok(status.success().then_some(Self { metadata }))
    }

    pub(super) fn run(&self, settings: &Settings, job: &Job<'_>) -> anyhow::Result<Ran> {
        let mut command = child::cargo(&settings.root);
        command
            .args(["nextest", "run", "--no-fail-fast", "--no-tests=pass"])
            .args([
                "--message-format=libtest-json-plus",
                "--message-format-version=0.1",
            ])
            .arg("--binaries-metadata")
            .arg(self.metadata.path())
            .args(["--filterset", &only(&job.packages)])
            .env("NEXTEST_EXPERIMENTAL_LIBTEST_JSON", "1")
            .stdout(Stdio::piped())
            .stderr(if job.show {
                Stdio::inherit()
            } else {
                Stdio::piped()
            });
        if let Some(partition) = &job.args.partition {
            let partition = match partition.contains(':') {
                true => partition.clone(),
                false => format!("hash:{partition}"),
            };
            command.args(["--partition", &partition]);
        }
        command.arg("--").args(&job.args.args);
        job.environment(&mut command);
        let output = command
            .output()
            .context("failed to run `cargo nextest run`")?;
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        let mut ran = Ran {
            version: job.version().to_owned(),
            success: output.status.success(),
            closing: closing(&said),
            output: said,
            ..Ran::default()
        };
        for line in String::from_utf8_lossy(&output.stdout).lines() {
            if let Ok(event) = serde_json::from_str(line) {
                take(&mut ran, event);
            }
        }
        Ok(ran)
    }
}

fn take(ran: &mut Ran, event: Event) {
    match (event.kind.as_str(), event.event.as_str(), event.nextest) {
        ("suite", "ok" | "failed", Some(suite)) => ran.binaries.push(Binary {
            package: suite.package,
            passed: event.passed,
            failed: event.failed,
            seconds: event.exec_time,
        }),
        ("test", "failed", _) => ran.failures.push(Failure {
            version: ran.version.clone(),
            name: event.name.replace('$', " "),
            output: event.stdout,
        }),
        _ => {}
    }
}

/// The filter that takes the tests of these packages.
fn only(packages: &[String]) -> String {
    let packages: Vec<_> = packages
        .iter()
        .map(|name| format!("package(={name})"))
        .collect();
    packages.join(" + ")
}

/// `Summary [   1.234s] 87 tests run: 87 passed, 1 skipped`.
fn closing(said: &str) -> String {
    let line = said
        .lines()
        .map(str::trim)
        .rfind(|line| line.starts_with("Summary "));
    line.unwrap_or("it ended without a summary").to_owned()
}
