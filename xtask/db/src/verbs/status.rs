//! `db status`: what is applied, pending and wrong. Reads only; creates nothing.

use std::io::Write as _;

use serde::Serialize;
use tabwriter::TabWriter;

use crate::app::App;
use crate::database::guard::{self, Purpose};
use crate::database::ledger::RunOutcome;
use crate::database::state::State;
use crate::database::target::Target;
use crate::ui::failure::{Failure, Result};
use crate::ui::report::{self, BAD, DIM, GOOD, NOTE, Report};
use crate::verbs::protect::PROTECTED;
use crate::verbs::services::Services;
use crate::workspace::Service;

/// Show what is applied, pending and wrong; creates nothing
#[derive(clap::Args, Default)]
pub(crate) struct Args {
    #[command(flatten)]
    services: Services,
    /// Print JSON
    #[arg(long)]
    json: bool,
    /// Exit 1 if anything is pending or wrong
    #[arg(long)]
    exit_code: bool,
}

/// The documented, stable form of `--json`.
#[derive(Serialize)]
struct Status {
    services: Vec<ServiceStatus>,
}

#[derive(Serialize)]
struct ServiceStatus {
    service: String,
    database: String,
    /// Without its password.
    url: Option<String>,
    /// The variable, and the file if it is in one.
    origin: Option<String>,
    owner: Option<String>,
    /// Whether `db protect` has marked it, where that is known.
    protected: Option<bool>,
    /// The newest applied version.
    current: Option<String>,
    /// How many are applied, where that is known.
    applied: Option<usize>,
    pending: Vec<String>,
    unknown: Vec<String>,
    edited: Vec<String>,
    problems: Vec<String>,
}

pub(crate) fn run(app: &App, args: &Args) -> Result<Report, Vec<Failure>> {
    let found = app.each_target(&args.services.names)?;
    let order: Vec<_> = found
        .iter()
        .map(|(service, _)| service.name.clone())
        .collect();
    let (mut targets, mut services, mut failures) = (Vec::new(), Vec::new(), Vec::new());
    for (service, target) in found {
        match target {
            Ok(target) => targets.push(target),
            Err(failure) => {
                services.push(ServiceStatus::without_target(service, &failure));
                failures.push(failure);
            }
        }
    }
    let mut reached = Vec::new();
    let mut states = Vec::new();
    for (target, seen) in targets.iter().zip(app.look(&targets, State::inspect)) {
        let seen = seen.map(|seen| seen.map(|seen| seen.state));
        let mut status = describe(app, target, seen.as_ref().ok().and_then(Option::as_ref));
        match &seen {
            Ok(Some(_)) => {}
            Ok(None) => status.problems.push(format!(
                "the database is missing: run cargo xtask db create {}",
                target.service.name
            )),
            Err(failure) => {
                status.applied = None;
                status.problems.push(failure.message.clone());
                failures.push(failure.clone());
            }
        }
        reached.push(status);
        states.push(seen.ok().flatten());
    }
    for (status, shared) in reached.iter_mut().zip(shared(&targets, &states)) {
        status.problems.extend(shared);
    }
    services.extend(reached);
    services.sort_by_key(|status| order.iter().position(|name| *name == status.service));
    let findings = services.iter().any(|service| {
        !(service.pending.is_empty() && service.edited.is_empty() && service.problems.is_empty())
    });
    let data = match args.json {
        true => report::json(&Status { services }),
        false => table(&services, app.verbose),
    };
    Ok(Report {
        data,
        failures,
        findings: findings && args.exit_code,
        ..Report::default()
    })
}

impl ServiceStatus {
    /// Of a service whose URL or migrations are missing, so that the server was not asked.
    fn without_target(service: &Service, failure: &Failure) -> Self {
        Self {
            service: service.name.clone(),
            database: service.database.clone(),
            url: None,
            origin: None,
            owner: None,
            protected: None,
            current: None,
            applied: None,
            pending: Vec::new(),
            unknown: Vec::new(),
            edited: Vec::new(),
            problems: vec![failure.message.clone()],
        }
    }
}

fn describe(app: &App, target: &Target<'_>, state: Option<&State>) -> ServiceStatus {
    let Target {
        service,
        url,
        migrations,
    } = target;
    let versions = state.map(State::versions).unwrap_or_default();
    let plan = migrations.plan(&versions);
    let mut status = ServiceStatus {
        service: service.name.clone(),
        database: url.database.clone(),
        url: Some(url.params.to_string()),
        origin: Some(url.origin.to_string()),
        owner: state.and_then(State::owner).map(str::to_owned),
        protected: state.map(State::is_protected),
        current: versions.last().cloned(),
        applied: Some(versions.len()),
        pending: match state {
            Some(_) => plan
                .pending
                .iter()
                .map(|migration| migration.version.clone())
                .collect(),
            // Nothing is known of a database that can't be read.
            None => Vec::new(),
        },
        unknown: plan.unknown,
        edited: state
            .map(|state| state.edited(migrations))
            .unwrap_or_default(),
        problems: Vec::new(),
    };
    if let Some(state) = state {
        status.problems = problems(app, target, state);
    }
    status
}

/// What is wrong with a database, in words.
fn problems(app: &App, target: &Target<'_>, state: &State) -> Vec<String> {
    let pair = [(target.service, target.url.clone())];
    let refusals = guard::before_connecting(&app.workspace, &pair).into_iter();
    let mut problems: Vec<_> = refusals.map(|refusal| refusal.message).collect();
    if let Err(refusal) = target.admit(app, state, Purpose::Inspect) {
        if problems.is_empty() {
            problems.push(refusal.message);
        }
        // What is pending in another's database means nothing.
        return problems;
    }
    let late = target.migrations.plan(&state.versions()).out_of_order;
    problems.extend(
        late.iter()
            .map(|late| format!("{} is pending, but older than what is applied", late.name)),
    );
    for run in state.unfinished(&target.migrations) {
        problems.push(match run.outcome {
            RunOutcome::Failed => format!(
                "the last run of {} failed: {}",
                run.name,
                run.error.as_deref().unwrap_or("no reason recorded")
            ),
            _ if state.locked => format!("{} is running now, since {}", run.name, run.started_at),
            _ => format!("{} was interrupted, after {}", run.name, run.started_at),
        });
    }
    let indexes = state.invalid_indexes.iter();
    problems.extend(
        indexes.map(|index| format!("index {index} is INVALID: PostgreSQL does not use it")),
    );
    problems
}

/// For each target, the other services whose URL leads to the same physical database.
fn shared(targets: &[Target<'_>], states: &[Option<State>]) -> Vec<Vec<String>> {
    let same = |one: usize, two: usize| match (&states[one], &states[two]) {
        (Some(one), Some(two)) => {
            let pair = one.identity.as_ref().zip(two.identity.as_ref());
            pair.is_some_and(|(one, two)| one.is(two))
        }
        _ => false,
    };
    (0..targets.len())
        .map(|this| {
            let others = (0..targets.len()).filter(|other| *other != this && same(this, *other));
            others
                .map(|other| {
                    format!(
                        "service `{}` resolves to the same physical database",
                        targets[other].service.name
                    )
                })
                .collect()
        })
        .collect()
}

fn table(services: &[ServiceStatus], whole: bool) -> String {
    let mut table = TabWriter::new(Vec::new()).ansi(true);
    // Writing to memory does not fail.
    let _ = writeln!(table, "SERVICE\tDATABASE\tCURRENT\tAPPLIED\tPENDING\tSTATE");
    for service in services {
        let state = match (
            service.problems.as_slice(),
            service.edited.len(),
            service.pending.len(),
        ) {
            ([], 0, 0) => format!("{GOOD}up to date{GOOD:#}"),
            ([], 0, number) => format!("{NOTE}{number} pending{NOTE:#}"),
            ([], number, _) => format!("{BAD}{number} edited since applied{BAD:#}"),
            ([problem], ..) => format!("{BAD}{}{BAD:#}", short(problem)),
            (problems, ..) => format!("{BAD}{}{BAD:#}", report::count(problems.len(), "problem")),
        };
        let _ = writeln!(
            table,
            "{}\t{}\t{}\t{}\t{}\t{state}",
            service.service,
            service.database,
            service.current.as_deref().unwrap_or("-"),
            known(service.applied),
            known(service.applied.map(|_| service.pending.len())),
        );
    }
    let mut text = table
        .into_inner()
        .map(|bytes| String::from_utf8_lossy(&bytes).into_owned())
        .unwrap_or_default();
    text.push('\n');
    for service in services {
        text.push_str(&match (&service.url, &service.origin) {
            (Some(url), Some(origin)) => {
                format!("{}: {url} {DIM}({origin}){DIM:#}\n", service.service)
            }
            _ => format!("{}:\n", service.service),
        });
        if service.protected == Some(true) {
            text.push_str(&format!("  {PROTECTED}\n"));
        }
        let lists = [
            ("pending", &service.pending),
            ("unknown", &service.unknown),
            ("edited", &service.edited),
        ];
        for (name, versions) in lists
            .into_iter()
            .filter(|(_, versions)| !versions.is_empty())
        {
            text.push_str(&format!("  {name}: {}\n", listed(versions, whole)));
        }
        for problem in &service.problems {
            text.push_str(&format!(
                "  {BAD}problem{BAD:#}: {}\n",
                problem.replace('\n', "\n    ")
            ));
        }
    }
    text
}

/// How many of a list are shown from its beginning; the last one is, too.
const FIRST: usize = 3;

/// The versions, or of many the first ones, the last and their number.
fn listed(versions: &[String], whole: bool) -> String {
    match versions {
        [first @ .., last] if !whole && first.len() > FIRST => format!(
            "{}, … {last} ({} in all; `-v` lists them)",
            first[..FIRST].join(", "),
            versions.len()
        ),
        versions => versions.join(", "),
    }
}

fn known(number: Option<usize>) -> String {
    number.map_or_else(|| "-".to_owned(), |number| number.to_string())
}

/// The beginning of a problem, for the table.
fn short(problem: &str) -> String {
    let line = problem.lines().next().unwrap_or_default();
    match line.char_indices().nth(60) {
        Some((at, _)) => format!("{}…", &line[..at]),
        None => line.to_owned(),
    }
}
