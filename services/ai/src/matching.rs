use std::cmp::Reverse;

use crate::terms::terms;

/// How well a CV answers an advertisement.
#[derive(Debug, Clone, PartialEq)]
pub struct Match {
    /// The share of the advertisement that the CV covers, from 0 to 1.
    pub score: f64,
    /// What the advertisement asks for and the CV has, the most wanted first.
    pub matched: Vec<String>,
    /// What the advertisement asks for and the CV lacks, the most wanted first.
    pub missing: Vec<String>,
}

/// Scores the text of a CV against the text of an advertisement.
///
/// A term weighs 1 + ln(its count in the advertisement): what is asked for three times matters more
/// than what is asked for once, but not three times as much. How often the CV says it doesn't
/// matter, so that repeating a word gains nothing. An advertisement without terms asks for nothing:
/// it scores 0.
///
/// ```
/// let found = ai::score("I write services in Rust.", "Rust engineer for a PostgreSQL service. Rust!");
/// assert_eq!(found.matched, ["Rust", "service"]);
/// assert_eq!(found.missing, ["engineer", "PostgreSQL"]);
/// assert!((0.5..0.6).contains(&found.score));
/// ```
pub fn score(cv: &str, advertisement: &str) -> Match {
    let cv = terms(cv);
    let mut wanted: Vec<_> = terms(advertisement).into_iter().collect();
    wanted.sort_by_key(|(_, term)| (Reverse(term.count), term.position));

    let mut found = Match {
        score: 0.0,
        matched: Vec::new(),
        missing: Vec::new(),
    };
    let mut total = 0.0;
    for (stem, term) in wanted {
        let weight = 1.0 + f64::from(term.count).ln();
        total += weight;
        if cv.contains_key(&stem) {
            found.score += weight;
            found.matched.push(term.word.to_owned());
        } else {
            found.missing.push(term.word.to_owned());
        }
    }
    if total > 0.0 {
        found.score /= total;
    }
    found
}
