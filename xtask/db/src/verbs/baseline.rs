//! `db baseline`: an existing database becomes the service's, its migrations marked as applied without running.

use crate::app::App;
use crate::database::books::{Books as _, LedgerBooks};
use crate::database::guard;
use crate::database::ledger::RunKind;
use crate::database::session::Session;
use crate::database::state::State;
use crate::database::target::Target;
use crate::ui::failure::{Failure, Result};
use crate::ui::report::{GOOD, Outcome, Report, count};
use crate::verbs::migrate::outcome;

/// Take over an existing database: mark migrations as applied without running them
#[derive(clap::Args)]
pub(crate) struct Args {
    /// The service
    service: String,
    /// The newest version that the database already has; all of the folder's if not given
    #[arg(long, value_name = "VERSION")]
    to: Option<String>,
    /// Make the service the owner, and mark nothing
    #[arg(long, conflicts_with = "to")]
    claim_only: bool,
}

pub(crate) fn run(app: &App, args: &Args) -> Result<Report, Vec<Failure>> {
    let targets = app.targets_to_write(std::slice::from_ref(&args.service))?;
    Ok(targets
        .iter()
        .map(|target| match baseline(app, target, args) {
            Ok(summary) => outcome(target, summary),
            Err(failure) => Outcome {
                failure: Some(failure),
                ..outcome(target, "not changed".to_owned())
            },
        })
        .collect())
}

fn baseline(app: &App, target: &Target<'_>, args: &Args) -> Result<String> {
    let step = app.progress.step(&target.service.name);
    let last = args
        .to
        .as_ref()
        .map(|to| target.migrations.named(target.service, to))
        .transpose()?;
    let mut session = Session::open_unclaimed(app, target, &step, None)?;
    let Target {
        service,
        url,
        migrations,
    } = target;
    guard::not_foreign(&app.workspace, service, url, migrations, &session.state)?;
    let failed = |error| target.failed("baseline", &error);
    // Marked migrations never run: of an empty database, that would be all of them.
    if !args.claim_only && State::is_empty(&mut session.connection).map_err(failed)? {
        return Err(Failure::usage(format!(
            "database `{}` of service `{}` is empty, so there is nothing to take over",
            url.database, service.name
        ))
        .help(format!("{}: {}", url.origin, url.params))
        .help(format!("run `cargo xtask db migrate {}`", service.name)));
    }
    let owned = session.state.owner().is_some();
    let mut session = session.claim()?;
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
    session
        .connection
        .pipeline(&flight, |_| {})
        .map_err(failed)?;
    Ok(match marked {
        0 if owned => format!("already service `{}`'s; nothing to mark", service.name),
        0 => format!(
            "{GOOD}claimed{GOOD:#} for service `{}`; nothing was marked",
            service.name
        ),
        number => format!(
            "{GOOD}marked {} as applied{GOOD:#}, without running",
            count(number, "migration")
        ),
    })
}
