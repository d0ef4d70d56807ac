//! The guards that look at several services: no two of them on one database.

use super::refused;
use crate::database::identity::Identity;
use crate::ui::failure::{Failure, Result};
use crate::workspace::database_url::DatabaseUrl;
use crate::workspace::settings::is_servers_own;
use crate::workspace::{Service, Workspace};

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
        .filter(|(_, url)| url.origin.is_fallback())
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
        if is_servers_own(&url.database) {
            let failure = refused(format!(
                "refused: the URL of service `{}` names `{}`, which is the server's own database",
                service.name, url.database
            ));
            return Some(failure.at(url.place()).help(format!(
                "set {} to a database of its own, such as `{}`",
                service.variable, service.database
            )));
        }
        let owner = workspace.owner_by_name(service, &url.database)?;
        Some(
            refused(format!(
                "refused: the URL of service `{}` names database `{}`, which is service `{}`'s own",
                service.name, url.database, owner.name
            ))
            .at(url.place())
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

pub(super) fn same_database(
    one: &Service,
    one_url: &DatabaseUrl,
    two: &Service,
    two_url: &DatabaseUrl,
) -> Failure {
    refused(format!(
        "refused: services `{}` and `{}` resolve to one physical database, `{}`",
        one.name, two.name, two_url.database
    ))
    .at(one_url.place())
    .at(two_url.place())
    .help("give each service a database of its own")
}
