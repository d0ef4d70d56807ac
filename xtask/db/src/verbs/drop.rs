//! `db drop`: a service's database goes, after a backup.

use crate::app::App;
use crate::ui::failure::{Failure, Result};
use crate::ui::parallel;
use crate::ui::report::{GOOD, Outcome, Report};
use crate::verbs::doomed::{self, Way};
use crate::verbs::outcome::{lines, outcome};

/// Drop a service's database, after a backup if it has rows
#[derive(clap::Args)]
pub(crate) struct Args {
    /// The service
    service: String,
    #[command(flatten)]
    way: Way,
}

pub(crate) fn run(app: &App, args: &Args) -> Result<Report, Vec<Failure>> {
    let targets = app.targets_to_write(std::slice::from_ref(&args.service))?;
    let visits = doomed::confirmed(app, &targets, &args.way)?;
    let work: Vec<_> = targets.iter().zip(visits).collect();
    let outcomes = parallel::each(app.jobs, work, |(target, visit)| {
        let Some(visit) = visit else {
            return Ok(outcome(target, "does not exist"));
        };
        let gone = doomed::drop_database(visit, &args.way, false)?;
        Ok(Outcome {
            details: gone.details,
            ..outcome(target, format!("{GOOD}dropped{GOOD:#}"))
        })
    });
    Ok(lines(&targets, outcomes, "not dropped"))
}
