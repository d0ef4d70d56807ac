//! Which packages are tested, on which PostgreSQL.

use anyhow::bail;
use workspace_db::settings::{Service, Settings};

use super::Args;
use crate::matrix::{self, Affected, Entry, Packages};

/// What is asked for.
///
/// # Errors
/// A name or a version that the workspace does not have, or a service that is not for that version.
pub(super) fn entries(
    args: &Args,
    settings: &Settings,
    packages: &Packages,
) -> anyhow::Result<Vec<Entry>> {
    check(args, settings, packages)?;
    let affected = Affected::since(settings, args.changed.as_deref())?;
    let mut entries = match args.tools {
        true => matrix::tools(settings, packages, &affected),
        false => matrix::services(settings, &affected),
    };
    if !args.names.is_empty() {
        entries.retain(|entry| args.names.contains(&entry.service));
        let others = args.names.iter().filter(|name| affected.has(name));
        for name in others.filter(|name| service(settings, name).is_none()) {
            entries.extend(settings.postgres.iter().map(|version| Entry {
                service: name.clone(),
                postgres: version.clone(),
            }));
        }
    }
    match args.postgres.as_deref() {
        None | Some("all") => {}
        Some(version) => {
            for entry in &mut entries {
                // Asked for by name, what needs no database, or is no service, is tested whatever the version.
                let owns =
                    service(settings, &entry.service).is_some_and(|it| !it.postgres.is_empty());
                if !owns && (args.tools || args.names.contains(&entry.service)) {
                    version.clone_into(&mut entry.postgres);
                }
            }
            entries.retain(|entry| entry.postgres == version);
        }
    }
    Ok(entries)
}

fn service<'a>(settings: &'a Settings, name: &str) -> Option<&'a Service> {
    settings
        .services
        .iter()
        .find(|service| service.name == name)
}

fn check(args: &Args, settings: &Settings, packages: &Packages) -> anyhow::Result<()> {
    if let Some(name) = args.names.iter().find(|name| !packages.has(name)) {
        let services: Vec<_> = settings
            .services
            .iter()
            .map(|it| it.name.as_str())
            .collect();
        bail!(
            "unknown service `{name}`\n  help: the services are {}",
            services.join(", ")
        );
    }
    let Some(version) = args.postgres.as_ref().filter(|version| *version != "all") else {
        return Ok(());
    };
    if !settings.postgres.contains(version) {
        bail!(
            "this workspace does not support PostgreSQL {version}\n  help: `postgres` in [workspace.metadata.db] of the root \
             Cargo.toml names {}",
            settings.postgres.join(", ")
        );
    }
    let named = args.names.iter().filter_map(|name| service(settings, name));
    let mut others = named.filter(|it| !it.postgres.is_empty() && !it.postgres.contains(version));
    if let Some(service) = others.next() {
        bail!(
            "service `{}` does not support PostgreSQL {version}\n  help: `postgres` in [package.metadata.db] of its Cargo.toml \
             names {}",
            service.name,
            service.postgres.join(", ")
        );
    }
    Ok(())
}
