//! Where faults are planted: a separate checkout, so that no fault can stay in the real one.

use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use anyhow::Context as _;
use rustix::process::{Pid, Signal, kill_process_group};
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
    /// The group of processes of the cargo that runs.
    running: Arc<Mutex<Option<Pid>>>,
    /// How long tests may take; no limit before they were seen to pass.
    limit: Option<Duration>,
}

/// What the tests say of a fault.
pub(super) enum Verdict {
    /// One of them fails, with this output.
    Noticed(String),
    /// They did not end in time.
    TimedOut,
    /// They all pass, after so long.
    Survived(Duration),
    DoesNotBuild(String),
}

impl Verdict {
    pub(super) fn shown(&self) -> &'static str {
        match self {
            Self::Noticed(_) => "noticed",
            Self::TimedOut => "TIMED OUT",
            Self::Survived(_) => "SURVIVED",
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
            running: Arc::default(),
            limit: None,
        };
        tree.goes_with_ctrl_c()?;
        let mut add = git(root);
        add.args(["worktree", "add", "--quiet", "--detach"]);
        child::answer(add.arg(tree.path()).arg(commit))?;
        Ok(tree)
    }

    /// Ctrl-C ends cargo as well, with its group of processes; a runner that stops a job sends SIGTERM.
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
        let running = Arc::clone(&self.running);
        std::thread::spawn(move || {
            if signals.forever().next().is_some() {
                end(&running, Signal::TERM);
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

    /// From now on tests that take longer are ended.
    pub(super) fn limit(&mut self, limit: Duration) {
        self.limit = Some(limit);
    }

    /// Builds and runs tests of the tool. The builds have a folder of their own beside the usual ones: cargo would take a
    /// faulty one for that of the real sources, which are older.
    ///
    /// # Errors
    /// Cargo can't be run.
    pub(super) fn test(&self, names: &[&String]) -> anyhow::Result<Verdict> {
        let mut spent = Duration::ZERO;
        let names = names.iter().map(|name| name.as_str());
        let (of_db, of_tool): (Vec<&str>, Vec<_>) = names.partition(|name| name.starts_with(OF_DB));
        for (names, target) in [
            (of_db, ["--package", "workspace-db", "--lib"].as_slice()),
            (of_tool, &["--package", "xtask", "--test", "it"]),
        ] {
            if names.is_empty() {
                continue;
            }
            match self.both(self.cargo(target).arg("--no-run"), None)? {
                (Some(built), _) if built.success() => {}
                (_, output) => return Ok(Verdict::DoesNotBuild(output)),
            }
            let names = names
                .iter()
                .map(|name| name.strip_prefix(OF_DB).unwrap_or(name));
            let mut tests = self.cargo(target);
            let start = Instant::now();
            match self.both(tests.args(["--", "--exact"]).args(names), self.limit)? {
                (None, _) => return Ok(Verdict::TimedOut),
                (Some(passed), _) if passed.success() => spent += start.elapsed(),
                (Some(_), output) => return Ok(Verdict::Noticed(output)),
            }
        }
        Ok(Verdict::Survived(spent))
    }

    /// The output of a cargo that was not interrupted; no status if it was ended after the limit.
    fn both(
        &self,
        cargo: &mut Command,
        limit: Option<Duration>,
    ) -> anyhow::Result<(Option<ExitStatus>, String)> {
        // A group of its own, so that what it has started ends with it.
        cargo.process_group(0);
        let (ended, wait) = mpsc::channel::<()>();
        let result = std::thread::scope(|scope| {
            let mut watch = None;
            let result = child::both_of(cargo, false, |child| {
                *lock(&self.running) = Some(Pid::from_child(child));
                // Who listens to signals may have found none running.
                if self.interrupted.load(Ordering::Relaxed) {
                    end(&self.running, Signal::TERM);
                }
                watch = limit.map(|limit| {
                    scope.spawn(move || {
                        let late = wait.recv_timeout(limit) == Err(RecvTimeoutError::Timeout);
                        if late {
                            end(&self.running, Signal::KILL);
                        }
                        late
                    })
                });
            });
            *lock(&self.running) = None;
            drop(ended);
            let late = watch.is_some_and(|it| it.join().unwrap_or_default());
            result.map(|(status, output)| (Some(status).filter(|_| !late), output))
        });
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

/// Ends the processes that run, if there are any.
fn end(running: &Mutex<Option<Pid>>, signal: Signal) {
    if let Some(group) = *lock(running) {
        // It may be at its end by itself.
        let _ = kill_process_group(group, signal);
    }
}

fn lock(running: &Mutex<Option<Pid>>) -> MutexGuard<'_, Option<Pid>> {
    running.lock().unwrap_or_else(PoisonError::into_inner)
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
