//! What is going on, on stderr, while it goes on: a spinner per service on a terminal, plain lines elsewhere.

use std::io::IsTerminal as _;
use std::sync::Mutex;
use std::time::Duration;

use indicatif::{MultiProgress, ProgressBar, ProgressStyle};

/// The progress of a whole run.
pub(crate) struct Progress {
    bars: Option<MultiProgress>,
}

impl Progress {
    pub(crate) fn new() -> Self {
        let plain = !std::io::stderr().is_terminal()
            || std::env::var_os("TERM").is_some_and(|term| term == "dumb");
        Self {
            bars: (!plain).then(MultiProgress::new),
        }
    }

    /// Prints a line at once, above the spinners.
    pub(crate) fn line(&self, text: &str) {
        match &self.bars {
            Some(bars) => bars.suspend(|| anstream::eprintln!("{text}")),
            None => anstream::eprintln!("{text}"),
        }
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

impl Drop for Step<'_> {
    fn drop(&mut self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}
