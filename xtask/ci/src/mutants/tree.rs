//! Where faults are planted: a checkout of its own, so that whatever happens none stays in the real one.

use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::Context as _;
use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::flag;
use signal_hook::iterator::Signals;
use tempfile::TempDir;

use super::patch::Patch;
use crate::child;

/// What the names of the unit tests of the crate `workspace-db` begin with.
const OF_DB: &str = "db::";

/// A temporary worktree with the commit at hand and the changes of tracked files; gone when it is dropped.
pub(super) struct Tree {
    root: PathBuf,
    folder: TempDir,
    interrupted: Arc<AtomicBool>,
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
            interrupted: Arc::default(),
        };
        tree.goes_with_ctrl_c()?;
        let mut add = git(root);
        add.args(["worktree", "add", "--quiet", "--detach"]);
        child::answer(add.arg(tree.path()).arg(commit))?;
        Ok(tree)
    }

    /// Ctrl-C ends cargo as well, which is in the same group of processes; a runner that stops a job sends SIGTERM.
    fn goes_with_ctrl_c(&self) -> anyhow::Result<()> {
        let failed = "failed to listen to signals";
        for signal in [SIGINT, SIGTERM] {
            flag::register(signal, Arc::clone(&self.interrupted)).context(failed)?;
        }
        let mut signals = Signals::new([SIGINT, SIGTERM]).context(failed)?;
        let (root, folder, tree) = (
            self.root.clone(),
            self.folder.path().to_owned(),
            self.path(),
        );
        std::thread::spawn(move || {
            if signals.forever().next().is_some() {
                remove(&root, &tree);
                // Git has made nothing yet, or cargo is not quite at its end.
                let _ = std::fs::remove_dir_all(folder);
                std::process::exit(130);
            }
        });
        Ok(())
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
            let (built, output) = self.both(self.cargo(target).arg("--no-run"))?;
            if !built.success() {
                return Ok(Verdict::DoesNotBuild(output));
            }
            let names = names
                .iter()
                .map(|name| name.strip_prefix(OF_DB).unwrap_or(name));
            let mut tests = self.cargo(target);
            let (passed, output) = self.both(tests.args(["--", "--exact"]).args(names))?;
            if !passed.success() {
                return Ok(Verdict::Noticed(output));
            }
        }
        Ok(Verdict::Survived)
    }

    /// The output of a cargo that was not interrupted.
    fn both(&self, cargo: &mut Command) -> anyhow::Result<(ExitStatus, String)> {
        let result = child::both(cargo, false);
        // Nothing is told of a test that was stopped: the end is near.
        while self.interrupted.load(Ordering::Relaxed) {
            std::thread::park();
        }
        result
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
        remove(&self.root, &self.path());
    }
}

fn remove(root: &Path, tree: &Path) {
    let mut remove = git(root);
    remove.args(["worktree", "remove", "--force"]);
    // At worst `git worktree prune` has to, later.
    let _ = child::answer(remove.arg(tree));
}

fn git(folder: &Path) -> Command {
    child::program("git", folder)
}
