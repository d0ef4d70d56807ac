//! `db wait`: until the servers answer.

use std::time::{Duration, Instant};

use crate::app::App;
use crate::database::target::Target;
use crate::ui::failure::{Failure, Result};
use crate::ui::parallel;
use crate::ui::report::{Outcome, Report, duration};
use crate::verbs::outcome::outcome;
use crate::verbs::services::Services;

/// Wait until the servers answer
#[derive(clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    services: Services,
    /// How long to wait
    #[arg(long, value_name = "SECONDS", default_value_t = 60)]
    timeout: u64,
}

pub(crate) fn run(app: &App, args: &Args) -> Result<Report, Vec<Failure>> {
    let targets = app.targets(&args.services.names)?;
    let timeout = Duration::from_secs(args.timeout);
    // One deadline for all, however many services wait for their turn.
    let begin = Instant::now();
    Ok(parallel::each(app.jobs, &targets, |target| {
        wait(app, target, begin, timeout)
    })
    .into_iter()
    .collect())
}

fn wait(app: &App, target: &Target<'_>, begin: Instant, timeout: Duration) -> Outcome {
    let step = app.progress.step(&target.service.name);
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
