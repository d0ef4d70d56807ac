//! Where faults are planted: a checkout of its own, so that whatever happens none stays in the real one.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::Context as _;
use tempfile::TempDir;

use super::patch::Patch;
use crate::child;

/// What the names of the unit tests of the crate `workspace-db` begin with.
const OF_DB: &str = "db::";

/// A temporary worktree with the commit at hand and the changes of tracked files; gone when it is dropped.
pub(super) struct Tree {
    root: PathBuf,
    folder: TempDir,
}

/// What the tests say of a fault.
pub(super) enum Verdict {
    /// One of them fails, with this output.
    Noticed(String),
    Survived,
    DoesNotBuild(String),
}

impl Verdict {
    pub(super) fn shown(&self) -> &'static str {
        match self {
            Self::Noticed(_) => "noticed",
            Self::Survived => "SURVIVED",
            Self::DoesNotBuild(_) => "DOES NOT BUILD",
        }
    }
}

impl Tree {
    /// # Errors
    /// No git repository, or git can't make it.
    pub(super) fn of(root: &Path) -> anyhow::Result<Self> {
        // A commit of what is changed, on no branch; nothing if nothing is.
        let changes = child::answer(git(root).args(["stash", "create"]))?;
        let commit = match changes.trim() {
            "" => "HEAD",
            commit => commit,
        };
        let folder = TempDir::new().context("failed to make a temporary folder")?;
        let tree = Self {
            root: root.to_owned(),
            folder,
        };
        let mut add = git(root);
        add.args(["worktree", "add", "--quiet", "--detach"]);
        child::answer(add.arg(tree.path()).arg(commit))?;
        Ok(tree)
    }

    fn path(&self) -> PathBuf {
        self.folder.path().join("tree")
    }

    /// Makes the fault.
    ///
    /// # Errors
    /// The patch does not apply any more.
    pub(super) fn plant(&self, patch: &Patch) -> anyhow::Result<()> {
        self.apply(patch, &[])
    }

    /// Takes the fault away.
    ///
    /// # Errors
    /// Git's.
    pub(super) fn take_back(&self, patch: &Patch) -> anyhow::Result<()> {
        self.apply(patch, &["--reverse"])
    }

    fn apply(&self, patch: &Patch, options: &[&str]) -> anyhow::Result<()> {
        let mut apply = git(&self.path());
        apply.arg("apply").args(options);
        child::answer(apply.arg(self.root.join(&patch.path))).map(drop)
    }

    /// Builds and runs tests of the tool. The builds have a folder of their own beside the usual ones: cargo would take a
    /// faulty one for that of the real sources, which are older.
    ///
    /// # Errors
    /// Cargo can't be run.
    pub(super) fn test(&self, names: &[&String]) -> anyhow::Result<Verdict> {
        let names = names.iter().map(|name| name.as_str());
        let (of_db, of_tool): (Vec<&str>, Vec<_>) = names.partition(|name| name.starts_with(OF_DB));
        for (names, target) in [
            (of_db, ["--package", "workspace-db", "--lib"].as_slice()),
            (of_tool, &["--package", "xtask", "--test", "it"]),
        ] {
            if names.is_empty() {
                continue;
            }
            let (built, output) = child::both(self.cargo(target).arg("--no-run"), false)?;
            if !built.success() {
                return Ok(Verdict::DoesNotBuild(output));
            }
            let names = names
                .iter()
                .map(|name| name.strip_prefix(OF_DB).unwrap_or(name));
            let mut tests = self.cargo(target);
            let (passed, output) = child::both(tests.args(["--", "--exact"]).args(names), false)?;
            if !passed.success() {
                return Ok(Verdict::Noticed(output));
            }
        }
        Ok(Verdict::Survived)
    }

    fn cargo(&self, target: &[&str]) -> Command {
        let mut cargo = child::cargo(&self.path());
        cargo.env("CARGO_TARGET_DIR", self.root.join("target/mutants"));
        cargo.args(["test", "--quiet"]).args(target);
        cargo
    }
}

impl Drop for Tree {
    fn drop(&mut self) {
        let mut remove = git(&self.root);
        remove.args(["worktree", "remove", "--force"]);
        // At worst `git worktree prune` has to, later.
        let _ = child::answer(remove.arg(self.path()));
    }
}

fn git(folder: &Path) -> Command {
    child::program("git", folder)
}
