//! What became of one service, as the verbs say it.

use crate::database::target::Target;
use crate::ui::failure::{Failure, Kind, Result};
use crate::ui::report::{Outcome, Report, count};

/// A service's line, with nothing below it yet.
pub(crate) fn outcome(target: &Target<'_>, summary: impl Into<String>) -> Outcome {
    Outcome {
        service: target.service.name.clone(),
        database: target.url.database.clone(),
        summary: summary.into(),
        details: Vec::new(),
        failure: None,
    }
}

/// A line per target; where there is only a failure, `undone` says what was not done.
pub(crate) fn lines(targets: &[Target<'_>], results: Vec<Result<Outcome>>, undone: &str) -> Report {
    let lines = targets.iter().zip(results).map(|(target, result)| {
        result.unwrap_or_else(|failure| Outcome {
            failure: Some(failure),
            ..outcome(target, undone)
        })
    });
    lines.collect()
}

/// Why a run of migrations did not come to its end, in a word.
pub(crate) fn how_stopped(failure: &Failure) -> &'static str {
    match failure.kind {
        Kind::Interrupted => "interrupted",
        _ => "failed",
    }
}

/// How far a run of migrations came that did not come to its end.
pub(crate) fn stopped(failure: &Failure, done: usize) -> String {
    format!(
        "{} after {}",
        how_stopped(failure),
        count(done, "migration")
    )
}
