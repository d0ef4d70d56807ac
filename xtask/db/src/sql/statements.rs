//! Where things stand in a migration's text: the failing statement, its line, a caret under it.

use squawk_lexer::{TokenKind, tokenize};

/// The byte offsets at which the statements of `sql` begin: their first word, past white space and comments.
///
/// Splits as `psql` does: a `;` ends a statement unless it is inside quotes, parentheses or the `BEGIN ATOMIC … END`
/// body of a function.
pub(crate) fn starts(sql: &str) -> Vec<usize> {
    let mut starts = Vec::new();
    let (mut offset, mut in_statement, mut parentheses) = (0, false, 0_usize);
    let (mut body, mut previous) = (0_usize, String::new());
    for token in tokenize(sql) {
        let length = token.len as usize;
        let text = &sql[offset..offset + length];
        match token.kind {
            TokenKind::Eof => break,
            TokenKind::Whitespace | TokenKind::LineComment | TokenKind::BlockComment { .. } => {
                offset += length;
                continue;
            }
            TokenKind::Semi if parentheses == 0 && body == 0 => in_statement = false,
            kind => {
                if !in_statement {
                    starts.push(offset);
                    in_statement = true;
                }
                match kind {
                    TokenKind::OpenParen => parentheses += 1,
                    TokenKind::CloseParen => parentheses = parentheses.saturating_sub(1),
                    TokenKind::Ident => {
                        let word = text.to_ascii_lowercase();
                        match word.as_str() {
                            "atomic" if previous == "begin" => body = 1,
                            "case" if body > 0 => body += 1,
                            "end" if body > 0 => body -= 1,
                            _ => {}
                        }
                        previous = word;
                    }
                    _ => previous.clear(),
                }
            }
        }
        offset += length;
    }
    starts
}

/// The words at the start of the statement at `offset`, in lower case, as many as asked for.
pub(crate) fn words(sql: &str, mut offset: usize, count: usize) -> Vec<String> {
    let mut words = Vec::new();
    for token in tokenize(&sql[offset..]) {
        let text = &sql[offset..offset + token.len as usize];
        offset += token.len as usize;
        match token.kind {
            TokenKind::Ident => words.push(text.to_ascii_lowercase()),
            TokenKind::Whitespace | TokenKind::LineComment | TokenKind::BlockComment { .. } => {}
            _ => break,
        }
        if words.len() == count {
            break;
        }
    }
    words
}

/// How a text ends the transaction that it runs in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum End {
    Commit,
    Rollback,
}

/// The last statement at the top level that ends a transaction, if there is one.
pub(crate) fn transaction_end(sql: &str) -> Option<End> {
    starts(sql).into_iter().rev().find_map(|start| {
        let words = words(sql, start, 3);
        match words.first().map(String::as_str) {
            Some("commit" | "end") => Some(End::Commit),
            Some("abort") => Some(End::Rollback),
            // ROLLBACK TO a savepoint ends nothing.
            Some("rollback") if !words.iter().any(|word| word == "to") => Some(End::Rollback),
            _ => None,
        }
    })
}

/// Whether the text is one `CREATE [UNIQUE] INDEX CONCURRENTLY`.
pub(crate) fn only_creates_index(sql: &str) -> bool {
    let &[start] = starts(sql).as_slice() else {
        return false;
    };
    let words = words(sql, start, 4);
    let words: Vec<_> = words
        .iter()
        .map(String::as_str)
        .filter(|word| *word != "unique")
        .collect();
    words.starts_with(&["create", "index", "concurrently"])
}

/// Whether the text has this name as an identifier, quoted or not.
pub(crate) fn names(sql: &str, name: &str) -> bool {
    let mut offset = 0;
    tokenize(sql).any(|token| {
        let text = &sql[offset..offset + token.len as usize];
        offset += token.len as usize;
        match token.kind {
            TokenKind::Ident => text.to_lowercase() == name,
            TokenKind::QuotedIdent { .. } => {
                let inner = text
                    .strip_prefix('"')
                    .and_then(|text| text.strip_suffix('"'));
                inner.is_some_and(|inner| inner.replace("\"\"", "\"") == name)
            }
            _ => false,
        }
    })
}

/// A place in a text, both numbers from 1, in characters.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) line: usize,
    pub(crate) column: usize,
}

/// The place of a byte offset.
pub(crate) fn place_of(text: &str, offset: usize) -> Place {
    let before = &text[..offset];
    let line_start = before.rfind('\n').map_or(0, |at| at + 1);
    Place {
        line: before.matches('\n').count() + 1,
        column: before[line_start..].chars().count() + 1,
    }
}

/// The byte offset of a position that PostgreSQL gives: in characters, from 1.
pub(crate) fn offset_of(text: &str, position: usize) -> usize {
    text.char_indices()
        .nth(position.saturating_sub(1))
        .map_or(text.len(), |(offset, _)| offset)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn split(sql: &str) -> Vec<&str> {
        starts(sql)
            .into_iter()
            .map(|at| sql[at..].split_whitespace().next().unwrap())
            .collect()
    }

    #[test]
    fn statements_are_split_as_the_server_does() {
        assert_eq!(split("a;b ;; -- c;\n /* ; /* ; */ */ d"), ["a;b", "b", "d"]);
        assert_eq!(
            split("select ';', \";\", $$;$$, $t$ ; $$ ; $t$, E'\\';'; second"),
            ["select", "second"]
        );
        assert_eq!(
            split("create rule r as on insert to t do (x; y); second"),
            ["create", "second"]
        );
        assert_eq!(
            split(
                "create function f() returns int begin atomic select case when true then 1 end; select 2; end; second"
            ),
            ["create", "second"]
        );
        assert_eq!(
            split("begin; create table t (); end; second"),
            ["begin;", "create", "end;", "second"]
        );
        assert!(starts(" -- nothing\n;").is_empty());
    }

    #[test]
    fn a_concurrent_index_is_recognised() {
        for (sql, only) in [
            (
                "-- x\nCREATE /* y */ UNIQUE Index concurrently i on t (a);",
                true,
            ),
            ("create index concurrently if not exists i on t (a)", true),
            ("create index i on t (a)", false),
            ("create index concurrently i on t (a); select 1", false),
            ("", false),
        ] {
            assert_eq!(only_creates_index(sql), only, "{sql}");
        }
    }

    #[test]
    fn the_end_of_a_transaction_is_found() {
        for (sql, end) in [
            ("create table t (); commit;", Some(End::Commit)),
            ("begin; create table t (); end", Some(End::Commit)),
            ("create table t (); rollback", Some(End::Rollback)),
            ("savepoint s; rollback to savepoint s; select 1", None),
            ("savepoint s; rollback work to s", None),
            ("do $$ begin commit; end $$", None),
        ] {
            assert_eq!(transaction_end(sql), end, "{sql}");
        }
    }

    #[test]
    fn names_are_compared_as_the_server_does() {
        let sql = "create index concurrently By_Note on \"Odd \"\"t\" (note) -- hidden";
        assert!(names(sql, "by_note") && names(sql, "Odd \"t"));
        assert!(!names(sql, "By_Note") && !names(sql, "hidden") && !names(sql, "by"));
    }

    #[test]
    fn places_count_characters() {
        let text = "é\nüb c";
        assert_eq!(
            place_of(text, offset_of(text, 6)),
            Place { line: 2, column: 4 }
        );
        assert_eq!(place_of(text, 0), Place { line: 1, column: 1 });
    }
}
