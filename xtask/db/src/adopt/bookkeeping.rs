//! The tables in which other migration tools keep their history: they stay in the database, and are no part of the service.

use serde::Deserialize;

use crate::catalog::Difference;
use crate::database::state::OTHER_TOOLS;
use crate::pg::{Connection, Literal, SqlError};

/// Tables that such tools have beside their history.
const COMPANIONS: &[(&str, &str)] = &[
    ("ar_internal_metadata", "Rails"),
    ("databasechangeloglock", "Liquibase"),
    ("knex_migrations_lock", "Knex"),
];

/// A schema that is all one tool's.
pub(crate) const SCHEMA: &str = "atlas_schema_revisions";

/// A table of another tool's, or a sequence that such a table owns.
#[derive(Debug, Deserialize)]
pub(crate) struct Kept {
    pub(crate) schema: String,
    pub(crate) name: String,
    pub(crate) is_table: bool,
}

fn tables() -> impl Iterator<Item = (&'static str, &'static str)> {
    OTHER_TOOLS.iter().chain(COMPANIONS).copied()
}

/// The tool whose table has this name.
fn tool_of(name: &str) -> Option<&'static str> {
    let mut tables = tables();
    tables
        .find(|(table, _)| *table == name)
        .map(|(_, tool)| tool)
}

impl Kept {
    /// As a person reads it: the table and whose it is.
    pub(crate) fn shown(&self) -> String {
        let tool = tool_of(&self.name).unwrap_or("another tool");
        format!("{}.{} (bookkeeping of {tool})", self.schema, self.name)
    }
}

/// The other tools' tables in a database, each before the sequences that it owns.
///
/// # Errors
/// The server's.
pub(crate) fn find(connection: &mut Connection) -> Result<Vec<Kept>, SqlError> {
    let names: Vec<_> = tables()
        .map(|(table, _)| Literal(table).to_string())
        .collect();
    let sql = format!(
        "WITH kept AS (
            SELECT c.oid, n.nspname, c.relname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
            WHERE c.relkind IN ('r', 'p') AND c.relname IN ({}) AND n.nspname !~ '^pg_' AND n.nspname <> 'db_ledger'
         ), all_of_them AS (
            SELECT oid AS of, true AS is_table, nspname, relname FROM kept
            UNION ALL
            SELECT k.oid, false, n.nspname, c.relname
            FROM kept k
            JOIN pg_depend d ON (d.refclassid, d.refobjid, d.classid) = ('pg_class'::regclass, k.oid, 'pg_class'::regclass)
            JOIN pg_class c ON c.oid = d.objid AND c.relkind = 'S'
            JOIN pg_namespace n ON n.oid = c.relnamespace
            WHERE d.deptype IN ('a', 'i')
         )
         SELECT coalesce(json_agg(json_build_object('schema', nspname, 'name', relname, 'is_table', is_table)
            ORDER BY of, is_table DESC, relname), '[]') FROM all_of_them",
        names.join(", ")
    );
    connection.query_json(&sql, &[])
}

/// Whether it is the whole difference that another tool's table is in the second snapshot and not in the first.
pub(crate) fn is_kept(difference: &Difference) -> bool {
    if difference.first.is_some() {
        return false;
    }
    let name = difference.key.name.replace('"', "");
    match difference.key.kind.as_str() {
        "table" => name
            .rsplit('.')
            .next()
            .is_some_and(|table| tool_of(table).is_some()),
        "schema" => name == SCHEMA,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalog::Key;

    #[test]
    fn only_a_table_that_the_migrations_do_not_make_is_another_tools() {
        let difference = |kind: &str, name: &str, first: Option<&str>| Difference {
            key: Key {
                kind: kind.to_owned(),
                name: name.to_owned(),
            },
            first: first.map(str::to_owned),
            second: Some("TABLE".to_owned()),
        };
        assert!(is_kept(&difference(
            "table",
            "public.alembic_version",
            None
        )));
        assert!(is_kept(&difference("table", "app._sqlx_migrations", None)));
        assert!(is_kept(&difference(
            "schema",
            "atlas_schema_revisions",
            None
        )));
        assert!(!is_kept(&difference(
            "table",
            "public.schema_migrations",
            Some("TABLE")
        )));
        assert!(!is_kept(&difference("table", "public.orders", None)));
        assert!(!is_kept(&difference(
            "view",
            "public.alembic_version",
            None
        )));
    }
}
