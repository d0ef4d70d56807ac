//! `db new`: a new migration, empty or written from the edited `schema.rs`.

use std::path::{Path, PathBuf};
use std::time::SystemTime;

use fs_err as fs;

use crate::app::App;
use crate::migrations::version;
use crate::migrations::{Migration, Migrations};
use crate::scratch::diesel_cli::Diesel;
use crate::scratch::schema_diff::{self, Script};
use crate::scratch::schema_rs;
use crate::scratch::throwaway::{self, ThrowawayDatabase, ThrowawayServer};
use crate::ui::failure::{Failure, Result};
use crate::ui::report::Report;
use crate::workspace::Service;
use crate::workspace::diesel_toml::DieselToml;

/// Make a new migration
#[derive(clap::Args)]
pub(crate) struct Args {
    /// The service
    service: String,
    /// What the migration does, such as `add_phone_number`
    name: String,
    /// Write the migration from the edited schema.rs
    #[arg(long)]
    diff: bool,
    #[command(flatten)]
    throwaway: throwaway::Options,
}

/// What Diesel puts first into the two files.
const UP: &str = "-- Your SQL goes here\n";
const DOWN: &str = "-- This file should undo anything in `up.sql`\n";

/// What is not in `schema.rs`, or not compared.
const UNSEEN: &str = "Diesel's diff sees tables, columns, their types and NOT NULL. Write by hand what else belongs to the change: indexes, \
     defaults, unique and check constraints, foreign keys of tables that exist, comments, enum values, triggers, grants";

pub(crate) fn run(app: &App, args: &Args) -> Result<Report, Vec<Failure>> {
    Ok(make(app, args)?)
}

fn make(app: &App, args: &Args) -> Result<Report> {
    let service = app.workspace.service(&args.service)?;
    check_name(&args.name)?;
    let parent = DieselToml::read(service).declared_folder()?;
    let is_first = !parent.exists();
    if is_first {
        fs::create_dir_all(&parent)?;
    }
    let made = make_in(app, args, service);
    if is_first && made.is_err() {
        // Nothing stays of what came to nothing; a folder with something in it is not removed.
        let _ = fs::remove_dir(&parent);
    }
    made
}

fn make_in(app: &App, args: &Args, service: &Service) -> Result<Report> {
    let migrations = Migrations::read(service)?;
    let folder = next_folder(app, service, &migrations, &args.name)?;
    let script = match args.diff {
        false => Script::default(),
        true => match diff(app, args, service, &migrations, &folder)? {
            Some(script) => script,
            None => {
                app.progress.line(&format!(
                    "schema.rs of service `{}` matches its migrations: nothing to migrate, no file written",
                    service.name
                ));
                return Ok(Report::default());
            }
        },
    };
    write(&folder, &script)?;
    let shown = |name| app.workspace.shown(&folder.join(name));
    Ok(Report::data(format!(
        "{}\n{}\n",
        shown("up.sql"),
        shown("down.sql")
    )))
}

/// Part of a folder's name, after the first `_`.
fn check_name(name: &str) -> Result<()> {
    let good = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
    let is_good = name.chars().all(good)
        && name.len() <= 100
        && name.chars().any(|c| c.is_ascii_alphanumeric());
    if is_good {
        return Ok(());
    }
    let failure = Failure::usage(format!("`{name}` is not a valid name for a migration"))
        .help("use letters, digits, `_` and `-`, up to 100, for instance add_phone_number");
    let words: Vec<_> = name
        .split(|c: char| !c.is_ascii_alphanumeric())
        .filter(|word| !word.is_empty())
        .collect();
    let mended = words.join("_").to_lowercase();
    Err(match mended.len() {
        1..=100 => failure.help(format!("did you mean `{mended}`?")),
        _ => failure,
    })
}

/// The folder of a migration made now, which comes after all that are there.
///
/// # Errors
/// It would not: Diesel would never run it where the newer one is applied, or run it in another order elsewhere.
fn next_folder(
    app: &App,
    service: &Service,
    migrations: &Migrations,
    name: &str,
) -> Result<PathBuf> {
    let newest = migrations.plan(&[]).pending.last().copied();
    let prefix = version::version(newest.map(|newest| newest.name.as_str()), SystemTime::now());
    let version = prefix.replace('-', "");
    if let Some(newest) = newest.filter(|newest| newest.version >= version) {
        return Err(Failure::usage(format!(
            "a migration made now would get version {version}, which does not come after {}, the newest of service `{}`: `{}`",
            newest.version,
            service.name,
            app.workspace.shown(&newest.folder)
        ))
        .help(match newest.version == version {
            true => "run the command again in a second",
            false => "rename that folder to the time it was made, if it is not applied anywhere yet; and check this machine's clock",
        }));
    }
    Ok(DieselToml::read(service)
        .folder()?
        .join(format!("{prefix}_{name}")))
}

/// The SQL for what was edited in `schema.rs`, tried on a throw-away database; `None` if nothing was.
fn diff(
    app: &App,
    args: &Args,
    service: &Service,
    migrations: &Migrations,
    folder: &Path,
) -> Result<Option<Script>> {
    let diesel = Diesel::find(app)?;
    let server = ThrowawayServer::find(app, args.throwaway.trust(), service)?;
    let mut database = server.database(service)?;
    database.apply(migrations)?;
    let Some(script) = schema_diff::write(app, &diesel, service, &database)? else {
        return Ok(None);
    };
    let up = format!("{UP}{}", script.up);
    let migration = Migration::new(folder.to_owned(), up);
    let notes = attempt(app, &diesel, service, &mut database, &migration, &script).map_err(
        |failure| {
            failure.help(format!(
                "no file was written; Diesel's diff is below; `cargo xtask db new {} NAME` makes an empty one:\n{}",
                service.name, script.up
            ))
        },
    )?;
    for note in notes.iter().map(String::as_str).chain([UNSEEN]) {
        app.progress.note(note);
    }
    Ok(Some(script))
}

/// Applies and reverts it, and says what a person should know.
fn attempt(
    app: &App,
    diesel: &Diesel,
    service: &Service,
    database: &mut ThrowawayDatabase<'_>,
    migration: &Migration,
    script: &Script,
) -> Result<Vec<String>> {
    database.up(migration)?;
    let mut notes = remarks(&script.up);
    for file in schema_rs::print(app, diesel, service, database)? {
        for line in schema_diff::missing(file.found.as_deref().unwrap_or_default(), &file.printed) {
            notes.push(format!("it does not make `{line}` of the edited schema.rs"));
        }
    }
    database.down_with(migration, &format!("{DOWN}{}", script.down))?;
    Ok(notes)
}

/// What in Diesel's SQL loses data, or fails where there is data.
fn remarks(up: &str) -> Vec<String> {
    let with = |part: &'static str| up.lines().filter(move |line| line.contains(part));
    let mut remarks: Vec<_> = with("DROP ")
        .map(|line| {
            format!(
                "{} deletes data; of a column whose type changed, use ALTER COLUMN … TYPE … USING instead",
                line.trim_end_matches(';')
            )
        })
        .collect();
    remarks.extend(
        with(" ADD COLUMN ")
            .filter(|line| line.ends_with(" NOT NULL;"))
            .map(|line| {
                format!(
                    "{} fails on a table that has rows: give the column a DEFAULT",
                    line.trim_end_matches(';')
                )
            }),
    );
    remarks
}

/// Both files or nothing: the folder gets its name when it is complete.
fn write(folder: &Path, script: &Script) -> Result<()> {
    let name = folder.file_name().unwrap_or_default().display();
    let partial = folder.with_file_name(format!(".{name}.{}", std::process::id()));
    let made = fs::create_dir(&partial)
        .and_then(|()| fs::write(partial.join("up.sql"), format!("{UP}{}", script.up)))
        .and_then(|()| fs::write(partial.join("down.sql"), format!("{DOWN}{}", script.down)))
        .and_then(|()| fs::rename(&partial, folder));
    if made.is_err() {
        let _ = fs::remove_dir_all(&partial);
    }
    Ok(made?)
}
