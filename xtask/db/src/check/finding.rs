//! What a check hands back.

use std::ops::Range;

use serde::Serialize;

use crate::repair::change::Change;
use crate::sql::statements::place_of;
use crate::ui::failure::Failure;

/// One thing that is wrong: the documented, stable form of `--json`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Finding {
    /// Its name in the table of checks, by which it is switched off.
    pub(crate) check: &'static str,
    /// `None` when it is about the workspace.
    pub(crate) service: Option<String>,
    /// From the workspace's root.
    pub(crate) file: Option<String>,
    /// From 1.
    pub(crate) line: Option<usize>,
    pub(crate) message: String,
    /// What to do.
    pub(crate) help: String,
    /// The bytes of the file that are meant, where it is not all of the line.
    #[serde(skip)]
    pub(crate) words: Option<Range<usize>>,
    /// What `db fix` does about it.
    #[serde(skip)]
    pub(crate) fix: Option<Change>,
}

impl Finding {
    pub(crate) fn new(check: &'static str, message: impl Into<String>) -> Self {
        Self {
            check,
            service: None,
            file: None,
            line: None,
            message: message.into(),
            help: String::new(),
            words: None,
            fix: None,
        }
    }

    /// Says whose it is.
    #[must_use]
    pub(crate) fn of(mut self, service: &str) -> Self {
        self.service = Some(service.to_owned());
        self
    }

    /// Says where it is, without a line.
    #[must_use]
    pub(crate) fn file(mut self, file: impl Into<String>) -> Self {
        self.file = Some(file.into());
        self
    }

    /// Says where it is; no line of a file that can't be read, or is not there.
    #[must_use]
    pub(crate) fn at(mut self, file: impl Into<String>, line: impl Into<Option<usize>>) -> Self {
        self.line = line.into();
        self.file(file)
    }

    /// Says which bytes of the file, whose text this is, are meant.
    #[must_use]
    pub(crate) fn on(self, file: impl Into<String>, text: &str, words: Range<usize>) -> Self {
        self.on_line(file, place_of(text, words.start).line, words)
    }

    /// As [`on`](Self::on), where the line of the first byte is known.
    #[must_use]
    pub(crate) fn on_line(self, file: impl Into<String>, line: usize, words: Range<usize>) -> Self {
        let mut finding = self.at(file, line);
        finding.words = Some(words);
        finding
    }

    /// `file:line`, as far as it is known.
    pub(crate) fn place(&self) -> Option<String> {
        let line = self.line.map(|line| format!(":{line}")).unwrap_or_default();
        Some(format!("{}{line}", self.file.as_ref()?))
    }

    /// Says what to do.
    #[must_use]
    pub(crate) fn help(mut self, help: impl Into<String>) -> Self {
        self.help = help.into();
        self
    }

    /// Says how `db fix` repairs it, if it does.
    #[must_use]
    pub(crate) fn fix(mut self, fix: impl Into<Option<Change>>) -> Self {
        self.fix = fix.into();
        self
    }
}

/// What the catalog shows and `pg_dump` does not, so that it is no finding: in the stable form of `--json`, too.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Ignored {
    pub(crate) service: String,
    /// The migration's up.sql, from the workspace's root; `None` for a configured database.
    pub(crate) file: Option<String>,
    pub(crate) message: String,
}

/// What a group of checks hands back: what is wrong, what is not, and what kept it from looking.
#[derive(Debug, Default)]
pub(crate) struct Found {
    pub(crate) findings: Vec<Finding>,
    pub(crate) ignored: Vec<Ignored>,
    pub(crate) failures: Vec<Failure>,
}
