//! `db check`: everything that is wrong, each with its file, line and remedy.

use std::io::Write as _;

use serde::Serialize;
use tabwriter::TabWriter;

use crate::app::App;
use crate::check::finding::{Finding, Found, Ignored};
use crate::check::rules::LEFT_OUT;
use crate::check::scope::Scope;
use crate::check::shown::{self, Sources};
use crate::check::table::{self, Needs};
use crate::check::{annotations, live, offline, sarif, scratch, switched_off};
use crate::scratch::throwaway::{self, ThrowawayServers};
use crate::ui::failure::Failure;
use crate::ui::report::{self, DIM, Report};

/// Find problems in the migrations, their layout and their schema.rs; needs no configured database
///
/// To suppress a check, give a reason: `check-name = "reason"` in [package.metadata.db.allow] or
/// [workspace.metadata.db.allow]; or, for one finding, a comment before it: `-- db-check-ignore check-name: reason`.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// Services to check [default: all]
    #[arg(value_name = "SERVICE")]
    services: Vec<String>,
    /// Check only the files, without a server
    #[arg(long)]
    offline: bool,
    /// Also check the configured databases: owner, pending, unknown and edited migrations, manual changes
    #[arg(long, conflicts_with = "offline")]
    live: bool,
    #[command(flatten)]
    throwaway: throwaway::Options,
    /// How findings are printed; `github` annotates the lines of a pull request, `sarif` is SARIF 2.1.0
    #[arg(long, value_enum, default_value_t = Format::Full)]
    format: Format,
    /// The same as `--format json`
    #[arg(long, conflicts_with = "format")]
    json: bool,
    /// Only list the checks: the name of each, what it needs, and what it finds
    #[arg(long, exclusive = true)]
    list: bool,
}

/// How findings are printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Format {
    Full,
    Concise,
    Github,
    Json,
    Sarif,
}

impl Args {
    fn format(&self) -> Format {
        if self.json { Format::Json } else { self.format }
    }
}

/// The documented, stable form of `--json`.
#[derive(Serialize)]
struct Findings<'f> {
    findings: &'f [Finding],
    /// Of the checks that ask `pg_dump`.
    ignored: &'f [Ignored],
}

pub(crate) fn run(app: &App, args: &Args) -> Result<Report, Vec<Failure>> {
    if args.list {
        return Ok(Report::data(list()));
    }
    let services = match args.services.as_slice() {
        [] => app.workspace.services.iter().collect(),
        names => app.workspace.select(names)?,
    };
    let scope = Scope::read(app, services.clone(), args.services.is_empty());
    let mut found = Found::default();
    let mut ran = vec![Needs::Files];
    found.findings.extend(offline::run(&scope));
    let mut servers = ThrowawayServers::new(app, args.throwaway.trust());
    let mut add = |needs: Needs, more: Found| {
        // Of checks that could not look at everything, it can't be said that a switch is of no use.
        if more.failures.is_empty() {
            ran.push(needs);
        }
        found.findings.extend(more.findings);
        found.ignored.extend(more.ignored);
        found.failures.extend(more.failures);
    };
    if !args.offline {
        add(Needs::Throwaway, scratch::run(app, &services, &mut servers));
    }
    if args.live {
        add(Needs::Live, live::run(app, &services, &mut servers));
    }

    let mut findings = switched_off::apply(&scope, std::mem::take(&mut found.findings), &ran);
    findings.sort_by(|a, b| {
        let key = |f: &Finding| (f.service.clone(), f.file.clone(), f.line, f.check);
        key(a).cmp(&key(b))
    });
    let annotations = match args.format() {
        Format::Github => String::new(),
        _ if annotations::are_read() => annotations::github(&findings),
        _ => String::new(),
    };
    let mut data = rendered(app, args, &scope, &findings, &found);
    if matches!(args.format(), Format::Json | Format::Sarif) {
        if !annotations.is_empty() {
            app.progress.warning(annotations.trim_end());
        }
    } else {
        data.push_str(&annotations);
    }
    Ok(Report {
        data,
        findings: !findings.is_empty(),
        failures: found.failures,
        ..Report::default()
    })
}

fn rendered(
    app: &App,
    args: &Args,
    scope: &Scope<'_>,
    findings: &[Finding],
    found: &Found,
) -> String {
    let root = &app.workspace.root;
    let sources = Sources::read(root, findings);
    let summary = |hidden| shown::summary(findings, hidden, scope.services.len());
    match args.format() {
        Format::Full => {
            let screen = shown::screen().filter(|_| !app.verbose);
            let (text, hidden) = shown::full(findings, &sources, screen);
            let ignored = match app.verbose {
                true => shown::ignored(&found.ignored),
                false => String::new(),
            };
            ignored + &text + &summary(hidden)
        }
        Format::Concise => shown::concise(findings, &sources) + &summary(0),
        Format::Github => annotations::github(findings),
        Format::Json => report::json(&Findings {
            findings,
            ignored: &found.ignored,
        }),
        Format::Sarif => {
            let complete = found.failures.is_empty();
            report::json(&sarif::log(root, findings, &sources, complete))
        }
    }
}

/// The table of checks, and the rules of squawk that are none.
fn list() -> String {
    let mut table = TabWriter::new(Vec::new());
    for check in table::checks() {
        let needs = match check.needs {
            Needs::Files => "files",
            Needs::Throwaway => "throw-away server",
            Needs::Live => "--live",
        };
        let _ = writeln!(
            table,
            "{}\t{DIM}{needs}{DIM:#}\t{}",
            check.name, check.finds
        );
    }
    let _ = writeln!(table, "\nrules of squawk that are not used:");
    for (name, why) in LEFT_OUT {
        let _ = writeln!(table, "{name}\t{why}");
    }
    let text = table.into_inner().unwrap_or_default();
    String::from_utf8_lossy(&text).into_owned()
}
