//! Comments that switch a check off: `-- db-check-ignore check: reason`, and squawk's own `-- squawk-ignore rule`.

use std::ops::RangeInclusive;

use squawk_lexer::{TokenKind, tokenize};

use crate::sql::statements::{Lines, starts};

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
    let (statements, lines) = (Statements::of(sql), Lines::of(sql));
    let line = |offset: usize| lines.line(offset);
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
        let covers = match statements.around(start, own, &lines) {
            Some((_, to)) if start < to => own..=statements.code_from(end).map_or(own, line),
            Some((from, _)) => line(from)..=own,
            None => match statements.from(start) {
                Some((_, to)) => own..=line(to),
                None if statements.ends.is_empty() => 1..=usize::MAX,
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

/// The statements of a text, in order, so that one is found without a look at all the others.
struct Statements {
    /// For each the offsets of its first byte and behind its last, comments after it left out.
    ends: Vec<(usize, usize)>,
    /// The offsets of the tokens that are no comments.
    code: Vec<usize>,
}

impl Statements {
    fn of(sql: &str) -> Self {
        let mut ends: Vec<_> = starts(sql)
            .into_iter()
            .map(|start| (start, start))
            .collect();
        let (mut offset, mut at, mut code) = (0, 0, Vec::new());
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
            code.push(start);
            while ends.get(at + 1).is_some_and(|next| next.0 <= start) {
                at += 1;
            }
            if let Some(statement) = ends.get_mut(at) {
                statement.1 = offset;
            }
        }
        Self { ends, code }
    }

    /// The statement that something at `start` on line `own` is in, or behind on its last line.
    fn around(&self, start: usize, own: usize, lines: &Lines) -> Option<(usize, usize)> {
        let behind = self.ends.partition_point(|(_, to)| lines.line(*to) < own);
        let behind = self.ends.get(behind).filter(|(_, to)| *to <= start);
        let inside = self.ends.partition_point(|(_, to)| *to <= start);
        let inside = || self.ends.get(inside).filter(|(from, _)| *from < start);
        behind.or_else(inside).copied()
    }

    /// The first statement that begins behind `offset`.
    fn from(&self, offset: usize) -> Option<(usize, usize)> {
        let next = self.ends.partition_point(|(from, _)| *from <= offset);
        self.ends.get(next).copied()
    }

    /// The first token from `offset` on that is no comment.
    fn code_from(&self, offset: usize) -> Option<usize> {
        let next = self.code.partition_point(|at| *at < offset);
        self.code.get(next).copied()
    }
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
        assert_eq!(
            covers("SELECT\n 1; SELECT 2; -- squawk-ignore x\nSELECT 3;"),
            [(1, 2)]
        );
        assert_eq!(covers("/* squawk-ignore-file */ SELECT 1"), [(0, 0)]);
        assert_eq!(
            covers("-- nothing\n-- db-check-ignore a: b"),
            [(1, usize::MAX)]
        );
        assert!(covers("SELECT '-- squawk-ignore x'; -- squawk-ignored").is_empty());
    }

    /// Were each looked for in the whole text, this would take minutes.
    #[test]
    fn many_comments_in_one_file() {
        let line = "-- db-check-ignore a: b\nSELECT 1;\n";
        let expected: Vec<_> = (0..5000).map(|at| (2 * at + 1, 2 * at + 2)).collect();
        assert_eq!(covers(&line.repeat(5000)), expected);
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
