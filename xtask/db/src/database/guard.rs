//! The guards: nothing is written to a database that is not the service's own.

use crate::database::ledger::{FORMAT, Ledger, TOOL};
use crate::database::state::{Identity, State};
use crate::migrations::Migrations;
use crate::ui::failure::{Failure, Kind, Result};
use crate::workspace::database_url::{DatabaseUrl, Variables};
use crate::workspace::{Service, Workspace};

fn refused(message: impl Into<String>) -> Failure {
    Failure::new(Kind::WrongDatabase, message)
}

/// What can be seen without connecting: several services on the fallback, or a URL that names another's database.
///
/// # Errors
/// One refusal per fault.
pub(crate) fn before_connecting(
    workspace: &Workspace,
    targets: &[(&Service, DatabaseUrl)],
) -> Vec<Failure> {
    let generic: Vec<_> = targets
        .iter()
        .filter(|(_, url)| url.origin.is_generic())
        .collect();
    if let [(_, first), _, ..] = generic.as_slice() {
        let names = generic
            .iter()
            .map(|(service, _)| format!("`{}`", service.name))
            .collect::<Vec<_>>()
            .join(", ");
        let mut failure = refused(format!(
            "refused: services {names} would share database `{}`, since all of them fall back to {}",
            first.database, first.origin
        ));
        for (service, _) in generic {
            failure = failure.help(format!(
                "set {}=postgres://…/{} for service `{}`",
                service.variable, service.database, service.name
            ));
        }
        return vec![failure];
    }
    let foreign = targets.iter().filter_map(|(service, url)| {
        let maintenance = ["postgres", "template0", "template1"].contains(&url.database.as_str());
        if maintenance && url.database != service.database {
            let failure = refused(format!(
                "refused: the URL of service `{}` names `{}`, which is the server's own database",
                service.name, url.database
            ));
            return Some(
                failure
                    .help(format!("{}: {}", url.origin, url.params))
                    .help(format!(
                        "set {} to a database of its own, such as `{}`",
                        service.variable, service.database
                    )),
            );
        }
        let owner = workspace.owner_by_name(service, &url.database)?;
        Some(
            refused(format!(
                "refused: the URL of service `{}` names database `{}`, which is service `{}`'s own",
                service.name, url.database, owner.name
            ))
            .help(format!("{}: {}", url.origin, url.params))
            .help(format!(
                "set {} to a database of its own, such as `{}`",
                service.variable, service.database
            )),
        )
    });
    foreign.collect()
}

/// Two services on one physical database, however their URLs are spelled.
///
/// # Errors
/// One refusal per pair.
pub(crate) fn distinct(found: &[(&Service, &DatabaseUrl, Identity)]) -> Result<(), Vec<Failure>> {
    let pairs = found
        .iter()
        .enumerate()
        .flat_map(|(index, one)| found[index + 1..].iter().map(move |two| (one, two)));
    let refusals: Vec<_> = pairs
        .filter(|(one, two)| one.2.is(&two.2))
        .map(|(one, two)| same_database(one.0, one.1, two.0, two.1))
        .collect();
    if refusals.is_empty() {
        Ok(())
    } else {
        Err(refusals)
    }
}

fn same_database(
    one: &Service,
    one_url: &DatabaseUrl,
    two: &Service,
    two_url: &DatabaseUrl,
) -> Failure {
    refused(format!(
        "refused: services `{}` and `{}` resolve to one physical database, `{}`",
        one.name, two.name, two_url.database
    ))
    .help(format!("{}: {}", one_url.origin, one_url.params))
    .help(format!("{}: {}", two_url.origin, two_url.params))
    .help("give each service a database of its own")
}

/// Whether the database in that state is another service's, or has a history that is not the service's.
///
/// # Errors
/// It belongs to another service, or has a foreign history.
pub(crate) fn not_foreign(
    workspace: &Workspace,
    service: &Service,
    url: &DatabaseUrl,
    migrations: &Migrations,
    state: &State,
) -> Result<()> {
    let place = format!("{}: {}", url.origin, url.params);
    known_format(service, url, state)?;
    if let Some(owner) = state.owner().filter(|owner| *owner != service.name) {
        return Err(owned_by_another(service, url, owner).help(place));
    }
    if let (false, [schema, ..]) = (state.has_history, state.hidden_history.as_slice()) {
        return Err(refused(format!(
            "refused: database `{}` has a history of Diesel migrations in the schema {schema}, which is not on the search path",
            url.database
        ))
        .help(place)
        .help("set the search path in the URL as it was when that history was made, or check whose database this is"));
    }
    let unknown = migrations.plan(&state.versions()).unknown;
    if unknown.is_empty() {
        Ok(())
    } else {
        Err(foreign_history(workspace, service, state, &unknown).help(place))
    }
}

/// Whether this version of the tool knows the ledger's format.
///
/// # Errors
/// A later version has written it.
pub(crate) fn known_format(service: &Service, url: &DatabaseUrl, state: &State) -> Result<()> {
    match state.ledger.as_ref().map_or(FORMAT, Ledger::format) {
        ..=FORMAT => Ok(()),
        newer => Err(refused(format!(
            "refused: the ledger of database `{}` has format {newer}, and cargo xtask {TOOL} knows none after {FORMAT}",
            url.database
        ))
        .help(format!("{}: {}", url.origin, url.params))
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

/// Whether `service` may write to the database in that state.
///
/// # Errors
/// As for [`not_foreign`]; or nobody owns it, and there is something that no history explains.
pub(crate) fn owned(
    workspace: &Workspace,
    service: &Service,
    url: &DatabaseUrl,
    migrations: &Migrations,
    state: &State,
) -> Result<()> {
    not_foreign(workspace, service, url, migrations, state)?;
    let place = format!("{}: {}", url.origin, url.params);
    let applied = state.versions();
    if state.owner().is_some() {
        return Ok(());
    }
    if applied.is_empty() {
        return match state.objects.is_empty() {
            true => Ok(()),
            false => Err(unexplained_objects(service, url, state).help(place)),
        };
    }
    // A history that fits proves ownership, unless it fits another service just as well.
    if url.database != service.database
        && let Some(other) = also_fits(workspace, service, &applied)
    {
        return Err(refused(format!(
            "refused: the history of database `{}` ({}) fits service `{}` as well as service `{}`",
            url.database,
            applied.join(", "),
            service.name,
            other.name
        ))
        .help(place)
        .help(format!(
            "if it is service `{0}`'s, say so: cargo xtask db baseline {0} --claim-only",
            service.name
        )));
    }
    Ok(())
}

fn foreign_history(
    workspace: &Workspace,
    service: &Service,
    state: &State,
    unknown: &[String],
) -> Failure {
    let list = unknown.join(", ");
    let failure = refused(format!(
        "refused: the database of service `{}` has applied migrations that are not in its folder: {list}",
        service.name
    ));
    let others = workspace
        .services
        .iter()
        .filter(|other| other.name != service.name);
    let whose: Vec<_> = others
        .filter_map(|other| {
            let theirs = Migrations::read(other).ok()?;
            let found = unknown
                .iter()
                .filter(|version| theirs.get(version).is_some())
                .count();
            (found > 0)
                .then(|| format!("{found} of them in the folder of service `{}`", other.name))
        })
        .collect();
    match whose.as_slice() {
        [] if state.owner().is_some() => failure
            .help("this checkout is older than the database: update it, or restore the missing folders from git"),
        [] => failure.help("this is another project's database, or another branch's: check the URL"),
        found => failure.help(format!("there are {}: check the URL", found.join(", and "))),
    }
}

fn unexplained_objects(service: &Service, url: &DatabaseUrl, state: &State) -> Failure {
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
            "refused: database `{}` has tables, but no history of Diesel migrations that says whose: {names}",
            url.database
        ),
    });
    failure.help(format!(
        "if it is service `{0}`'s and its tables are as its migrations make them: cargo xtask db baseline {0}",
        service.name
    ))
}

fn also_fits<'w>(
    workspace: &'w Workspace,
    service: &Service,
    applied: &[String],
) -> Option<&'w Service> {
    workspace
        .services
        .iter()
        .filter(|other| other.name != service.name)
        .find(|other| {
            Migrations::read(other)
                .is_ok_and(|theirs| applied.iter().all(|version| theirs.get(version).is_some()))
        })
}

/// Before a database is claimed: does the variable of a service that was not asked for point at it, too?
/// Only one that spells the same database name can. A service that declares the name has the better claim.
///
/// # Errors
/// Another service's own variable leads here.
pub(crate) fn unclaimed_by_others(
    workspace: &Workspace,
    variables: &Variables,
    service: &Service,
    url: &DatabaseUrl,
    state: &State,
) -> Result<()> {
    if url.database == service.database {
        return Ok(());
    }
    for other in workspace
        .services
        .iter()
        .filter(|other| other.name != service.name)
    {
        let Some(theirs) = variables
            .own(other)
            .filter(|theirs| theirs.database == url.database)
        else {
            continue;
        };
        let identity = theirs
            .connect(other)
            .ok()
            .and_then(|mut connection| State::read(&mut connection).ok());
        if identity.is_some_and(|found| found.identity.is(&state.identity)) {
            return Err(same_database(other, &theirs, service, url));
        }
    }
    Ok(())
}

/// Applied migrations whose text has changed since.
///
/// # Errors
/// There is one, and its edit was not acknowledged.
pub(crate) fn unedited(service: &Service, migrations: &Migrations, state: &State) -> Result<()> {
    let edited = state.edited(migrations);
    if edited.is_empty() {
        return Ok(());
    }
    let files = edited.iter().filter_map(|version| migrations.get(version));
    let list = files
        .map(|migration| format!("`{}`", migration.name))
        .collect::<Vec<_>>()
        .join(", ");
    Err(refused(format!("refused: edited since applied to the database of service `{}`: {list}", service.name))
        .help("restore its text with git, and write the change as a new migration")
        .help(format!(
            "or, if the database is already as the new text says: cargo xtask db migrate {} --accept-edited",
            service.name
        )))
}
