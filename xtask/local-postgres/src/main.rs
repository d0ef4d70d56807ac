//! `local-postgres`: the command line of the servers.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context, Result};
use clap::{Parser, Subcommand};
use local_postgres::{Server, SettingsError, Wanted, dev, manage};

/// PostgreSQL servers on this machine: throw-away ones for tests, a durable one for development
#[derive(Parser)]
#[command(version, arg_required_else_help = true)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// The durable development server of a workspace
    #[command(subcommand)]
    Dev(Dev),
    /// Find or start the throw-away server NAME of this workspace and print its superuser's URL
    Url {
        /// Usually the name of a package
        name: String,
        /// Major version of PostgreSQL
        #[arg(long, value_name = "MAJOR")]
        postgres: Option<String>,
        /// The image for Docker; overrides the variable
        #[arg(long)]
        image: Option<String>,
        /// A setting of PostgreSQL; every set of settings gets a separate server
        #[arg(long, value_name = "NAME=VALUE", value_parser = setting)]
        set: Vec<(String, String)>,
    },
    /// Print the logs of the throw-away servers NAME of this workspace, one for each version that ran
    Log {
        /// Usually the name of a package
        name: String,
    },
    /// List the throw-away servers of all checkouts
    List,
    /// Stop the throw-away servers of this workspace, or one of them
    Stop {
        /// Usually the name of a package
        name: Option<String>,
    },
    /// Remove the remains of killed servers and test processes
    Gc,
}

#[derive(Subcommand)]
enum Dev {
    /// Find or start it and print {"url","provider","version","started","data"}
    Up {
        /// A folder of the workspace
        #[arg(long, value_name = "PATH")]
        workspace: PathBuf,
        /// Major version of PostgreSQL
        #[arg(long, value_name = "MAJOR")]
        postgres: Option<String>,
    },
    /// Stop it and print {"stopped","wiped","url"}
    Down {
        /// A folder of the workspace
        #[arg(long, value_name = "PATH")]
        workspace: PathBuf,
        /// Remove its data
        #[arg(long)]
        wipe: bool,
    },
    /// Print {"running","url","provider","version","data"} without starting anything
    Status {
        /// A folder of the workspace
        #[arg(long, value_name = "PATH")]
        workspace: PathBuf,
    },
}

fn main() -> ExitCode {
    match run(Cli::parse().command) {
        Ok(output) => {
            if !output.is_empty() {
                println!("{output}");
            }
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("error: {error:#}");
            let settings = error.downcast_ref::<SettingsError>().is_some();
            ExitCode::from(if settings { 2 } else { 3 })
        }
    }
}

fn run(command: Command) -> Result<String> {
    match command {
        Command::Dev(Dev::Up {
            workspace,
            postgres,
        }) => json(&dev::up(&workspace, postgres.as_deref())?),
        Command::Dev(Dev::Down { workspace, wipe }) => json(&dev::down(&workspace, wipe)?),
        Command::Dev(Dev::Status { workspace }) => json(&dev::status(&workspace)?),
        Command::List => {
            let servers = manage::list()?;
            if servers.is_empty() {
                eprintln!("no throw-away servers");
            }
            let lines: Vec<_> = servers.iter().map(ToString::to_string).collect();
            Ok(lines.join("\n"))
        }
        Command::Log { name } => manage::log(&here()?, &name),
        Command::Stop { name } => {
            let stopped = manage::stop(&here()?, name.as_deref())?;
            let plural = if stopped == 1 { "" } else { "s" };
            Ok(format!("stopped {stopped} server{plural}"))
        }
        Command::Gc => Ok(manage::gc()?.to_string()),
        Command::Url {
            name,
            postgres,
            image,
            set,
        } => {
            let wanted = Wanted {
                version: postgres,
                image,
                settings: set.into_iter().collect(),
            };
            Ok(Server::for_workspace(&name, &here()?, &wanted)?.url("postgres"))
        }
    }
}

/// A setting in the form of PostgreSQL's own option `-c`.
fn setting(text: &str) -> Result<(String, String), String> {
    let (name, value) = text.split_once('=').ok_or("not of the form NAME=VALUE")?;
    Ok((name.to_owned(), value.to_owned()))
}

fn here() -> Result<PathBuf> {
    std::env::current_dir().context("failed to read the working directory")
}

fn json(value: &impl serde::Serialize) -> Result<String> {
    serde_json::to_string(value).context("failed to print")
}
