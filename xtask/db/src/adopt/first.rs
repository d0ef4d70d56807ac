//! `db baseline SERVICE --from-database`: the first migration, written from a database that something else built.

use std::path::{Path, PathBuf};
use std::time::SystemTime;

use anyhow::Context as _;

use crate::adopt::bookkeeping;
use crate::adopt::compare;
use crate::adopt::pg_dump::{Drops, PgDump};
use crate::adopt::proof::{Proof, prove};
use crate::adopt::script::{Roles, Script};
use crate::app::App;
use crate::database::guard::Purpose;
use crate::database::state::State;
use crate::database::target::{Target, Visit};
use crate::migrations::{Migration, version};
use crate::ui::failure::{Failure, Kind, Result};
use crate::ui::report::{NOTE, Report};
use crate::workspace::diesel_toml::DieselToml;

/// The name of the migration, behind its version.
const NAME: &str = "initial_schema";

/// Writes up.sql, down.sql and schema.rs, and changes nothing in the database.
///
/// # Errors
/// The service has migrations, its database is empty or another service's, or what would be written does not make the
/// same database; then no file was written.
pub(crate) fn run(app: &App, service: &str, accept: bool) -> Result<Report, Vec<Failure>> {
    let folder = DieselToml::read(app.workspace.service(service)?).declared_folder()?;
    let made = Folder::make(&folder)?;
    let targets = app.targets_to_write(&[service.to_owned()])?;
    let written = app.visit(&targets, Purpose::Adopt, |visit| {
        write(visit, &folder, accept)
    })?;
    let mut report = Report::default();
    for written in written {
        match written {
            Ok(paths) => report.data.push_str(&paths),
            Err(failure) => report.failures.push(failure.help("no file was written")),
        }
    }
    if report.failures.is_empty() {
        made.keep();
    }
    Ok(report)
}

/// The migrations folder, if it was not there before: goes when nothing came of it.
struct Folder(Option<PathBuf>);

impl Folder {
    fn make(folder: &Path) -> Result<Self> {
        if folder.exists() {
            return Ok(Self(None));
        }
        std::fs::create_dir_all(folder)
            .with_context(|| format!("failed to create `{}`", folder.display()))?;
        Ok(Self(Some(folder.to_owned())))
    }

    fn keep(mut self) {
        self.0 = None;
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        if let Some(folder) = &self.0 {
            // One with something in it is not removed.
            let _ = std::fs::remove_dir(folder);
        }
    }
}

fn write(mut visit: Visit<'_>, folder: &Path, accept: bool) -> Result<String> {
    let (app, target) = (visit.app, visit.target);
    let service = target.service;
    if let Some(newest) = target.migrations.plan(&[]).pending.last() {
        return Err(Failure::usage(format!(
            "service `{}` has migrations already, the newest is `{}`",
            service.name, newest.name
        ))
        .help(format!(
            "cargo xtask db baseline {} compares the database with them, and marks them as applied",
            service.name
        )));
    }
    let step = app.progress.step(&service.name);
    step.say("reading the database");
    let mut script = Script::default();
    let live = read(&mut visit, &mut script)?;
    script.acknowledge(app.workspace.oldest_postgres());
    let prefix = version::version(None, SystemTime::now());
    let name = format!("{prefix}_{NAME}");
    script.up = format!("{}\n{}\n", heading(target, &script.notes), script.up);
    script.down = format!(
        "-- Drops everything that up.sql creates, with all its rows.\n{}\n",
        script.down
    );
    let migration = Migration::new(folder.join(&name), script.up.clone());
    step.say("trying it on a throw-away server");
    let connection = visit.connection()?;
    let Proof { schema, faults } = prove(app, target, &connection, &live, &migration, &script)?;
    for fault in faults {
        if !accept {
            return Err(fault.help("--accept-difference writes the files anyway"));
        }
        app.progress
            .line(&format!("{NOTE}note{NOTE:#}: {}", fault.message));
    }
    save(&migration, &script)?;
    let mut paths = vec![migration.up_path(), migration.down_path()];
    for file in &schema {
        file.write()?;
        paths.push(file.path.clone());
    }
    for note in &script.notes {
        app.progress.note(note);
    }
    let to = match visit.state.owner() {
        Some(_) => format!(" --to {}", migration.version),
        None => String::new(),
    };
    app.progress.line(&format!(
        "the database is as it was; next, mark the migration as applied: cargo xtask db baseline {}{to}",
        service.name
    ));
    let shown = paths.iter().map(|path| app.workspace.shown(path) + "\n");
    Ok(shown.collect())
}

/// Reads the schema as SQL, and the catalog that it has to make.
fn read(visit: &mut Visit<'_>, script: &mut Script) -> Result<crate::catalog::Snapshot> {
    let (app, target) = (visit.app, visit.target);
    let service = target.service;
    let mut connection = visit.connection()?;
    let failed = |error| target.failed("read", &error);
    if State::is_empty(&mut connection).map_err(failed)? {
        return Err(Failure::usage(format!(
            "database `{}` of service `{}` is empty, so there is nothing to take over",
            target.url.database, service.name
        ))
        .at(target.url.place())
        .help(format!(
            "`cargo xtask db new {} NAME` makes the first migration",
            service.name
        )));
    }
    let kept = bookkeeping::find(&mut connection).map_err(failed)?;
    let roles = Roles::read(&mut connection).map_err(failed)?;
    let pg_dump = PgDump::find(&connection)?;
    let history = visit.state.history_schema.as_str();
    let live = compare::snapshot(target, &mut connection)?;
    let dump = |drops| pg_dump.schema(app, target, history, &kept, drops);
    let (created, dropped) = (dump(Drops::None)?, dump(Drops::Before)?);
    let read = Script::new(&created, &dropped, &roles);
    let again = compare::snapshot(target, &mut connection)?;
    visit.idle = Some(connection);
    let Some(read) = read.filter(|_| again == live) else {
        return Err(Failure::new(
            Kind::Migration,
            format!(
                "the schema of database `{}` changed while it was read",
                target.url.database
            ),
        )
        .help("run the command again while no one else changes the database"));
    };
    *script = read;
    let tables = kept.iter().filter(|kept| kept.is_table);
    let left_out = tables.map(|kept| format!("left out: table {}", kept.shown()));
    script.notes.splice(0..0, left_out);
    if script.is_empty() {
        return Err(Failure::usage(format!(
            "database `{}` of service `{}` has only another tool's bookkeeping, so there is nothing to take over",
            target.url.database, service.name
        ))
        .at(target.url.place()));
    }
    Ok(live)
}

/// What stands at the top of up.sql.
fn heading(target: &Target<'_>, notes: &[String]) -> String {
    let mut heading = format!(
        "-- Database `{}` as it was when service `{}` took it over: written by cargo xtask db baseline --from-database.\n",
        target.url.database, target.service.name
    );
    for note in notes {
        heading.push_str(&format!("-- {}\n", note.replace('\n', " ")));
    }
    heading
}

/// Both files or nothing: the folder gets its name when it is complete.
fn save(migration: &Migration, script: &Script) -> Result<()> {
    let folder = &migration.folder;
    let partial = folder.with_file_name(format!(".{}.{}", migration.name, std::process::id()));
    let made = std::fs::create_dir(&partial)
        .and_then(|()| std::fs::write(partial.join("up.sql"), &script.up))
        .and_then(|()| std::fs::write(partial.join("down.sql"), &script.down))
        .and_then(|()| std::fs::rename(&partial, folder));
    if made.is_err() {
        let _ = std::fs::remove_dir_all(&partial);
    }
    Ok(made.with_context(|| format!("failed to create `{}`", folder.display()))?)
}
