//! `db restore`: a backup in the place of a service's database, which stays beside it.

use std::time::Instant;

use crate::app::App;
use crate::backup::restore::{self, Verified};
use crate::database::guard::Purpose;
use crate::database::session::Session;
use crate::database::state::State;
use crate::database::target::{Target, Visit};
use crate::pg::Ident;
use crate::ui::failure::{Failure, Result};
use crate::ui::report::{GOOD, NOTE, Outcome, Report, count, duration};
use crate::verbs::confirm::{Confirmation, Danger};
use crate::verbs::outcome::{lines, outcome};

/// Restore a backup; the database that it replaces stays beside it
///
/// The backup is verified, restored into a new database and checked before the two are swapped. Sessions on the old database
/// are ended at the swap.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// The service
    service: String,
    /// The backup: its name under `backups/SERVICE`, its folder, or the dump in it
    #[arg(value_name = "BACKUP")]
    backup: String,
    #[command(flatten)]
    confirmation: Confirmation,
}

pub(crate) fn run(app: &App, args: &Args) -> Result<Report, Vec<Failure>> {
    let targets = app.targets_to_write(std::slice::from_ref(&args.service))?;
    let outcomes = targets.iter().map(|target| put_back(app, target, args));
    Ok(lines(&targets, outcomes.collect(), "not restored"))
}

fn put_back(app: &App, target: &Target<'_>, args: &Args) -> Result<Outcome> {
    let begin = Instant::now();
    let step = app.progress.step(&target.service.name);
    let backup = Verified::read(app, target, &args.backup, &step)?;
    // A spinner would overwrite the question.
    drop(step);
    let mut visit = match target.look(State::read)? {
        Some(seen) => Some(Visit::admitted(app, target, seen, Purpose::Write)?),
        None => None,
    };
    if let Some(visit) = &mut visit {
        let what = format!(
            "the current content, and ends every session ({} replaces it; the database stays beside it under another name)",
            backup.manifest.time
        );
        let danger = Danger::to(visit, &what)?;
        args.confirmation.of(&app.progress, &danger)?;
    }
    let step = app.progress.step(&target.service.name);
    let session = match visit {
        Some(visit) => Some(Session::open(visit, &step, [])?),
        None => None,
    };
    let restored = restore::restore(app, target, &backup, session, &step)?;
    drop(step);
    let census = &backup.manifest.census;
    let mut details = Vec::new();
    if let Some(kept) = &restored.kept {
        details.push(format!(
            "the former database is kept as {kept}; to drop it: DROP DATABASE {};",
            Ident(kept)
        ));
    }
    let notes = restored.notes.iter();
    details.extend(notes.map(|note| format!("{NOTE}{note}{NOTE:#}")));
    let summary = format!(
        "{GOOD}restored{GOOD:#} the backup of {} with {} and {} in {}",
        backup.manifest.time,
        count(census.rows.len(), "table"),
        count(
            usize::try_from(census.all_rows()).unwrap_or(usize::MAX),
            "row"
        ),
        duration(begin.elapsed())
    );
    Ok(Outcome {
        details,
        ..outcome(target, summary)
    })
}
