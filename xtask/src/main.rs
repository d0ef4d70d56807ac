//! `cargo xtask`: the tasks of this workspace. `db` comes whole from the crate `workspace-db`, the others from `workspace-ci`.

use std::process::ExitCode;

use clap::{CommandFactory as _, Parser};

/// Tasks of this workspace
#[derive(Parser)]
#[command(
    name = "cargo xtask",
    bin_name = "cargo xtask",
    version,
    arg_required_else_help = true
)]
enum Task {
    Db(workspace_db::Args),
    Matrix(workspace_ci::Matrix),
    Test(workspace_ci::Test),
    Ci(workspace_ci::Ci),
    Mutants(workspace_ci::Mutants),
    Faults(workspace_ci::Faults),
    Completions(workspace_db::Completions),
}

fn main() -> ExitCode {
    match Task::parse() {
        Task::Db(args) => workspace_db::run(&args),
        Task::Matrix(args) => args.run(),
        Task::Test(args) => args.run(),
        Task::Ci(args) => args.run(),
        Task::Mutants(args) => args.run(),
        Task::Faults(args) => args.run(),
        Task::Completions(args) => args.print(&Task::command(), "xtask"),
    }
}
