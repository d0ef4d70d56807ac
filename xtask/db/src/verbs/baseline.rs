//! `db baseline`: an existing database becomes the service's, its migrations marked as applied without running.

use crate::adopt::{bookkeeping, compare, first};
use crate::app::App;
use crate::catalog::Snapshot;
use crate::database::books::{Books as _, LedgerBooks};
use crate::database::guard::Purpose;
use crate::database::ledger::RunKind;
use crate::database::session::Session;
use crate::database::state::State;
use crate::database::target::{Target, Visit};
use crate::migrations::Migration;
use crate::pg::Connection;
use crate::ui::failure::{Failure, Kind, Result};
use crate::ui::report::{GOOD, NOTE, Outcome, Report, count};
use crate::verbs::outcome::{lines, outcome};

/// Take over an existing database: mark the migrations that it has as applied, without running them
#[derive(clap::Args)]
pub(crate) struct Args {
    /// The service
    service: String,
    /// The newest version that the database has [default: the newest, unless the service already owns the database]
    #[arg(long, value_name = "VERSION")]
    to: Option<String>,
    /// Make the service the owner, and mark nothing
    #[arg(long, conflicts_with_all = ["to", "accept_difference"])]
    claim_only: bool,
    /// Write the first migration and schema.rs from the database, and change nothing in it
    #[arg(long, conflicts_with_all = ["to", "claim_only"])]
    from_database: bool,
    /// Continue even if the database differs from the migrations
    #[arg(long)]
    accept_difference: bool,
}

pub(crate) fn run(app: &App, args: &Args) -> Result<Report, Vec<Failure>> {
    if args.from_database {
        return first::run(app, &args.service, args.accept_difference);
    }
    let targets = app.targets_to_write(std::slice::from_ref(&args.service))?;
    let outcomes = app.visit(&targets, Purpose::Adopt, |visit| baseline(visit, args))?;
    Ok(lines(&targets, outcomes, "not changed"))
}

fn baseline(mut visit: Visit<'_>, args: &Args) -> Result<Outcome> {
    let target = visit.target;
    let step = visit.app.progress.step(&target.service.name);
    let owned = visit.state.owner().is_some();
    let mut connection = visit.connection()?;
    if !args.claim_only {
        not_empty(target, &mut connection)?;
    }
    let marked = to_mark(target, &visit.state, args)?;
    let (mut live, mut details) = (None, Vec::new());
    if !marked.is_empty() {
        step.say("comparing it with its migrations");
        (live, details) = compared(&visit, &mut connection, &marked, args)?;
    }
    visit.idle = Some(connection);
    let mut session = Session::open(visit, &step, [])?;
    // Another run may have been at work until the lock was held.
    if let Some(live) = live
        && compare::snapshot(target, &mut session.connection)? != live
    {
        return Err(changed(target, &marked));
    }
    let number = mark(&mut session, &marked)?;
    let name = &target.service.name;
    let summary = match number {
        0 if owned => format!("already service `{name}`'s; nothing to mark"),
        0 => format!("{GOOD}claimed{GOOD:#} for service `{name}`; nothing was marked"),
        number => format!(
            "{GOOD}marked {} as applied{GOOD:#}, without running",
            count(number, "migration")
        ),
    };
    Ok(Outcome {
        details,
        ..outcome(target, summary)
    })
}

/// Compares the database with what its migrations and `marked` make: its catalog if that was to be compared, and what a
/// person should know.
fn compared(
    visit: &Visit<'_>,
    connection: &mut Connection,
    marked: &[&Migration],
    args: &Args,
) -> Result<(Option<Snapshot>, Vec<String>)> {
    let target = visit.target;
    let applied = visit.state.versions();
    let mut details = Vec::new();
    let mut live = None;
    match compare::compare(visit.app, target, connection, &applied, marked) {
        Ok(compared) if args.accept_difference => details.extend(compared.shown()),
        Ok(compared) => {
            compared.agrees(target, args.to.as_deref())?;
            live = Some(compared.live);
        }
        Err(failure) if args.accept_difference => {
            details.push(format!("{NOTE}not compared{NOTE:#}: {}", failure.message));
        }
        Err(failure) => return Err(failure),
    }
    let kept = bookkeeping::find(connection).map_err(|error| target.failed("read", &error))?;
    let tables = kept.iter().filter(|kept| kept.is_table);
    details.extend(tables.map(|kept| format!("left as it is: table {}", kept.shown())));
    Ok((live, details))
}

/// The migrations that are asked for. Of a database that is the service's already, nobody is taken to mean all: it may be
/// behind for the good reason that nobody has run `db migrate`.
fn to_mark<'t>(target: &'t Target<'_>, state: &State, args: &Args) -> Result<Vec<&'t Migration>> {
    let service = target.service;
    let named = args
        .to
        .as_ref()
        .map(|to| target.migrations.named(service, to));
    let last = named.transpose()?;
    if args.claim_only {
        return Ok(Vec::new());
    }
    let plan = target.migrations.plan(&state.versions());
    let pending = plan.pending_to(last.map(|last| last.version.as_str()))?;
    if pending.is_empty() || last.is_some() || state.owner().is_none() {
        return Ok(pending);
    }
    let list = pending
        .iter()
        .map(|migration| format!("`{}`", migration.name));
    Err(Failure::usage(format!(
        "database `{}` is service `{}`'s already, and these are not applied to it: {}",
        target.url.database,
        service.name,
        list.collect::<Vec<_>>().join(", ")
    ))
    .help(format!(
        "to apply them: cargo xtask db migrate {}",
        service.name
    ))
    .help(format!(
        "if it already has their objects, name the newest: cargo xtask db baseline {} --to VERSION",
        service.name
    )))
}

/// Marked migrations never run: of an empty database, that would be all of them.
fn not_empty(target: &Target<'_>, connection: &mut Connection) -> Result<()> {
    let Target { service, url, .. } = target;
    let is_empty = State::is_empty(connection).map_err(|error| target.failed("read", &error))?;
    if !is_empty {
        return Ok(());
    }
    Err(Failure::usage(format!(
        "database `{}` of service `{}` is empty, so there is nothing to take over",
        url.database, service.name
    ))
    .at(url.place())
    .help(format!("run `cargo xtask db migrate {}`", service.name)))
}

/// The database is the service's by now, so the versions are wanted by name.
fn changed(target: &Target<'_>, marked: &[&Migration]) -> Failure {
    let failure = Failure::new(
        Kind::WrongDatabase,
        format!(
            "refused: database `{}` was changed while it was compared, and nothing was marked",
            target.url.database
        ),
    );
    let newest = marked.last().map_or("VERSION", |newest| &newest.version);
    failure.help(format!(
        "when no one else changes it: cargo xtask db baseline {} --to {newest}",
        target.service.name
    ))
}

/// Records the migrations as applied, except those that another run has applied in the meantime; gives their number.
fn mark(session: &mut Session<'_>, marked: &[&Migration]) -> Result<usize> {
    let target = session.target;
    let failed = |error| target.failed("baseline", &error);
    let applied = session.state.versions();
    let books = LedgerBooks {
        history_schema: &session.state.history_schema,
    };
    let new = marked.iter().filter(|one| !applied.contains(&one.version));
    let mut flight = vec!["BEGIN".to_owned()];
    flight.extend(new.map(|migration| books.done(migration, RunKind::Baseline, None)));
    let number = flight.len() - 1;
    flight.push("COMMIT".to_owned());
    let flight: Vec<_> = flight.iter().map(String::as_str).collect();
    session.connection.pipeline(&flight).map_err(failed)?;
    Ok(number)
}
