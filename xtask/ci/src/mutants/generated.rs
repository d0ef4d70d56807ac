//! The faults that cargo-mutants makes: every function, operator and match arm in turn.

use std::io::Write as _;
use std::path::Path;

use anyhow::{Context as _, bail};
use fs_err as fs;
use tempfile::NamedTempFile;

use super::Args;
use crate::child;
use crate::matrix::Base;

/// Has cargo-mutants plant its faults in the tool; whether all were noticed. Where it is not installed, says so.
///
/// Those without a visible effect are in `.cargo/mutants.toml`, each with its reason.
///
/// # Errors
/// It can't be run, or finds that the tests fail without a fault.
pub(super) fn run(root: &Path, args: &Args, base: Option<&Base>) -> anyhow::Result<bool> {
    if child::answer(child::cargo(root).args(["mutants", "--version"])).is_err() {
        eprintln!(
            "only the patches were tried: cargo-mutants is not installed\n  help: cargo install --locked cargo-mutants"
        );
        return Ok(true);
    }
    let sources: Vec<_> = args
        .files
        .iter()
        .filter(|file| file.ends_with(".rs"))
        .collect();
    if sources.is_empty() && !args.files.is_empty() {
        return Ok(true);
    }
    let mut cargo = child::cargo(root);
    cargo.args(["mutants", "--package", "workspace-db"]);
    // The tests of the real binary belong to another package.
    cargo.args(["--test-package", "workspace-db", "--test-package", "xtask"]);
    fs::create_dir_all(root.join("target/mutants"))?;
    cargo.args(["--output", "target/mutants"]);
    if let Some(shard) = args.shard {
        cargo.args(["--shard", &shard.to_string()]);
    }
    if let Some(seconds) = args.timeout {
        cargo.args(["--timeout", &seconds.to_string()]);
    }
    for source in sources {
        cargo.args(["--file", source]);
    }
    let mut difference = NamedTempFile::new().context("failed to make a temporary file")?;
    if let Some(base) = base {
        difference.write_all(base.difference()?.as_bytes())?;
        cargo.arg("--in-diff").arg(difference.path());
    }
    // That every patch applies is no test of the tool: a fault beside one would count as noticed.
    cargo.args(["--", "--", "--skip", "proof::"]);
    eprintln!("== {}", child::shown(&cargo));
    let (status, _) = child::both(&mut cargo, true)?;
    // As its documentation has them: 2 missed, 3 timed out.
    match status.code() {
        Some(0) => Ok(true),
        Some(2 | 3) => Ok(false),
        _ => bail!("cargo-mutants failed: {status}"),
    }
}
