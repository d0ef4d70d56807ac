//! `db down`: stop the local development server.

use crate::app::App;
use crate::scratch::local_postgres;
use crate::ui::failure::{Failure, Result};
use crate::ui::report::Report;
use crate::verbs::confirm;
use crate::workspace::dotenv;

/// Stop the local development server; its data stays
#[derive(clap::Args)]
pub(crate) struct Args {
    /// Remove the server's data, too: every database on it; asks for the name of the workspace's folder
    #[arg(long)]
    wipe: bool,
    /// Confirm `--wipe` with the name of the workspace's folder, instead of typing it
    #[arg(long, value_name = "NAME", requires = "wipe")]
    yes: Option<String>,
}

pub(crate) fn run(app: &App, args: &Args) -> Result<Report, Vec<Failure>> {
    let workspace = &app.workspace;
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
        confirm::named(args.yes.as_deref(), &name, &what)?;
    }
    let done = local_postgres::down(workspace, args.wipe)?;
    // URLs that lead nowhere any more would stop the next `db up`.
    let emptied = match done.url.as_deref().and_then(|url| url.rsplit_once('/')) {
        Some((server, _)) => dotenv::empty(&workspace.root, &format!("{server}/"))?,
        None => Vec::new(),
    };
    let mut said = match (done.stopped, done.wiped) {
        (_, true) => "the local server is stopped, its data removed",
        (true, false) => {
            "the local server is stopped; its data stays, `cargo xtask db up` starts it again"
        }
        (false, false) => "the local server was not running",
    }
    .to_owned();
    if !emptied.is_empty() {
        said.push_str(&format!("; emptied in .env: {}", emptied.join(", ")));
    }
    Ok(Report::data(said + "\n"))
}
