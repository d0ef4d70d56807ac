//! `db down`: stop the local development server.

use crate::confirm::{self, Confirmation};
use crate::context::Context;
use crate::failure::{Failure, Result};
use crate::local_postgres;
use crate::report::Report;

/// Stop the local development server; its data stays
#[derive(clap::Args)]
pub(crate) struct Args {
    /// Remove the server's data, too: every database on it; asks for the name of the workspace's folder
    #[arg(long)]
    wipe: bool,
    #[command(flatten)]
    confirmation: Confirmation,
}

pub(crate) fn run(context: &Context, args: &Args) -> Result<Report, Vec<Failure>> {
    let workspace = &context.workspace;
    if args.wipe {
        let name = workspace
            .root
            .file_name()
            .unwrap_or_default()
            .to_string_lossy();
        let databases = workspace
            .services
            .iter()
            .map(|service| service.database.as_str())
            .collect::<Vec<_>>();
        let what = format!(
            "the local development server of {} with {}",
            workspace.root.display(),
            databases.join(", ")
        );
        confirm::named(&args.confirmation, &name, &what)?;
    }
    let done = local_postgres::down(workspace, args.wipe)?;
    Ok(Report::data(match (done.stopped, done.wiped) {
        (_, true) => "the local server is stopped, its data removed; .env still has its URLs\n",
        (true, false) => {
            "the local server is stopped; its data stays, `cargo xtask db up` starts it again\n"
        }
        (false, false) => "the local server was not running\n",
    }))
}
