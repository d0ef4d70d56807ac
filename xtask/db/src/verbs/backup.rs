//! `db backup`: a dump of each service's database, with what must be in it.

use std::io::Write as _;

use indicatif::HumanBytes;
use tabwriter::TabWriter;

use crate::app::App;
use crate::backup::{dump, folder};
use crate::database::guard::Purpose;
use crate::database::target::Visit;
use crate::ui::failure::{Failure, Result};
use crate::ui::report::{BAD, GOOD, NOTE, Outcome, Report, count, duration};
use crate::verbs::outcome::{lines, outcome};
use crate::verbs::services::Services;

/// Back up the databases under `backups/`
///
/// Each backup is a folder with a dump, a manifest and checksums. It is a consistent snapshot; other sessions can keep
/// writing.
#[derive(clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    services: Services,
    /// Remove older backups afterwards, all but the newest N of each service
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..))]
    keep: Option<u16>,
    /// List the backups; connects to no server
    #[arg(long, conflicts_with = "keep")]
    list: bool,
}

pub(crate) fn run(app: &App, args: &Args) -> Result<Report, Vec<Failure>> {
    if args.list {
        return Ok(list(app, &args.services.names)?);
    }
    let targets = app.targets_to_write(&args.services.names)?;
    let outcomes = app.visit(&targets, Purpose::Write, |visit| backup(visit, args))?;
    Ok(lines(&targets, outcomes, "not backed up"))
}

fn backup(mut visit: Visit<'_>, args: &Args) -> Result<Outcome> {
    let begin = std::time::Instant::now();
    let connection = visit.connection()?;
    let Visit {
        app, target, state, ..
    } = &visit;
    let step = app.progress.step(&target.service.name);
    let made = dump::dump(app, target, state, connection, &step)?;
    let root = &app.workspace.root;
    let name = made
        .folder
        .file_name()
        .unwrap_or_default()
        .display()
        .to_string();
    let mut details = vec![format!(
        "{}  to restore it: cargo xtask db restore {} {name}",
        app.workspace.shown(&made.folder),
        target.service.name
    )];
    let warnings = made.warnings.into_iter();
    details.extend(warnings.map(|warning| format!("{NOTE}{warning}{NOTE:#}")));
    let mut failure = None;
    if let Some(number) = args.keep {
        // Only now that there is a newer one.
        match folder::keep(root, &target.service.name, usize::from(number), &name) {
            Ok(removed) if removed.is_empty() => {}
            Ok(removed) => details.push(format!("removed {}", removed.join(", "))),
            Err(error) => failure = Some(Failure::from(error)),
        }
    }
    let manifest = &made.manifest;
    let summary = format!(
        "{GOOD}backed up{GOOD:#} {}, {}, {} in {}",
        count(manifest.census.rows.len(), "table"),
        count(
            usize::try_from(manifest.census.all_rows()).unwrap_or(usize::MAX),
            "row"
        ),
        HumanBytes(manifest.bytes),
        duration(begin.elapsed())
    );
    Ok(Outcome {
        details,
        failure,
        ..outcome(target, summary)
    })
}

fn list(app: &App, names: &[String]) -> Result<Report> {
    let mut table = TabWriter::new(Vec::new()).ansi(true);
    // Writing to memory does not fail.
    let _ = writeln!(
        table,
        "SERVICE\tBACKUP\tSIZE\tROWS\tVERSION\tPOSTGRESQL\tSTATE"
    );
    for service in app.workspace.select(names)? {
        for (name, manifest) in folder::list(&app.workspace.root, &service.name) {
            let _ = match manifest {
                Ok(manifest) => writeln!(
                    table,
                    "{}\t{name}\t{}\t{}\t{}\t{}\t{GOOD}complete{GOOD:#}",
                    service.name,
                    HumanBytes(manifest.bytes),
                    manifest.census.all_rows(),
                    manifest.census.versions.last().map_or("-", String::as_str),
                    manifest.server_major(),
                ),
                Err(error) => writeln!(
                    table,
                    "{}\t{name}\t-\t-\t-\t-\t{BAD}{error:#}{BAD:#}",
                    service.name
                ),
            };
        }
    }
    let bytes = table.into_inner().unwrap_or_default();
    Ok(Report::data(String::from_utf8_lossy(&bytes).into_owned()))
}
