//! `cargo xtask`: the table of commands, nothing else.

mod apply;
mod backup;
mod catalog;
mod checks;
mod confirm;
mod context;
mod database;
mod database_url;
mod diagnostic;
mod dotenv;
mod failure;
mod guard;
mod ledger;
mod local_postgres;
mod lock;
mod migrations;
mod parallel;
mod pg;
mod print_schema;
mod progress;
mod repair;
mod report;
mod schema_diff;
mod session;
mod statements;
mod throwaway;
mod timestamp;
mod tools;
mod verbs;
mod workspace;

use std::process::ExitCode;

use clap::{CommandFactory as _, Parser, Subcommand};

use context::{Context, Options};
use failure::Failure;
use report::Report;
use verbs::{
    baseline, check, create, down, fix, history, migrate, new, redo, revert, schema, status, up,
    wait,
};

/// Tasks of this workspace
#[derive(Parser)]
#[command(
    name = "cargo xtask",
    bin_name = "cargo xtask",
    version,
    arg_required_else_help = true
)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Create, migrate and look at the databases of the services
    #[command(arg_required_else_help = true, after_help = EXIT_CODES)]
    Db {
        #[command(flatten)]
        options: Options,
        #[command(subcommand)]
        verb: Verb,
    },
    /// Print a shell's completions: `source <(cargo xtask completions bash)`
    Completions { shell: clap_complete::Shell },
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
    Baseline(baseline::Args),
    New(new::Args),
    Schema(schema::Args),
    Wait(wait::Args),
    Check(check::Args),
    Fix(fix::Args),
}

const EXIT_CODES: &str = "\
Exit codes: 0 done, 1 findings, 2 usage or settings, 3 cannot connect, 4 a migration or another statement failed, 5 lock not obtained in \
time, 6 refused: wrong database, 7 refused: destructive and not confirmed. Of several services the highest wins.";

fn main() -> ExitCode {
    match Cli::parse().command {
        Command::Db { options, verb } => {
            let context = Context::new(&options).map_err(|failure| vec![failure]);
            context
                .and_then(|context| db(context, &verb))
                .unwrap_or_else(Report::from)
                .print()
        }
        Command::Completions { shell } => {
            clap_complete::generate(shell, &mut Cli::command(), "xtask", &mut std::io::stdout());
            if shell == clap_complete::Shell::Bash {
                print!("{}", include_str!("cargo_xtask.bash"));
            }
            ExitCode::SUCCESS
        }
    }
}

fn db(context: Context, verb: &Verb) -> Result<Report, Vec<Failure>> {
    // The others rely on the settings; these are there to show what is wrong with them.
    if !matches!(verb, Verb::Check(_) | Verb::Fix(_)) {
        context.sound()?;
    }
    match verb {
        Verb::Up(args) => up::run(context, args),
        Verb::Down(args) => down::run(&context, args),
        Verb::Create(args) => create::run(&context, args),
        Verb::Migrate(args) => migrate::run(&context, args),
        Verb::Revert(args) => revert::run(&context, args),
        Verb::Redo(args) => redo::run(&context, args),
        Verb::Status(args) => status::run(&context, args),
        Verb::History(args) => history::run(&context, args),
        Verb::Baseline(args) => baseline::run(&context, args),
        Verb::New(args) => new::run(&context, args),
        Verb::Schema(args) => schema::run(&context, args),
        Verb::Wait(args) => wait::run(&context, args),
        Verb::Check(args) => check::run(&context, args),
        Verb::Fix(args) => fix::run(context, args),
    }
}
