//! Programs that are run: cargo, git, and the workspace's own.

use std::io::{Read as _, Write as _};
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};

use anyhow::{Context as _, bail};

/// `cargo`, as the user would run it: without what the cargo that runs us has set for us alone, which would make build
/// scripts run again.
pub(crate) fn cargo(root: &Path) -> Command {
    program("cargo", root)
}

/// A program in the workspace's folder.
pub(crate) fn program(name: &str, root: &Path) -> Command {
    let mut command = Command::new(name);
    command.current_dir(root).stdin(Stdio::null());
    for (name, _) in std::env::vars_os() {
        let of_package = [
            "CARGO_MANIFEST_",
            "CARGO_PKG_",
            "CARGO_BIN_",
            "CARGO_CRATE_",
        ];
        let given = name.to_str().is_some_and(|name| {
            name == "OUT_DIR" || of_package.iter().any(|prefix| name.starts_with(prefix))
        });
        if given {
            command.env_remove(name);
        }
    }
    command
}

/// What a program prints to stdout.
///
/// # Errors
/// It can't be run, or fails: its stderr.
pub(crate) fn answer(command: &mut Command) -> anyhow::Result<String> {
    let shown = shown(command);
    let output = command
        .output()
        .with_context(|| format!("failed to run `{shown}`"))?;
    if !output.status.success() {
        let reason = String::from_utf8_lossy(&output.stderr);
        bail!("failed to run `{shown}`: {}", reason.trim());
    }
    String::from_utf8(output.stdout).with_context(|| format!("`{shown}` does not print UTF-8"))
}

/// Both streams of a program, in the order in which they were written; shown as they come, if `show`.
///
/// # Errors
/// It can't be run.
pub(crate) fn both(command: &mut Command, show: bool) -> anyhow::Result<(ExitStatus, String)> {
    both_of(command, show, |_| ())
}

/// The same, and calls `started` with the program once it runs.
///
/// # Errors
/// It can't be run.
pub(crate) fn both_of(
    command: &mut Command,
    show: bool,
    started: impl FnOnce(&Child),
) -> anyhow::Result<(ExitStatus, String)> {
    let shown = shown(command);
    let failed = || format!("failed to run `{shown}`");
    let (mut reader, writer) = std::io::pipe().with_context(failed)?;
    command.stdout(writer.try_clone().with_context(failed)?);
    command.stderr(writer);
    let mut child = command.spawn().with_context(failed)?;
    started(&child);
    // The command holds our ends of the pipe, which must close for it to end.
    command.stdout(Stdio::null()).stderr(Stdio::null());
    let (mut text, mut buffer) = (Vec::new(), [0; 8192]);
    loop {
        let length = reader.read(&mut buffer).with_context(failed)?;
        if length == 0 {
            break;
        }
        text.extend(&buffer[..length]);
        if show {
            let mut stderr = std::io::stderr();
            // A closed terminal is no reason to stop.
            let _ = stderr.write_all(&buffer[..length]);
        }
    }
    let status = child.wait().with_context(failed)?;
    Ok((status, String::from_utf8_lossy(&text).into_owned()))
}

/// A command as a person types it.
pub(crate) fn shown(command: &Command) -> String {
    let mut words = vec![command.get_program().to_string_lossy().into_owned()];
    words.extend(
        command
            .get_args()
            .map(|word| word.to_string_lossy().into_owned()),
    );
    words.join(" ")
}
