//! `db redo`: revert the newest migrations and apply them again.

use crate::app::App;
use crate::database::guard::Purpose;
use crate::database::runner::{self, Done};
use crate::database::session::Session;
use crate::database::target::Visit;
use crate::ui::failure::{Failure, Result};
use crate::ui::report::{GOOD, Outcome, Report, count, duration};
use crate::verbs::migrate::detail;
use crate::verbs::outcome::{lines, outcome};
use crate::verbs::revert::{newest, revert_all};

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
    let (mut reverted, mut applied) = (Vec::<Done>::new(), Vec::<Done>::new());
    let result = (|| {
        let downs = newest(target, &visit.state, number)?;
        let texts = downs.iter().map(|(_, down)| down.as_str());
        let mut session = Session::open(visit, &step, target.migrations.texts().chain(texts))?;
        let chosen = newest(target, &session.state, number)?;
        revert_all(&mut session, &chosen, &step, &mut reverted)?;
        for (index, (migration, _)) in chosen.iter().rev().enumerate() {
            step.say(&format!(
                "applying {} ({}/{})",
                migration.name,
                index + 1,
                chosen.len()
            ));
            applied.push(runner::up(&mut session, migration)?);
        }
        Ok(())
    })();
    let time = reverted
        .iter()
        .chain(&applied)
        .map(|done| done.duration)
        .sum();
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
    let details = reverted
        .iter()
        .map(|done| format!("down  {}", detail(done)));
    let details = details
        .chain(applied.iter().map(|done| format!("up    {}", detail(done))))
        .collect();
    Outcome {
        details,
        failure: result.err(),
        ..outcome(target, summary)
    }
}
