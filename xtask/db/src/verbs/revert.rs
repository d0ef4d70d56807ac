//! `db revert`: run down.sql, newest first.

use crate::app::App;
use crate::database::guard::Purpose;
use crate::database::runner;
use crate::database::session::Session;
use crate::database::target::{Target, Visit};
use crate::database::task::{Done, Task};
use crate::ui::failure::{Failure, Kind, Result};
use crate::ui::report::{GOOD, Outcome, Report, count, duration};
use crate::verbs::confirm::Confirmation;
use crate::verbs::downward::Chosen;
use crate::verbs::migrate::detail;
use crate::verbs::outcome::{lines, outcome, stopped};

/// Revert the newest migrations of a service with their down.sql
///
/// It asks for the name of the database if no migration would stay applied, or if the database is protected or on
/// another machine.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// The service
    service: String,
    /// How many to revert
    #[arg(short, value_name = "N", default_value_t = 1, conflicts_with_all = ["to", "all"])]
    number: usize,
    /// Revert what is newer than this version; it stays applied
    #[arg(long, value_name = "VERSION", conflicts_with = "all")]
    to: Option<String>,
    /// Revert every migration
    #[arg(long)]
    all: bool,
    #[command(flatten)]
    confirmation: Confirmation,
}

pub(crate) fn run(app: &App, args: &Args) -> Result<Report, Vec<Failure>> {
    let targets = app.targets_to_write(std::slice::from_ref(&args.service))?;
    let outcomes = app.visit(&targets, Purpose::Write, |visit| Ok(revert(visit, args)))?;
    Ok(lines(&targets, outcomes, "not reverted"))
}

fn revert(mut visit: Visit<'_>, args: &Args) -> Outcome {
    let (app, target) = (visit.app, visit.target);
    let mut done = Vec::<Done>::new();
    let result = (|| {
        let number = number(&visit, args)?;
        let chosen = Chosen::of(&visit, number);
        let tasks = chosen.tasks(target)?;
        chosen.confirm(&mut visit, &args.confirmation)?;
        // After the question: a spinner would overwrite it.
        let step = visit.app.progress.step(&target.service.name);
        let mut session = Session::open(visit, &step, tasks.iter().map(Task::sql))?;
        chosen.still_holds(&session)?;
        let ran = runner::run(&mut session, &tasks, &step);
        done = ran.done;
        ran.failed.map_or(Ok(()), |failed| {
            let go_on = go_on(target, &chosen);
            let advice = format!("fix its down.sql, then: {go_on}");
            Err(failed.advised(&advice, &format!("to continue: {go_on}")))
        })
    })();
    let time = done.iter().map(|done| done.duration).sum();
    let summary = match (&result, done.len()) {
        (Err(failure), 0) if !matches!(failure.kind, Kind::Migration | Kind::Interrupted) => {
            "not reverted".to_owned()
        }
        (Err(failure), number) => stopped(failure, number),
        (Ok(()), 0) => "nothing to revert".to_owned(),
        (Ok(()), number) => format!(
            "{GOOD}reverted {}{GOOD:#} in {}",
            count(number, "migration"),
            duration(time)
        ),
    };
    Outcome {
        details: done.iter().map(|done| detail(app, done)).collect(),
        failure: result.err(),
        ..outcome(target, summary)
    }
}

/// How many of the newest are meant.
fn number(visit: &Visit<'_>, args: &Args) -> Result<usize> {
    let Some(to) = &args.to else {
        return Ok(if args.all { usize::MAX } else { args.number });
    };
    let target = visit.target;
    let last = target.migrations.named(target.service, to)?;
    let applied = visit.state.applied.iter();
    Ok(applied
        .filter(|applied| applied.version > last.version)
        .count())
}

/// The same number once more would take others down, where some of them went before the failure.
fn go_on(target: &Target<'_>, chosen: &Chosen) -> String {
    let what = match chosen.stays() {
        Some(version) => format!("--to {version}"),
        None => "--all".to_owned(),
    };
    format!("cargo xtask db revert {} {what}", target.service.name)
}
