//! `db down`: stop the local development server.

use crate::app::App;
use crate::database::state::State;
use crate::pg::{Connection, Params};
use crate::scratch::local_postgres;
use crate::ui::failure::{Failure, Kind, Result};
use crate::ui::report::Report;
use crate::verbs::confirm::{Confirmation, Danger};
use crate::workspace::dotenv;

/// Stop the local development server; keep its data
#[derive(clap::Args)]
pub(crate) struct Args {
    /// Also remove the server's data, with every database; asks for the name of the workspace's folder
    #[arg(long)]
    wipe: bool,
    /// Confirm `--wipe` with the name of the workspace's folder, instead of typing it
    #[arg(long, value_name = "NAME", requires = "wipe")]
    yes: Vec<String>,
    /// Allow this even if a database on the server is protected
    #[arg(long, requires = "wipe")]
    force: bool,
}

pub(crate) fn run(app: &App, args: &Args) -> Result<Report, Vec<Failure>> {
    let workspace = &app.workspace;
    if args.wipe {
        let confirmation = Confirmation {
            yes: args.yes.clone(),
            force: args.force,
        };
        confirmation.of(&app.progress, &danger(app)?)?;
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

/// The whole server: every database on it.
fn danger(app: &App) -> Result<Danger> {
    let root = &app.workspace.root;
    let name = root.file_name().unwrap_or_default().to_string_lossy();
    let what = format!(
        "the local development server of {} with its data",
        root.display()
    );
    let danger = Danger::new(name, what);
    let Some(url) = local_postgres::status(&app.workspace)?.url else {
        let services = app.workspace.services.iter();
        let databases: Vec<_> = services.map(|service| service.database.as_str()).collect();
        return Ok(danger.and(format!(
            "the server is not running, so its content is unknown; the services' databases: {}",
            databases.join(", ")
        )));
    };
    let unreadable = |reason: String| {
        Failure::new(
            Kind::Connect,
            format!("failed to look at the local server: {reason}"),
        )
        .help("nothing was changed")
    };
    let server = Params::parse(&url).map_err(unreadable)?;
    let mut connection = Connection::open(&server).map_err(unreadable)?;
    let names: Vec<String> = connection
        .query_json(
            "SELECT coalesce(json_agg(datname ORDER BY datname), '[]') FROM pg_database
             WHERE datallowconn AND datname NOT IN ('postgres', 'template0', 'template1')",
            &[],
        )
        .map_err(|error| unreadable(error.to_string()))?;
    names.iter().try_fold(danger, |danger, name| {
        let params = server.with("dbname", name);
        let mut connection = Connection::open(&params).map_err(unreadable)?;
        let state = State::read(&mut connection).map_err(|error| unreadable(error.to_string()))?;
        Ok(danger.and_database(&params, state.owner(), &state, &mut connection))
    })
}
