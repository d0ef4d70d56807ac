//! Statements that fail in the transaction, or are not safe without the transaction, that their migration is run in.

use std::ops::Range;

use super::finding::Finding;
use super::scope::{Scope, SqlFile};
use crate::sql::statements::{starts, words};

/// What can't work in the transaction, or without the transaction, that the migration is run in.
pub(super) fn check(_: &Scope<'_>, file: &SqlFile<'_>) -> Vec<Finding> {
    let (text, starts) = (file.sql, starts(file.sql));
    if !file.in_transaction {
        let Some(second) = starts.get(1) else {
            return Vec::new();
        };
        let message = format!(
            "{} statements in a migration without a transaction: if one fails, those before it stay, and a new run \
             starts at the first again",
            starts.len()
        );
        return vec![
            Finding::new("several-statements", message)
                .on(&file.file, text, first_line(text, *second))
                .help("one statement for each such migration: split it, `cargo xtask db new` makes the folders"),
        ];
    }
    let alone = starts.iter().filter_map(|start| {
        let what = needs_no_transaction(&text[*start..])?;
        Some(
            Finding::new(
                "concurrently-in-transaction",
                format!("{what} can't run inside a transaction, and Diesel opens one for this migration"),
            )
            .on(&file.file, text, first_line(text, *start))
            .help("put it into a migration of its own, with a metadata.toml that says `run_in_transaction = false`"),
        )
    });
    alone.collect()
}

/// The bytes of a statement that begins here, up to the end of its line.
fn first_line(text: &str, start: usize) -> Range<usize> {
    let length = text[start..].lines().next().unwrap_or_default().len();
    start..start + length
}

/// The name of a statement that PostgreSQL refuses inside a transaction.
fn needs_no_transaction(statement: &str) -> Option<&'static str> {
    let words = words(statement, 0, 16);
    let words: Vec<_> = words.iter().map(String::as_str).collect();
    match words.as_slice() {
        ["create", "index", "concurrently", ..]
        | ["create", "unique", "index", "concurrently", ..] => Some("CREATE INDEX CONCURRENTLY"),
        ["drop", "index", "concurrently", ..] => Some("DROP INDEX CONCURRENTLY"),
        ["reindex", _, "concurrently", ..] => Some("REINDEX CONCURRENTLY"),
        ["alter", "table", .., "concurrently"] if words.contains(&"detach") => {
            Some("DETACH PARTITION CONCURRENTLY")
        }
        ["vacuum", ..] => Some("VACUUM"),
        ["create", "database", ..] => Some("CREATE DATABASE"),
        ["drop", "database", ..] => Some("DROP DATABASE"),
        ["create", "tablespace", ..] => Some("CREATE TABLESPACE"),
        ["drop", "tablespace", ..] => Some("DROP TABLESPACE"),
        ["alter", "system", ..] => Some("ALTER SYSTEM"),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::needs_no_transaction;

    #[test]
    fn statements_that_need_to_be_alone() {
        for (sql, alone) in [
            ("CREATE UNIQUE INDEX /* x */ CONCURRENTLY i ON t (a)", true),
            ("create index concurrently on t (a)", true),
            ("CREATE INDEX concurrently_built ON t (a)", false),
            ("DROP INDEX CONCURRENTLY i", true),
            ("REINDEX TABLE CONCURRENTLY t", true),
            ("ALTER TABLE t DETACH PARTITION p CONCURRENTLY", true),
            ("ALTER TABLE t DETACH PARTITION p", false),
            ("REFRESH MATERIALIZED VIEW CONCURRENTLY v", false),
        ] {
            assert_eq!(needs_no_transaction(sql).is_some(), alone, "{sql}");
        }
    }
}
