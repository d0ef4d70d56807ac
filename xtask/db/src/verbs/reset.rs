//! `db reset`: databases as new: dropped, created, migrated and seeded.

use crate::app::App;
use crate::ui::failure::{Failure, Result};
use crate::ui::parallel;
use crate::ui::report::{GOOD, Outcome, Report};
use crate::verbs::doomed::{self, Way};
use crate::verbs::outcome::{lines, outcome};
use crate::verbs::services::Services;
use crate::verbs::{create, migrate, protect, seed};

/// Drop, create, migrate and seed databases; those with rows are backed up first
#[derive(clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    services: Services,
    #[command(flatten)]
    way: Way,
}

pub(crate) fn run(app: &App, args: &Args) -> Result<Report, Vec<Failure>> {
    let targets = app.targets_to_write(&args.services.names)?;
    // Before anything goes.
    for target in &targets {
        seed::read(app, target.service)?;
    }
    let visits = doomed::confirmed(app, &targets, &args.way)?;
    let work: Vec<_> = targets.iter().zip(visits).collect();
    let dropped: Vec<Result<_>> = parallel::each(app.jobs, work, |(target, visit)| {
        let Some(visit) = visit else {
            return Ok((outcome(target, "did not exist"), false));
        };
        let gone = doomed::drop_database(visit, &args.way, true)?;
        let dropped = Outcome {
            details: gone.details,
            ..outcome(target, format!("{GOOD}dropped{GOOD:#}"))
        };
        Ok((dropped, gone.was_protected))
    });
    let (mut names, mut protected) = (Vec::new(), Vec::new());
    for (target, dropped) in targets.iter().zip(&dropped) {
        let Ok((_, was_protected)) = dropped else {
            continue;
        };
        names.push(target.service.name.clone());
        if *was_protected {
            protected.push(target.service.name.clone());
        }
    }
    let outcomes = dropped.into_iter().map(|dropped| Ok(dropped?.0)).collect();
    let mut report = lines(&targets, outcomes, "not reset");
    if !names.is_empty() {
        made_again(app, &names, &protected, &mut report)?;
    }
    Ok(report)
}

/// Adds what became of the databases since, up to the first step that fails.
fn made_again(
    app: &App,
    names: &[String],
    protected: &[String],
    report: &mut Report,
) -> Result<(), Vec<Failure>> {
    let services = || Services {
        names: names.to_vec(),
    };
    let created = create::run(app, &create::Args::of(services()))?;
    if !added(report, created) {
        return Ok(());
    }
    for service in protected {
        added(report, protect::run(app, &protect::Args::on(service))?);
    }
    if added(report, migrate::run(app, &migrate::Args::of(services()))?) {
        added(report, seed::of(app, names, true)?);
    }
    Ok(())
}

/// Adds a step; whether it went well.
fn added(report: &mut Report, step: Report) -> bool {
    let went_well = step.failures.is_empty();
    report.data.push_str(&format!("\n{}", step.data));
    report.failures.extend(step.failures);
    went_well
}
