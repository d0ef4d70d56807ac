//! `db revert`: run down.sql, newest first.

use crate::app::App;
use crate::database::guard::Purpose;
use crate::database::runner;
use crate::database::session::Session;
use crate::database::state::State;
use crate::database::target::{Target, Visit};
use crate::database::task::{Done, Task};
use crate::ui::failure::{Failure, Kind, Result};
use crate::ui::report::{GOOD, Outcome, Report, count, duration};
use crate::verbs::confirm::{self, Confirmation};
use crate::verbs::migrate::detail;
use crate::verbs::outcome::{lines, outcome};

/// Revert the newest migrations of a service with their down.sql
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
    /// Revert every migration; destructive, so it asks
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

fn revert(visit: Visit<'_>, args: &Args) -> Outcome {
    let target = visit.target;
    let mut done = Vec::<Done>::new();
    let result = (|| {
        let newer_than = args
            .to
            .as_ref()
            .map(|to| target.migrations.named(target.service, to))
            .transpose()?;
        let choose = |state: &State| match (args.all, newer_than) {
            (true, _) => newest(target, state, usize::MAX),
            (false, None) => newest(target, state, args.number),
            (false, Some(last)) => {
                let applied = state.applied.iter();
                let newer = applied.filter(|applied| applied.version > last.version);
                newest(target, state, newer.count())
            }
        };
        // Also when a number reaches that far. The one migration of a new service is its author's to try out.
        let chosen = choose(&visit.state)?;
        let number = chosen.len();
        if number > 0 && number == visit.state.applied.len() && (args.all || number > 1) {
            let what = format!("every table and row of {}", count(number, "migration"));
            confirm::destructive(&args.confirmation, &target.url, target.service, &what)?;
        }
        // After the question: a spinner would overwrite it.
        let step = visit.app.progress.step(&target.service.name);
        let texts = chosen.iter().map(Task::sql);
        let mut session = Session::open(visit, &step, texts)?;
        let chosen = choose(&session.state)?;
        let ran = runner::run(&mut session, &chosen, &step);
        done = ran.done;
        ran.failed.map_or(Ok(()), |failed| Err(failed.failure))
    })();
    let time = done.iter().map(|done| done.duration).sum();
    let summary = match (&result, done.len()) {
        (Err(failure), 0) if failure.kind != Kind::Migration => "not reverted".to_owned(),
        (Err(_), number) => format!("failed after {}", count(number, "migration")),
        (Ok(()), 0) => "nothing to revert".to_owned(),
        (Ok(()), number) => format!(
            "{GOOD}reverted {}{GOOD:#} in {}",
            count(number, "migration"),
            duration(time)
        ),
    };
    Outcome {
        details: done.iter().map(detail).collect(),
        failure: result.err(),
        ..outcome(target, summary)
    }
}

/// The `number` newest applied migrations, newest first, with their down.sql: all of them are read before one is run.
///
/// By version, as Diesel reverts, not by the time of application.
///
/// # Errors
/// One that can't be reverted.
pub(crate) fn newest<'t>(
    target: &'t Target<'_>,
    state: &State,
    number: usize,
) -> Result<Vec<Task<'t>>> {
    state
        .applied
        .iter()
        .rev()
        .take(number)
        .map(|applied| {
            let migration = target.migrations.named(target.service, &applied.version)?;
            Ok(Task::down(migration, migration.down()?))
        })
        .collect()
}
