//! Comments that switch a check off: `-- db-check-ignore check: reason`, and squawk's own `-- squawk-ignore rule`.

use std::ops::RangeInclusive;

use squawk_lexer::{TokenKind, tokenize};

use crate::sql::statements::{place_of, starts};

/// Whose comment it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Dialect {
    Ours,
    Squawk,
}

/// A comment that switches checks off.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Comment {
    pub(crate) dialect: Dialect,
    /// Empty for all of squawk's rules.
    pub(crate) names: Vec<String>,
    /// squawk asks for none.
    pub(crate) has_reason: bool,
    pub(crate) line: usize,
    /// The lines it is about; `None`: the whole file.
    pub(crate) covers: Option<RangeInclusive<usize>>,
}

/// Those in a TOML file or a `.env`: each is about its own line and the next that is no comment.
pub(crate) fn after_hash(text: &str) -> Vec<Comment> {
    let lines: Vec<_> = text.lines().collect();
    let comment = |(index, line): (usize, &&str)| {
        // A `#` in a value is no comment, but then what follows is not one of ours either.
        let (_, body) = line.split_once('#')?;
        let code = |line: &&str| !line.trim().is_empty() && !line.trim_start().starts_with('#');
        let next = lines.iter().skip(index + 1).position(code);
        let end = match line.trim_start().starts_with('#') {
            true => next.map_or(lines.len(), |next| index + 2 + next),
            false => index + 1,
        };
        let comment = parse(body)?;
        (comment.dialect == Dialect::Ours).then_some(Comment {
            line: index + 1,
            covers: Some(index + 1..=end),
            ..comment
        })
    };
    lines.iter().enumerate().filter_map(comment).collect()
}

/// Those in SQL: before a statement, each is about all of it; inside one, about its own line and the next.
pub(crate) fn in_sql(sql: &str) -> Vec<Comment> {
    let statements = statement_ends(sql);
    let line = |offset: usize| place_of(sql, offset).line;
    let (mut found, mut offset) = (Vec::new(), 0);
    for token in tokenize(sql) {
        let (start, end) = (offset, offset + token.len as usize);
        offset = end;
        let text = &sql[start..end];
        let body = match token.kind {
            TokenKind::LineComment => text.trim_start_matches('-'),
            TokenKind::BlockComment { .. } => text.trim_start_matches("/*").trim_end_matches("*/"),
            _ => continue,
        };
        let Some(comment) = parse(body) else { continue };
        let own = line(start);
        let around = statements.iter().find(|(from, to)| {
            // Inside it, or behind it on its last line.
            (*from < start && start < *to)
                || (*to <= start && line(*to) == own && line(*from) <= own)
        });
        let covers = match around {
            Some((_, to)) if start < *to => own..=next_code_line(sql, end).unwrap_or(own),
            Some((from, _)) => line(*from)..=own,
            None => match statements.iter().find(|(from, _)| *from > start) {
                Some((_, to)) => own..=line(*to),
                None if statements.is_empty() => 1..=usize::MAX,
                None => own..=own,
            },
        };
        let whole_file = comment.covers.is_none();
        found.push(Comment {
            line: own,
            covers: (!whole_file).then_some(covers),
            ..comment
        });
    }
    found
}

/// A comment's body, if it is one of these; `covers` is `None` for a whole file, else not known yet.
fn parse(body: &str) -> Option<Comment> {
    let body = body.trim();
    let names = |list: &str| {
        let names = list.split(',').map(str::trim);
        names
            .filter(|name| !name.is_empty())
            .map(str::to_owned)
            .collect()
    };
    let is_word_end =
        |rest: &&str| rest.is_empty() || rest.starts_with(|c: char| c.is_whitespace());
    if let Some(rest) = body.strip_prefix("db-check-ignore").filter(is_word_end) {
        let (list, reason) = rest.split_once(':').unwrap_or((rest, ""));
        return Some(Comment {
            dialect: Dialect::Ours,
            names: names(list),
            has_reason: !reason.trim().is_empty(),
            line: 0,
            covers: Some(0..=0),
        });
    }
    for (prefix, whole_file) in [("squawk-ignore-file", true), ("squawk-ignore", false)] {
        if let Some(rest) = body.strip_prefix(prefix).filter(is_word_end) {
            let list = rest.split("--").next().unwrap_or_default();
            return Some(Comment {
                dialect: Dialect::Squawk,
                names: names(list),
                has_reason: true,
                line: 0,
                covers: (!whole_file).then_some(0..=0),
            });
        }
    }
    None
}

/// For each statement the offsets of its first byte and behind its last, comments after it left out.
fn statement_ends(sql: &str) -> Vec<(usize, usize)> {
    let mut statements: Vec<_> = starts(sql)
        .into_iter()
        .map(|start| (start, start))
        .collect();
    let (mut offset, mut at) = (0, 0);
    for token in tokenize(sql) {
        let start = offset;
        offset += token.len as usize;
        if matches!(
            token.kind,
            TokenKind::Whitespace
                | TokenKind::LineComment
                | TokenKind::BlockComment { .. }
                | TokenKind::Eof
        ) {
            continue;
        }
        while statements.get(at + 1).is_some_and(|next| next.0 <= start) {
            at += 1;
        }
        if let Some(statement) = statements.get_mut(at) {
            statement.1 = offset;
        }
    }
    statements
}

/// The line of the first token behind `offset` that is no comment.
fn next_code_line(sql: &str, offset: usize) -> Option<usize> {
    let mut at = offset;
    for token in tokenize(&sql[offset..]) {
        match token.kind {
            TokenKind::Whitespace | TokenKind::LineComment | TokenKind::BlockComment { .. } => {
                at += token.len as usize;
            }
            TokenKind::Eof => return None,
            _ => return Some(place_of(sql, at).line),
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn covers(sql: &str) -> Vec<(usize, usize)> {
        in_sql(sql)
            .into_iter()
            .map(|comment| {
                comment
                    .covers
                    .map_or((0, 0), |lines| (*lines.start(), *lines.end()))
            })
            .collect()
    }

    #[test]
    fn comments_cover_what_they_stand_before() {
        assert_eq!(
            covers("SELECT 1;\n-- db-check-ignore a: b\n-- c\nSELECT\n 2;\nSELECT 3"),
            [(2, 5)]
        );
        assert_eq!(
            covers("SELECT\n  -- squawk-ignore x\n  -- y\n  1,\n 2;"),
            [(2, 4)]
        );
        assert_eq!(
            covers("SELECT\n 1; -- squawk-ignore x\nSELECT 2;"),
            [(1, 2)]
        );
        assert_eq!(covers("/* squawk-ignore-file */ SELECT 1"), [(0, 0)]);
        assert_eq!(
            covers("-- nothing\n-- db-check-ignore a: b"),
            [(1, usize::MAX)]
        );
        assert!(covers("SELECT '-- squawk-ignore x'; -- squawk-ignored").is_empty());
    }

    #[test]
    fn names_and_reasons() {
        let ours = parse(" db-check-ignore a, b : because: c").unwrap();
        assert_eq!(
            (ours.names.join("+"), ours.has_reason),
            ("a+b".into(), true)
        );
        assert!(!parse("db-check-ignore a").unwrap().has_reason);
        let squawks = parse("squawk-ignore a,b -- why").unwrap();
        assert_eq!(squawks.names, ["a", "b"]);
    }

    #[test]
    fn hashes() {
        let found =
            after_hash("# db-check-ignore a: b\n\n# c\nx = 1\ny = 2 # db-check-ignore c: d");
        let lines: Vec<_> = found.into_iter().map(|c| c.covers.unwrap()).collect();
        assert_eq!(lines, [1..=4, 5..=5]);
    }
}
