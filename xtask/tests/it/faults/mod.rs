//! Faults at random moments: whatever happens to a run, the next one goes on, and nothing is lost or done twice.
//!
//! `cargo xtask faults` runs hundreds of rounds of each kind; the tests here run a few, from fixed seeds.

mod clock;
mod crowd;
mod files;
mod kill;
mod link;
mod server;
mod world;

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use crate::support::Random;

/// One round, from a seed; whether its fault met a run that was at work.
type Round = Box<dyn FnMut(&mut Random) -> bool>;

/// A kind of fault.
pub(crate) struct Kind {
    pub(crate) name: &'static str,
    /// What happens in a round.
    pub(crate) what: &'static str,
    /// Prepares what its rounds share, or says why they can't be run here.
    start: fn() -> Result<Round, String>,
}

/// What became of the rounds of a kind.
pub(crate) struct Tally {
    pub(crate) rounds: u64,
    /// How many faults met a run that was at work.
    pub(crate) hit: u64,
    pub(crate) time: Duration,
    /// The seed of one that failed.
    pub(crate) failed: Option<u64>,
}

const fn kind(
    name: &'static str,
    what: &'static str,
    start: fn() -> Result<Round, String>,
) -> Kind {
    Kind { name, what, start }
}

pub(crate) const KINDS: [Kind; 13] = [
    kind("kill-migrate", "`migrate` is killed", kill::migrate),
    kind("kill-revert", "`revert` is killed", kill::revert),
    kind("kill-redo", "`redo` is killed", kill::redo),
    kind("kill-backup", "`backup` is killed", kill::backup),
    kind("kill-restore", "`restore` is killed", kill::restore),
    kind("kill-fix", "`fix` is killed", files::fix),
    kind(
        "restart",
        "the server is ended at once while `migrate` runs, and started",
        server::restart,
    ),
    kind(
        "cut",
        "the connection of `migrate` is cut before, in or after a message, or in its answer",
        link::cut,
    ),
    kind(
        "hang",
        "the link of `migrate` falls silent, or is slow",
        link::hang,
    ),
    kind(
        "disk-full",
        "the server's disk is full while `migrate` runs",
        server::disk_full,
    ),
    kind(
        "timeout",
        "`statement_timeout`, or `lock_timeout` behind a long transaction, ends a statement of `migrate`",
        crowd::timeout,
    ),
    kind(
        "crowd",
        "twenty `migrate` run at once, and half of them are killed",
        crowd::crowd,
    ),
    kind(
        "clock",
        "the clocks of the server and of the tool are set back between two runs",
        clock::set_back,
    ),
];

impl Kind {
    /// The kind of that name.
    pub(crate) fn named(name: &str) -> Option<&'static Self> {
        KINDS.iter().find(|kind| kind.name == name)
    }

    /// Runs rounds, so many at a time, each with the next seed, until one fails.
    ///
    /// # Errors
    /// Why this kind can't be run here.
    pub(crate) fn run(&self, first: u64, rounds: u64, at_once: usize) -> Result<Tally, String> {
        let begin = Instant::now();
        let (next, hit, ran) = (AtomicU64::new(0), AtomicU64::new(0), AtomicU64::new(0));
        let (has_failed, failed) = (AtomicBool::new(false), AtomicU64::new(0));
        let work = || {
            let mut round = (self.start)()?;
            while !has_failed.load(Ordering::SeqCst) {
                let number = next.fetch_add(1, Ordering::SeqCst);
                if number >= rounds {
                    break;
                }
                let seed = first + number;
                let mut random = Random(seed);
                let guarded = std::panic::AssertUnwindSafe(|| round(&mut random));
                let Ok(was_hit) = std::panic::catch_unwind(guarded) else {
                    if !has_failed.swap(true, Ordering::SeqCst) {
                        failed.store(seed, Ordering::SeqCst);
                    }
                    // Its workspace and databases stay, to be looked at.
                    std::mem::forget(round);
                    break;
                };
                ran.fetch_add(1, Ordering::SeqCst);
                hit.fetch_add(u64::from(was_hit), Ordering::SeqCst);
            }
            Ok::<_, String>(())
        };
        std::thread::scope(|scope| {
            let workers: Vec<_> = (0..at_once).map(|_| scope.spawn(work)).collect();
            let ended = workers.into_iter().map(|worker| worker.join().unwrap());
            ended.collect::<Result<(), String>>()
        })?;
        Ok(Tally {
            rounds: ran.into_inner(),
            hit: hit.into_inner(),
            time: begin.elapsed(),
            failed: has_failed.into_inner().then(|| failed.into_inner()),
        })
    }
}

/// Runs rounds of a kind one after the other.
#[track_caller]
fn holds(name: &str, seed: u64, rounds: u64) {
    let kind = Kind::named(name).unwrap();
    let tally = kind.run(seed, rounds, 1).unwrap();
    let Tally {
        rounds: ran,
        hit,
        time,
        ..
    } = tally;
    eprintln!("{}: {hit} of {ran} rounds in {time:?}", kind.what);
    assert_eq!(tally.failed, None, "the seed of {name} that failed");
}

/// The first of these cuts is between a COMMIT and what would be written after it.
#[test]
fn a_connection_that_is_cut_loses_nothing() {
    holds("cut", 6, 3);
}

#[test]
fn a_killed_redo_loses_nothing() {
    holds("kill-redo", 1, 2);
}

#[test]
fn a_killed_fix_loses_nothing() {
    holds("kill-fix", 1, 3);
}

#[test]
fn every_kind_is_in_the_document() {
    let path = crate::support::repository().join("docs/reliability.md");
    let text = std::fs::read_to_string(path).unwrap();
    for Kind { name, .. } in &KINDS {
        assert!(text.contains(&format!("\n| `{name}`: ")), "{name}");
    }
}
