//! Words of a file shown the way a compiler shows them: file, line, carets; and an SQL error that is about them.

use std::ops::Range;

use anstyle::Style;

use crate::pg::SqlError;
use crate::sql::statements::{Place, place_of};

/// How much of a long line is shown on each side of the caret.
const AROUND: usize = 60;

/// Renders `error`, raised by the text `sql` of the file `path` at this byte offset, where it is known.
pub(crate) fn render(path: &str, sql: &str, offset: Option<usize>, error: &SqlError) -> String {
    let mut out = String::new();
    match offset {
        None => out.push_str(&format!("  --> {path}\n")),
        Some(offset) => {
            let plain = Style::new();
            out.push_str(&Excerpt::of(sql, offset..offset).render(path, plain, plain));
        }
    }
    let severity = if error.severity.is_empty() {
        "error"
    } else {
        &error.severity
    };
    out.push_str(&format!("  = {severity}: {}\n", indented(&error.message)));
    for (label, text) in [
        ("detail", &error.detail),
        ("hint", &error.hint),
        ("context", &error.context),
    ] {
        if let Some(text) = text {
            out.push_str(&format!("  = {label}: {}\n", indented(text)));
        }
    }
    if !error.sqlstate.is_empty() {
        out.push_str(&format!("  = SQLSTATE: {}\n", error.sqlstate));
    }
    out.truncate(out.trim_end().len());
    out
}

/// The line of a text in which some words stand, as a compiler shows it.
pub(crate) struct Excerpt {
    /// Where the words begin.
    pub(crate) place: Place,
    line: String,
    /// What stands under the line before the first caret.
    blank: String,
    carets: usize,
}

impl Excerpt {
    /// Of these bytes: as many carets as they have characters on their first line, one at least.
    pub(crate) fn of(text: &str, words: Range<usize>) -> Self {
        let offset = words.start;
        let (line, blank) = window(text, offset);
        let shown = line.chars().count() - blank.chars().count().min(line.chars().count());
        let first = text[words].lines().next().unwrap_or_default();
        Self {
            place: place_of(text, offset),
            carets: first.trim_end().chars().count().min(shown).max(1),
            line,
            blank,
        }
    }

    /// The place, the line and the carets, in lines that each end.
    pub(crate) fn render(&self, path: &str, margin: Style, caret: Style) -> String {
        let Place { line, column } = self.place;
        let number = line.to_string();
        let (pad, carets) = (" ".repeat(number.len()), "^".repeat(self.carets));
        format!(
            "{pad}{margin}-->{margin:#} {path}:{line}:{column}\n{pad} {margin}|{margin:#}\n\
             {margin}{number} |{margin:#} {}\n{pad} {margin}|{margin:#} {}{caret}{carets}{caret:#}\n",
            self.line, self.blank
        )
    }
}

/// The line at `offset`, shortened where it is long, and the space before the caret under it.
fn window(sql: &str, offset: usize) -> (String, String) {
    let start = sql[..offset].rfind('\n').map_or(0, |at| at + 1);
    let end = sql[offset..].find('\n').map_or(sql.len(), |at| offset + at);
    let before: Vec<char> = sql[start..offset].chars().collect();
    let after: Vec<char> = sql[offset..end].trim_end().chars().collect();
    let (cut_before, cut_after) = (before.len() > AROUND, after.len() > AROUND);
    let before = &before[before.len().saturating_sub(AROUND)..];
    let after = &after[..after.len().min(AROUND)];
    let lead = if cut_before { "…" } else { "" };
    let line = format!(
        "{lead}{}{}{}",
        before.iter().collect::<String>(),
        after.iter().collect::<String>(),
        if cut_after { "…" } else { "" }
    );
    // A tab stays a tab, so that the caret stands under its character for any width of tabs.
    let blank = before.iter().map(|c| if *c == '\t' { '\t' } else { ' ' });
    let caret = lead.chars().map(|_| ' ').chain(blank).collect();
    (line, caret)
}

fn indented(text: &str) -> String {
    text.trim().replace('\n', "\n    ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_offset_becomes_a_caret() {
        let error = SqlError {
            severity: "ERROR".into(),
            sqlstate: "42704".into(),
            message: "type \"txt\" does not exist".into(),
            ..SqlError::default()
        };
        let sql = "CREATE TABLE t (\n  \u{e9} int,\n\tn txt\n);\n";
        assert_eq!(
            render("a/up.sql", sql, sql.find("txt"), &error),
            " --> a/up.sql:3:4\n  |\n3 | \tn txt\n  | \t  ^\n  = ERROR: type \"txt\" does not exist\n  = SQLSTATE: 42704"
        );
        assert!(render("a/up.sql", sql, None, &error).starts_with("  --> a/up.sql\n  = ERROR"));
    }

    #[test]
    fn a_long_line_is_cut_around_the_caret() {
        let sql = format!("SELECT {}x{}", "a, ".repeat(100), ", b".repeat(100));
        let error = SqlError {
            message: "no".into(),
            ..SqlError::default()
        };
        let shown = render("u", &sql, sql.find('x'), &error);
        let lines: Vec<_> = shown.lines().collect();
        assert!(lines[2].chars().count() < 140, "{shown}");
        let caret = lines[3].chars().position(|c| c == '^').unwrap();
        assert_eq!(lines[2].chars().nth(caret), Some('x'), "{shown}");
    }
}
