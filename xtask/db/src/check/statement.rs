//! The statements of a migration as far as the checks need to understand them: which table, and is it a new one.

use std::collections::BTreeSet;
use std::ops::Range;

use squawk_lexer::{TokenKind, tokenize};

use crate::sql::statements::starts;

/// The words of a statement, names without quotes, and its punctuation.
fn words(statement: &str) -> Vec<String> {
    let (mut words, mut offset) = (Vec::new(), 0);
    for token in tokenize(statement) {
        let text = &statement[offset..offset + token.len as usize];
        offset += token.len as usize;
        match token.kind {
            TokenKind::Whitespace | TokenKind::LineComment | TokenKind::BlockComment { .. } => {}
            TokenKind::Semi => break,
            TokenKind::QuotedIdent { .. } => words.push(text.trim_matches('"').to_owned()),
            _ => words.push(text.to_lowercase()),
        }
    }
    words
}

/// The statements with the bytes they take.
fn each(sql: &str) -> Vec<(Range<usize>, Vec<String>)> {
    let starts = starts(sql);
    let ends = starts.iter().copied().skip(1).chain([sql.len()]);
    starts
        .iter()
        .copied()
        .zip(ends)
        .map(|(start, end)| (start..end, words(&sql[start..end])))
        .collect()
}

/// The bytes of the statements that touch only tables which the same text creates.
pub(crate) fn on_new_tables(sql: &str) -> Vec<Range<usize>> {
    let mut new = BTreeSet::<String>::new();
    let mut found = Vec::new();
    for (range, words) in each(sql) {
        let words: Vec<_> = words.iter().map(String::as_str).collect();
        let others_are_new =
            |new: &BTreeSet<String>| references(&words).iter().all(|table| new.contains(table));
        if let Some(table) = created(&words) {
            // A reference to itself locks no other table.
            new.insert(table);
            if others_are_new(&new) {
                found.push(range);
            }
        } else if let Some(table) = touched(&words)
            && new.contains(&table)
            && others_are_new(&new)
        {
            found.push(range);
        }
    }
    found
}

/// The bytes of the statements that make something new without a lock that another session could hold.
pub(crate) fn without_locks(sql: &str) -> Vec<Range<usize>> {
    const KINDS: &[&str] = &[
        "aggregate",
        "collation",
        "domain",
        "extension",
        "function",
        "procedure",
        "role",
        "schema",
        "sequence",
        "type",
    ];
    let new = |words: &[String]| {
        let mut words = words.iter().map(String::as_str);
        let mut next = words.next();
        if next != Some("create") {
            return false;
        }
        next = words.next();
        if next == Some("or") {
            next = words.nth(1);
        }
        next.is_some_and(|kind| KINDS.contains(&kind))
    };
    each(sql)
        .into_iter()
        .filter(|(_, words)| new(words))
        .map(|(range, _)| range)
        .collect()
}

/// The last part of the name that begins at `words[at]`: `public.users` is `users`.
fn name(words: &[&str], mut at: usize) -> Option<String> {
    while words.get(at + 1) == Some(&".") {
        at += 2;
    }
    words.get(at).map(|word| (*word).to_owned())
}

fn skip(words: &[&str], mut at: usize, fillers: &[&str]) -> usize {
    while words.get(at).is_some_and(|word| fillers.contains(word)) {
        at += 1;
    }
    at
}

fn created(words: &[&str]) -> Option<String> {
    if words.first() != Some(&"create") {
        return None;
    }
    let at = skip(
        words,
        1,
        &["unlogged", "temporary", "temp", "local", "global"],
    );
    if words.get(at) != Some(&"table") || words.contains(&"partition") && words.contains(&"of") {
        return None;
    }
    name(words, skip(words, at + 1, &["if", "not", "exists"]))
}

/// The table that an ALTER TABLE, an index, a trigger, a policy or a comment is about.
fn touched(words: &[&str]) -> Option<String> {
    match words {
        ["alter" | "drop", "table", ..] => name(words, skip(words, 2, &["if", "exists", "only"])),
        ["create", ..] => {
            let kind = skip(words, 1, &["or", "replace", "unique", "constraint"]);
            if !matches!(words.get(kind), Some(&("index" | "trigger" | "policy"))) {
                return None;
            }
            let on = words.iter().position(|word| *word == "on")?;
            name(words, skip(words, on + 1, &["only"]))
        }
        ["comment", "on", "table", ..] => name(words, 3),
        _ => None,
    }
}

/// The tables behind `REFERENCES`.
fn references(words: &[&str]) -> Vec<String> {
    let at = words.iter().enumerate();
    at.filter(|(_, word)| **word == "references")
        .filter_map(|(index, _)| name(words, index + 1))
        .collect()
}

/// `sql` with spaces instead of those bytes, of whole statements, comments kept: every offset and line stays.
pub(crate) fn blank(sql: &str, ranges: &[Range<usize>]) -> String {
    let mut ranges = ranges.to_vec();
    ranges.sort_unstable_by_key(|range| range.start);
    let is_in = |offset: usize| {
        let behind = ranges.partition_point(|range| range.start <= offset);
        ranges[..behind]
            .last()
            .is_some_and(|range| range.contains(&offset))
    };
    let (mut out, mut offset) = (String::with_capacity(sql.len()), 0);
    for token in tokenize(sql) {
        let end = offset + token.len as usize;
        let text = &sql[offset..end];
        let comment = matches!(
            token.kind,
            TokenKind::LineComment | TokenKind::BlockComment { .. }
        );
        if !comment && is_in(offset) {
            out.extend(text.bytes().map(|byte| match byte {
                b'\n' | b'\r' => byte as char,
                _ => ' ',
            }));
        } else {
            out.push_str(text);
        }
        offset = end;
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(sql: &str, ranges: &[Range<usize>]) -> Vec<String> {
        let text = |range: &Range<usize>| words(&sql[range.clone()]).join(" ");
        ranges.iter().map(text).collect()
    }

    #[test]
    fn statements_on_new_tables() {
        let sql = "
            CREATE TABLE IF NOT EXISTS public.\"user\" (id bigint, boss bigint REFERENCES \"user\" (id));
            CREATE UNIQUE INDEX i ON \"user\" (id);
            CREATE INDEX ON old (id);
            ALTER TABLE ONLY public.user ADD COLUMN x text;
            ALTER TABLE public.user ADD FOREIGN KEY (id) REFERENCES old (id);
            CREATE TABLE b (id bigint REFERENCES old);
            ALTER TABLE old DROP COLUMN x;";
        let found = shown(sql, &on_new_tables(sql));
        assert_eq!(found.len(), 3, "{found:#?}");
        assert!(found[1].starts_with("create unique index i"));
        assert!(found[2].starts_with("alter table only"));
    }

    /// As for comments: each table is looked up, not looked for.
    #[test]
    fn many_new_tables_in_one_file() {
        let pair = |at| format!("CREATE TABLE t{at} (a int); CREATE INDEX ON t{at} (a);\n");
        let sql: String = (0..5000).map(pair).collect();
        let new = on_new_tables(&sql);
        assert_eq!(new.len(), 10_000);
        assert_eq!(blank(&sql, &new).trim(), "");
    }

    #[test]
    fn blanks_keep_lines_and_comments() {
        let sql = "CREATE TYPE é AS -- why\n ENUM ('x');\nSELECT 1";
        let blanked = blank(sql, &without_locks(sql));
        assert_eq!(blanked.len(), sql.len());
        let lines: Vec<_> = blanked.lines().map(str::trim).collect();
        assert_eq!(lines, ["-- why", "", "SELECT 1"]);
    }
}
