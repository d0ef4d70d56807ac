//! The guards: nothing is written to a database that is not the service's own.
//!
//! To add a guard of one database, write its function and name it in [`GUARDS`]: every verb asks all of them, before and
//! after it has the lock.

mod services;

use crate::app::App;
use crate::database::denied;
use crate::database::ledger::{FORMAT, Ledger, TOOL};
use crate::database::state::{HiddenHistory, State};
use crate::database::target::Target;
use crate::migrations::Migrations;
use crate::ui::failure::{Failure, Kind, Result};
use crate::workspace::Service;
use crate::workspace::database_url::DatabaseUrl;

use services::same_database;
pub(crate) use services::{before_connecting, distinct};

fn refused(message: impl Into<String>) -> Failure {
    Failure::new(Kind::WrongDatabase, message)
}

/// What a verb is about to do to a database.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// Read what the ledger says, whose database it ever is.
    Read,
    /// Let a person in, with all rights of the role, in any state of the database.
    Open,
    /// Say whether the service could write.
    Inspect,
    /// Write what belongs to the service.
    Write,
    /// Apply migrations, or acknowledge that applied ones were edited.
    Apply { accept_edited: bool },
    /// Drop a database, which may be ahead of the checkout.
    Destroy,
    /// Take over a database whose tables no history explains.
    Adopt,
}

/// The proof that every guard let a service in. No session writes without one.
pub(crate) struct Permit(());

/// A service that asks to be let into its database.
struct Admission<'a> {
    app: &'a App,
    target: &'a Target<'a>,
    state: &'a State,
    purpose: Purpose,
}

/// The guards of one database, in the order in which they are asked: the first refusal is the one that is shown.
const GUARDS: [fn(&Admission<'_>) -> Result<()>; 10] = [
    known_format,
    own_ledger,
    no_worker,
    visible_history,
    existing_schema,
    known_history,
    explained_objects,
    unambiguous_history,
    unclaimed_by_variable,
    unedited,
];

impl Target<'_> {
    /// Asks every guard, before the lock is taken and again once it is held.
    ///
    /// # Errors
    /// The first refusal.
    pub(crate) fn admit(&self, app: &App, state: &State, purpose: Purpose) -> Result<Permit> {
        let admission = Admission {
            app,
            target: self,
            state,
            purpose,
        };
        let guards = match purpose {
            Purpose::Read => &GUARDS[..1],
            Purpose::Open => &GUARDS[..2],
            _ => &GUARDS[..],
        };
        guards.iter().try_for_each(|guard| guard(&admission))?;
        Ok(Permit(()))
    }
}

impl Admission<'_> {
    fn refuse(&self, message: String) -> Failure {
        refused(message).at(self.target.url.place())
    }

    /// The database has no owner yet, and no applied migration proves one.
    fn is_unknown(&self) -> bool {
        self.state.owner().is_none() && self.state.applied.is_empty()
    }

    fn others(&self) -> impl Iterator<Item = &Service> {
        let own = &self.target.service.name;
        let services = self.app.workspace.services.iter();
        services.filter(move |other| other.name != *own)
    }
}

/// The ledger names no other service.
fn own_ledger(admission: &Admission<'_>) -> Result<()> {
    let Target { service, url, .. } = admission.target;
    match admission.state.owner() {
        Some(owner) if owner != service.name => {
            Err(owned_by_another(service, url, owner).at(url.place()))
        }
        _ => Ok(()),
    }
}

/// It is not a worker of a Citus cluster, to whose tables the coordinator alone leads.
fn no_worker(admission: &Admission<'_>) -> Result<()> {
    let Some(coordinator) = &admission.state.coordinator else {
        return Ok(());
    };
    let Target { service, url, .. } = admission.target;
    Err(admission
        .refuse(format!(
            "refused: database `{}` is a worker of a Citus cluster; migrations run on its coordinator, {coordinator}",
            url.database
        ))
        .help(format!("set {} to the URL of the coordinator", service.variable)))
}

/// No history hides outside of the search path.
fn visible_history(admission: &Admission<'_>) -> Result<()> {
    let state = admission.state;
    match state.hidden_history.as_slice() {
        [hidden, ..] if !state.has_history && hidden.is_withheld => {
            let Target { service, url, .. } = admission.target;
            let schema = &hidden.schema;
            Err(Failure::new(
                Kind::Migration,
                format!(
                    "the role of service `{}` may not use the schema {schema} of database `{}`, which has its history of Diesel migrations",
                    service.name, url.database
                ),
            )
            .at(url.place())
            .help(denied::on_schema(schema, url.params.get("user")))
            .help(url.rights(service)))
        }
        [HiddenHistory { schema, .. }, ..] if !state.has_history => Err(admission
            .refuse(format!(
                "refused: database `{}` has a history of Diesel migrations in the schema {schema}, which is not on the search path",
                admission.target.url.database
            ))
            .help("set the search path in the URL as it was when that history was made, or check whose database this is")),
        _ => Ok(()),
    }
}

/// There is a schema for Diesel's table: one that appears later would hide a table that was put elsewhere.
fn existing_schema(admission: &Admission<'_>) -> Result<()> {
    let Target { service, url, .. } = admission.target;
    let Some(path) = &admission.state.empty_search_path else {
        return Ok(());
    };
    Err(Failure::usage(format!(
        "the search path of service `{}` in database `{}`, `{path}`, has no schema that exists and that its role may use",
        service.name, url.database
    ))
    .at(url.place())
    .help("create its first schema there (CREATE SCHEMA … AUTHORIZATION the role of that URL), or change the search path: in the \
           URL, with ALTER ROLE or with ALTER DATABASE")
    .help(url.rights(service)))
}

/// Every applied version is in the service's folder.
fn known_history(admission: &Admission<'_>) -> Result<()> {
    let target = admission.target;
    let unknown = target.migrations.plan(&admission.state.versions()).unknown;
    // `own_ledger` has seen whose it is.
    let goes = admission.purpose == Purpose::Destroy && admission.state.owner().is_some();
    match unknown.is_empty() || goes {
        true => Ok(()),
        false => Err(foreign_history(admission, &unknown).at(target.url.place())),
    }
}

/// There is nothing that no history explains.
fn explained_objects(admission: &Admission<'_>) -> Result<()> {
    if admission.purpose == Purpose::Adopt
        || !admission.is_unknown()
        || admission.state.objects.is_empty()
    {
        return Ok(());
    }
    Err(unexplained_objects(admission).at(admission.target.url.place()))
}

/// A history that fits proves ownership, unless it fits another service just as well.
fn unambiguous_history(admission: &Admission<'_>) -> Result<()> {
    let Target { service, url, .. } = admission.target;
    let applied = admission.state.versions();
    if admission.purpose == Purpose::Adopt
        || admission.state.owner().is_some()
        || applied.is_empty()
        || url.database == service.database
    {
        return Ok(());
    }
    let fits = |other: &&Service| {
        Migrations::read(other)
            .is_ok_and(|theirs| applied.iter().all(|version| theirs.get(version).is_some()))
    };
    let Some(other) = admission.others().find(fits) else {
        return Ok(());
    };
    Err(admission
        .refuse(format!(
            "refused: the history of database `{}` ({}) fits service `{}` as well as service `{}`",
            url.database,
            applied.join(", "),
            service.name,
            other.name
        ))
        .help(format!(
            "if it is service `{0}`'s, say so: cargo xtask db baseline {0} --claim-only",
            service.name
        )))
}

/// Before a database is claimed: the variable of a service that was not asked for does not lead to it, too.
/// Only one that spells the same database name can. A service that declares the name has the better claim.
fn unclaimed_by_variable(admission: &Admission<'_>) -> Result<()> {
    let Target { service, url, .. } = admission.target;
    if admission.purpose == Purpose::Inspect
        || admission.state.owner().is_some()
        || url.database == service.database
    {
        return Ok(());
    }
    for other in admission.others() {
        let theirs = admission.app.variables.own(other);
        let Some(theirs) = theirs.filter(|theirs| theirs.database == url.database) else {
            continue;
        };
        let found = theirs
            .connect(other)
            .ok()
            .and_then(|mut connection| State::read(&mut connection).ok());
        // One that has an owner is not this one, which has none.
        let found = found.and_then(|found| found.identity);
        let own = admission.state.identity.as_ref();
        if found.zip(own).is_some_and(|(found, own)| found.is(own)) {
            return Err(same_database(other, &theirs, service, url));
        }
    }
    Ok(())
}

/// No applied migration was edited since, unless that is acknowledged.
fn unedited(admission: &Admission<'_>) -> Result<()> {
    let Target {
        service,
        migrations,
        ..
    } = admission.target;
    let accept_edited = false;
    if admission.purpose != (Purpose::Apply { accept_edited }) {
        return Ok(());
    }
    let edited = admission.state.edited(migrations);
    if edited.is_empty() {
        return Ok(());
    }
    let files = edited.iter().filter_map(|version| migrations.get(version));
    let list = files
        .map(|migration| format!("`{}`", migration.name))
        .collect::<Vec<_>>()
        .join(", ");
    Err(refused(format!("refused: migrations were edited after they were applied to the database of service `{}`: {list}", service.name))
        .help("restore the file with git, and write the change as a new migration")
        .help(format!(
            "or, if the database already matches the edited file: cargo xtask db migrate {} --accept-edited",
            service.name
        )))
}

/// This version of the tool knows the ledger's format.
fn known_format(admission: &Admission<'_>) -> Result<()> {
    let Target { service, url, .. } = admission.target;
    match admission.state.ledger.as_ref().map_or(FORMAT, Ledger::format) {
        ..=FORMAT => Ok(()),
        newer => Err(admission.refuse(format!(
            "refused: the ledger of database `{}` has format {newer}, and cargo xtask {TOOL} knows none after {FORMAT}",
            url.database
        ))
        .help(format!(
            "service `{}` was migrated from a later commit of this repository: use that one",
            service.name
        ))),
    }
}

/// The refusal of a database whose ledger names another service.
pub(crate) fn owned_by_another(service: &Service, url: &DatabaseUrl, owner: &str) -> Failure {
    refused(format!(
        "refused: database `{}` belongs to service `{owner}`, not to service `{}`",
        url.database, service.name
    ))
    .help(format!(
        "set {} to a database of its own, such as `{}`",
        service.variable, service.database
    ))
    .help(format!(
        "if `{owner}` was renamed to `{}`, say so in the database: UPDATE db_ledger.owner SET service = '{}'",
        service.name, service.name
    ))
}

fn foreign_history(admission: &Admission<'_>, unknown: &[String]) -> Failure {
    let service = admission.target.service;
    let list = unknown.join(", ");
    let failure = refused(format!(
        "refused: the database of service `{}` has applied migrations that are not in its folder: {list}",
        service.name
    ));
    let whose: Vec<_> = admission
        .others()
        .filter_map(|other| {
            let theirs = Migrations::read(other).ok()?;
            let found = unknown
                .iter()
                .filter(|version| theirs.get(version).is_some())
                .count();
            (found > 0)
                .then(|| format!("the folder of service `{}` has {found} of them", other.name))
        })
        .collect();
    match whose.as_slice() {
        [] if admission.state.owner().is_some() => failure
            .help("this checkout is older than the database: update it, or restore the missing folders from git"),
        [] => failure.help("this is another project's database, or another branch's: check the URL"),
        found => failure.help(format!("{}: check the URL", found.join(", "))),
    }
}

fn unexplained_objects(admission: &Admission<'_>) -> Failure {
    let Admission { target, state, .. } = admission;
    let Target { service, url, .. } = target;
    let mut names = state
        .objects
        .iter()
        .take(5)
        .map(|name| format!("`{name}`"))
        .collect::<Vec<_>>()
        .join(", ");
    if state.objects.len() > 5 {
        names.push_str(", …");
    }
    let failure = refused(match state.other_tool() {
        Some((table, tool)) => format!(
            "refused: database `{}` is migrated by another tool, {tool} (it has the table `{table}`)",
            url.database
        ),
        None => format!(
            "refused: database `{}` has objects, but no history of Diesel migrations that proves its owner: {names}",
            url.database
        ),
    });
    failure.help(match target.migrations.texts().next() {
        Some(_) => format!(
            "if it is service `{0}`'s, compare it with the migrations and mark them as applied: cargo xtask db baseline {0}",
            service.name
        ),
        None => format!(
            "if it is service `{0}`'s, write its first migration from it: cargo xtask db baseline {0} --from-database",
            service.name
        ),
    })
}
