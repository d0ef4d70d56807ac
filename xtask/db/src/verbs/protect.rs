//! `db protect`: the database says of itself that nothing in it is destroyed by the way.

use crate::app::App;
use crate::database::guard::Purpose;
use crate::database::ledger;
use crate::database::session::Session;
use crate::database::target::Visit;
use crate::ui::failure::{Failure, Result};
use crate::ui::report::{GOOD, Outcome, Report};
use crate::verbs::outcome::{lines, outcome};

/// Protect a database: whatever destroys data in it wants `--force` and its name
///
/// The database keeps it, so it also holds where production is reached through a tunnel and looks like this machine.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// The service
    service: String,
    /// Take the protection away
    #[arg(long)]
    off: bool,
}

/// What is said of a protected database.
pub(crate) const PROTECTED: &str = "protected: to destroy data in it takes `--force` and its name";

impl Args {
    /// Of a service that is to be protected.
    pub(crate) fn on(service: &str) -> Self {
        Self {
            service: service.to_owned(),
            off: false,
        }
    }
}

pub(crate) fn run(app: &App, args: &Args) -> Result<Report, Vec<Failure>> {
    let targets = app.targets_to_write(std::slice::from_ref(&args.service))?;
    let outcomes = app.visit(&targets, Purpose::Write, |visit| protect(visit, !args.off))?;
    Ok(lines(&targets, outcomes, "not changed"))
}

fn protect(visit: Visit<'_>, protected: bool) -> Result<Outcome> {
    let target = visit.target;
    let step = visit.app.progress.step(&target.service.name);
    let mut session = Session::open(visit, &step, [])?;
    let was = session.state.is_protected();
    ledger::protect(&mut session.connection, protected)
        .map_err(|error| target.failed("protect", &error))?;
    Ok(outcome(
        target,
        match (was, protected) {
            (true, true) => "already protected".to_owned(),
            (false, true) => format!("{GOOD}{PROTECTED}{GOOD:#}"),
            (true, false) => "not protected any more".to_owned(),
            (false, false) => "was not protected".to_owned(),
        },
    ))
}
