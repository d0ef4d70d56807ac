//! `db wait`: until the servers answer.

use std::time::{Duration, Instant};

use crate::context::{Context, Target};
use crate::failure::{Failure, Result};
use crate::parallel;
use crate::report::{Outcome, Report, duration};
use crate::verbs::migrate::outcome;

/// Wait until the servers answer
#[derive(clap::Args)]
pub(crate) struct Args {
    /// The services; all that have a database if none is named
    #[arg(value_name = "SERVICE")]
    services: Vec<String>,
    /// How long to wait
    #[arg(long, value_name = "SECONDS", default_value_t = 60)]
    timeout: u64,
}

pub(crate) fn run(context: &Context, args: &Args) -> Result<Report, Vec<Failure>> {
    let targets = context.targets(&args.services)?;
    let timeout = Duration::from_secs(args.timeout);
    // One deadline for all, however many services wait for their turn.
    let begin = Instant::now();
    Ok(parallel::each(context.jobs, &targets, |target| {
        wait(context, target, begin, timeout)
    })
    .into_iter()
    .collect())
}

fn wait(context: &Context, target: &Target<'_>, begin: Instant, timeout: Duration) -> Outcome {
    let step = context.progress.step(&target.service.name);
    loop {
        let left = timeout
            .saturating_sub(begin.elapsed())
            .as_secs()
            .clamp(2, 5);
        let reason = match target.url.within(left).open() {
            Ok(found) => {
                let answers = format!("answers after {}", duration(begin.elapsed()));
                return match found {
                    Some(_) => outcome(target, answers),
                    // That is for `db create`.
                    None => outcome(
                        target,
                        format!("the server {answers}; the database is missing"),
                    ),
                };
            }
            Err(reason) => reason,
        };
        if begin.elapsed() >= timeout {
            let failure = target.url.unreachable(target.service, &reason);
            return Outcome {
                failure: Some(failure),
                ..outcome(target, format!("no answer in {}", duration(timeout)))
            };
        }
        step.say("waiting for the server");
        std::thread::sleep(Duration::from_millis(200).min(timeout));
    }
}
