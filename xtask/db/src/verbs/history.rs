//! `db history`: what ran when, by whom, how long, with what result.

use std::io::Write as _;

use serde::Serialize;
use tabwriter::TabWriter;

use crate::app::App;
use crate::database::guard::Purpose;
use crate::database::ledger::{self, Run, RunKind, RunOutcome};
use crate::database::state::State;
use crate::ui::failure::{Failure, Result};
use crate::ui::report::{self, BAD, Report};

/// Show the runs on a service's database
#[derive(clap::Args)]
pub(crate) struct Args {
    /// The service
    service: String,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

#[derive(Serialize)]
struct History<'a> {
    service: &'a str,
    database: &'a str,
    runs: Vec<Run>,
}

pub(crate) fn run(app: &App, args: &Args) -> Result<Report, Vec<Failure>> {
    let targets = app.targets(std::slice::from_ref(&args.service))?;
    let Some(target) = targets.first() else {
        return Ok(Report::default());
    };
    let mut connection = target.url.connect(target.service)?;
    let failed = |error| target.failed("read the history of", &error);
    let state = State::read(&mut connection).map_err(failed)?;
    target.admit(app, &state, Purpose::Read)?;
    let runs = match &state.ledger {
        Some(_) => ledger::history(&mut connection).map_err(failed)?,
        None => Vec::new(),
    };
    if args.json {
        let history = History {
            service: &target.service.name,
            database: &target.url.database,
            runs,
        };
        return Ok(Report::data(report::json(&history)));
    }
    if runs.is_empty() {
        return Ok(Report::data(format!(
            "nothing was run on {} yet\n",
            target.url.params
        )));
    }
    Ok(Report::data(table(&runs, state.locked)))
}

/// A line per run; the last one is `locked` if a run holds the lock.
fn table(runs: &[Run], locked: bool) -> String {
    let mut table = TabWriter::new(Vec::new()).ansi(true);
    // Writing to memory does not fail.
    let _ = writeln!(table, "STARTED\tWHAT\tMIGRATION\tTOOK\tOUTCOME\tBY");
    let is_last = |run: &Run| {
        runs.last()
            .is_some_and(|last| last.started_at == run.started_at)
    };
    for run in runs {
        let outcome = match (run.outcome, &run.error) {
            (RunOutcome::Failed, Some(error)) => format!(
                "{BAD}failed{BAD:#}: {}",
                error.lines().next().unwrap_or_default()
            ),
            (RunOutcome::Started, _) if locked && is_last(run) => "running".to_owned(),
            (RunOutcome::Started, _) => format!("{BAD}interrupted{BAD:#}"),
            (outcome, _) => outcome.to_string(),
        };
        let took = run
            .milliseconds
            .filter(|_| matches!(run.kind, RunKind::Up | RunKind::Down));
        let took = took.map(|took| {
            report::duration(std::time::Duration::from_secs_f64(took.max(0.0) / 1000.0))
        });
        let started = run
            .started_at
            .get(..19)
            .unwrap_or(&run.started_at)
            .replace('T', " ");
        let _ = writeln!(
            table,
            "{started}\t{}\t{}\t{}\t{outcome}\t{}",
            run.kind,
            run.name,
            took.unwrap_or_default(),
            run.run_by
        );
    }
    let text = table
        .into_inner()
        .map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
    text.unwrap_or_default()
}
