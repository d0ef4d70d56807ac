//! `matrix`: every service on every PostgreSQL version that it supports, or those of them that a change can affect.

mod affected;
mod git;
mod lockfile;
mod packages;

use anyhow::Context as _;
use clap::ValueEnum;
use serde::Serialize;
use workspace_db::settings::Settings;

use crate::{Outcome, github};
pub(crate) use affected::Affected;
pub(crate) use git::Base;
pub(crate) use packages::Packages;

/// Print the CI matrix: every service on every PostgreSQL version that it supports
#[derive(clap::Args)]
pub struct Args {
    /// Keep only what the changes since the merge base with BASE can affect; an empty BASE keeps everything
    #[arg(long, value_name = "BASE")]
    changed: Option<String>,
    /// Print an entry per service and version, or an entry per version with all its services
    #[arg(long, value_enum, default_value_t)]
    by: By,
    /// Print the packages that are not services, with the oldest and the newest version
    #[arg(long)]
    tools: bool,
    /// Print JSON, or a table for people
    #[arg(long, value_enum, default_value_t)]
    format: Format,
    /// Also set the output NAME of a step of GitHub Actions
    #[arg(long, value_name = "NAME")]
    output: Option<String>,
}

#[derive(Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
enum By {
    #[default]
    Service,
    Postgres,
}

#[derive(Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
enum Format {
    #[default]
    Json,
    Table,
}

/// A package on a version of PostgreSQL.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Entry {
    pub(crate) service: String,
    pub(crate) postgres: String,
}

/// What `fromJSON` in a workflow takes.
#[derive(Serialize)]
struct Include<T> {
    include: Vec<T>,
}

#[derive(Serialize)]
struct OfVersion {
    postgres: String,
    services: Vec<String>,
}

pub(crate) fn run(args: &Args) -> anyhow::Result<Outcome> {
    let settings = settings()?;
    let affected = Affected::since(&settings, args.changed.as_deref())?;
    let entries = match args.tools {
        true => tools(&settings, &Packages::read(&settings.root)?, &affected),
        false => services(&settings, &affected),
    };
    let json = match args.by {
        By::Service => serde_json::to_string(&Include {
            include: entries.clone(),
        })?,
        By::Postgres => serde_json::to_string(&Include {
            include: by_version(&settings, &entries),
        })?,
    };
    let table = table(&settings, &entries);
    match args.format {
        Format::Json => println!("{json}"),
        Format::Table if entries.is_empty() => eprintln!("nothing to test"),
        Format::Table => print!("{}", github::aligned(&table)),
    }
    if let Some(name) = &args.output {
        github::output(name, &json)?;
        github::summary(&match entries.is_empty() {
            true => format!("{name}: nothing to test\n"),
            false => format!("{name}:\n\n{}", github::markdown(&table)),
        })?;
    }
    Ok(Outcome::Done)
}

/// The settings of the workspace around the working directory.
pub(crate) fn settings() -> anyhow::Result<Settings> {
    let here = std::env::current_dir().context("failed to find the working directory")?;
    Settings::read(&here)
}

/// Every affected service on its versions. A service without a database appears once, with the newest version.
pub(crate) fn services(settings: &Settings, affected: &Affected) -> Vec<Entry> {
    let mut entries = Vec::new();
    for service in settings.services.iter().filter(|it| affected.has(&it.name)) {
        let newest = settings.postgres.last().map(std::slice::from_ref);
        let versions = match service.postgres.as_slice() {
            [] => newest.unwrap_or_default(),
            own => own,
        };
        // In the workspace's order, whatever the service's own is.
        let versions = settings.postgres.iter().filter(|it| versions.contains(it));
        entries.extend(versions.map(|version| Entry {
            service: service.name.clone(),
            postgres: version.clone(),
        }));
    }
    entries
}

/// The packages that are not services, on the oldest and the newest version, if a change can affect them.
pub(crate) fn tools(settings: &Settings, packages: &Packages, affected: &Affected) -> Vec<Entry> {
    let mut versions: Vec<_> = settings.postgres.clone();
    versions.sort_by_key(|version| version.parse::<u32>().unwrap_or(0));
    versions.dedup();
    let ends = [versions.first().cloned(), versions.last().cloned()];
    let mut ends: Vec<_> = ends.into_iter().flatten().collect();
    ends.dedup();
    let names = packages.tools(settings);
    let names = names.filter(|name| affected.has(name));
    names
        .flat_map(|name| {
            ends.iter().map(move |version| Entry {
                service: name.to_owned(),
                postgres: version.clone(),
            })
        })
        .collect()
}

fn by_version(settings: &Settings, entries: &[Entry]) -> Vec<OfVersion> {
    let of_version = |version: &String| OfVersion {
        postgres: version.clone(),
        services: entries
            .iter()
            .filter(|entry| entry.postgres == *version)
            .map(|entry| entry.service.clone())
            .collect(),
    };
    let all = settings.postgres.iter().map(of_version);
    all.filter(|entry| !entry.services.is_empty()).collect()
}

fn table(settings: &Settings, entries: &[Entry]) -> Vec<Vec<String>> {
    let mut rows = vec![vec!["SERVICE".to_owned()]];
    rows[0].extend(settings.postgres.iter().cloned());
    let mut names: Vec<_> = entries.iter().map(|entry| &entry.service).collect();
    names.dedup();
    for name in names {
        let cell = |version: &String| {
            let is = |entry: &Entry| entry.service == *name && entry.postgres == *version;
            if entries.iter().any(is) { "test" } else { "-" }.to_owned()
        };
        let mut row = vec![name.clone()];
        row.extend(settings.postgres.iter().map(cell));
        rows.push(row);
    }
    rows
}
