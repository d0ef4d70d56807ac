//! What belongs to another service: tables of one name, and migrations that need what another service makes.

use std::collections::BTreeMap;

use super::told::{at, remedy};
use super::{PARTS_FROM, Trial, Watched, first_line};
use crate::app::App;
use crate::catalog::Key;
use crate::check::Finding;
use crate::migrations::{Migration, Migrations};
use crate::scratch::throwaway::{Failed, ThrowawayServer, ThrowawayServers};
use crate::sql::statements::{place_of, starts};
use crate::ui::failure::Result;
use crate::workspace::Service;

/// The SQLSTATEs of something that is not there: a table, a type, a function, a schema.
const UNDEFINED: [&str; 4] = ["42P01", "42704", "42883", "3F000"];

/// The kinds of objects that another service may have.
const KINDS: [&str; 10] = [
    "table",
    "view",
    "materialized view",
    "foreign table",
    "type",
    "function",
    "procedure",
    "aggregate",
    "sequence",
    "schema",
];

/// Where an object is made.
struct Home<'t> {
    service: &'t Service,
    migration: &'t Migration,
}

impl Home<'_> {
    fn line(&self, key: &Key) -> usize {
        line_of(&self.migration.up, &key.name)
    }

    fn shown(&self, app: &App, key: &Key) -> String {
        let path = app.workspace.shown(&self.migration.up_path());
        format!("{path}:{}", self.line(key))
    }
}

/// Tables that two services make, each told where it is made later.
pub(super) fn shared(app: &App, trials: &[(&Service, Trial)]) -> Vec<Finding> {
    let mut homes = BTreeMap::<&Key, Vec<Home<'_>>>::new();
    for (service, trial) in trials {
        let tables = trial.made.iter().filter(|(key, _)| key.kind == "table");
        for (key, index) in tables {
            let migration = &trial.migrations[*index];
            homes
                .entry(key)
                .or_default()
                .push(Home { service, migration });
        }
    }
    let mut findings = Vec::new();
    for (key, mut homes) in homes {
        homes.sort_by_key(|home| (&home.migration.version, &home.service.name));
        let Some((first, later)) = homes.split_first() else {
            continue;
        };
        findings.extend(later.iter().map(|home| {
            let message = format!(
                "table `{}` is also a table of service `{}`, made in {}",
                key.name,
                first.service.name,
                first.shown(app, key)
            );
            Finding::new("shared-table", message)
                .of(&home.service.name)
                .at(app.workspace.shown(&home.migration.up_path()), home.line(key))
                .help("a table belongs to one service: drop the copy, or give the two different names if they hold different things")
        }));
    }
    findings
}

/// The migrations that did not apply; with the service whose object they need, if that is why.
pub(super) fn failed<'c>(
    app: &'c App,
    servers: &mut ThrowawayServers<'c>,
    trials: &[(&Service, Trial)],
) -> Vec<Finding> {
    let mut others = Vec::new();
    let is_undefined = |(_, trial): &(&Service, Trial)| {
        let failed = trial.failed.as_ref();
        failed.is_some_and(|(_, failed)| UNDEFINED.contains(&failed.sqlstate.as_str()))
    };
    if trials.iter().any(is_undefined) {
        // Those that nobody asked for may be the ones that are needed.
        let is_tried =
            |service: &&Service| trials.iter().any(|(tried, _)| tried.name == service.name);
        let all = app.workspace.services.iter();
        let untried: Vec<_> = all.filter(|service| !is_tried(service)).collect();
        // That one can't be tried is told when it is asked for.
        servers.add(&untried);
        others.extend(untried.into_iter().filter_map(|service| {
            let trial = only_up(servers.of(service)?, service).ok()?;
            Some((service, trial))
        }));
    }
    let all: Vec<_> = trials.iter().chain(&others).collect();
    let failures = trials.iter().filter_map(|(service, trial)| {
        let (index, failed) = trial.failed.as_ref()?;
        let migration = &trial.migrations[*index];
        let home = home(&all, service, failed);
        Some(match home {
            Some((key, home)) => needs_other(app, service, migration, failed, key, &home),
            None => fails(app, service, migration, failed),
        })
    });
    failures.collect()
}

/// What the migrations of a service make, as far as they apply.
fn only_up(server: &ThrowawayServer<'_>, service: &Service) -> Result<Trial> {
    let (migrations, _) = Migrations::read_to_fault(service)?;
    let mut trial = Trial::new(&migrations);
    let mut watched = Watched::new(server.database(service)?, service, PARTS_FROM)?;
    for index in 0..trial.migrations.len() {
        if watched.database.up(&trial.migrations[index]).is_err() {
            break;
        }
        trial.note(index, &watched.changes()?);
    }
    Ok(trial)
}

/// The object of another service that is missing here.
fn home<'t>(
    trials: &[&'t (&'t Service, Trial)],
    service: &Service,
    failed: &Failed,
) -> Option<(&'t Key, Home<'t>)> {
    if !UNDEFINED.contains(&failed.sqlstate.as_str()) {
        return None;
    }
    let others = trials
        .iter()
        .filter(|(other, _)| other.name != service.name);
    let mut made = others.flat_map(|(other, trial)| {
        trial.made.iter().map(move |(key, index)| {
            let migration = &trial.migrations[*index];
            (
                key,
                Home {
                    service: other,
                    migration,
                },
            )
        })
    });
    made.find(|(key, _)| {
        KINDS.contains(&key.kind.as_str()) && is_missing(&failed.message, &key.name)
    })
}

/// Whether a message says that this is what does not exist. PostgreSQL writes a relation or a type in quotes, as the
/// statement had it, and a function with the types of its arguments.
fn is_missing(message: &str, name: &str) -> bool {
    let plain = name.replace('"', "");
    let plain = plain.split('(').next().unwrap_or_default();
    let bare = plain.rsplit('.').next().unwrap_or_default();
    [plain, bare].iter().any(|name| {
        message.contains(&format!("\"{name}\"")) || message.contains(&format!("function {name}("))
    })
}

fn needs_other(
    app: &App,
    service: &Service,
    migration: &Migration,
    failed: &Failed,
    key: &Key,
    home: &Home<'_>,
) -> Finding {
    let message = format!(
        "`{}` needs {} `{}`, which belongs to service `{}` (made in {}): {}",
        migration.name,
        key.kind,
        key.name,
        home.service.name,
        home.shown(app, key),
        failed.message
    );
    let finding = Finding::new("needs-other-service", message).of(&service.name);
    at(app, finding, failed).help(format!(
        "the database of `{}` holds only its own tables: keep the other's key as a plain column without REFERENCES, and ask service `{}` for the rest; or move the migration to the service it belongs to",
        service.name, home.service.name
    ))
}

fn fails(app: &App, service: &Service, migration: &Migration, failed: &Failed) -> Finding {
    let message = format!(
        "`{}` does not apply after the migrations before it, on an empty database: {}",
        migration.name, failed.message
    );
    let finding = at(app, Finding::new("migration-fails", message), failed).of(&service.name);
    let is_role = failed.sqlstate == "42704" && failed.message.contains("role \"");
    finding.help(remedy(
        failed,
        match is_role {
            true => "a role is the server's, not the database's: create it in the migration if it is missing",
            false => "fix it: migrations must apply to an empty database",
        },
    ))
}

/// The line of the statement that makes the object of that name: the first that says CREATE and names it.
fn line_of(sql: &str, name: &str) -> usize {
    let plain = name.replace('"', "");
    let bare = plain.split('(').next().unwrap_or_default();
    let bare = bare.rsplit('.').next().unwrap_or_default();
    let starts = starts(sql);
    let ends = starts.iter().skip(1).copied().chain([sql.len()]);
    let found = starts.iter().zip(ends).find(|(start, end)| {
        let statement = &sql[**start..*end];
        let creates = statement
            .get(..6)
            .is_some_and(|word| word.eq_ignore_ascii_case("create"));
        let is_word = |c: char| c.is_alphanumeric() || c == '_';
        creates && statement.split(|c| !is_word(c)).any(|word| word == bare)
    });
    found.map_or_else(|| first_line(sql), |(start, _)| place_of(sql, *start).line)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_missing_object_is_found_in_the_message() {
        assert!(is_missing("relation \"cvs\" does not exist", "public.cvs"));
        assert!(is_missing(
            "relation \"public.cvs\" does not exist",
            "public.cvs"
        ));
        assert!(is_missing(
            "function slug(text) does not exist",
            "public.slug(pg_catalog.text)"
        ));
        assert!(!is_missing(
            "relation \"cvs_old\" does not exist",
            "public.cvs"
        ));
    }

    #[test]
    fn the_line_is_that_of_the_statement_that_creates() {
        let sql = "-- tasks\nCREATE TYPE t AS ENUM ();\nINSERT INTO tasks VALUES (1);\n\nCREATE TABLE tasks (\n);\n";
        assert_eq!(line_of(sql, "public.tasks"), 5);
        assert_eq!(line_of(sql, "public.other"), 2);
    }
}
