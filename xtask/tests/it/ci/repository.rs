//! A git repository with a workspace in it, and a branch `main` that the cases start from.

use std::collections::BTreeSet;
use std::ops::Deref;
use std::process::Command;

use serde_json::Value;

use crate::support::{Folder, Run};

/// Services `arc`, `cv` and `user` with databases, `ai` without; `arc` depends on `ai`, `cv` and `user` on `crates/money`.
/// Each is built from a crate of its own, and all from `serde`.
pub(super) struct Repository {
    folder: Folder,
}

impl Deref for Repository {
    type Target = Folder;

    fn deref(&self) -> &Folder {
        &self.folder
    }
}

/// All services of it.
pub(super) const ALL: [&str; 4] = ["ai", "arc", "cv", "user"];

const ROOT: &str = r#"[workspace]
resolver = "3"
members = ["services/*", "crates/*", "xtask", "xtask/db", "xtask/other"]

[workspace.metadata.db]
postgres = ["15", "18"]
"#;

impl Repository {
    pub(super) fn new() -> Self {
        let repository = Self {
            folder: Folder::new(),
        };
        repository.write("Cargo.toml", ROOT);
        repository.package("services/ai", "[package.metadata]\ndb = false\n");
        let database = |name: &str, dependencies: &str| {
            let settings = format!("[package.metadata.db]\nname = \"{name}_db\"\n");
            repository.package(&format!("services/{name}"), &(settings + dependencies));
        };
        database("arc", "[dependencies]\nai = { path = \"../ai\" }\n");
        database(
            "cv",
            "[dependencies]\nmoney = { path = \"../../crates/money\" }\n",
        );
        database(
            "user",
            "[dev-dependencies]\nmoney = { path = \"../../crates/money\" }\n",
        );
        repository.package("crates/money", "");
        repository.package(
            "xtask",
            "[dependencies]\nworkspace-db = { path = \"db\" }\n",
        );
        repository.package("xtask/db", "");
        repository.edit("xtask/db/Cargo.toml", "\"db\"", "\"workspace-db\"");
        repository.package("xtask/other", "");
        repository.write("README.md", "# Services\n");
        repository.write("docs/how.md", "how\n");
        repository.write("docs/how.svg", "<svg/>\n");
        repository.write("services/cv/prompt.md", "Be brief.\n");
        repository.write("services/cv/README.md", "CVs\n");
        repository.write(
            "services/cv/src/prompt.rs",
            "const PROMPT: &str = include_str!(\"../prompt.md\");\n",
        );
        repository.write(
            "services/cv/src/lib.rs",
            "#![doc = include_str!(\"../README.md\")]\n",
        );
        repository.write(".github/workflows/ci.yml", "on: push\n");
        repository.write(".ci/run", "#!/bin/sh\n");
        repository.lock("1.0.0", "1.0.0", "1.0.0");
        repository.git(&["init", "--quiet", "--initial-branch=main"]);
        repository.commit();
        repository.git(&["checkout", "--quiet", "-b", "change"]);
        repository
    }

    /// Writes a package that says this after its name.
    pub(super) fn package(&self, folder: &str, says: &str) {
        let name = folder.rsplit('/').next().unwrap();
        let manifest = format!(
            "[package]\nname = \"{name}\"\nversion = \"0.1.0\"\nedition = \"2024\"\n{says}"
        );
        self.write(&format!("{folder}/Cargo.toml"), &manifest);
        self.write(&format!("{folder}/src/lib.rs"), "//! It.\n");
    }

    /// Writes the lockfile, with the versions of what only `cv`, only the tool and all are built from.
    pub(super) fn lock(&self, cv: &str, tool: &str, all: &str) {
        let mut text = "version = 4\n".to_owned();
        let mut package = |name: &str, version: &str, registry: bool, dependencies: &[&str]| {
            text += &format!("\n[[package]]\nname = \"{name}\"\nversion = \"{version}\"\n");
            if registry {
                text += "source = \"registry+https://example.org/index\"\nchecksum = \"00\"\n";
            }
            let list: Vec<_> = dependencies
                .iter()
                .map(|it| format!(" \"{it}\",\n"))
                .collect();
            text += &format!("dependencies = [\n{}]\n", list.concat());
        };
        package("ai", "0.1.0", false, &["serde"]);
        package("arc", "0.1.0", false, &["ai"]);
        // Two versions of one name: only the one that is named counts.
        package("cv", "0.1.0", false, &["money", "pdf 1.9.0", "printer"]);
        package("money", "0.1.0", false, &["serde"]);
        package("other", "0.1.0", false, &[]);
        package("pdf", "1.9.0", true, &[]);
        package("pdf", &format!("2.{tool}"), true, &[]);
        package("printer", cv, true, &["serde"]);
        package("serde", all, true, &[]);
        package("user", "0.1.0", false, &["money"]);
        package("workspace-db", "0.1.0", false, &[&format!("pdf 2.{tool}")]);
        package("xtask", "0.1.0", false, &["workspace-db"]);
        self.write("Cargo.lock", &text);
    }

    pub(super) fn git(&self, arguments: &[&str]) -> String {
        let mut git = Command::new("git");
        git.arg("-C").arg(self.root());
        git.args([
            "-c",
            "user.name=me",
            "-c",
            "user.email=me@example.org",
            "-c",
            "commit.gpgsign=false",
        ]);
        Run::of(git.args(arguments), "git").exits(0).stdout
    }

    pub(super) fn commit(&self) {
        self.git(&["add", "--all"]);
        self.git(&["commit", "--quiet", "--message=x"]);
    }

    /// Runs the tool in the repository.
    pub(super) fn run(&self, line: &str) -> Run {
        self.run_with(line, &[])
    }

    pub(super) fn run_with(&self, line: &str, variables: &[(&str, &str)]) -> Run {
        let mut command = Command::new(env!("CARGO_BIN_EXE_xtask"));
        command
            .args(line.split_whitespace())
            .current_dir(self.root());
        for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("GITHUB_")) {
            command.env_remove(name);
        }
        // In CI the lockfile has to be as it is, and servers are whatever the machine has.
        for name in ["CI", "CARGO_TARGET_DIR", "LOCAL_POSTGRES_VERSION"] {
            command.env_remove(name);
        }
        command.envs(variables.iter().copied());
        Run::of(&mut command, line)
    }

    /// The matrix that a command prints, as JSON.
    #[track_caller]
    pub(super) fn matrix(&self, line: &str) -> Value {
        serde_json::from_str(&self.run(&format!("matrix {line}")).exits(0).stdout).unwrap()
    }

    /// The names in the matrix of what has changed since `base`.
    #[track_caller]
    pub(super) fn affected_since(&self, base: &str) -> BTreeSet<String> {
        names(&self.matrix(&format!("--changed {base}")))
    }

    /// The services that the working tree's difference from `main` affects, by the tool and as expected.
    #[track_caller]
    pub(super) fn affects(&self, services: &[&str]) {
        assert_eq!(
            self.affected_since("main"),
            services.iter().map(ToString::to_string).collect()
        );
    }

    /// Whether the tools' own tests are affected.
    #[track_caller]
    pub(super) fn affects_tools(&self) -> bool {
        !names(&self.matrix("--tools --changed main")).is_empty()
    }
}

/// The names in a matrix.
pub(super) fn names(matrix: &Value) -> BTreeSet<String> {
    let entries = matrix["include"].as_array().unwrap();
    entries
        .iter()
        .map(|entry| entry["service"].as_str().unwrap().to_owned())
        .collect()
}
