//! `db migrate`: apply what is pending.

use std::io::{ErrorKind, IsTerminal as _};
use std::path::{Path, PathBuf};

use crate::app::App;
use crate::database::books::LedgerBooks;
use crate::database::claim;
use crate::database::guard::Purpose;
use crate::database::ledger::RunKind;
use crate::database::runner;
use crate::database::script;
use crate::database::session::Session;
use crate::database::state::State;
use crate::database::target::{Target, Visit};
use crate::database::task::{Done, Ran, Task};
use crate::migrations::Migration;
use crate::ui::failure::{Failure, Result};
use crate::ui::replace::replace;
use crate::ui::report::{GOOD, NOTE, Outcome, Report, count, duration};
use crate::verbs::outcome::{lines, outcome, stopped};
use crate::verbs::services::Services;

/// Apply the pending migrations
#[derive(clap::Args, Default)]
pub(crate) struct Args {
    #[command(flatten)]
    services: Services,
    /// Stop after this version (a version, or the name of a migration's folder)
    #[arg(long, value_name = "VERSION")]
    to: Option<String>,
    /// Only list the migrations that would be applied
    #[arg(long, conflicts_with = "sql")]
    dry_run: bool,
    /// Print the service's script for psql instead, bookkeeping included; with a folder, write one for each service
    #[arg(long, value_name = "DIR", num_args = 0..=1, require_equals = true)]
    sql: Option<Option<PathBuf>>,
    /// Accept edits to applied migrations: record their new checksums
    #[arg(long)]
    accept_edited: bool,
}

impl Args {
    /// Everything that is pending, of these services.
    pub(crate) fn of(services: Services) -> Self {
        Self {
            services,
            ..Self::default()
        }
    }
}

pub(crate) fn run(app: &App, args: &Args) -> Result<Report, Vec<Failure>> {
    let targets = app.targets_to_write(&args.services.names)?;
    // Before anything is written, `--to` must make sense for every service.
    let failures: Vec<_> = targets
        .iter()
        .filter_map(|target| limit(target, args).err())
        .collect();
    if !failures.is_empty() {
        return Err(failures);
    }
    let purpose = Purpose::Apply {
        accept_edited: args.accept_edited,
    };
    if let Some(folder) = &args.sql {
        return scripts(app, args, &targets, folder.as_deref());
    }
    let results = app.visit(&targets, purpose, |visit| {
        let Visit { target, state, .. } = &visit;
        let limit = limit(target, args)?;
        let pending = pending(target, limit, state)?;
        if args.dry_run {
            Ok(listed(target, &pending))
        } else if pending.is_empty()
            && claim::is_settled(state)
            && state.edited(&target.migrations).is_empty()
        {
            Ok(outcome(target, format!("up to date at {}", current(state))))
        } else {
            migrate(visit, limit, args.accept_edited)
        }
    })?;
    Ok(lines(&targets, results, "not migrated"))
}

/// The newest version to apply.
fn limit<'t>(target: &'t Target<'_>, args: &Args) -> Result<Option<&'t str>> {
    let named = args
        .to
        .as_ref()
        .map(|to| target.migrations.named(target.service, to))
        .transpose()?;
    Ok(named.map(|migration| migration.version.as_str()))
}

fn pending<'t>(
    target: &'t Target<'_>,
    limit: Option<&str>,
    state: &State,
) -> Result<Vec<&'t Migration>> {
    target.migrations.plan(&state.versions()).pending_to(limit)
}

fn current(state: &State) -> String {
    state.applied.last().map_or_else(
        || "the beginning".to_owned(),
        |applied| applied.version.clone(),
    )
}

/// Applies what is pending once the lock is held.
fn migrate(visit: Visit<'_>, limit: Option<&str>, accept: bool) -> Result<Outcome> {
    let target = visit.target;
    let step = visit.app.progress.step(&target.service.name);
    let mut session = Session::open(visit, &step, target.migrations.texts())?;
    let mut details = match accept {
        true => accept_edited(&mut session)?,
        false => Vec::new(),
    };
    let pending = pending(target, limit, &session.state)?;
    let late = target
        .migrations
        .plan(&session.state.versions())
        .out_of_order;
    let tasks: Vec<_> = pending.iter().copied().map(Task::up).collect();
    let Ran { mut done, failed } = runner::run(&mut session, &tasks, &step);
    for done in &mut done {
        if late.iter().any(|late| late.name == done.name) {
            done.notes
                .push("out of order: a newer migration is already applied".to_owned());
        }
    }
    let advice = "fix the migration and run the command again";
    let to = limit.map(|version| format!(" --to {version}"));
    let to_go_on = format!(
        "to continue: cargo xtask db migrate {}{}",
        target.service.name,
        to.unwrap_or_default()
    );
    let not_run = match &failed {
        Some(_) => &pending[done.len() + 1..],
        None => &[],
    };
    let failure = failed.map(|failed| failed.advised(advice, &to_go_on));
    let time = done.iter().map(|done| done.duration).sum();
    let summary = match (&failure, done.len()) {
        (Some(failure), number) => stopped(failure, number),
        (None, 0) => format!("up to date at {}", current(&session.state)),
        (None, number) => format!(
            "{GOOD}applied {}{GOOD:#} in {}",
            count(number, "migration"),
            duration(time)
        ),
    };
    details.extend(listed_done(session.app, &done));
    if let [next, ..] = not_run {
        let number = count(not_run.len(), "migration");
        details.push(format!("not run: {number}, from {} on", next.name));
    }
    Ok(Outcome {
        details,
        failure,
        ..outcome(target, summary)
    })
}

/// How many migrations a terminal shows by name: of more, the slowest.
const BY_NAME: usize = 10;
/// How many of them.
const SLOWEST: usize = 5;

/// A line for each migration that was run; on a terminal, of many, those that have something to say and the slowest.
fn listed_done(app: &App, done: &[Done]) -> Vec<String> {
    if app.quiet {
        return Vec::new();
    }
    if app.verbose || done.len() <= BY_NAME || !std::io::stdout().is_terminal() {
        return done.iter().map(|done| detail(app, done)).collect();
    }
    let with_notes = done.iter().filter(|done| !done.notes.is_empty());
    let mut lines: Vec<_> = with_notes.map(|done| detail(app, done)).collect();
    let mut slowest: Vec<_> = done.iter().collect();
    slowest.sort_by_key(|done| std::cmp::Reverse(done.duration));
    lines.push(format!("the slowest {SLOWEST}, `-v` lists all:"));
    let slowest = slowest.iter().take(SLOWEST);
    lines.extend(slowest.map(|done| format!("  {}  {}", done.name, duration(done.duration))));
    lines
}

/// The line of one migration that was run, with what was said meanwhile. What the server skipped is only counted.
pub(crate) fn detail(app: &App, done: &Done) -> String {
    let mut line = format!("{}  {}", done.name, duration(done.duration));
    let is_counted = |note: &&String| !app.verbose && is_skipped(note);
    let skipped = done.notes.iter().filter(is_counted).count();
    for note in done.notes.iter().filter(|note| !is_counted(note)) {
        line.push_str(&format!("\n{NOTE}note{NOTE:#}: {note}"));
    }
    if skipped > 0 {
        let skipped = count(skipped, "statement");
        line.push_str(&format!(
            "\n{NOTE}note{NOTE:#}: {skipped} skipped, since their objects already exist or are already gone (`-v` lists them)"
        ));
    }
    line
}

/// Whether the server says no more than that `IF EXISTS` or `IF NOT EXISTS` was right.
fn is_skipped(note: &str) -> bool {
    note.starts_with("NOTICE:") && note.ends_with(", skipping")
}

/// Gives a line for each edit that is acknowledged.
fn accept_edited(session: &mut Session<'_>) -> Result<Vec<String>> {
    let target = session.target;
    let books = LedgerBooks {
        history_schema: &session.state.history_schema,
    };
    let (mut noted, mut accepted) = (Vec::new(), Vec::new());
    for version in session.state.edited(&target.migrations) {
        let applied = session
            .state
            .applied
            .iter()
            .find(|applied| applied.version == version);
        if let (Some(migration), Some(applied)) = (target.migrations.get(&version), applied) {
            noted.push(books.noted(migration, RunKind::Accept, &applied.run_on));
            accepted.push(format!(
                "{}  its edit is accepted: the new checksum is recorded",
                migration.name
            ));
        }
    }
    let noted: Vec<_> = noted.iter().map(String::as_str).collect();
    session
        .connection
        .pipeline(&noted)
        .map_err(|error| target.failed("acknowledge an edit in", &error))?;
    Ok(accepted)
}

fn listed(target: &Target<'_>, pending: &[&Migration]) -> Outcome {
    let summary = match pending.len() {
        0 => "nothing pending".to_owned(),
        number => format!("{NOTE}would apply {}{NOTE:#}", count(number, "migration")),
    };
    let mark = |migration: &&Migration| match migration.in_transaction {
        true => migration.name.clone(),
        false => format!("{}  (without a transaction)", migration.name),
    };
    Outcome {
        details: pending.iter().map(mark).collect(),
        ..outcome(target, summary)
    }
}

/// The script of the one service; or a file for each, in a folder. One that is left of an earlier run would be fed to psql.
fn scripts(
    app: &App,
    args: &Args,
    targets: &[Target<'_>],
    folder: Option<&Path>,
) -> Result<Report, Vec<Failure>> {
    if folder.is_none() && targets.len() > 1 {
        return Err(Failure::usage("`--sql` prints the script of one service")
            .help("name the service, or write a file for each with `--sql=DIR`: one psql connects to one server")
            .into());
    }
    let purpose = Purpose::Apply {
        accept_edited: args.accept_edited,
    };
    let scripts = app.visit(targets, purpose, |mut visit| {
        let identity = visit.identity()?;
        let Visit { target, state, .. } = &visit;
        let pending = pending(target, limit(target, args)?, state)?;
        let script = script::migrate(&app.workspace, target, &pending, &identity, state)?;
        Ok((script, pending.len()))
    })?;
    if let Some(folder) = folder {
        let written = targets.iter().zip(scripts).map(|(target, script)| {
            let (script, number) = script?;
            Ok(outcome(target, write(folder, target, &script, number)?))
        });
        return Ok(lines(targets, written.collect(), "no script"));
    }
    let mut report = Report::default();
    for script in scripts {
        match script {
            Ok((script, _)) => report.data.push_str(&script),
            Err(failure) => report.failures.push(failure),
        }
    }
    Ok(report)
}

/// Writes the script of `number` migrations, and says where.
fn write(folder: &Path, target: &Target<'_>, script: &str, number: usize) -> Result<String> {
    let path = folder.join(format!("{}.sql", target.service.name));
    if number == 0 {
        remove(&path)?;
        return Ok("nothing pending".to_owned());
    }
    fs_err::create_dir_all(folder)?;
    replace(&path, script.as_bytes(), None)?;
    let number = count(number, "migration");
    Ok(format!("{GOOD}{number}{GOOD:#} in {}", path.display()))
}

fn remove(path: &Path) -> Result<()> {
    match fs_err::remove_file(path) {
        Err(error) if error.kind() != ErrorKind::NotFound => Err(error.into()),
        _ => Ok(()),
    }
}
