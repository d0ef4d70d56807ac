//! `db diagram`: every service's `SCHEMA.md` from its migrations, never from a configured database.

use crate::app::App;
use crate::check::Finding;
use crate::migrations::Migrations;
use crate::scratch::schema_md;
use crate::scratch::schema_rs::{SchemaFile, quoted};
use crate::scratch::throwaway::{self, ThrowawayDatabase, ThrowawayServer, ThrowawayServers};
use crate::ui::failure::{Failure, Result};
use crate::ui::report::Report;
use crate::verbs::schema::{Words, write_each};
use crate::verbs::services::Services;
use crate::workspace::Service;

/// Generate SCHEMA.md from the migrations: a diagram, and the columns of every table
#[derive(clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    services: Services,
    /// Write nothing; show the changes, and exit with 1 if there are any
    #[arg(long)]
    check: bool,
    #[command(flatten)]
    throwaway: throwaway::Options,
}

const WORDS: Words = Words {
    command: "diagram",
    none: "no SCHEMA.md written",
    unwanted: "",
    wanted: "as the migrations make it",
};

pub(crate) fn run(app: &App, args: &Args) -> Result<Report, Vec<Failure>> {
    let services = app.workspace.select(&args.services.names)?;
    let servers = ThrowawayServers::new(app, args.throwaway.trust());
    let report = write_each(
        app,
        &services,
        servers,
        args.check,
        &WORDS,
        |server, service| {
            let file = drawn(app, server, service)?;
            schema_md::overwritable(&file, &app.workspace.shown(&file.path))?;
            Ok(vec![file])
        },
    );
    Ok(report)
}

fn drawn<'c>(
    app: &'c App,
    server: &ThrowawayServer<'c>,
    service: &'c Service,
) -> Result<SchemaFile> {
    let migrations = Migrations::read(service)?;
    let _step = app.progress.step(&service.name);
    let mut database = server.database(service)?;
    database.apply(&migrations)?;
    schema_md::draw(service, &mut database)
}

/// What `db check` says: the `SCHEMA.md` that is there is what is drawn from `database`, which is at head.
///
/// # Errors
/// The server's, or a file that can't be read.
pub(crate) fn findings(
    app: &App,
    service: &Service,
    database: &mut ThrowawayDatabase<'_>,
) -> Result<Option<Finding>> {
    if !schema_md::is_kept(service)? {
        return Ok(None);
    }
    let file = schema_md::draw(service, database)?;
    Ok(file.first_difference().map(|(line, is, should)| {
        let message = format!(
            "out of date: found {}, the migrations make {}",
            quoted(is),
            quoted(should)
        );
        Finding::new("diagram", message)
            .of(&service.name)
            .at(app.workspace.shown(&file.path), line)
            .help(format!("run `cargo xtask db diagram {}`", service.name))
    }))
}
