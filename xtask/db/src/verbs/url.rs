//! `db url`: a service's URL, for other tools.

use crate::app::App;
use crate::ui::failure::{Failure, Result};
use crate::ui::report::Report;

/// Print the URL of a service's database, password included, for other tools
///
/// It prints only the URL, to standard output: `DATABASE_URL=$(cargo xtask db url arc) diesel print-schema`. It does
/// not connect to the server.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// The service
    service: String,
}

pub(crate) fn run(app: &App, args: &Args) -> Result<Report, Vec<Failure>> {
    let targets = app.targets_to_write(std::slice::from_ref(&args.service))?;
    let urls = targets.iter().map(|target| target.url.params.revealed());
    Ok(Report::data(
        urls.map(|url| format!("{url}\n")).collect::<String>(),
    ))
}
