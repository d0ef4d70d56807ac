//! `db protect`: the database says of itself that nothing in it is destroyed by the way.

use crate::app::App;
use crate::database::guard::Purpose;
use crate::database::ledger;
use crate::database::session::Session;
use crate::database::target::Visit;
use crate::ui::failure::{Failure, Result};
use crate::ui::report::{GOOD, Outcome, Report};
use crate::verbs::outcome::{lines, outcome};

/// Protect a database: commands that destroy data in it need `--force` and its name
///
/// The database stores the protection, so it also works through a tunnel that makes production look like a local server.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// The service
    service: String,
    /// Remove the protection
    #[arg(long)]
    off: bool,
}

/// What is said of a protected database.
pub(crate) const PROTECTED: &str = "protected: destroying its data needs `--force` and its name";

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
