//! `db up`: the newcomer's one command, from nothing to migrated databases on a local server.

use crate::app::App;
use crate::pg::Params;
use crate::scratch::local_postgres;
use crate::ui::failure::{Failure, Result};
use crate::ui::report::Report;
use crate::verbs::{create, migrate, seed, status};
use crate::workspace::Service;
use crate::workspace::database_url::{DatabaseUrl, Variables};
use crate::workspace::dotenv;

/// Start the local development server; create and migrate every database
#[derive(clap::Args)]
pub(crate) struct Args {
    /// Also run the services' `seeds/*.sql`
    #[arg(long)]
    seed: bool,
}

pub(crate) fn run(mut app: App, args: &Args) -> Result<Report, Vec<Failure>> {
    let services = app.workspace.select(&[])?;
    // Before anything is started: a variable for another machine is a reason to stop.
    let missing = services_without_url(&app, &services)?;
    app.progress
        .line("starting local PostgreSQL (the first run builds its launcher, which takes minutes)");
    let server = local_postgres::up(&app.workspace)?;
    let base = Params::parse(&server.url).map_err(|reason| {
        Failure::usage(format!("failed to read the local server's URL: {reason}"))
    })?;
    app.progress.line(&format!(
        "PostgreSQL {} {} on {} ({}, data in {})",
        server.version,
        if server.started {
            "started"
        } else {
            "is running"
        },
        base.with("dbname", ""),
        server.provider,
        server.data
    ));
    refuse_elsewhere(&app, &services, &base)?;
    if !missing.is_empty() {
        let lines = missing.iter().map(|service| {
            let encoded = percent_encoding::utf8_percent_encode(
                &service.database,
                percent_encoding::NON_ALPHANUMERIC,
            );
            (
                service.variable.clone(),
                on_server(&server.url, &encoded.to_string().replace("%5F", "_")),
            )
        });
        dotenv::add(&app.workspace.root, &lines.collect::<Vec<_>>())?;
        let names = missing
            .iter()
            .map(|service| service.variable.as_str())
            .collect::<Vec<_>>()
            .join(", ");
        app.progress.line(&format!(
            "wrote {names} to {}",
            app.workspace.root.join(".env").display()
        ));
    }
    app.variables = Variables::read(&app.workspace.root).map_err(|fault| Failure::from(&fault))?;
    let mut report = create::run(&app, &create::Args::default())?;
    if report.failures.is_empty() {
        let migrated = migrate::run(&app, &migrate::Args::default())?;
        report.data.push_str(&format!("\n{}", migrated.data));
        report.failures.extend(migrated.failures);
    }
    seeds(&app, args.seed, &mut report)?;
    let shown = status::run(&app, &status::Args::default())?;
    report.data.push_str(&format!("\n{}", shown.data));
    Ok(report)
}

/// Runs the seeds that there are, if they are asked for and nothing has failed; else offers them.
fn seeds(app: &App, wanted: bool, report: &mut Report) -> Result<(), Vec<Failure>> {
    let services = seed::there_are(app);
    if services.is_empty() {
        return Ok(());
    }
    if wanted && report.failures.is_empty() {
        let seeded = seed::of(app, &[], false)?;
        report.data.push_str(&format!("\n{}", seeded.data));
        report.failures.extend(seeded.failures);
    } else {
        app.progress.line(&format!(
            "there are seeds for {}; to fill the databases: cargo xtask db seed",
            services.join(", ")
        ));
    }
    Ok(())
}

/// The services whose own variable is not set yet.
///
/// # Errors
/// A variable that leads to another machine.
fn services_without_url<'w>(
    app: &App,
    services: &[&'w Service],
) -> Result<Vec<&'w Service>, Vec<Failure>> {
    let (mut missing, mut failures) = (Vec::new(), Vec::new());
    for service in services {
        match app.variables.get(&service.variable)? {
            None => missing.push(*service),
            Some((text, origin)) => match DatabaseUrl::parse(&text, origin) {
                Ok(url) if url.params.is_local() => {}
                Ok(url) => failures.push(elsewhere(service, &url)),
                Err(failure) => failures.push(failure),
            },
        }
    }
    if failures.is_empty() {
        Ok(missing)
    } else {
        Err(failures)
    }
}

/// Refuses when a variable that was set before does not lead to the local server.
fn refuse_elsewhere(app: &App, services: &[&Service], base: &Params) -> Result<(), Vec<Failure>> {
    let urls = services
        .iter()
        .filter_map(|service| Some((service, app.variables.own(service)?)));
    let failures: Vec<_> = urls
        .filter(|(_, url)| {
            url.params.get("port").unwrap_or("5432") != base.get("port").unwrap_or("5432")
        })
        .map(|(service, url)| elsewhere(service, &url))
        .collect();
    if failures.is_empty() {
        Ok(())
    } else {
        Err(failures)
    }
}

fn elsewhere(service: &Service, url: &DatabaseUrl) -> Failure {
    Failure::usage(format!(
        "{} points service `{}` away from the local development server: {}",
        url.origin, service.name, url.params
    ))
    .help("`db up` only ever touches the local server, so it stops here")
    .help(format!(
        "remove {} to have it set, or use `cargo xtask db create` and `db migrate` with it",
        service.variable
    ))
}

/// The server's URL with another database at its end.
fn on_server(url: &str, database: &str) -> String {
    let end = url.rfind('/').unwrap_or(url.len());
    format!("{}/{database}", &url[..end])
}
