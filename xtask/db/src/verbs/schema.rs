//! `db schema`: every service's `schema.rs` from its migrations, never from a configured database.

use std::path::Path;
use std::process::{Command, Stdio};

use crate::app::App;
use crate::check::Finding;
use crate::migrations::Migrations;
use crate::scratch::diesel_cli::Diesel;
use crate::scratch::schema_rs::{self, SchemaFile, quoted};
use crate::scratch::throwaway::{self, ThrowawayDatabase, ThrowawayServer, ThrowawayServers};
use crate::ui::failure::{Failure, Result};
use crate::ui::parallel;
use crate::ui::report::{BAD, DIM, GOOD, Outcome, Report, diff};
use crate::verbs::services::Services;
use crate::workspace::Service;
use crate::workspace::diesel_toml::DieselToml;

/// Write schema.rs from the migrations, on a throw-away server
#[derive(clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    services: Services,
    /// Write nothing; show the changes, and exit with 1 if there are any
    #[arg(long)]
    check: bool,
    #[command(flatten)]
    throwaway: throwaway::Options,
}

pub(crate) fn run(app: &App, args: &Args) -> Result<Report, Vec<Failure>> {
    let services = app.workspace.select(&args.services.names)?;
    let diesel = Diesel::find(app)?;
    let servers = ThrowawayServers::new(app, args.throwaway.trust());
    let report = write_each(
        app,
        &services,
        servers,
        args.check,
        &WORDS,
        |server, service| {
            let files = printed(app, &diesel, server, service)?;
            needs_rustfmt(&files)?;
            Ok(files)
        },
    );
    Ok(report)
}

/// What a command that writes files says of them.
pub(super) struct Words {
    pub(super) command: &'static str,
    /// A service got none.
    pub(super) none: &'static str,
    /// The reason why.
    pub(super) unwanted: &'static str,
    /// Beside a file's name in a diff: the file as it should be.
    pub(super) wanted: &'static str,
}

const WORDS: Words = Words {
    command: "schema",
    none: "no schema.rs written",
    unwanted: "no `file` in `[print_schema]` of its diesel.toml",
    wanted: "as Diesel prints it",
};

/// Writes each service's files as they are `printed` on its throw-away server; with `check` it writes none, and shows a
/// diff of those that are not up to date.
pub(super) fn write_each<'c>(
    app: &App,
    services: &[&'c Service],
    mut servers: ThrowawayServers<'c>,
    check: bool,
    words: &Words,
    printed: impl Fn(&ThrowawayServer<'c>, &'c Service) -> Result<Vec<SchemaFile>> + Sync,
) -> Report {
    let failures = servers.add(services);
    let tried = services
        .iter()
        .filter_map(|service| Some((*service, servers.of(service)?)));
    let tried: Vec<_> = tried.collect();
    let results = parallel::each(app.jobs, &tried, |(service, server)| {
        let files = printed(server, service)?;
        if !check {
            for file in files.iter().filter(|file| !file.is_current()) {
                file.write()?;
            }
        }
        Ok(files)
    });
    let mut diffs = String::new();
    let mut outcomes = Vec::new();
    for ((service, _), result) in tried.iter().zip(results) {
        let mut outcome = Outcome {
            service: service.name.clone(),
            database: String::new(),
            summary: words.none.to_owned(),
            details: Vec::new(),
            failure: None,
        };
        match result {
            Ok(files) => {
                (outcome.summary, outcome.details) = describe(app, &files, check, words);
                let differing = files.iter().filter(|file| !file.is_current());
                diffs.extend(differing.map(|file| difference(app, file, words)));
            }
            Err(failure) => outcome.failure = Some(failure),
        }
        outcomes.push(outcome);
    }
    let mut report: Report = outcomes.into_iter().collect();
    report.failures.extend(failures);
    if check && !diffs.is_empty() {
        let write = format!("run `cargo xtask db {}` to write it", words.command);
        report.findings = true;
        report.data.push_str(&format!("\n{diffs}\n{write}\n"));
    }
    report
}

/// What `db check` says: `schema.rs` is exactly what Diesel prints from `database`, which is at head.
///
/// # Errors
/// Those that are about no `schema.rs`: something is missing on this machine.
pub(crate) fn findings(
    app: &App,
    diesel: &Diesel,
    service: &Service,
    database: &ThrowawayDatabase<'_>,
) -> Result<Vec<Finding>> {
    let (mut files, mut findings) = (Vec::new(), Vec::new());
    for (path, printed) in schema_rs::print_each(app, diesel, service, database)? {
        match printed {
            Ok(file) => files.push(file),
            Err(failure) => findings.push(unprinted(app, service, &path, &failure)),
        }
    }
    needs_rustfmt(&files)?;
    findings.extend(files.iter().filter_map(|file| outdated(app, service, file)));
    Ok(findings)
}

fn unprinted(app: &App, service: &Service, path: &Path, failure: &Failure) -> Finding {
    let mut help = failure.help.join("\n");
    if help.is_empty() {
        help = format!(
            "fix what Diesel names; a table without a primary key is left out by `filter = {{ except_tables = [\"…\"] }}` in the [print_schema] of {}",
            app.workspace.shown(&DieselToml::path(service))
        );
    }
    Finding::new("schema", failure.message.trim_end())
        .of(&service.name)
        .file(app.workspace.shown(path))
        .help(help)
}

fn outdated(app: &App, service: &Service, file: &SchemaFile) -> Option<Finding> {
    let (line, is, should) = file.first_difference()?;
    let shown = app.workspace.shown(&file.path);
    let finding = match &file.found {
        None => Finding::new("schema", "the file is missing").file(shown),
        Some(_) => Finding::new(
            "schema",
            format!(
                "out of date: found {}, Diesel generates {}",
                quoted(is),
                quoted(should)
            ),
        )
        .at(shown, line),
    };
    let help = format!("run `cargo xtask db schema {}`", service.name);
    Some(finding.of(&service.name).help(help))
}

fn printed<'c>(
    app: &'c App,
    diesel: &Diesel,
    server: &ThrowawayServer<'c>,
    service: &'c Service,
) -> Result<Vec<SchemaFile>> {
    let migrations = Migrations::read(service)?;
    let _step = app.progress.step(&service.name);
    let mut database = server.database(service)?;
    database.apply(&migrations)?;
    schema_rs::print(app, diesel, service, &database)
}

/// Without `rustfmt`, Diesel silently prints everything differently.
///
/// # Errors
/// It is missing.
pub(crate) fn needs_rustfmt(files: &[SchemaFile]) -> Result<()> {
    if files.iter().all(SchemaFile::is_current) {
        return Ok(());
    }
    let found = Command::new("rustfmt")
        .arg("--version")
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status();
    match found {
        Ok(status) if status.success() => Ok(()),
        _ => Err(
            Failure::usage("failed to run `rustfmt`, with which Diesel formats schema.rs")
                .help("run `rustup component add rustfmt`"),
        ),
    }
}

fn describe(app: &App, files: &[SchemaFile], check: bool, words: &Words) -> (String, Vec<String>) {
    let shown = |file: &SchemaFile| app.workspace.shown(&file.path);
    let notes = files.iter().map(|file| file.notes.clone());
    let notes = notes.filter(|notes| !notes.is_empty()).collect();
    let (current, differing): (Vec<_>, Vec<_>) = files.iter().partition(|file| file.is_current());
    let list =
        |files: Vec<&SchemaFile>| files.into_iter().map(shown).collect::<Vec<_>>().join(", ");
    let summary = match (differing.is_empty(), check) {
        _ if files.is_empty() => {
            format!("{DIM}{}{DIM:#}", words.unwanted)
        }
        (true, _) => format!("{} {GOOD}up to date{GOOD:#}", list(current)),
        (false, true) => format!("{} {BAD}not up to date{BAD:#}", list(differing)),
        (false, false) => format!("{} {GOOD}written{GOOD:#}", list(differing)),
    };
    (summary, notes)
}

/// From the file to what is printed.
fn difference(app: &App, file: &SchemaFile, words: &Words) -> String {
    let shown = app.workspace.shown(&file.path);
    let found = file
        .found
        .as_deref()
        .unwrap_or_default()
        .replace("\r\n", "\n");
    diff(
        (&found, &shown),
        (&file.printed, &format!("{shown} {}", words.wanted)),
    )
}
