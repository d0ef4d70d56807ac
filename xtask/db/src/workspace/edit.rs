//! Edits to a text that keep the rest of it, and its line endings, as they are.

use std::cmp::Reverse;
use std::ops::Range;

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Edit {
    /// These bytes of the text as it was.
    Replace(Range<usize>, String),
    /// A line at the end.
    Append(String),
}

/// `text` with the edits, of which no two replace the same bytes.
pub(crate) fn edited(text: &str, edits: &[Edit]) -> String {
    let newline = if text.contains("\r\n") { "\r\n" } else { "\n" };
    let mut replaced: Vec<_> = edits
        .iter()
        .filter_map(|edit| match edit {
            Edit::Replace(range, new) => Some((range.clone(), new)),
            Edit::Append(_) => None,
        })
        .collect();
    // From the last to the first, so that the bytes of the others stay where they are.
    replaced.sort_by_key(|(range, _)| Reverse(range.start));
    let mut out = text.to_owned();
    for (range, new) in replaced {
        out.replace_range(range, &new.replace('\n', newline));
    }
    for edit in edits {
        if let Edit::Append(line) = edit {
            if !out.is_empty() && !out.ends_with('\n') {
                out += newline;
            }
            out += line;
            out += newline;
        }
    }
    out
}

/// A text without the byte order mark before it, which is no part of it and can't be seen in an error.
pub(crate) fn without_mark(text: String) -> String {
    match text.strip_prefix('\u{feff}') {
        Some(text) => text.to_owned(),
        None => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rest_and_its_line_endings_stay() {
        let edits = [
            Edit::Append("c=3".to_owned()),
            Edit::Replace(2..3, "one".to_owned()),
            Edit::Replace(0..0, "# x\n".to_owned()),
        ];
        assert_eq!(
            edited("a=1\r\nb=2", &edits),
            "# x\r\na=one\r\nb=2\r\nc=3\r\n"
        );
        assert_eq!(edited("", &edits[..1]), "c=3\n");
    }
}
