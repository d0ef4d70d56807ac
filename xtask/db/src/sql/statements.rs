//! The statements of an SQL string, found once for everybody: who runs them, who checks them, who shows where one failed.

use std::fmt;

use squawk_lexer::{LiteralKind, TokenKind, tokenize};

/// One statement, from its first word to its last, without the `;`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Statement<'s> {
    /// Where it begins, in bytes.
    pub(crate) start: usize,
    pub(crate) sql: &'s str,
}

/// The statements of one string, and how sure it is that the server sees the same ones.
#[derive(Debug)]
pub(crate) struct Script<'s> {
    pub(crate) statements: Vec<Statement<'s>>,
    /// `false` where the server may split otherwise: it changes how quotes are read, has commands of `psql`, ends inside
    /// quotes, or has a name that reads like the end of a body.
    pub(crate) is_sure: bool,
    /// Whether it has a COPY from or to the client, which needs the simple protocol.
    pub(crate) copies: bool,
}

impl<'s> Script<'s> {
    /// Splits as `psql` does: a `;` ends a statement unless it is inside quotes, parentheses or the
    /// `BEGIN ATOMIC … END` body of a function.
    pub(crate) fn of(sql: &'s str) -> Self {
        let mut scanner = Scanner::new(sql);
        let mut offset = 0;
        for token in tokenize(sql) {
            let end = offset + token.len as usize;
            scanner.token(token.kind, offset, end);
            offset = end;
        }
        scanner.close();
        scanner.script
    }

    /// The first statement that may not be in a migration: one that ends the transaction around the file, or, where there
    /// is none, one that undoes what the file did in its own. Only sure of what it says where the splitting is.
    pub(crate) fn forbidden_end(&self, in_transaction: bool) -> Option<(Statement<'s>, End)> {
        let mut ends = self
            .statements
            .iter()
            .filter_map(|own| Some((*own, own.end()?)));
        ends.find(|(_, end)| in_transaction || *end != End::Commit)
    }
}

impl Statement<'_> {
    /// How this statement ends the transaction that it runs in, if it does.
    pub(crate) fn end(&self) -> Option<End> {
        let words = words(self.sql, 0, 3);
        let second = words.get(1).map(String::as_str);
        match words.first().map(String::as_str) {
            // Of another transaction, which was prepared before.
            Some("commit" | "rollback") if second == Some("prepared") => None,
            Some("commit" | "end") => Some(End::Commit),
            Some("prepare") if second == Some("transaction") => Some(End::Prepare),
            Some("abort") => Some(End::Rollback),
            // ROLLBACK TO a savepoint ends nothing.
            Some("rollback") if !words.iter().any(|word| word == "to") => Some(End::Rollback),
            _ => None,
        }
    }
}

struct Scanner<'s> {
    sql: &'s str,
    script: Script<'s>,
    /// The start and the end so far of the statement that is open.
    open: Option<(usize, usize)>,
    parentheses: usize,
    /// How many END there are to come, of a body and the CASEs in it.
    body: usize,
    /// The END of a body was the last word: nothing but a `;` can follow.
    after_body: bool,
    /// A body ended before the open statement, at an END that may have been a name in it.
    had_body: bool,
    /// The last token but for white space and comments.
    previous: &'s str,
    /// That token was a string with escapes, which a string on the next line would continue.
    in_escapes: bool,
}

impl<'s> Scanner<'s> {
    fn new(sql: &'s str) -> Self {
        Self {
            sql,
            script: Script {
                statements: Vec::new(),
                is_sure: true,
                copies: false,
            },
            open: None,
            parentheses: 0,
            body: 0,
            after_body: false,
            had_body: false,
            previous: "",
            in_escapes: false,
        }
    }

    fn token(&mut self, kind: TokenKind, offset: usize, end: usize) {
        match kind {
            TokenKind::Eof | TokenKind::Whitespace | TokenKind::LineComment => return,
            TokenKind::BlockComment { terminated } => {
                self.script.is_sure &= terminated;
                return;
            }
            TokenKind::Semi if self.parentheses == 0 && self.body == 0 => return self.close(),
            _ => {}
        }
        let text = &self.sql[offset..end];
        self.script.is_sure &= !self.after_body && self.is_read_alike(kind, text);
        match kind {
            TokenKind::OpenParen => self.parentheses += 1,
            TokenKind::CloseParen => self.parentheses = self.parentheses.saturating_sub(1),
            TokenKind::Ident => self.word(text),
            _ => {}
        }
        self.in_escapes = match kind {
            TokenKind::Literal { kind } => match kind {
                LiteralKind::EscStr { .. } => true,
                LiteralKind::Str { .. } => self.in_escapes,
                _ => false,
            },
            _ => false,
        };
        self.previous = text;
        let start = self.open.map_or(offset, |(start, _)| start);
        self.open = Some((start, end));
    }

    /// Whether the server is bound to see this token where we do.
    fn is_read_alike(&self, kind: TokenKind, text: &str) -> bool {
        let is_closed = match kind {
            // A backslash outside of quotes: a command of `psql`.
            TokenKind::Unknown => return false,
            TokenKind::Ident => true,
            TokenKind::QuotedIdent { terminated, .. } => terminated,
            TokenKind::Literal { kind } => match kind {
                LiteralKind::Str { terminated } => {
                    terminated && !(self.in_escapes && text.contains('\\'))
                }
                LiteralKind::EscStr { terminated }
                | LiteralKind::BitStr { terminated }
                | LiteralKind::ByteStr { terminated }
                | LiteralKind::NationalStr { terminated }
                | LiteralKind::UnicodeEscStr { terminated }
                | LiteralKind::DollarQuotedString { terminated } => terminated,
                _ => return true,
            },
            _ => return true,
        };
        // As a word, or in what a function is given or runs.
        is_closed && !has(text, "standard_conforming_strings")
    }

    fn word(&mut self, word: &str) {
        let is = |other: &str| word.eq_ignore_ascii_case(other);
        let follows = |other: &str| self.previous.eq_ignore_ascii_case(other);
        if self.body == 0 {
            if is("end") && self.open.is_none() && self.had_body {
                self.script.is_sure = false;
            } else if is("atomic") && follows("begin") && self.begins_with("create") {
                self.body = 1;
            } else if (is("stdin") || is("stdout")) && self.begins_with("copy") {
                self.script.copies = true;
            }
        } else if !(follows(".") || follows("as")) {
            if is("case") {
                self.body += 1;
            } else if is("end") {
                self.body -= 1;
                self.after_body = self.body == 0;
            }
        }
    }

    /// Whether the open statement does.
    fn begins_with(&self, word: &str) -> bool {
        let start = self
            .open
            .and_then(|(start, _)| self.sql.get(start..start + word.len()));
        start.is_some_and(|start| start.eq_ignore_ascii_case(word))
    }

    /// Ends the open statement, if there is one.
    fn close(&mut self) {
        if let Some((start, end)) = self.open.take() {
            let sql = &self.sql[start..end];
            self.script.statements.push(Statement { start, sql });
        }
        // At the end of the string, what is still open is never closed.
        self.script.is_sure &= self.parentheses == 0 && self.body == 0;
        self.had_body |= self.after_body;
        self.after_body = false;
        self.previous = "";
        self.in_escapes = false;
    }
}

/// Whether `text` has the word, which is in lower case, in any case.
fn has(text: &str, word: &str) -> bool {
    let mut places = text.as_bytes().windows(word.len());
    places.any(|place| place.eq_ignore_ascii_case(word.as_bytes()))
}

/// The byte offsets at which the statements of `sql` begin: their first word, past white space and comments.
pub(crate) fn starts(sql: &str) -> Vec<usize> {
    let statements = Script::of(sql).statements;
    statements.iter().map(|statement| statement.start).collect()
}

/// Whether there is any statement: white space, comments and `;` are none.
pub(crate) fn has_statement(sql: &str) -> bool {
    let mut tokens = tokenize(sql).map(|token| token.kind);
    tokens.any(|kind| {
        !matches!(
            kind,
            TokenKind::Whitespace
                | TokenKind::LineComment
                | TokenKind::BlockComment { .. }
                | TokenKind::Semi
                | TokenKind::Eof
        )
    })
}

/// The words at the start of the statement at `offset`, in lower case, as many as asked for.
pub(crate) fn words(sql: &str, offset: usize, count: usize) -> Vec<String> {
    let words = first_words(&sql[offset..]).take(count);
    words.map(str::to_ascii_lowercase).collect()
}

/// How a statement begins, for a person: names and keywords only, since a value may be a secret.
pub(crate) fn beginning(sql: &str) -> String {
    first_words(sql).take(4).collect::<Vec<_>>().join(" ")
}

/// The words at the start of a statement, up to the first that is not just letters.
fn first_words(sql: &str) -> impl Iterator<Item = &str> {
    let mut offset = 0;
    let texts = tokenize(sql).map(move |token| {
        let start = offset;
        offset += token.len as usize;
        (token.kind, &sql[start..offset])
    });
    texts
        .filter(|(kind, _)| {
            !matches!(
                kind,
                TokenKind::Whitespace | TokenKind::LineComment | TokenKind::BlockComment { .. }
            )
        })
        .take_while(|(kind, _)| *kind == TokenKind::Ident)
        .map(|(_, text)| text)
}

/// How a statement ends the transaction that it runs in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum End {
    Commit,
    Rollback,
    Prepare,
}

impl fmt::Display for End {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Commit => "COMMIT",
            Self::Rollback => "ROLLBACK",
            Self::Prepare => "PREPARE TRANSACTION",
        })
    }
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

/// Where the lines of a text begin: to ask it for many places takes no look at the text for each.
pub(crate) struct Lines(Vec<usize>);

impl Lines {
    pub(crate) fn of(text: &str) -> Self {
        let breaks = text.match_indices('\n').map(|(at, _)| at + 1);
        Self(std::iter::once(0).chain(breaks).collect())
    }

    /// The line of a byte offset, from 1.
    pub(crate) fn line(&self, offset: usize) -> usize {
        self.0.partition_point(|start| *start <= offset)
    }
}

/// The byte offset of a position that PostgreSQL gives: in characters, from 1.
pub(crate) fn offset_of(text: &str, position: usize) -> usize {
    text.char_indices()
        .nth(position.saturating_sub(1))
        .map_or(text.len(), |(offset, _)| offset)
}

#[cfg(test)]
mod tests;
