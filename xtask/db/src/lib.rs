//! The databases of a workspace of services: created, migrated and checked with one command.
//!
//! The face is narrow: [`Args`] for clap, [`run`] for the exit code, [`settings`] for other tasks of the workspace. The
//! verbs are the table below, a file each.

#![warn(clippy::too_many_lines)]

mod adopt;
mod app;
mod backup;
mod catalog;
mod check;
mod database;
mod migrations;
mod pg;
mod repair;
mod scratch;
pub mod settings;
mod sql;
mod ui;
mod verbs;
mod workspace;

use std::process::ExitCode;

use clap::Subcommand;

use app::{App, Options};
use database::interrupt;
use ui::failure::Failure;
use ui::report::Report;
use verbs::{
    baseline, create, down, fix, history, migrate, new, protect, psql, redo, reset, restore,
    revert, schema, seed, status, up, url, wait,
};

/// Create, migrate and look at the databases of the services
#[derive(clap::Args)]
#[command(arg_required_else_help = true, after_help = EXIT_CODES)]
pub struct Args {
    #[command(flatten)]
    options: Options,
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Subcommand)]
enum Verb {
    Up(up::Args),
    Down(down::Args),
    Create(create::Args),
    Migrate(migrate::Args),
    Revert(revert::Args),
    Redo(redo::Args),
    Status(status::Args),
    History(history::Args),
    Psql(psql::Args),
    Url(url::Args),
    Baseline(baseline::Args),
    Backup(verbs::backup::Args),
    Restore(restore::Args),
    Drop(verbs::drop::Args),
    Reset(reset::Args),
    Seed(seed::Args),
    Resolve(verbs::resolve::Args),
    Protect(protect::Args),
    New(new::Args),
    Schema(schema::Args),
    Wait(wait::Args),
    Check(verbs::check::Args),
    Fix(fix::Args),
}

const EXIT_CODES: &str = "\
Exit codes: 0 done, 1 findings, 2 usage or settings, 3 cannot connect, 4 a migration or another statement failed, 5 lock not obtained in \
time, 6 refused: wrong database, 7 refused: destructive and not confirmed, 130 interrupted. Of several services the highest wins.";

/// Runs a verb on the workspace of the working directory: data to stdout, everything else to stderr.
#[must_use]
pub fn run(args: &Args) -> ExitCode {
    // psql has Ctrl-C to itself.
    if !matches!(args.verb, Verb::Psql(_)) {
        interrupt::listen();
    }
    App::new(&args.options)
        .map_err(|failure| vec![failure])
        .and_then(|app| call(app, &args.verb))
        .unwrap_or_else(Report::from)
        .print()
}

fn call(app: App, verb: &Verb) -> Result<Report, Vec<Failure>> {
    // The others rely on the settings; these are there to show what is wrong with them.
    if !matches!(verb, Verb::Check(_) | Verb::Fix(_)) {
        app.sound()?;
    }
    match verb {
        Verb::Up(args) => up::run(app, args),
        Verb::Down(args) => down::run(&app, args),
        Verb::Create(args) => create::run(&app, args),
        Verb::Migrate(args) => migrate::run(&app, args),
        Verb::Revert(args) => revert::run(&app, args),
        Verb::Redo(args) => redo::run(&app, args),
        Verb::Status(args) => status::run(&app, args),
        Verb::History(args) => history::run(&app, args),
        Verb::Psql(args) => psql::run(&app, args),
        Verb::Url(args) => url::run(&app, args),
        Verb::Baseline(args) => baseline::run(&app, args),
        Verb::Backup(args) => verbs::backup::run(&app, args),
        Verb::Restore(args) => restore::run(&app, args),
        Verb::Drop(args) => verbs::drop::run(&app, args),
        Verb::Reset(args) => reset::run(&app, args),
        Verb::Seed(args) => seed::run(&app, args),
        Verb::Resolve(args) => verbs::resolve::run(&app, args),
        Verb::Protect(args) => protect::run(&app, args),
        Verb::New(args) => new::run(&app, args),
        Verb::Schema(args) => schema::run(&app, args),
        Verb::Wait(args) => wait::run(&app, args),
        Verb::Check(args) => verbs::check::run(&app, args),
        Verb::Fix(args) => fix::run(app, args),
    }
}

/// Print a shell's completions: `source <(cargo xtask completions bash)`
#[derive(clap::Args)]
pub struct Completions {
    shell: clap_complete::Shell,
}

impl Completions {
    /// Prints the completions of `command`, whose program is called `binary`.
    #[must_use]
    pub fn print(&self, command: &mut clap::Command, binary: &str) -> ExitCode {
        let mut script = Vec::new();
        clap_complete::generate(self.shell, command, binary, &mut script);
        let mut script = String::from_utf8_lossy(&script).into_owned();
        if self.shell == clap_complete::Shell::Bash {
            script.push_str(include_str!("completions.bash"));
        }
        Report::data(script).print()
    }
}
