//! What a container has logged.

use std::process::{Command, Stdio};

use anyhow::{Context, Result};

/// Both streams of a container, by Docker's own program; nothing once the container is gone.
pub(crate) fn log(id: &str) -> Result<String> {
    let output = Command::new("docker")
        .args(["logs", id])
        .stdin(Stdio::null())
        .output()
        .context("failed to run `docker logs`")?;
    if !output.status.success() {
        return Ok(String::new());
    }
    let text = [output.stdout, output.stderr].concat();
    Ok(String::from_utf8_lossy(&text).into_owned())
}
