//! Text to terms: what words a text is about, and how often it says them.

use std::collections::{HashMap, HashSet};

/// Words of English and of advertisements that say nothing about a job.
const STOP_WORDS: &str = "\
    a about all also an and any are as at be been but by can candidate do for from good great had \
    has have he her him his if ideal in into is it its job join like looking may me more must my \
    need no not of on or our over plus she should so some strong such team than that the their \
    them then there these they this to us very was we were what when where which who will with \
    work working would year years you your";

/// A term of a text.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Term<'a> {
    /// As the text writes it first.
    pub(crate) word: &'a str,
    /// Where: it is the text's n-th word.
    pub(crate) position: usize,
    /// How often the text says it.
    pub(crate) count: u32,
}

/// The terms of a text, by their stem.
pub(crate) fn terms(text: &str) -> HashMap<String, Term<'_>> {
    let stop_words: HashSet<_> = STOP_WORDS.split(' ').collect();
    let mut terms = HashMap::new();
    for (position, word) in words(text).enumerate() {
        let lower = word.to_lowercase();
        if !stop_words.contains(&*lower) {
            let term = terms.entry(stem(lower)).or_insert(Term {
                word,
                position,
                count: 0,
            });
            term.count += 1;
        }
    }
    terms
}

/// Words with what belongs to names of techniques: `C++`, `C#`, `.NET`, `node.js`, `CI/CD` is two.
fn words(text: &str) -> impl Iterator<Item = &str> {
    text.split(|c: char| !(c.is_alphanumeric() || "+#.".contains(c)))
        .map(|word| word.trim_end_matches('.'))
        .filter(|word| word.contains(char::is_alphabetic))
}

/// One form for the singular and the plural of a word. Both sides are folded alike, so it matters
/// little that the result is not always a word.
fn stem(mut word: String) -> String {
    let plural = word.len() > 3
        && word.ends_with('s')
        && !["ss", "us", "is", ".js"]
            .iter()
            .any(|end| word.ends_with(end));
    if plural {
        word.pop();
        if word.ends_with("ie") {
            word.truncate(word.len() - 2);
            word.push('y');
        }
    }
    word
}

#[cfg(test)]
mod tests {
    use super::{Term, terms, words};

    fn stems(text: &str) -> Vec<String> {
        let mut stems: Vec<_> = terms(text).into_keys().collect();
        stems.sort();
        stems
    }

    #[test]
    fn names_of_techniques_stay_whole() {
        let text = "C++, C# and .NET; Node.js (CI/CD). In 2024: +1, e-mail.";
        let expected = [
            "C++", "C#", "and", ".NET", "Node.js", "CI", "CD", "In", "e", "mail",
        ];
        assert_eq!(words(text).collect::<Vec<_>>(), expected);
    }

    #[test]
    fn stop_words_say_nothing() {
        assert_eq!(stems("We are looking for THE team, your job"), [""; 0]);
    }

    #[test]
    fn case_and_number_do_not_matter() {
        assert_eq!(stems("Database databases DATABASE"), ["database"]);
        assert_eq!(stems("query queries"), ["query"]);
        assert_eq!(
            stems("Node.js CSS status analysis AWS"),
            ["analysis", "aws", "css", "node.js", "status"]
        );
        let service = Term {
            word: "Services",
            position: 1,
            count: 2,
        };
        assert_eq!(terms("our Services, a service")["service"], service);
    }

    #[test]
    fn other_scripts_are_words_too() {
        assert_eq!(
            stems("Žižkov, développeur 東京"),
            ["développeur", "žižkov", "東京"]
        );
    }
}
