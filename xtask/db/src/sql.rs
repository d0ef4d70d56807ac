//! SQL files: their statements, and where an error stands in them.

pub(crate) mod diagnostic;
pub(crate) mod statements;
