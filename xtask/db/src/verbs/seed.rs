//! `db seed`: rows to work with, from a service's `seeds/*.sql`.

use std::path::PathBuf;
use std::time::Instant;

use anyhow::Context as _;

use crate::app::App;
use crate::database::guard::Purpose;
use crate::database::interrupt::{self, AtHand};
use crate::database::session::{RESET, Session};
use crate::database::state::State;
use crate::database::target::{Target, Visit};
use crate::migrations::folder::Sql;
use crate::pg::SqlError;
use crate::sql::diagnostic;
use crate::sql::statements::{Script, offset_of};
use crate::ui::failure::{Failure, Kind, Result};
use crate::ui::report::{GOOD, Outcome, Report, count, duration};
use crate::verbs::confirm::is_guarded;
use crate::verbs::outcome::{lines, outcome};
use crate::verbs::services::Services;
use crate::workspace::Service;

/// Run each service's `seeds/*.sql`, by name, each in a transaction
///
/// Every run executes all seeds, so write them so that a second run changes nothing (`ON CONFLICT DO NOTHING`).
#[derive(clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    services: Services,
    /// Allow this on a protected database, or on another machine
    #[arg(long)]
    force: bool,
}

/// A file with statements.
pub(crate) struct Seed {
    path: PathBuf,
    sql: String,
}

pub(crate) fn run(app: &App, args: &Args) -> Result<Report, Vec<Failure>> {
    of(app, &args.services.names, args.force)
}

/// The services that have seeds.
pub(crate) fn there_are(app: &App) -> Vec<&str> {
    let services = app.workspace.services.iter();
    let has = |service: &&Service| paths(service).is_ok_and(|paths| !paths.is_empty());
    services
        .filter(has)
        .map(|service| service.name.as_str())
        .collect()
}

/// Seeds the databases of these services; with `force` also one that is protected, or not on this machine.
///
/// # Errors
/// What makes it wrong to begin.
pub(crate) fn of(app: &App, names: &[String], force: bool) -> Result<Report, Vec<Failure>> {
    let targets = app.targets_to_write(names)?;
    // Each is read before one is run.
    for target in &targets {
        read(app, target.service)?;
    }
    let outcomes = app.visit(&targets, Purpose::Write, |visit| {
        let seeds = read(app, visit.target.service)?;
        match seeds.is_empty() {
            true => Ok(outcome(visit.target, "no seeds")),
            false => fill(visit, &seeds, force),
        }
    })?;
    Ok(lines(&targets, outcomes, "not seeded"))
}

/// The seeds of a service, by name.
fn paths(service: &Service) -> anyhow::Result<Vec<PathBuf>> {
    let folder = service.folder.join("seeds");
    if !folder.is_dir() {
        return Ok(Vec::new());
    }
    let entries = std::fs::read_dir(&folder);
    let entries = entries.with_context(|| format!("failed to read `{}`", folder.display()))?;
    let mut paths: Vec<_> = entries.flatten().map(|entry| entry.path()).collect();
    paths.retain(|path| path.extension().is_some_and(|extension| extension == "sql"));
    paths.sort();
    Ok(paths)
}

/// The seeds of a service.
///
/// # Errors
/// One that can't be read, or that ends its own transaction.
pub(crate) fn read(app: &App, service: &Service) -> Result<Vec<Seed>> {
    let read = |path: PathBuf| {
        let failed = || format!("failed to read `{}`", path.display());
        let sql = Sql::read(&path).into_text().with_context(failed)?;
        if let Some((statement, _)) = Script::of(&sql).forbidden_end(true) {
            return Err(failure(
                app,
                service,
                &Seed {
                    path,
                    sql: sql.clone(),
                },
                Some(statement.start),
                &SqlError {
                    message: "the file ends its own transaction: remove that".to_owned(),
                    ..SqlError::default()
                },
            ));
        }
        Ok(Seed { path, sql })
    };
    paths(service)?.into_iter().map(read).collect()
}

fn fill(visit: Visit<'_>, seeds: &[Seed], force: bool) -> Result<Outcome> {
    let begin = Instant::now();
    let Visit { app, target, .. } = visit;
    let service = target.service;
    if !force {
        only_local(target, &visit.state)?;
    }
    let step = app.progress.step(&service.name);
    let mut session = Session::open(visit, &step, seeds.iter().map(|seed| seed.sql.as_str()))?;
    if !force {
        // It may have been protected while the lock was waited for.
        only_local(target, &session.state)?;
    }
    let pending = target.migrations.plan(&session.state.versions()).pending;
    if !pending.is_empty() {
        return Err(Failure::new(
            Kind::Findings,
            format!(
                "service `{}` has {}, which its seeds may need",
                service.name,
                count(pending.len(), "pending migration")
            ),
        )
        .help(format!("run `cargo xtask db migrate {}`", service.name)));
    }
    for seed in seeds {
        step.say(&format!("seeding {}", app.workspace.shown(&seed.path)));
        run_one(&mut session, seed)?;
    }
    let summary = format!(
        "{GOOD}seeded{GOOD:#} from {} in {}",
        count(seeds.len(), "file"),
        duration(begin.elapsed())
    );
    let names = seeds.iter().filter_map(|seed| seed.path.file_name());
    Ok(Outcome {
        details: names.map(|name| name.display().to_string()).collect(),
        ..outcome(target, summary)
    })
}

/// Rows to work with have no business where others work.
fn only_local(target: &Target<'_>, state: &State) -> Result<()> {
    let Target { service, url, .. } = target;
    if !is_guarded(target, state) {
        return Ok(());
    }
    let reason = match state.is_protected() {
        true => "which is protected",
        false => "which is not on this machine",
    };
    Err(Failure::new(
        Kind::NotConfirmed,
        format!(
            "refused: seeds are for local databases, and this would fill database `{}` of service `{}`, {reason}",
            url.database, service.name
        ),
    )
    .at(url.place())
    .help("to do it anyway, add `--force`"))
}

/// All of a file, or nothing of it.
fn run_one(session: &mut Session<'_>, seed: &Seed) -> Result<()> {
    let (app, target) = (session.app, session.target);
    let shown = || format!("`{}` was started", app.workspace.shown(&seed.path));
    interrupt::check(shown)?;
    let connection = &mut session.connection;
    let at_hand = AtHand::of(connection);
    let ran = connection
        .execute("BEGIN")
        .and_then(|()| connection.execute(&seed.sql));
    drop(at_hand);
    let ended = ran.is_ok() && !connection.in_transaction();
    let done = ran.and_then(|()| connection.execute(&format!("{RESET}; COMMIT")));
    let fail = |error: &SqlError, offset| {
        let mut failure = failure(app, target.service, seed, offset, error);
        // query_canceled
        if error.sqlstate == "57014" && interrupt::is_interrupted() {
            failure.kind = Kind::Interrupted;
        }
        match ended {
            true => failure,
            false => failure.help("this file was rolled back; the files before it were kept"),
        }
    };
    match done {
        Ok(()) if ended => Err(fail(
            &SqlError {
                message: "the file ended its own transaction: remove that".to_owned(),
                ..SqlError::default()
            },
            None,
        )),
        Ok(()) => Ok(()),
        Err(error) => {
            // Where the connection is lost, the server rolls back.
            let _ = connection.execute(&format!("ROLLBACK; {RESET}"));
            let script = Script::of(&seed.sql);
            let offset = match error.position {
                Some(position) => Some(offset_of(&seed.sql, position)),
                None => {
                    let statement = script.statements.get(error.statements_done);
                    statement.filter(|_| script.is_sure).map(|it| it.start)
                }
            };
            Err(fail(&error, offset))
        }
    }
}

fn failure(
    app: &App,
    service: &Service,
    seed: &Seed,
    offset: Option<usize>,
    error: &SqlError,
) -> Failure {
    let path = app.workspace.shown(&seed.path);
    Failure::new(
        Kind::Migration,
        format!(
            "failed to seed the database of service `{}`\n{}",
            service.name,
            diagnostic::render(&path, &seed.sql, offset, error)
        ),
    )
}
