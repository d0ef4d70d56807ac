//! The usual commands share their dependencies. Warm, as in `cargo test --workspace`, this takes seconds.

use std::collections::BTreeMap;
use std::env;
use std::process::{Command, Stdio};

use serde_json::Value;

const TESTS: &[&str] = &["test", "--workspace", "--no-run"];
/// `cargo xtask`, up to its run.
const TOOL: &[&str] = &["build", "--package", "xtask"];
const SERVICES: &[&str] = &["build"];

/// The files of a third-party build, which have a hash of its features in their names, and what it is.
type Builds = BTreeMap<String, Build>;

struct Build {
    name: String,
    /// Built before, and not out of date.
    fresh: bool,
}

/// Builds what a command of cargo's needs, and tells what of it is third-party.
fn build(arguments: &[&str]) -> Builds {
    let mut cargo = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    // Cargo gave these to the test; a user's shell does not have them, and build scripts could take them for a change.
    for (name, _) in env::vars_os() {
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
            cargo.env_remove(name);
        }
    }
    let output = cargo
        .args(arguments)
        .args(["--locked", "--quiet", "--message-format=json"])
        .current_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/../.."))
        .stdin(Stdio::null())
        .stderr(Stdio::inherit())
        .output()
        .unwrap();
    assert!(output.status.success(), "cargo {arguments:?}");
    let text = String::from_utf8(output.stdout).unwrap();
    let messages = text.lines().map(|line| serde_json::from_str(line).unwrap());
    let artifacts = messages.filter(|message: &Value| {
        message["reason"] == "compiler-artifact"
            && message["package_id"]
                .as_str()
                .unwrap()
                .starts_with("registry+")
    });
    let builds: Builds = artifacts
        .map(|it| {
            let id = it["package_id"].as_str().unwrap();
            let package = id.rsplit('#').next().unwrap();
            let (kind, features) = (&it["target"]["kind"][0], &it["features"]);
            let build = Build {
                name: format!("{package} ({kind}) with {features}"),
                fresh: it["fresh"].as_bool().unwrap(),
            };
            (it["filenames"].to_string(), build)
        })
        .collect();
    assert!(!builds.is_empty(), "cargo {arguments:?}");
    builds
}

#[test]
fn no_command_builds_a_dependency_that_another_one_has_built_with_other_features() {
    let tests = build(TESTS);
    for command in [TOOL, SERVICES] {
        let again = build(command).into_iter();
        // Files that are fresh may be of an earlier run: they have to be those of the tests.
        let again: Vec<_> = again
            .filter(|(files, build)| !build.fresh || !tests.contains_key(files))
            .map(|(_, build)| build.name)
            .collect();
        assert!(
            again.is_empty(),
            "cargo {command:?} does not use what the tests have built. `cargo tree --workspace -e features -i NAME` \
             says who turns on a feature that is missing here: name it in the manifest of `features`, or for the tool \
             in that of `workspace-db`.\n{}",
            again.join("\n")
        );
    }
    // The commands between have made nothing out of date.
    let stale = build(TESTS).into_values().filter(|build| !build.fresh);
    let stale: Vec<_> = stale.map(|build| build.name).collect();
    assert!(stale.is_empty(), "{stale:#?}");
}
