//! The Diesel CLI that the tool is held against.

use std::path::{Path, PathBuf};
use std::process::Command;

/// Its version: the one that the tool installs.
const VERSION: &str = "2.3.14";

/// The Diesel CLI: the one that `DIESEL_CLI` names, the one in the target folder or on PATH if it is that version, else
/// one that is built once into the target folder.
pub(crate) fn diesel_program() -> PathBuf {
    let root = target().join(format!("xtask-tools/diesel_cli-{VERSION}"));
    let program = root.join("bin/diesel");
    let chosen = std::env::var_os("DIESEL_CLI").map(PathBuf::from);
    let found = chosen
        .into_iter()
        .chain([program.clone(), PathBuf::from("diesel")])
        .find(fits);
    found.unwrap_or_else(|| {
        build(&root);
        program
    })
}

fn fits(program: &PathBuf) -> bool {
    let output = Command::new(program).arg("--version").output();
    output.is_ok_and(|output| String::from_utf8_lossy(&output.stdout).contains(VERSION))
}

fn build(root: &Path) {
    eprintln!("building diesel_cli {VERSION} once, which takes minutes");
    let built = Command::new("cargo")
        .args(["install", "diesel_cli", "--version", VERSION, "--locked"])
        .args(["--no-default-features", "--features", "postgres-bundled"])
        .arg("--root")
        .arg(root)
        .status();
    assert!(built.unwrap().success(), "failed to build diesel_cli");
}

/// The folder above the one of the binary under test.
pub(crate) fn target() -> PathBuf {
    let binary = Path::new(env!("CARGO_BIN_EXE_xtask"));
    binary.ancestors().nth(2).unwrap().to_owned()
}
