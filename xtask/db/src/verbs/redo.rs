//! `db redo`: revert the newest migrations and apply them again.

use crate::app::App;
use crate::database::guard::Purpose;
use crate::database::ledger;
use crate::database::runner;
use crate::database::session::Session;
use crate::database::target::Visit;
use crate::database::task::{Direction, Done, Task};
use crate::ui::failure::{Failure, Kind, Result};
use crate::ui::report::{GOOD, Outcome, Report, count, duration};
use crate::verbs::confirm::Confirmation;
use crate::verbs::downward::Chosen;
use crate::verbs::migrate::detail;
use crate::verbs::outcome::{how_stopped, lines, outcome};

/// Revert the newest migrations of a service and apply them again
///
/// It asks for the name of the database if every migration would be reverted, or if the database is protected or on
/// another machine.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// The service
    service: String,
    /// How many to redo
    #[arg(short, value_name = "N", default_value_t = 1)]
    number: usize,
    #[command(flatten)]
    confirmation: Confirmation,
}

pub(crate) fn run(app: &App, args: &Args) -> Result<Report, Vec<Failure>> {
    let targets = app.targets_to_write(std::slice::from_ref(&args.service))?;
    let outcomes = app.visit(&targets, Purpose::Write, |visit| Ok(redo(visit, args)))?;
    Ok(lines(&targets, outcomes, "not reverted"))
}

fn redo(mut visit: Visit<'_>, args: &Args) -> Outcome {
    let (app, target) = (visit.app, visit.target);
    let mut done = Vec::<Done>::new();
    let result = (|| {
        nothing_half_redone(&mut visit)?;
        let chosen = Chosen::of(&visit, args.number);
        let mut tasks = chosen.tasks(target)?;
        chosen.confirm(&mut visit, &args.confirmation)?;
        // After the question: a spinner would overwrite it.
        let step = visit.app.progress.step(&target.service.name);
        let texts = tasks.iter().map(Task::sql);
        let mut session = Session::open(visit, &step, target.migrations.texts().chain(texts))?;
        chosen.still_holds(&session)?;
        let downs = tasks.len();
        let again: Vec<_> = tasks.iter().rev().map(|task| task.migration).collect();
        tasks.extend(again.into_iter().map(Task::up));
        let ran = runner::run(&mut session, &tasks, &step);
        done = ran.done;
        // The same command once more would take others down.
        let migrate = format!(
            "cargo xtask db migrate {} --to {}",
            target.service.name,
            chosen.newest().unwrap_or_default()
        );
        let again = format!("apply again what was reverted: {migrate}");
        let (advice, to_go_on) = match done.len() {
            0 => (
                "fix its down.sql and run the command again".to_owned(),
                format!("run the command again; or, if it is reverted by now: {migrate}"),
            ),
            number if number < downs => (again.clone(), again),
            _ => (format!("fix its up.sql, then: {migrate}"), again),
        };
        ran.failed
            .map_or(Ok(()), |failed| Err(failed.advised(&advice, &to_go_on)))
    })();
    let summary = summary(&done, result.as_ref().err());
    let details = done.iter().map(|done| match done.direction {
        Direction::Down => format!("down  {}", detail(app, done)),
        Direction::Up => format!("up    {}", detail(app, done)),
    });
    let details = details.collect();
    Outcome {
        details,
        failure: result.err(),
        ..outcome(target, summary)
    }
}

/// How far it came.
fn summary(done: &[Done], failure: Option<&Failure>) -> String {
    let time = done.iter().map(|done| done.duration).sum();
    let (reverted, applied): (Vec<_>, Vec<_>) = done
        .iter()
        .partition(|done| done.direction == Direction::Down);
    match (failure, applied.len()) {
        (Some(failure), 0) if !matches!(failure.kind, Kind::Migration | Kind::Interrupted) => {
            "not reverted".to_owned()
        }
        (Some(failure), number) => format!(
            "{}: {} reverted, {number} applied again",
            how_stopped(failure),
            count(reverted.len(), "migration")
        ),
        (None, 0) => "nothing to redo".to_owned(),
        (None, number) => {
            format!(
                "{GOOD}reverted and applied {}{GOOD:#} in {}",
                count(number, "migration"),
                duration(time)
            )
        }
    }
}

/// A failed redo has reverted migrations that are not applied again yet: the newest is now an older one, which is not meant.
fn nothing_half_redone(visit: &mut Visit<'_>) -> Result<()> {
    let target = visit.target;
    if visit.state.ledger.is_none() {
        return Ok(());
    }
    let mut connection = visit.connection()?;
    let reverted = ledger::reverted(&mut connection)
        .map_err(|error| target.failed("read the history of", &error))?;
    visit.idle = Some(connection);
    let pending = target.migrations.plan(&visit.state.versions()).pending;
    let half: Vec<_> = pending
        .iter()
        .filter(|migration| reverted.contains(&migration.version))
        .map(|migration| format!("`{}`", migration.name))
        .collect();
    if half.is_empty() {
        return Ok(());
    }
    let service = &target.service.name;
    Err(Failure::usage(format!(
        "refused: {} of service `{service}` was reverted and is not applied again yet, so `redo` would revert what is older",
        half.join(", ")
    ))
    .help(format!("to apply it: cargo xtask db migrate {service}"))
    .help(format!(
        "to revert the newest that is applied: cargo xtask db revert {service}"
    )))
}
