//! `db redo`: revert the newest migrations and apply them again.

use crate::app::App;
use crate::database::guard::Purpose;
use crate::database::runner;
use crate::database::session::Session;
use crate::database::target::Visit;
use crate::database::task::{Direction, Done, Task};
use crate::ui::failure::{Failure, Result};
use crate::ui::report::{GOOD, Outcome, Report, count, duration};
use crate::verbs::migrate::detail;
use crate::verbs::outcome::{lines, outcome};
use crate::verbs::revert::newest;

/// Revert the newest migrations of a service and apply them again
#[derive(clap::Args)]
pub(crate) struct Args {
    /// The service
    service: String,
    /// How many to redo
    #[arg(short, value_name = "N", default_value_t = 1)]
    number: usize,
}

pub(crate) fn run(app: &App, args: &Args) -> Result<Report, Vec<Failure>> {
    let targets = app.targets_to_write(std::slice::from_ref(&args.service))?;
    let outcomes = app.visit(&targets, Purpose::Write, |visit| {
        Ok(redo(visit, args.number))
    })?;
    Ok(lines(&targets, outcomes, "not reverted"))
}

fn redo(visit: Visit<'_>, number: usize) -> Outcome {
    let target = visit.target;
    let step = visit.app.progress.step(&target.service.name);
    let mut done = Vec::<Done>::new();
    let result = (|| {
        let downs = newest(target, &visit.state, number)?;
        let texts = downs.iter().map(Task::sql);
        let mut session = Session::open(visit, &step, target.migrations.texts().chain(texts))?;
        let mut tasks = newest(target, &session.state, number)?;
        let again: Vec<_> = tasks.iter().rev().map(|task| task.migration).collect();
        tasks.extend(again.into_iter().map(Task::up));
        let ran = runner::run(&mut session, &tasks, &step);
        done = ran.done;
        ran.failed.map_or(Ok(()), |failed| Err(failed.failure))
    })();
    let time = done.iter().map(|done| done.duration).sum();
    let (reverted, applied): (Vec<_>, Vec<_>) = done
        .iter()
        .partition(|done| done.direction == Direction::Down);
    let summary = match (&result, applied.len()) {
        (Err(_), number) => format!(
            "failed: {} reverted, {number} applied again",
            count(reverted.len(), "migration")
        ),
        (Ok(()), 0) => "nothing to redo".to_owned(),
        (Ok(()), number) => {
            format!(
                "{GOOD}reverted and applied {}{GOOD:#} in {}",
                count(number, "migration"),
                duration(time)
            )
        }
    };
    let details = done.iter().map(|done| match done.direction {
        Direction::Down => format!("down  {}", detail(done)),
        Direction::Up => format!("up    {}", detail(done)),
    });
    let details = details.collect();
    Outcome {
        details,
        failure: result.err(),
        ..outcome(target, summary)
    }
}
