//! `cargo db`: the tool as a program of its own, for any workspace.

use std::process::ExitCode;

use clap::{CommandFactory as _, Parser};

/// Databases of a workspace of services
#[derive(Parser)]
#[command(
    name = "cargo",
    bin_name = "cargo",
    version,
    arg_required_else_help = true
)]
enum Cargo {
    Db(workspace_db::Args),
    #[command(hide = true)]
    Completions(workspace_db::Completions),
}

fn main() -> ExitCode {
    match Cargo::parse() {
        Cargo::Db(args) => workspace_db::run(&args),
        Cargo::Completions(args) => args.print(&Cargo::command(), "cargo-db"),
    }
}
