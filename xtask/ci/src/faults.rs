//! `faults`: rounds in which the tool, its link or its server breaks down at a random moment, and nothing may be lost.

use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::{Context as _, bail};

use crate::test::cargo_arguments;
use crate::{Outcome, child, matrix};

/// Interrupt runs of the tool at random moments, and check that nothing is lost
///
/// Each round kills a run, its connection or its server, lets the next run continue, and checks the result. Exits with 1 at
/// the first round that fails, and says how to replay it.
#[derive(clap::Args)]
pub struct Args {
    /// The kinds of faults [default: all]
    #[arg(value_name = "KIND")]
    kinds: Vec<String>,
    /// The number of rounds of each kind
    #[arg(long, value_name = "N", default_value_t = 200, value_parser = clap::value_parser!(u64).range(1..))]
    rounds: u64,
    /// The seed of the first round; every further round uses the next one [default: the time]
    #[arg(long, value_name = "S")]
    seed: Option<u64>,
    /// The major version of the server [default: `LOCAL_POSTGRES_VERSION`]
    #[arg(long, value_name = "VERSION")]
    postgres: Option<String>,
    /// Only list the kinds of faults
    #[arg(long)]
    list: bool,
}

pub(crate) fn run(args: &Args) -> anyhow::Result<Outcome> {
    let root = matrix::settings()?.root;
    let mut cargo = child::cargo(&root);
    cargo.args(["test", "--quiet", "--test", "faults"]);
    cargo.args(cargo_arguments(&["xtask".to_owned()])).arg("--");
    if !args.list {
        let now = SystemTime::now().duration_since(UNIX_EPOCH);
        let seed = args.seed.unwrap_or(now.map_or(0, |time| time.as_secs()));
        cargo.args([args.rounds.to_string(), seed.to_string()]);
        cargo.args(&args.kinds);
        eprintln!("== {}", child::shown(&cargo));
    }
    if let Some(version) = &args.postgres {
        cargo.env("LOCAL_POSTGRES_VERSION", version);
    }
    let status = cargo.status().context("failed to run `cargo test`")?;
    match status.code() {
        Some(0) => Ok(Outcome::Done),
        Some(1) => Ok(Outcome::Findings),
        // It has said why.
        _ => bail!("the rounds were not run: {status}"),
    }
}
