//! The databases of a workspace of services: created, migrated and checked with one command.
//!
//! The face is narrow: [`Args`] for clap, [`run`] for the exit code, [`settings`] for other tasks of the workspace. The
//! verbs are the table below, a file each.

#![warn(clippy::too_many_lines)]

mod adopt;
#[cfg(test)]
mod any_input;
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
use clap_complete::Shell;

use app::{App, Options};
use database::interrupt;
use migrations::Migrations;
use ui::failure::Failure;
use ui::report::Report;
use verbs::{
    baseline, create, diagram, down, fix, history, migrate, new, protect, psql, redo, reset,
    restore, revert, schema, seed, status, up, url, wait,
};
use workspace::Workspace;

/// Create, migrate and inspect the databases of the services
#[derive(clap::Args)]
#[command(arg_required_else_help = true, help_template = HELP)]
pub struct Args {
    #[command(flatten)]
    options: Options,
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Subcommand)]
enum Verb {
    #[command(after_help = "Example: cargo xtask db up --seed")]
    Up(up::Args),
    #[command(after_help = "Example: cargo xtask db down --wipe")]
    Down(down::Args),
    #[command(after_help = "Example: cargo xtask db create arc --sql")]
    Create(create::Args),
    #[command(after_help = "Example: cargo xtask db migrate arc --dry-run")]
    Migrate(migrate::Args),
    #[command(after_help = "Example: cargo xtask db revert arc -n 2")]
    Revert(revert::Args),
    #[command(after_help = "Example: cargo xtask db redo arc")]
    Redo(redo::Args),
    #[command(after_help = "Example: cargo xtask db status --exit-code")]
    Status(status::Args),
    #[command(after_help = "Example: cargo xtask db history arc")]
    History(history::Args),
    #[command(after_help = "Example: cargo xtask db psql arc -- -c 'SELECT 1'")]
    Psql(psql::Args),
    #[command(after_help = "Example: cargo xtask db url arc")]
    Url(url::Args),
    #[command(after_help = "Example: cargo xtask db baseline arc --to 20260101000000")]
    Baseline(baseline::Args),
    #[command(after_help = "Example: cargo xtask db backup arc --keep 5")]
    Backup(verbs::backup::Args),
    #[command(after_help = "Example: cargo xtask db restore arc BACKUP")]
    Restore(restore::Args),
    #[command(after_help = "Example: cargo xtask db drop arc --yes arc_db")]
    Drop(verbs::drop::Args),
    #[command(after_help = "Example: cargo xtask db reset arc")]
    Reset(reset::Args),
    #[command(after_help = "Example: cargo xtask db seed arc")]
    Seed(seed::Args),
    #[command(after_help = "Example: cargo xtask db resolve arc 20260101000000 --applied")]
    Resolve(verbs::resolve::Args),
    #[command(after_help = "Example: cargo xtask db protect arc")]
    Protect(protect::Args),
    #[command(after_help = "Example: cargo xtask db new arc add_email")]
    New(new::Args),
    #[command(after_help = "Example: cargo xtask db schema --check")]
    Schema(schema::Args),
    #[command(after_help = "Example: cargo xtask db diagram arc")]
    Diagram(diagram::Args),
    #[command(after_help = "Example: cargo xtask db wait --timeout 30")]
    Wait(wait::Args),
    #[command(after_help = "Example: cargo xtask db check arc --offline")]
    Check(verbs::check::Args),
    #[command(after_help = "Example: cargo xtask db fix --dry-run")]
    Fix(fix::Args),
}

/// A screen of 80 columns and 24 lines: what people need most, the rest by what it is about. A test holds it against the
/// table.
const HELP: &str = "\
{about}
{usage-heading} {usage}

Commands:
  up       Start a local server; create and migrate every database
  migrate  Apply the pending migrations
  status   Show what is applied, pending and wrong
  migrations: new, revert, redo, resolve, history, baseline
  databases: create, drop, reset, seed, protect, backup, restore, psql, url
  files: check, fix, schema, diagram
  local server: down, wait

{options}

Each command has an example: cargo xtask db migrate --help
Exit codes: 0 done, 1 findings, 2 usage or settings, 3 cannot connect,
4 a migration or another statement failed, 5 lock not obtained in time,
6 refused: wrong database, 7 refused: destructive and not confirmed,
130 interrupted";

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
        Verb::Diagram(args) => diagram::run(&app, args),
        Verb::Wait(args) => wait::run(&app, args),
        Verb::Check(args) => verbs::check::run(&app, args),
        Verb::Fix(args) => fix::run(app, args),
    }
}

/// Print a shell's completions: `source <(cargo xtask completions bash)`
#[derive(clap::Args)]
pub struct Completions {
    shell: Shell,
    /// Print what completes an argument: the services, or the versions and names of one's migrations
    #[arg(long, hide = true, value_name = "SERVICE", num_args = 0..=1)]
    names: Option<Option<String>>,
}

impl Completions {
    /// Prints the completions of `command`, whose program is called `binary`.
    #[must_use]
    pub fn print(&self, command: &clap::Command, binary: &str) -> ExitCode {
        if let Some(service) = &self.names {
            let names = names(service.as_deref());
            return names
                .map_or_else(|failure| Report::from(vec![failure]), Report::data)
                .print();
        }
        Report::data(self.script(command, binary)).print()
    }

    fn script(&self, command: &clap::Command, binary: &str) -> String {
        let mut script = Vec::new();
        // In bash, clap 4.6 finds no subcommand of a program whose name has a hyphen.
        let program = match self.shell {
            Shell::Bash => binary.replace('-', ""),
            _ => binary.to_owned(),
        };
        clap_complete::generate(self.shell, &mut command.clone(), &program, &mut script);
        let mut script = String::from_utf8_lossy(&script).into_owned();
        let ours = match self.shell {
            Shell::Bash => include_str!("completions.bash"),
            Shell::Fish => include_str!("completions.fish"),
            Shell::Zsh => {
                script = script.replace(":_default", ":_@id@_names");
                include_str!("completions.zsh")
            }
            _ => "",
        };
        in_place(&(script + ours), binary, &program)
    }
}

/// A script of ours for `cargo xtask`, an alias, or for `cargo db`, which cargo turns into `cargo-db db`.
fn in_place(script: &str, binary: &str, program: &str) -> String {
    let (word, line, ask, skipped) = match binary.strip_prefix("cargo-") {
        Some(word) => (word, format!("{binary} {word}"), binary.to_owned(), "1"),
        None => (binary, binary.to_owned(), format!("cargo {binary}"), "2"),
    };
    script
        .replace("@ask@", &format!("{ask} completions"))
        .replace("@id@", &binary.replace('-', "_"))
        .replace("@line@", &line)
        .replace("@program@", program)
        .replace("@skipped@", skipped)
        .replace("@word@", word)
}

/// The services with a database, or the versions and names of one's migrations: a line each.
fn names(service: Option<&str>) -> Result<String, Failure> {
    let (workspace, _) = Workspace::find_with_faults(&std::env::current_dir()?)?;
    let Some(service) = service else {
        let services = workspace.services.iter();
        return Ok(services.map(|it| format!("{}\n", it.name)).collect());
    };
    let selected = workspace.select(&[service.to_owned()])?;
    let mut lines = String::new();
    for service in selected {
        for migration in Migrations::read(service)?.plan(&[]).pending {
            lines += &format!("{}\n{}\n", migration.version, migration.name);
        }
    }
    Ok(lines)
}

#[cfg(test)]
mod tests {
    use clap::Args as _;

    use super::{Args, Completions, HELP, Shell};

    #[test]
    fn completions_are_those_of_the_program() {
        let command = clap::Command::new("cargo").bin_name("cargo");
        for (shell, line) in [
            (Shell::Bash, "_cargodb() {"),
            (Shell::Zsh, "#compdef cargo-db"),
            (Shell::Fish, "complete -c cargo-db "),
        ] {
            let completions = Completions { shell, names: None };
            let script = completions.script(&command, "cargo-db");
            assert!(script.contains(line), "{shell}: {script}");
        }
    }

    #[test]
    fn every_verb_is_in_the_help_once() {
        let command = Args::augment_args(clap::Command::new("db"));
        let (_, listed) = HELP.split_once("Commands:\n").unwrap();
        let (listed, _) = listed.split_once("\n\n").unwrap();
        let lines = listed.lines().flat_map(|line| match line.split_once(": ") {
            Some((_, names)) => names.split(", ").collect(),
            None => line.split_whitespace().take(1).collect::<Vec<_>>(),
        });
        let mut listed: Vec<_> = lines.collect();
        listed.sort_unstable();
        let mut verbs: Vec<_> = command
            .get_subcommands()
            .map(clap::Command::get_name)
            .collect();
        verbs.sort_unstable();
        assert_eq!(listed, verbs);
    }
}
