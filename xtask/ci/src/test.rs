//! `test`: the tests of the services on every PostgreSQL that is asked for, built once.

mod cargo_test;
mod nextest;
mod results;
mod select;
mod servers;

use std::num::NonZero;
use std::process::Command;
use std::thread::ScopedJoinHandle;
use std::time::{Duration, Instant};

use anyhow::bail;
use workspace_db::settings::Settings;

use crate::matrix::{self, Entry, Packages};
use crate::{Outcome, child, github};
use results::{Ran, Results};
use servers::Servers;

/// Run the tests of the services, each with its own PostgreSQL
#[derive(clap::Args)]
pub struct Args {
    /// Services, or other packages of the workspace [default: all services]
    #[arg(value_name = "SERVICE")]
    names: Vec<String>,
    /// Test the packages that are not services, instead
    #[arg(long, conflicts_with = "names")]
    tools: bool,
    /// The major version, or `all` that each service supports [default: as `cargo test`]
    #[arg(long, value_name = "VERSION|all")]
    postgres: Option<String>,
    /// Test only packages that the changes since the merge base with BASE can affect
    #[arg(long, value_name = "BASE")]
    changed: Option<String>,
    /// Run only part M of N of the tests, to divide them among N machines (with cargo-nextest): `hash:1/2`
    #[arg(long, value_name = "M/N")]
    partition: Option<String>,
    /// Continue without the versions that this machine can't run
    #[arg(long)]
    skip_missing: bool,
    /// Passed to the tests: a part of their names, or options
    #[arg(last = true)]
    args: Vec<String>,
}

/// The tests of these packages, on one PostgreSQL.
pub(crate) struct Job<'a> {
    /// None as `cargo test` has it: nothing is said of the version.
    pub(crate) postgres: Option<String>,
    pub(crate) packages: Vec<String>,
    pub(crate) args: &'a Args,
    /// Whether its output is shown as it comes.
    pub(crate) show: bool,
    /// How many tests at once; none as the runner has it.
    pub(crate) threads: Option<usize>,
}

impl Job<'_> {
    /// How tables call its version.
    fn version(&self) -> &str {
        self.postgres.as_deref().unwrap_or("TESTS")
    }

    /// Tells the tests which PostgreSQL to run on.
    pub(crate) fn environment(&self, command: &mut Command) {
        if let Some(version) = &self.postgres {
            command.env("LOCAL_POSTGRES_VERSION", version);
        }
        if let Some(threads) = self.threads {
            command.env("RUST_TEST_THREADS", threads.to_string());
            command.env("NEXTEST_TEST_THREADS", threads.to_string());
        }
    }
}

/// What builds and runs tests.
enum Runner {
    Nextest(nextest::Built),
    Cargo(cargo_test::Built),
}

pub(crate) fn run(args: &Args) -> anyhow::Result<Outcome> {
    let settings = matrix::settings()?;
    let packages = Packages::read(&settings.root)?;
    let entries = select::entries(args, &settings, &packages)?;
    if entries.is_empty() {
        eprintln!("nothing to test");
        return Ok(Outcome::Done);
    }
    let mut jobs = jobs(args, &settings, entries);
    let mut names: Vec<_> = jobs.iter().flat_map(|job| job.packages.clone()).collect();
    names.sort();
    names.dedup();
    let Some(runner) = Runner::build(&settings, args, &names)? else {
        return Ok(Outcome::Findings);
    };
    let servers = Servers::build(&settings, &packages)?;
    let missing = servers.missing(&jobs)?;
    if !missing.is_empty() && !args.skip_missing {
        bail!(
            "failed to get every PostgreSQL:\n{}\n  help: --skip-missing goes on without",
            missing
                .iter()
                .map(ToString::to_string)
                .collect::<Vec<_>>()
                .join("\n")
        );
    }
    let mut columns = Vec::new();
    jobs.retain(|job| {
        columns.push(job.version().to_owned());
        !missing
            .iter()
            .any(|it| Some(&it.version) == job.postgres.as_ref())
    });
    for it in &missing {
        eprintln!("skipped {it}");
    }
    if jobs.is_empty() {
        bail!("nothing was tested: every version was skipped");
    }
    let start = Instant::now();
    let results = Results {
        columns,
        rows: names,
        ran: run_all(&settings, &runner, &mut jobs)?,
    };
    finish(&settings, &packages, &servers, &results, start.elapsed())
}

/// One job a version, or one for all where none is asked for.
fn jobs<'a>(args: &'a Args, settings: &Settings, entries: Vec<Entry>) -> Vec<Job<'a>> {
    let job = |postgres: Option<String>, mut packages: Vec<String>| {
        packages.sort();
        packages.dedup();
        Job {
            postgres,
            packages,
            args,
            show: false,
            threads: None,
        }
    };
    let mut jobs = Vec::new();
    if args.postgres.is_none() {
        jobs.push(job(
            None,
            entries.into_iter().map(|it| it.service).collect(),
        ));
    } else {
        for version in &settings.postgres {
            let of_version = entries.iter().filter(|it| it.postgres == *version);
            let packages: Vec<_> = of_version.map(|it| it.service.clone()).collect();
            if !packages.is_empty() {
                jobs.push(job(Some(version.clone()), packages));
            }
        }
    }
    jobs
}

/// All versions at once: much of a test is waiting, for a server, a lease or the start of a process. They share the
/// cores, two tests for each: more would only make them wait for each other.
fn run_all(settings: &Settings, runner: &Runner, jobs: &mut [Job<'_>]) -> anyhow::Result<Vec<Ran>> {
    let cores = std::thread::available_parallelism().map_or(2, NonZero::get);
    let threads = (2 * cores).div_ceil(jobs.len());
    for job in &mut *jobs {
        job.threads = Some(threads);
    }
    if let [only] = jobs {
        only.show = true;
    }
    std::thread::scope(|scope| {
        let running: Vec<_> = jobs
            .iter()
            .map(|job| {
                scope.spawn(move || {
                    let ran = match runner {
                        Runner::Nextest(built) => built.run(settings, job),
                        Runner::Cargo(built) => built.run(settings, job),
                    }?;
                    if !job.show {
                        eprintln!("PostgreSQL {}: {}", job.version(), ran.closing);
                    }
                    Ok(ran)
                })
            })
            .collect();
        let ended = running.into_iter().map(ScopedJoinHandle::join);
        ended
            .map(|it| it.unwrap_or_else(|_| bail!("failed to run the tests")))
            .collect()
    })
}

/// The failures in full, the table, and what GitHub is told.
fn finish(
    settings: &Settings,
    packages: &Packages,
    servers: &Servers,
    results: &Results,
    time: Duration,
) -> anyhow::Result<Outcome> {
    for failure in results.failures() {
        eprintln!(
            "\n---- {} ----\n{}",
            failure.title(),
            failure.output.trim_end()
        );
        github::annotate(&failure.title(), failure.output.trim_end());
    }
    let table = results.table();
    println!("\n{}", github::aligned(&table).trim_end());
    println!("\n{} in {:.1} s", results.summary(), time.as_secs_f64());
    github::summary(&github::markdown(&table))?;
    if results.all_passed() {
        return Ok(Outcome::Done);
    }
    servers.keep_logs(settings, packages, &results.failed_packages())?;
    Ok(Outcome::Findings)
}

impl Runner {
    /// Builds the tests of these packages; none if they do not build, which cargo has said why.
    fn build(settings: &Settings, args: &Args, names: &[String]) -> anyhow::Result<Option<Self>> {
        let mut nextest = child::cargo(&settings.root);
        let has_nextest = child::answer(nextest.args(["nextest", "--version"])).is_ok();
        Ok(match has_nextest {
            true => nextest::Built::new(settings, names)?.map(Self::Nextest),
            false if args.partition.is_some() => bail!(
                "--partition needs cargo-nextest, which divides the tests\n  help: install it: https://nexte.st"
            ),
            false => cargo_test::Built::new(settings, names)?.map(Self::Cargo),
        })
    }
}

/// The arguments that name packages to cargo; in CI the lockfile is as it is.
pub(crate) fn cargo_arguments(names: &[String]) -> Vec<String> {
    let mut arguments = Vec::new();
    for name in names {
        arguments.extend(["--package".to_owned(), name.clone()]);
    }
    if std::env::var_os("CI").is_some() {
        arguments.push("--locked".to_owned());
    }
    arguments
}
