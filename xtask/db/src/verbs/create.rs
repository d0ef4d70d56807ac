//! `db create`: the databases that are missing, each stamped with its owner.

use std::time::Duration;

use crate::app::App;
use crate::database::guard::{self, Purpose};
use crate::database::identity::Identity;
use crate::database::script;
use crate::database::session::Session;
use crate::database::state::State;
use crate::database::target::{Seen, Target, Visit};
use crate::pg::{Ident, SqlError};
use crate::ui::failure::{Failure, Kind, Result};
use crate::ui::parallel;
use crate::ui::report::{GOOD, Report};
use crate::verbs::outcome::{lines, outcome};
use crate::verbs::services::Services;

/// Create the missing databases, and record their owners
#[derive(clap::Args, Default)]
pub(crate) struct Args {
    #[command(flatten)]
    services: Services,
    /// Print the script for a database administrator instead; connects to no server
    #[arg(long)]
    sql: bool,
}

impl Args {
    /// Of these services.
    pub(crate) fn of(services: Services) -> Self {
        Self {
            services,
            ..Self::default()
        }
    }
}

pub(crate) fn run(app: &App, args: &Args) -> Result<Report, Vec<Failure>> {
    let targets = app.targets_to_write(&args.services.names)?;
    if args.sql {
        return Ok(Report::data(
            targets
                .iter()
                .map(script::create)
                .collect::<Vec<_>>()
                .join("\n"),
        ));
    }
    let found = parallel::each(app.jobs, &targets, look);
    let known = targets.iter().zip(&found).filter_map(|(target, found)| {
        let server = match found.as_ref().ok()? {
            Found::Existing(seen) => seen.state.identity.as_ref()?,
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
    let made = parallel::each(app.jobs, work, |(target, found)| {
        create(app, target, found?).map(|summary| outcome(target, summary))
    });
    Ok(lines(&targets, made, "not created"))
}

/// What is there before we write.
enum Found {
    Existing(Box<Seen>),
    /// On that server.
    Missing {
        server: Identity,
    },
}

fn look(target: &Target<'_>) -> Result<Found> {
    if let Some(seen) = target.look(State::read_identified)? {
        return Ok(Found::Existing(Box::new(seen)));
    }
    let server = target.url.connect_server();
    let mut server = server.map_err(|reason| target.url.unreachable(target.service, &reason))?;
    let server = Identity::read(&mut server);
    let server = server.map_err(|error| {
        target.failed("read the identity of the server, to make on it the", &error)
    })?;
    Ok(Found::Missing { server })
}

fn create(app: &App, target: &Target<'_>, found: Found) -> Result<String> {
    let step = app.progress.step(&target.service.name);
    let (seen, created) = match found {
        Found::Existing(seen) => (*seen, false),
        Found::Missing { .. } => {
            let created = create_database(target)?;
            (target.see()?, created)
        }
    };
    let visit = Visit::admitted(app, target, seen, Purpose::Write)?;
    if visit.state.owner().is_some() && visit.state.has_history {
        return Ok("exists".to_owned());
    }
    Session::open(visit, &step, [])?;
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

/// The encoding and locale of `template1`, which new databases have by default, where they are not those of `template0`:
/// on a server that was set up with another encoding, administrators make that template anew.
const LOCALE: &str = "
SELECT format(' ENCODING %L LC_COLLATE %L LC_CTYPE %L', pg_encoding_to_char(one.encoding), one.datcollate, one.datctype)
    || CASE j.one->>'datlocprovider'
        WHEN 'i' THEN format(' LOCALE_PROVIDER icu ICU_LOCALE %L', coalesce(j.one->>'datlocale', j.one->>'daticulocale'))
            || coalesce(' ICU_RULES ' || quote_literal(j.one->>'daticurules'), '')
        WHEN 'b' THEN format(' LOCALE_PROVIDER builtin BUILTIN_LOCALE %L', j.one->>'datlocale')
        WHEN 'c' THEN ' LOCALE_PROVIDER libc'
        ELSE '' END
FROM pg_database one, pg_database zero, LATERAL (SELECT to_jsonb(one) AS one, to_jsonb(zero) AS zero) j
WHERE one.datname = 'template1' AND zero.datname = 'template0' AND EXISTS (
    SELECT FROM unnest(ARRAY['encoding', 'datcollate', 'datctype', 'datlocprovider', 'datlocale', 'daticulocale', 'daticurules']) k
    WHERE j.one->>k IS DISTINCT FROM j.zero->>k)";

/// Creates the database; `false` if another run did in the meantime.
fn create_database(target: &Target<'_>) -> Result<bool> {
    let mut server = target
        .url
        .connect_server()
        .map_err(|reason| target.url.unreachable(target.service, &reason))?;
    let locale = server
        .query_text(LOCALE, &[])
        .map_err(|error| not_created(target, &error))?;
    // Objects of the server's template1 are not copied: they would look foreign, and no migration knows them.
    let sql = format!(
        "CREATE DATABASE {} TEMPLATE template0{}",
        Ident(&target.url.database),
        locale.unwrap_or_default()
    );
    match when_free(PAUSE, || server.execute(&sql)) {
        Ok(()) => Ok(true),
        Err(_) if target.url.exists().unwrap_or(false) => Ok(false),
        Err(error) => Err(not_created(target, &error)),
    }
}

/// How often a template that is in use is asked for again, and how long after.
const AGAIN: usize = 50;
const PAUSE: Duration = Duration::from_millis(100);

/// Creates from a template, and tries again while another session uses it.
///
/// # Errors
/// The server's; that the template is in use, only when it was asked for often enough.
fn when_free(
    pause: Duration,
    mut create: impl FnMut() -> Result<(), SqlError>,
) -> Result<(), SqlError> {
    for _ in 0..AGAIN {
        match create() {
            Err(error) if error.sqlstate == "55006" => std::thread::sleep(pause),
            created => return created,
        }
    }
    create()
}

fn not_created(target: &Target<'_>, error: &SqlError) -> Failure {
    let failure = Failure::new(
        Kind::Migration,
        format!(
            "failed to create database `{}` of service `{}`: {error}",
            target.url.database, target.service.name
        ),
    )
    .at(target.url.place());
    match error.sqlstate.as_str() {
        "42501" => failure.help(format!(
            "the role may not create databases: have an administrator run what `cargo xtask db create {} --sql` prints",
            target.service.name
        )),
        _ => failure,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// How a template answers that is in use so many times, and how often it was asked for.
    fn asked(in_use: usize, then: &str) -> (Result<(), String>, usize) {
        let mut asked = 0;
        let created = when_free(Duration::ZERO, || {
            asked += 1;
            assert!(asked < 1000, "it is asked for without end");
            let sqlstate = if asked <= in_use { "55006" } else { then };
            match sqlstate {
                "" => Ok(()),
                sqlstate => Err(SqlError {
                    sqlstate: sqlstate.to_owned(),
                    ..SqlError::default()
                }),
            }
        });
        (created.map_err(|error| error.sqlstate), asked)
    }

    #[test]
    fn a_template_that_is_in_use_is_asked_for_again_and_not_without_end() {
        assert_eq!(asked(0, ""), (Ok(()), 1));
        assert_eq!(asked(3, ""), (Ok(()), 4));
        let in_use = Err("55006".to_owned());
        assert_eq!(asked(usize::MAX, ""), (in_use, AGAIN + 1));
        let denied = Err("42501".to_owned());
        assert_eq!(asked(0, "42501"), (denied, 1));
    }
}
