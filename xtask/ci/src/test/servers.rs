//! Whether a version of PostgreSQL can be had, which crate `local-postgres` knows.

use std::fmt;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use anyhow::{Context as _, bail};
use serde::Deserialize;
use workspace_db::settings::Settings;

use super::Job;
use crate::child;
use crate::matrix::Packages;

const PACKAGE: &str = "local-postgres";

/// The program `local-postgres`; none where the workspace has no such crate: then its tests have servers of their own.
pub(super) struct Servers {
    program: Option<PathBuf>,
    root: PathBuf,
}

/// A version that can't be had.
pub(super) struct Missing {
    pub(super) version: String,
    reason: String,
}

#[derive(Deserialize)]
struct Message {
    executable: Option<PathBuf>,
}

impl Servers {
    pub(super) fn build(settings: &Settings, packages: &Packages) -> anyhow::Result<Self> {
        let root = settings.root.clone();
        if !packages.has(PACKAGE) {
            return Ok(Self {
                program: None,
                root,
            });
        }
        let output = child::cargo(&root)
            .args([
                "build",
                "--quiet",
                "--package",
                PACKAGE,
                "--message-format=json-render-diagnostics",
            ])
            .stderr(Stdio::inherit())
            .output()
            .context("failed to run cargo")?;
        let text = String::from_utf8_lossy(&output.stdout);
        let messages = text
            .lines()
            .filter_map(|line| serde_json::from_str::<Message>(line).ok());
        match messages.filter_map(|it| it.executable).next_back() {
            Some(program) => Ok(Self {
                program: Some(program),
                root,
            }),
            None => bail!("failed to build {PACKAGE}, which runs PostgreSQL; the reason is above"),
        }
    }

    /// The versions of these jobs that can't be had. The servers that are started to find out are those of the tests.
    pub(super) fn missing(&self, jobs: &[Job<'_>]) -> anyhow::Result<Vec<Missing>> {
        let mut asked = Vec::new();
        for job in jobs {
            let (Some(version), Some(mut command)) = (&job.postgres, self.command()) else {
                continue;
            };
            let name = job.packages.first().map_or("xtask", String::as_str);
            command.args(["url", name, "--postgres", version]);
            // The URL has a password.
            let child = command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn();
            asked.push((
                version,
                child.with_context(|| format!("failed to run {PACKAGE}"))?,
            ));
        }
        let mut missing = Vec::new();
        for (version, child) in asked {
            let output = child
                .wait_with_output()
                .with_context(|| format!("failed to run {PACKAGE}"))?;
            if !output.status.success() {
                let reason = String::from_utf8_lossy(&output.stderr);
                let reason = reason.trim().trim_start_matches("error: ").to_owned();
                missing.push(Missing {
                    version: version.clone(),
                    reason,
                });
            }
        }
        Ok(missing)
    }

    /// Keeps what the servers of these packages have logged, and says where.
    pub(super) fn keep_logs(
        &self,
        settings: &Settings,
        packages: &Packages,
        names: &[String],
    ) -> anyhow::Result<()> {
        let folder = packages.target.join("server-logs");
        for name in names {
            let Some(mut command) = self.command() else {
                return Ok(());
            };
            let log = child::answer(command.args(["log", name]))?;
            if !log.is_empty() {
                fs_err::create_dir_all(&folder)?;
                let file = folder.join(format!("{name}.log"));
                fs_err::write(&file, log)?;
                let shown = file.strip_prefix(&settings.root).unwrap_or(&file);
                eprintln!("the log of its PostgreSQL: {}", shown.display());
            }
        }
        Ok(())
    }

    fn command(&self) -> Option<Command> {
        let mut command = Command::new(self.program.as_ref()?);
        command.current_dir(&self.root).stdin(Stdio::null());
        Some(command)
    }
}

impl fmt::Display for Missing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PostgreSQL {}: {}", self.version, self.reason)
    }
}
