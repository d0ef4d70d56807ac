//! The one place that prints: data to stdout, failures to stderr, and the exit code.

use std::io::{ErrorKind, Write as _};
use std::process::ExitCode;

use anstyle::{AnsiColor, Style};
use similar::{ChangeTag, TextDiff};

use crate::ui::failure::{Failure, Kind};

pub(crate) const GOOD: Style = AnsiColor::Green.on_default();
pub(crate) const BAD: Style = AnsiColor::Red.on_default().bold();
pub(crate) const NOTE: Style = AnsiColor::Yellow.on_default();
pub(crate) const DIM: Style = Style::new().dimmed();

/// What a verb hands back.
#[derive(Default)]
pub(crate) struct Report {
    /// For stdout: text with styles, JSON or SQL.
    pub(crate) data: String,
    pub(crate) failures: Vec<Failure>,
    /// Whether there is something to look at, for the exit code.
    pub(crate) findings: bool,
    /// That of a program which was run in our place, unless something failed.
    pub(crate) exit_code: Option<u8>,
}

impl Report {
    /// Only data.
    pub(crate) fn data(data: impl Into<String>) -> Self {
        Self {
            data: data.into(),
            ..Self::default()
        }
    }

    /// Prints it all and gives the exit code: the highest of all failures.
    pub(crate) fn print(&self) -> ExitCode {
        let mut stdout = anstream::stdout().lock();
        let written = stdout
            .write_all(self.data.as_bytes())
            .and_then(|()| stdout.flush());
        let unwritten = match written {
            // A closed pipe (`… | head`) is the reader's wish, not a failure.
            Err(error) if error.kind() != ErrorKind::BrokenPipe => Some(
                Failure::usage(format!("failed to write to standard output: {error}"))
                    .help("the command did its work, but its report is lost"),
            ),
            _ => None,
        };
        let failures = || self.failures.iter().chain(&unwritten);
        for failure in failures() {
            anstream::eprintln!("{BAD}error{BAD:#}: {}", failure.message);
            for place in &failure.places {
                anstream::eprintln!("  {DIM}-->{DIM:#} {place}");
            }
            for help in &failure.help {
                anstream::eprintln!(
                    "  {NOTE}help{NOTE:#}: {}",
                    help.trim_end().replace('\n', "\n  ")
                );
            }
        }
        let worst = failures().map(|failure| failure.kind).max();
        let worst = worst.or(self.findings.then_some(Kind::Findings));
        let of_program = self.exit_code.unwrap_or_default();
        ExitCode::from(worst.map_or(of_program, |kind| kind as u8))
    }
}

impl From<Vec<Failure>> for Report {
    fn from(failures: Vec<Failure>) -> Self {
        Self {
            failures,
            ..Self::default()
        }
    }
}

/// What became of one service: a line, more lines below it, and the failure that ended it.
pub(crate) struct Outcome {
    pub(crate) service: String,
    pub(crate) database: String,
    pub(crate) summary: String,
    pub(crate) details: Vec<String>,
    pub(crate) failure: Option<Failure>,
}

impl FromIterator<Outcome> for Report {
    /// A table of the services' lines; the failures come after all of them.
    fn from_iter<I: IntoIterator<Item = Outcome>>(outcomes: I) -> Self {
        let outcomes: Vec<_> = outcomes.into_iter().collect();
        let width = |text: fn(&Outcome) -> &str| {
            outcomes
                .iter()
                .map(|o| text(o).chars().count())
                .max()
                .unwrap_or(0)
        };
        let (service, database) = (width(|o| &o.service), width(|o| &o.database));
        let mut report = Self::default();
        for outcome in outcomes {
            let summary = match &outcome.failure {
                None => outcome.summary,
                Some(_) => format!("{BAD}{}{BAD:#}", outcome.summary),
            };
            report.data.push_str(&format!(
                "{:service$}  {DIM}{:database$}{DIM:#}  {summary}\n",
                outcome.service, outcome.database
            ));
            for detail in outcome.details {
                report.data.push_str(&format!(
                    "{:service$}    {}\n",
                    "",
                    detail.replace('\n', "\n      ")
                ));
            }
            report.failures.extend(outcome.failure);
        }
        report
    }
}

/// A unified diff of two texts, each with the name that is shown.
pub(crate) fn diff((old, from): (&str, &str), (new, to): (&str, &str)) -> String {
    let diff = TextDiff::from_lines(old, new);
    let mut text = format!("--- {from}\n+++ {to}\n");
    for hunk in diff.unified_diff().iter_hunks() {
        text.push_str(&format!("{DIM}{}{DIM:#}\n", hunk.header()));
        for change in hunk.iter_changes() {
            let line = change.value().trim_end_matches(['\r', '\n']);
            text.push_str(&match change.tag() {
                ChangeTag::Delete => format!("{BAD}-{line}{BAD:#}\n"),
                ChangeTag::Insert => format!("{GOOD}+{line}{GOOD:#}\n"),
                ChangeTag::Equal => format!(" {line}\n"),
            });
        }
    }
    text
}

/// A duration as a person reads it.
pub(crate) fn duration(time: std::time::Duration) -> String {
    match time.as_secs_f64() {
        seconds if seconds < 1.0 => format!("{} ms", (seconds * 1000.0).round()),
        seconds if seconds < 100.0 => format!("{seconds:.1} s"),
        seconds => format!(
            "{} min {} s",
            (seconds / 60.0).floor(),
            (seconds % 60.0).floor()
        ),
    }
}

/// `1 migration`, `2 migrations`.
pub(crate) fn count(number: usize, noun: &str) -> String {
    format!("{number} {noun}{}", if number == 1 { "" } else { "s" })
}

/// `value` as JSON text for stdout.
pub(crate) fn json(value: &impl serde::Serialize) -> String {
    serde_json::to_string_pretty(value)
        .map(|text| text + "\n")
        .unwrap_or_default()
}
