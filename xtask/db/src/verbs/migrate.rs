//! `db migrate`: apply what is pending.

use crate::app::App;
use crate::database::books::LedgerBooks;
use crate::database::claim;
use crate::database::guard;
use crate::database::ledger::RunKind;
use crate::database::runner::{self, Done, Ran, Task};
use crate::database::script;
use crate::database::session::Session;
use crate::database::state::State;
use crate::database::target::{Seen, Target};
use crate::migrations::Migration;
use crate::pg::Connection;
use crate::ui::failure::{Failure, Result};
use crate::ui::parallel;
use crate::ui::report::{GOOD, NOTE, Outcome, Report, count, duration};

/// Apply the pending migrations
#[derive(clap::Args, Default)]
pub(crate) struct Args {
    /// The services; all that have a database if none is named
    #[arg(value_name = "SERVICE")]
    services: Vec<String>,
    /// Stop after this version (a version, or the name of a migration's folder)
    #[arg(long, value_name = "VERSION")]
    to: Option<String>,
    /// Only list what would be applied
    #[arg(long, conflicts_with = "sql")]
    dry_run: bool,
    /// Print one script per service instead, bookkeeping included
    #[arg(long)]
    sql: bool,
    /// Go on although applied migrations were edited since, and take their new text as the applied one
    #[arg(long)]
    accept_edited: bool,
}

pub(crate) fn run(app: &App, args: &Args) -> Result<Report, Vec<Failure>> {
    let targets = app.targets_to_write(&args.services)?;
    // Before anything is written, `--to` must make sense for every service.
    let (mut limits, mut failures) = (Vec::new(), Vec::new());
    for target in &targets {
        match limit(target, args) {
            Ok(limit) => limits.push(limit),
            Err(failure) => failures.push(failure),
        }
    }
    if !failures.is_empty() {
        return Err(failures);
    }
    let seen = app.look(&targets);
    App::refuse_shared(&targets, &seen)?;
    let work: Vec<_> = targets.iter().zip(limits).zip(seen).collect();
    let jobs = if args.sql { 1 } else { app.jobs };
    let outcomes = parallel::each(jobs, work, |((target, limit), seen)| {
        let Some(Seen { state, idle }) = seen? else {
            return Err(target.url.missing(target.service));
        };
        let state = &state;
        guard::owned(
            &app.workspace,
            target.service,
            &target.url,
            &target.migrations,
            state,
        )?;
        let accept = args.accept_edited;
        if !accept {
            guard::unedited(target.service, &target.migrations, state)?;
        }
        let pending = pending(target, limit.as_deref(), state);
        Ok(if args.sql {
            Planned::Script(script::migrate(target, &pending, state))
        } else if args.dry_run {
            Planned::Done(listed(target, &pending))
        } else if pending.is_empty()
            && claim::is_settled(state)
            && state.edited(&target.migrations).is_empty()
        {
            Planned::Done(outcome(target, format!("up to date at {}", current(state))))
        } else {
            Planned::Done(migrate(app, target, limit.as_deref(), accept, idle)?)
        })
    });
    if args.sql {
        return Ok(scripts(outcomes));
    }
    Ok(targets
        .iter()
        .zip(outcomes)
        .map(|(target, planned)| match planned {
            Ok(Planned::Done(outcome)) => outcome,
            Ok(Planned::Script(_)) => outcome(target, String::new()),
            Err(failure) => Outcome {
                failure: Some(failure),
                ..outcome(target, "not migrated".to_owned())
            },
        })
        .collect())
}

/// What became of one service.
enum Planned {
    Done(Outcome),
    Script(String),
}

fn limit(target: &Target<'_>, args: &Args) -> Result<Option<String>> {
    let named = args
        .to
        .as_ref()
        .map(|to| target.migrations.named(target.service, to))
        .transpose()?;
    Ok(named.map(|migration| migration.version.clone()))
}

fn pending<'t>(target: &'t Target<'_>, limit: Option<&str>, state: &State) -> Vec<&'t Migration> {
    let mut pending = target.migrations.plan(&state.versions()).pending;
    pending.retain(|migration| limit.is_none_or(|limit| migration.version.as_str() <= limit));
    pending
}

fn current(state: &State) -> String {
    state.applied.last().map_or_else(
        || "the beginning".to_owned(),
        |applied| applied.version.clone(),
    )
}

pub(crate) fn outcome(target: &Target<'_>, summary: String) -> Outcome {
    Outcome {
        service: target.service.name.clone(),
        database: target.url.database.clone(),
        summary,
        details: Vec::new(),
        failure: None,
    }
}

/// Applies what is pending once the lock is held.
fn migrate(
    app: &App,
    target: &Target<'_>,
    limit: Option<&str>,
    accept: bool,
    idle: Option<Connection>,
) -> Result<Outcome> {
    let step = app.progress.step(&target.service.name);
    let mut session = Session::open(app, target, &step, idle)?;
    let mut details = Vec::new();
    if accept {
        details = accept_edited(&mut session)?;
    } else {
        guard::unedited(target.service, &target.migrations, &session.state)?;
    }
    let pending = pending(target, limit, &session.state);
    let late = target
        .migrations
        .plan(&session.state.versions())
        .out_of_order;
    let tasks: Vec<_> = pending.iter().copied().map(Task::up).collect();
    let Ran { mut done, failed } = runner::run(&mut session, &tasks, &step);
    for done in &mut done {
        if late.iter().any(|late| late.name == done.name) {
            done.notes
                .push("older than what was applied before: merged from another branch?".to_owned());
        }
    }
    let failure = failed.map(|failed| match &pending[done.len() + 1..] {
        [] => failed.failure,
        not_run @ [next, ..] => failed.failure.help(format!(
            "not run: {} after it, from `{}` on",
            count(not_run.len(), "migration"),
            next.name
        )),
    });
    let time = done.iter().map(|done| done.duration).sum();
    let summary = match (&failure, done.len()) {
        (Some(_), number) => format!("failed after {}", count(number, "migration")),
        (None, 0) => format!("up to date at {}", current(&session.state)),
        (None, number) => format!(
            "{GOOD}applied {}{GOOD:#} in {}",
            count(number, "migration"),
            duration(time)
        ),
    };
    details.extend(done.iter().map(detail));
    Ok(Outcome {
        details,
        failure,
        ..outcome(target, summary)
    })
}

/// The line of one migration that was run, with what was said meanwhile.
pub(crate) fn detail(done: &Done) -> String {
    let mut line = format!("{}  {}", done.name, duration(done.duration));
    for note in &done.notes {
        line.push_str(&format!("\n{NOTE}note{NOTE:#}: {note}"));
    }
    line
}

/// Gives a line for each edit that is acknowledged.
fn accept_edited(session: &mut Session<'_>) -> Result<Vec<String>> {
    let target = session.target;
    let books = LedgerBooks {
        history_schema: &session.state.history_schema,
    };
    let (mut noted, mut accepted) = (Vec::new(), Vec::new());
    for version in session.state.edited(&target.migrations) {
        let applied = session
            .state
            .applied
            .iter()
            .find(|applied| applied.version == version);
        if let (Some(migration), Some(applied)) = (target.migrations.get(&version), applied) {
            noted.push(books.noted(migration, RunKind::Accept, &applied.run_on));
            accepted.push(format!(
                "{}  its new text is accepted as the applied one",
                migration.name
            ));
        }
    }
    let noted: Vec<_> = noted.iter().map(String::as_str).collect();
    session
        .connection
        .pipeline(&noted, |_| {})
        .map_err(|error| target.failed("acknowledge an edit in", &error))?;
    session.read_again()?;
    Ok(accepted)
}

fn listed(target: &Target<'_>, pending: &[&Migration]) -> Outcome {
    let summary = match pending.len() {
        0 => "nothing pending".to_owned(),
        number => format!("{NOTE}would apply {}{NOTE:#}", count(number, "migration")),
    };
    let mark = |migration: &&Migration| match migration.in_transaction {
        true => migration.name.clone(),
        false => format!("{}  (without a transaction)", migration.name),
    };
    Outcome {
        details: pending.iter().map(mark).collect(),
        ..outcome(target, summary)
    }
}

fn scripts(outcomes: Vec<Result<Planned>>) -> Report {
    let mut report = Report::default();
    for planned in outcomes {
        match planned {
            Ok(Planned::Script(sql)) => {
                if !report.data.is_empty() {
                    report.data.push('\n');
                }
                report.data.push_str(&sql);
            }
            Ok(Planned::Done(_)) => {}
            Err(failure) => report.failures.push(failure),
        }
    }
    report
}
