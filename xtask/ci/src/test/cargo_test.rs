//! Tests by `cargo test`, where nextest is not installed.

use std::collections::BTreeMap;
use std::process::Stdio;

use anyhow::Context as _;
use serde::Deserialize;
use workspace_db::settings::Settings;

use super::results::{Binary, Failure, Ran};
use super::{Job, cargo_arguments};
use crate::child;

/// The test binaries: the package of each, by the name of its file.
pub(super) struct Built(BTreeMap<String, String>);

#[derive(Deserialize)]
struct Message {
    executable: Option<String>,
    #[serde(default)]
    manifest_path: String,
}

impl Built {
    pub(super) fn new(settings: &Settings, names: &[String]) -> anyhow::Result<Option<Self>> {
        let output = child::cargo(&settings.root)
            .args([
                "test",
                "--tests",
                "--no-run",
                "--message-format=json-render-diagnostics",
            ])
            .args(cargo_arguments(names))
            .stderr(Stdio::inherit())
            .output()
            .context("failed to run `cargo test --no-run`")?;
        if !output.status.success() {
            return Ok(None);
        }
        let text = String::from_utf8_lossy(&output.stdout);
        let messages = text
            .lines()
            .filter_map(|line| serde_json::from_str::<Message>(line).ok());
        let binary = |message: Message| {
            let manifest = fs_err::read_to_string(&message.manifest_path).ok()?;
            let manifest: toml::Table = manifest.parse().ok()?;
            let package = manifest.get("package")?.get("name")?.as_str()?.to_owned();
            Some((file_name(&message.executable?).to_owned(), package))
        };
        Ok(Some(Self(messages.filter_map(binary).collect())))
    }

    pub(super) fn run(&self, settings: &Settings, job: &Job<'_>) -> anyhow::Result<Ran> {
        let mut command = child::cargo(&settings.root);
        command
            .args(["test", "--tests", "--no-fail-fast"])
            .args(cargo_arguments(&job.packages))
            .arg("--")
            .args(&job.args.args);
        job.environment(&mut command);
        let (status, text) = child::both(&mut command, job.show)?;
        let mut ran = Ran {
            version: job.version().to_owned(),
            success: status.success(),
            ..Ran::default()
        };
        self.read(&mut ran, &text);
        ran.output = text;
        Ok(ran)
    }

    /// Understands what cargo and the tests print: the binary that runs, its failures, its result.
    fn read(&self, ran: &mut Ran, text: &str) {
        let mut package = String::new();
        let mut failure: Option<Failure> = None;
        let mut closing = Vec::new();
        for line in text.lines() {
            if let Some(path) = running(line) {
                package = self.0.get(file_name(path)).cloned().unwrap_or_default();
            } else if let Some(name) = failed(line) {
                ran.failures.extend(failure.take());
                failure = Some(Failure {
                    version: ran.version.clone(),
                    name: format!("{package} {name}"),
                    output: String::new(),
                });
            } else if let Some(result) = line.strip_prefix("test result: ") {
                ran.failures.extend(failure.take());
                let (passed, failed, seconds) = numbers(result);
                if passed + failed > 0 {
                    closing.push(format!("{package}: {line}"));
                }
                ran.binaries.push(Binary {
                    package: package.clone(),
                    passed,
                    failed,
                    seconds,
                });
            } else if line == "failures:" {
                // The list of names that follows the last output.
                ran.failures.extend(failure.take());
            } else if let Some(failure) = &mut failure {
                failure.output += line;
                failure.output.push('\n');
            }
        }
        ran.closing = match closing.is_empty() {
            true => "no test ran".to_owned(),
            false => format!("\n  {}", closing.join("\n  ")),
        };
    }
}

/// `     Running tests/it/main.rs (target/debug/deps/it-0123456789abcdef)`.
fn running(line: &str) -> Option<&str> {
    let rest = line.trim_start().strip_prefix("Running ")?;
    rest.rsplit_once('(')?.1.strip_suffix(')')
}

/// `---- a_test stdout ----`.
fn failed(line: &str) -> Option<&str> {
    line.strip_prefix("---- ")?.strip_suffix(" stdout ----")
}

/// `ok. 5 passed; 0 failed; 0 ignored; 0 measured; 0 filtered out; finished in 0.12s`.
fn numbers(result: &str) -> (usize, usize, f64) {
    let before = |word: &str| {
        let number = result
            .split(word)
            .next()?
            .trim_end()
            .rsplit([' ', ';'])
            .next()?;
        number.parse().ok()
    };
    let seconds = result
        .rsplit("finished in ")
        .next()
        .and_then(|it| it.trim_end_matches('s').parse().ok());
    (
        before(" passed").unwrap_or(0),
        before(" failed").unwrap_or(0),
        seconds.unwrap_or(0.0),
    )
}

fn file_name(path: &str) -> &str {
    path.rsplit(['/', '\\']).next().unwrap_or(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_output_of_cargo_test_is_understood() {
        let text = "     Running tests/it/main.rs (target/debug/deps/it-01)\n\n\
            running 2 tests\ntest one ... ok\ntest two ... FAILED\n\nfailures:\n\n---- two stdout ----\nbecause\n\n\n\
            failures:\n    two\n\ntest result: FAILED. 1 passed; 1 failed; 0 ignored; 0 measured; 0 filtered out; finished in 1.25s\n\n\
            \x20    Running unittests src/lib.rs (target/debug/deps/cv-02)\n\
            test result: ok. 3 passed; 0 failed; 0 ignored; 0 measured; 0 filtered out; finished in 0.50s\n";
        let names = [("it-01", "arc"), ("cv-02", "cv")];
        let built = Built(names.map(|(a, b)| (a.to_owned(), b.to_owned())).into());
        let mut ran = Ran::default();
        built.read(&mut ran, text);
        let binaries: Vec<_> = ran
            .binaries
            .iter()
            .map(|it| (it.package.as_str(), it.passed, it.failed, it.seconds))
            .collect();
        assert_eq!(binaries, [("arc", 1, 1, 1.25), ("cv", 3, 0, 0.5)]);
        assert_eq!(ran.failures.len(), 1);
        assert_eq!(
            (&*ran.failures[0].name, ran.failures[0].output.trim()),
            ("arc two", "because")
        );
    }
}
