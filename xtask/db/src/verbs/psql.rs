//! `db psql`: a person's own session in a service's database.

use crate::app::App;
use crate::database::guard::Purpose;
use crate::pg::Tool;
use crate::ui::failure::{Failure, Result};
use crate::ui::report::Report;

/// Open a service's database with psql
///
/// The password is in no command line: psql gets it from PGPASSWORD in its environment, and other secrets of the URL
/// from a temporary service file that only you can read. The database of another service is refused. The exit code is
/// psql's own.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// The service
    service: String,
    /// For psql, after `--`: -c 'SELECT 1', -f FILE, -X
    #[arg(last = true, value_name = "ARGS")]
    arguments: Vec<String>,
}

pub(crate) fn run(app: &App, args: &Args) -> Result<Report, Vec<Failure>> {
    let targets = app.targets_to_write(std::slice::from_ref(&args.service))?;
    let Some(target) = targets.first() else {
        return Ok(Report::default());
    };
    let seen = target.see()?;
    target.admit(app, &seen.state, Purpose::Open)?;
    // Closed before psql is there, or a `DROP DATABASE` at its prompt would wait for us.
    let (version, params) = match seen.idle {
        Some(connection) => (connection.server_version(), connection.pinned()),
        None => (0, target.url.params.clone()),
    };
    let psql = Tool::for_person("psql", version, &params)?;
    let status = psql
        .run_for_person(&params, &args.arguments)
        .map_err(Failure::from)?;
    Ok(Report {
        exit_code: Some(status),
        ..Report::default()
    })
}
