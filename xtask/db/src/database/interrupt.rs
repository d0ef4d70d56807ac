//! Ctrl-C. While a session writes, the statement at hand is cancelled, its transaction is rolled back, and nothing more is
//! begun: every service says where it stands. Otherwise, and the second time, the program leaves at once.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use crate::pg::{Cancel, Connection};
use crate::ui::failure::{Failure, Kind};

/// How often the statements at hand are cancelled again: one may begin after the first time.
const AGAIN: Duration = Duration::from_millis(100);

/// Of the signal, as shells say it: 128 and the number of SIGINT.
pub(crate) const EXIT_CODE: u8 = Kind::Interrupted as u8;

static INTERRUPTED: AtomicBool = AtomicBool::new(false);
static AT_WORK: Mutex<AtWork> = Mutex::new(AtWork {
    sessions: 0,
    statements: Vec::new(),
});

struct AtWork {
    /// How many sessions may write.
    sessions: usize,
    /// What cancels those of their statements that may be cancelled.
    statements: Vec<Arc<Cancel>>,
}

fn at_work() -> MutexGuard<'static, AtWork> {
    AT_WORK
        .lock()
        .unwrap_or_else(std::sync::PoisonError::into_inner)
}

/// Has Ctrl-C end the program in order from now on.
#[cfg(unix)]
pub(crate) fn listen() {
    use signal_hook::consts::SIGINT;
    // Where it can't be had, Ctrl-C kills, as it always did: nothing is left half done by that either.
    let Ok(mut signals) = signal_hook::iterator::Signals::new([SIGINT]) else {
        return;
    };
    std::thread::spawn(move || {
        for _ in signals.forever() {
            // The second time without a lock: a server that does not answer may hold it.
            if INTERRUPTED.swap(true, Ordering::SeqCst) || at_work().sessions == 0 {
                signal_hook::low_level::exit(EXIT_CODE.into());
            }
            anstream::eprintln!(
                "interrupted: cancelling the running statement; press Ctrl-C again to exit at once"
            );
            std::thread::spawn(cancel_all);
        }
    });
}

#[cfg(not(unix))]
pub(crate) fn listen() {}

fn cancel_all() {
    loop {
        // The lock is held: a statement that is over must not be cancelled, the next one is of the books.
        at_work().statements.iter().for_each(|it| it.send());
        std::thread::sleep(AGAIN);
    }
}

/// Whether Ctrl-C was pressed, so that nothing more is to be begun.
pub(crate) fn is_interrupted() -> bool {
    INTERRUPTED.load(Ordering::SeqCst)
}

/// Stops what has not begun yet; `before` says what.
///
/// # Errors
/// Ctrl-C was pressed.
pub(crate) fn check(before: impl FnOnce() -> String) -> Result<(), Failure> {
    match is_interrupted() {
        true => Err(Failure::new(
            Kind::Interrupted,
            format!("interrupted before {}", before()),
        )),
        false => Ok(()),
    }
}

/// A session that may write: until this is dropped, the first Ctrl-C lets it end in order.
pub(crate) struct Writing(());

impl Writing {
    pub(crate) fn begin() -> Self {
        at_work().sessions += 1;
        Self(())
    }
}

impl Drop for Writing {
    fn drop(&mut self) {
        at_work().sessions -= 1;
    }
}

/// Statements that Ctrl-C may cancel: those of a file, not those of the books. Until this is dropped.
pub(crate) struct AtHand(Arc<Cancel>);

impl AtHand {
    pub(crate) fn of(connection: &Connection) -> Self {
        let cancel = Arc::new(connection.cancel());
        at_work().statements.push(Arc::clone(&cancel));
        Self(cancel)
    }
}

impl Drop for AtHand {
    fn drop(&mut self) {
        at_work()
            .statements
            .retain(|other| !Arc::ptr_eq(other, &self.0));
    }
}
