//! What is going on, on stderr, while it goes on: a spinner per service on a terminal, plain lines elsewhere.

use crate::ui::report::NOTE;
use std::io::{IsTerminal as _, Write as _};
use std::sync::{Mutex, mpsc};
use std::time::{Duration, Instant};

use indicatif::{MultiProgress, ProgressBar, ProgressStyle};

use crate::sql::statements::beginning;

/// How progress is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Shown {
    /// Spinners on a terminal, lines elsewhere.
    Best,
    Lines,
    Nothing,
}

/// The progress of a whole run.
pub(crate) struct Progress {
    bars: Option<MultiProgress>,
    quiet: bool,
}

impl Progress {
    pub(crate) fn new(shown: Shown) -> Self {
        let plain = shown != Shown::Best
            || !std::io::stderr().is_terminal()
            || std::env::var_os("TERM").is_some_and(|term| term == "dumb");
        Self {
            bars: (!plain).then(MultiProgress::new),
            quiet: shown == Shown::Nothing,
        }
    }

    /// Prints a line at once, above the spinners, unless nothing but warnings is wanted.
    pub(crate) fn line(&self, text: &str) {
        if !self.quiet {
            self.warning(text);
        }
    }

    /// Prints a line in any case.
    pub(crate) fn warning(&self, text: &str) {
        match &self.bars {
            Some(bars) => bars.suspend(|| print(text)),
            None => print(text),
        }
    }

    /// Prints what is good to know, as [`line`](Self::line) does.
    pub(crate) fn note(&self, text: &str) {
        self.warning(&format!("{NOTE}note{NOTE:#}: {text}"));
    }

    /// Begins the work on one service.
    pub(crate) fn step(&self, service: &str) -> Step<'_> {
        let bar = self.bars.as_ref().map(|bars| {
            let bar = bars.add(ProgressBar::new_spinner());
            if let Ok(style) = ProgressStyle::with_template("{spinner} {prefix}: {msg}") {
                bar.set_style(style);
            }
            bar.set_prefix(service.to_owned());
            // Nothing flickers for work that is done at once.
            bar.enable_steady_tick(Duration::from_millis(120));
            bar
        });
        Step {
            progress: self,
            service: service.to_owned(),
            bar,
            last: Mutex::default(),
        }
    }
}

/// The progress of one service. Its spinner goes when it is dropped.
pub(crate) struct Step<'p> {
    progress: &'p Progress,
    service: String,
    bar: Option<ProgressBar>,
    last: Mutex<String>,
}

impl Step<'_> {
    /// Says what happens now; saying the same again is free.
    pub(crate) fn say(&self, text: &str) {
        let Ok(mut last) = self.last.lock() else {
            return;
        };
        if *last == text {
            return;
        }
        text.clone_into(&mut last);
        match &self.bar {
            Some(bar) => bar.set_message(text.to_owned()),
            None => self.progress.line(&format!("{}: {text}", self.service)),
        }
    }
}

impl Step<'_> {
    /// Says a detail that changes often: on a terminal only, where it takes no line of its own.
    pub(crate) fn detail(&self, text: &str) {
        if let Some(bar) = &self.bar {
            bar.set_message(text.to_owned());
        }
    }
}

/// What a run is at, and since when: shown once it takes longer than a second.
pub(crate) struct Watch<'s>(Mutex<Now<'s>>);

struct Now<'s> {
    doing: String,
    /// Its number and text; `None` before the first, and where it is not known.
    statement: Option<(usize, &'s str)>,
    since: Instant,
    /// When a line is due next, in seconds: on a terminal, the spinner says it all the time.
    due: u64,
    step: Option<&'s Step<'s>>,
}

impl<'s> Watch<'s> {
    /// Does `work`, and shows on `step` what takes long in it.
    pub(crate) fn over<R>(step: Option<&'s Step<'s>>, work: impl FnOnce(&Self) -> R) -> R {
        let watch = Self(Mutex::new(Now {
            doing: String::new(),
            statement: None,
            since: Instant::now(),
            due: 1,
            step,
        }));
        let Some(step) = step else {
            return work(&watch);
        };
        // Dropped when the work is done, however it ends.
        let (working, is_over) = mpsc::channel::<()>();
        std::thread::scope(|scope| {
            let shown = &watch;
            scope.spawn(move || {
                let tick = Duration::from_millis(500);
                while is_over.recv_timeout(tick) == Err(mpsc::RecvTimeoutError::Timeout) {
                    shown.show(step);
                }
            });
            let working = working;
            let result = work(&watch);
            drop(working);
            result
        })
    }

    /// Something new begins.
    pub(crate) fn begin(&self, doing: impl FnOnce() -> String) {
        self.change(|now| {
            if let Some(step) = now.step {
                now.doing = doing();
                step.say(&now.doing);
            }
            now.statement = None;
        });
    }

    /// The statement at hand.
    pub(crate) fn at(&self, number: usize, sql: &'s str) {
        self.change(|now| now.statement = Some((number, sql)));
    }

    /// No statement of the file is at hand any more.
    pub(crate) fn at_books(&self) {
        self.change(|now| now.statement = None);
    }

    fn change(&self, change: impl FnOnce(&mut Now<'s>)) {
        // Poisoned only by a panic, which ends the run anyway.
        if let Ok(mut now) = self.0.lock() {
            now.since = Instant::now();
            now.due = 1;
            change(&mut now);
        }
    }

    fn show(&self, step: &Step<'_>) {
        let Ok(mut now) = self.0.lock() else { return };
        let seconds = now.since.elapsed().as_secs();
        if seconds == 0 || (step.bar.is_none() && seconds < now.due) {
            return;
        }
        now.due = match seconds {
            ..10 => 10,
            10..60 => 60,
            _ => seconds + 60,
        };
        let statement = match now.statement {
            Some((number, sql)) => format!(": statement {number}, {}", beginning(sql)),
            None => String::new(),
        };
        step.say(&format!("{}{statement}, {seconds} s", now.doing));
    }
}

impl Drop for Step<'_> {
    fn drop(&mut self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}

/// The work continues even if no one reads it.
fn print(text: &str) {
    let _ = writeln!(anstream::stderr(), "{text}");
}
