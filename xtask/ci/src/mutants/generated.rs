//! The faults that cargo-mutants makes: every function, operator and match arm in turn.

use std::io::Write as _;
use std::path::Path;

use anyhow::{Context as _, bail};
use fs_err as fs;
use tempfile::NamedTempFile;

use super::Args;
use crate::child;
use crate::matrix::Base;

/// Where a fault would cost data: the sources that decide, lock, apply, record, revert, take over and repair. The other
/// thousands of faults would take days.
const DECIDING: [&str; 16] = [
    "xtask/db/src/database/guard.rs",
    "xtask/db/src/database/guard/services.rs",
    "xtask/db/src/database/ledger.rs",
    "xtask/db/src/database/lock.rs",
    "xtask/db/src/database/runner.rs",
    "xtask/db/src/database/session.rs",
    "xtask/db/src/repair.rs",
    "xtask/db/src/repair/change.rs",
    "xtask/db/src/repair/manifest.rs",
    "xtask/db/src/repair/node.rs",
    "xtask/db/src/repair/restore.rs",
    "xtask/db/src/sql/statements.rs",
    "xtask/db/src/verbs/baseline.rs",
    "xtask/db/src/verbs/confirm.rs",
    "xtask/db/src/verbs/downward.rs",
    "xtask/db/src/verbs/revert.rs",
];

/// Has cargo-mutants plant its faults in the sources that are named, or that have changed, or in those that [decide](DECIDING);
/// whether all were noticed. Where it is not installed, says so.
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
    let named = args.files.iter().map(String::as_str);
    let sources: Vec<_> = match (args.files.is_empty(), base) {
        (true, None) => DECIDING.to_vec(),
        _ => named.filter(|file| file.ends_with(".rs")).collect(),
    };
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
    // That every patch applies is no test of the tool: a fault beside one would count as noticed. Nextest ends with the first
    // test that fails.
    match child::answer(child::cargo(root).args(["nextest", "--version"])).is_ok() {
        true => cargo.args(["--test-tool", "nextest", "--", "-E", "not test(/^proof::/)"]),
        false => cargo.args(["--", "--", "--skip", "proof::"]),
    };
    eprintln!("== {}", child::shown(&cargo));
    let (status, _) = child::both(&mut cargo, true)?;
    // As its documentation has them: 2 missed, 3 timed out.
    match status.code() {
        Some(0) => Ok(true),
        Some(2 | 3) => Ok(false),
        _ => bail!("cargo-mutants failed: {status}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sources_that_decide_are_there() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
        for source in DECIDING {
            assert!(root.join(source).is_file(), "{source}");
        }
    }
}
