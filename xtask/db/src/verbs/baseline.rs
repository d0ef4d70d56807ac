//! `db baseline`: an existing database becomes the service's, its migrations marked as applied without running.

use crate::app::App;
use crate::database::books::{Books as _, LedgerBooks};
use crate::database::guard::Purpose;
use crate::database::ledger::RunKind;
use crate::database::session::Session;
use crate::database::state::State;
use crate::database::target::{Target, Visit};
use crate::ui::failure::{Failure, Result};
use crate::ui::report::{GOOD, Outcome, Report, count};
use crate::verbs::outcome::{lines, outcome};

/// Take over an existing database: mark migrations as applied without running them
#[derive(clap::Args)]
pub(crate) struct Args {
    /// The service
    service: String,
    /// The newest version that the database already has [default: the newest in the folder]
    #[arg(long, value_name = "VERSION")]
    to: Option<String>,
    /// Make the service the owner, and mark nothing
    #[arg(long, conflicts_with = "to")]
    claim_only: bool,
}

pub(crate) fn run(app: &App, args: &Args) -> Result<Report, Vec<Failure>> {
    let targets = app.targets_to_write(std::slice::from_ref(&args.service))?;
    let outcomes = app.visit(&targets, Purpose::Adopt, |visit| baseline(visit, args))?;
    Ok(lines(&targets, outcomes, "not changed"))
}

fn baseline(mut visit: Visit<'_>, args: &Args) -> Result<Outcome> {
    let target = visit.target;
    let step = visit.app.progress.step(&target.service.name);
    let last = args
        .to
        .as_ref()
        .map(|to| target.migrations.named(target.service, to))
        .transpose()?;
    let Target { service, url, .. } = target;
    let failed = |error| target.failed("baseline", &error);
    // Marked migrations never run: of an empty database, that would be all of them.
    let mut connection = visit.connection()?;
    if !args.claim_only && State::is_empty(&mut connection).map_err(failed)? {
        return Err(Failure::usage(format!(
            "database `{}` of service `{}` is empty, so there is nothing to take over",
            url.database, service.name
        ))
        .help(url.place())
        .help(format!("run `cargo xtask db migrate {}`", service.name)));
    }
    let owned = visit.state.owner().is_some();
    visit.idle = Some(connection);
    let mut session = Session::open(visit, &step, [])?;
    let pending = target.migrations.plan(&session.state.versions()).pending;
    let wanted = pending.into_iter().filter(|migration| {
        !args.claim_only && last.is_none_or(|last| migration.version <= last.version)
    });
    let books = LedgerBooks {
        history_schema: &session.state.history_schema,
    };
    let mut flight = vec!["BEGIN".to_owned()];
    flight.extend(wanted.map(|migration| books.done(migration, RunKind::Baseline, None)));
    let marked = flight.len() - 1;
    flight.push("COMMIT".to_owned());
    let flight: Vec<_> = flight.iter().map(String::as_str).collect();
    session.connection.pipeline(&flight).map_err(failed)?;
    let summary = match marked {
        0 if owned => format!("already service `{}`'s; nothing to mark", service.name),
        0 => format!(
            "{GOOD}claimed{GOOD:#} for service `{}`; nothing was marked",
            service.name
        ),
        number => format!(
            "{GOOD}marked {} as applied{GOOD:#}, without running",
            count(number, "migration")
        ),
    };
    Ok(outcome(target, summary))
}
