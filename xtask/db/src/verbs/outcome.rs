//! What became of one service, as the verbs say it.

use crate::database::target::Target;
use crate::ui::failure::Result;
use crate::ui::report::{Outcome, Report};

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
