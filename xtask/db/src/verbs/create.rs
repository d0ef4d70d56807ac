//! `db create`: the databases that are missing, each stamped with its owner.

use std::time::Duration;

use crate::app::App;
use crate::database::guard;
use crate::database::script;
use crate::database::session::Session;
use crate::database::state::{Identity, State};
use crate::database::target::Target;
use crate::pg::{Connection, Ident, SqlError};
use crate::ui::failure::{Failure, Kind, Result};
use crate::ui::parallel;
use crate::ui::report::{GOOD, Outcome, Report};
use crate::verbs::migrate::outcome;

/// Create the databases that are missing, and stamp their owner
#[derive(clap::Args, Default)]
pub(crate) struct Args {
    /// The services; all that have a database if none is named
    #[arg(value_name = "SERVICE")]
    services: Vec<String>,
    /// Print the script for a database administrator instead; connects to nothing
    #[arg(long)]
    sql: bool,
}

pub(crate) fn run(app: &App, args: &Args) -> Result<Report, Vec<Failure>> {
    let targets = app.targets_to_write(&args.services)?;
    if args.sql {
        return Ok(Report::data(
            targets
                .iter()
                .map(administrators)
                .collect::<Vec<_>>()
                .join("\n"),
        ));
    }
    let found = parallel::each(app.jobs, &targets, look);
    let known = targets.iter().zip(&found).filter_map(|(target, found)| {
        let server = match found.as_ref().ok()? {
            Found::Existing(state) => &state.identity,
            Found::Missing { server } => server,
        };
        // One of two may not exist yet, so that it has a name only.
        let database = target.url.database.clone();
        let identity = Identity {
            database,
            ..server.clone()
        };
        Some((target.service, &target.url, identity))
    });
    guard::distinct(&known.collect::<Vec<_>>())?;
    let work: Vec<_> = targets.iter().zip(found).collect();
    Ok(parallel::each(app.jobs, work, |(target, found)| {
        let made = found
            .as_ref()
            .map_err(Clone::clone)
            .and_then(|found| create(app, target, found));
        match made {
            Ok(summary) => outcome(target, summary),
            Err(failure) => Outcome {
                failure: Some(failure),
                ..outcome(target, "not created".to_owned())
            },
        }
    })
    .into_iter()
    .collect())
}

/// What is there before we write.
enum Found {
    Existing(Box<State>),
    /// The identity of the server's maintenance database.
    Missing {
        server: Identity,
    },
}

fn look(target: &Target<'_>) -> Result<Found> {
    let unreachable = |reason: String| target.url.unreachable(target.service, &reason);
    let read = |mut connection: Connection| {
        State::read(&mut connection).map_err(|error| target.failed("read the state of", &error))
    };
    match target.url.open().map_err(unreachable)? {
        Some(connection) => Ok(Found::Existing(Box::new(read(connection)?))),
        None => {
            let server = target.url.connect_server().map_err(unreachable)?;
            let server = read(server)?.identity;
            Ok(Found::Missing { server })
        }
    }
}

fn create(app: &App, target: &Target<'_>, found: &Found) -> Result<String> {
    let step = app.progress.step(&target.service.name);
    let created = match found {
        Found::Existing(state) => {
            guard::owned(
                &app.workspace,
                target.service,
                &target.url,
                &target.migrations,
                state,
            )?;
            if state.owner().is_some() && state.has_history {
                return Ok("exists".to_owned());
            }
            false
        }
        Found::Missing { .. } => create_database(target)?,
    };
    Session::open(app, target, &step, None)?;
    Ok(match created {
        true => format!(
            "{GOOD}created{GOOD:#}, owned by service `{}`",
            target.service.name
        ),
        false => format!(
            "exists, {GOOD}claimed{GOOD:#} for service `{}`",
            target.service.name
        ),
    })
}

/// Creates the database; `false` if somebody else did meanwhile.
fn create_database(target: &Target<'_>) -> Result<bool> {
    let mut server = target
        .url
        .connect_server()
        .map_err(|reason| target.url.unreachable(target.service, &reason))?;
    let sql = format!("CREATE DATABASE {}", Ident(&target.url.database));
    let mut tries = 0;
    loop {
        let Err(error) = server.execute(&sql) else {
            return Ok(true);
        };
        match error.sqlstate.as_str() {
            // The template is being copied by somebody else, or looked at.
            "55006" if tries < 50 => {
                tries += 1;
                std::thread::sleep(Duration::from_millis(100));
            }
            _ if target.url.exists().unwrap_or(false) => return Ok(false),
            _ => return Err(not_created(target, &error)),
        }
    }
}

fn not_created(target: &Target<'_>, error: &SqlError) -> Failure {
    let failure = Failure::new(
        Kind::Migration,
        format!(
            "failed to create database `{}` of service `{}`: {error}",
            target.url.database, target.service.name
        ),
    )
    .help(format!("{}: {}", target.url.origin, target.url.params));
    match error.sqlstate.as_str() {
        "42501" => failure.help(format!(
            "the role may not create databases: have an administrator run what `cargo xtask db create {} --sql` prints",
            target.service.name
        )),
        _ => failure,
    }
}

/// The script for a database administrator.
fn administrators(target: &Target<'_>) -> String {
    let Target { service, url, .. } = target;
    let role = url.params.get("user");
    let owner = role.map(|role| format!(" OWNER {}", Ident(role)));
    format!(
        "-- service {}: run with psql as a role that may create databases\n\\set ON_ERROR_STOP on\n\
         CREATE DATABASE {}{};\n{}BEGIN;\n{}COMMIT;\n",
        service.name,
        Ident(&url.database),
        owner.unwrap_or_default(),
        script::head(&service.name, &url.database, role),
        script::claim(&service.name)
    )
}
