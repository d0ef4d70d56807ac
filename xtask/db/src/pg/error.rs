//! What the server says of a statement that it refuses.

use std::fmt;

/// What the server said of a statement that it refused, each field as libpq gives it.
#[derive(Debug, Clone, Default)]
pub(crate) struct SqlError {
    /// `ERROR`, `FATAL`; empty when the connection itself broke.
    pub(crate) severity: String,
    /// Five characters; empty when the connection itself broke.
    pub(crate) sqlstate: String,
    /// The primary message.
    pub(crate) message: String,
    /// `DETAIL`.
    pub(crate) detail: Option<String>,
    /// `HINT`.
    pub(crate) hint: Option<String>,
    /// `CONTEXT`, such as the PL/pgSQL line.
    pub(crate) context: Option<String>,
    /// In characters from 1, in the text that was sent.
    pub(crate) position: Option<usize>,
    /// How many statements of the text had succeeded before.
    pub(crate) statements_done: usize,
}

impl fmt::Display for SqlError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)?;
        if !self.sqlstate.is_empty() {
            write!(f, " (SQLSTATE {})", self.sqlstate)?;
        }
        if let Some(detail) = &self.detail {
            write!(f, "; {detail}")?;
        }
        Ok(())
    }
}

impl std::error::Error for SqlError {}
