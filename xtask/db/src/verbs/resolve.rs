//! `db resolve`: a person says what became of a migration without a transaction that was interrupted.

use crate::app::App;
use crate::database::books::{Books as _, LedgerBooks};
use crate::database::guard::Purpose;
use crate::database::ledger::{Run, RunKind};
use crate::database::session::Session;
use crate::database::state::State;
use crate::database::target::{Target, Visit};
use crate::migrations::Migration;
use crate::pg::Literal;
use crate::sql::statements;
use crate::ui::failure::{Failure, Result};
use crate::ui::report::{GOOD, Outcome, Report};
use crate::verbs::outcome::{lines, outcome};

/// Record the outcome of an interrupted migration without a transaction, if running it again fails
#[derive(clap::Args)]
pub(crate) struct Args {
    /// The service
    service: String,
    /// The migration: its version, or its folder's name
    version: String,
    /// The database is as the migration makes it
    #[arg(
        long,
        required_unless_present = "reverted",
        conflicts_with = "reverted"
    )]
    applied: bool,
    /// The database is as it was before the migration
    #[arg(long)]
    reverted: bool,
}

pub(crate) fn run(app: &App, args: &Args) -> Result<Report, Vec<Failure>> {
    let targets = app.targets_to_write(std::slice::from_ref(&args.service))?;
    let outcomes = app.visit(&targets, Purpose::Write, |visit| resolve(visit, args))?;
    Ok(lines(&targets, outcomes, "not resolved"))
}

fn resolve(visit: Visit<'_>, args: &Args) -> Result<Outcome> {
    let target = visit.target;
    let migration = target.migrations.named(target.service, &args.version)?;
    let step = visit.app.progress.step(&target.service.name);
    let mut session = Session::open(visit, &step, [])?;
    let kind = interrupted(&session, migration)?.kind;
    if args.applied {
        no_invalid_index(&mut session, migration)?;
    }
    let failed = |error| target.failed("resolve a migration in", &error);
    let last = "SELECT max(id)::text FROM db_ledger.run WHERE version = $1";
    let row = session.connection.query_text(last, &[&migration.version]);
    let row = row.map_err(failed)?.unwrap_or_default();
    let books = LedgerBooks {
        history_schema: &session.state.history_schema,
    };
    let sql = match (kind, args.applied) {
        // With the text that the folder has now: that is what the person looked at.
        (RunKind::Up, true) => format!(
            "UPDATE db_ledger.run SET checksum = {} WHERE id = {}; {}",
            Literal(migration.checksum()),
            Literal(&row),
            books.done(migration, RunKind::Up, Some(&row))
        ),
        (RunKind::Down, false) => books.done(migration, RunKind::Down, Some(&row)),
        (_, applied) => format!(
            "UPDATE db_ledger.run SET outcome = 'failed', finished_at = clock_timestamp(), error = {} WHERE id = {}",
            Literal(match applied {
                true => "resolved: it is still applied",
                false => "resolved: it is not applied",
            }),
            Literal(&row)
        ),
    };
    let sql = format!("BEGIN; {sql}; COMMIT");
    session.connection.execute(&sql).map_err(failed)?;
    let name = &migration.name;
    Ok(outcome(
        target,
        match args.applied {
            true => format!("{GOOD}resolved{GOOD:#}: {name} is applied"),
            false => format!("{GOOD}resolved{GOOD:#}: {name} is not applied"),
        },
    ))
}

/// The last run of the migration, which was not done.
///
/// # Errors
/// There is nothing to resolve.
fn interrupted<'s>(session: &'s Session<'_>, migration: &Migration) -> Result<&'s Run> {
    let Target { service, .. } = session.target;
    let nothing = |reason: String| {
        Failure::usage(format!(
            "there is nothing to resolve for `{}` of service `{}`: {reason}",
            migration.name, service.name
        ))
    };
    if migration.in_transaction {
        return Err(nothing(
            "it runs in a transaction, so it is applied completely or not at all".to_owned(),
        ));
    }
    let is_applied = session.state.versions().contains(&migration.version);
    let mut runs = session
        .state
        .ledger
        .iter()
        .flat_map(|ledger| &ledger.unfinished);
    let run = runs.find(|run| {
        run.version == migration.version
            && match run.kind {
                RunKind::Up => !is_applied,
                RunKind::Down => is_applied,
                _ => false,
            }
    });
    run.ok_or_else(|| {
        let state = if is_applied { "applied" } else { "not applied" };
        nothing(format!(
            "it is {state}, and no run of it failed or was interrupted since"
        ))
    })
}

/// An index that PostgreSQL does not use is not what the migration makes.
fn no_invalid_index(session: &mut Session<'_>, migration: &Migration) -> Result<()> {
    let target = session.target;
    let state = State::inspect(&mut session.connection)
        .map_err(|error| target.failed("read the state of", &error))?;
    let named = |index: &&String| {
        let bare = index
            .rsplit('.')
            .next()
            .unwrap_or_default()
            .trim_matches('"');
        statements::names(&migration.up, bare)
    };
    let Some(index) = state.invalid_indexes.iter().find(named) else {
        return Ok(());
    };
    let service = &target.service.name;
    Err(Failure::usage(format!(
        "refused: index {index} of `{}` is INVALID, so the migration is not applied",
        migration.name
    ))
    .help(format!(
        "run `cargo xtask db migrate {service}`: it drops that index and builds it again"
    )))
}
