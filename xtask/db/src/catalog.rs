//! A snapshot of everything in a database, and the difference between two.
//!
//! The server's own deparsers write the definitions: there is no `pg_dump` whose version has to fit, and it takes
//! milliseconds. Owners are not compared, nor data: a sequence's position, whether a materialized view was filled.

mod difference;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use serde::Deserialize;

use crate::pg::{Connection, SqlError};

pub(crate) use difference::{Difference, render};

/// What the deparsers' output depends on. Without a search path they qualify every name.
const SETTINGS: &str = "SET LOCAL search_path = ''; SET LOCAL quote_all_identifiers = off; SET LOCAL timezone = 'UTC'; \
SET LOCAL datestyle = 'ISO, YMD'; SET LOCAL intervalstyle = 'postgres'; SET LOCAL extra_float_digits = 1; \
SET LOCAL bytea_output = 'hex'";

const STATEMENT: &str = "cargo_xtask_db_catalog";

/// An object: what it is, and its name with its schema.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Key {
    /// In PostgreSQL's words: `table`, `column`, `index`, …; or what is said of an object: `comment`, `grants`.
    pub(crate) kind: String,
    pub(crate) name: String,
}

#[derive(Debug, PartialEq, Eq)]
struct Object {
    definition: String,
    /// The object without which this one can't be: of a column, its table.
    parent: Option<Key>,
}

/// Everything in a database at one moment, but for Diesel's bookkeeping and ours.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Snapshot(BTreeMap<Key, Object>);

#[derive(Deserialize)]
struct Row(String, String, Option<String>, Option<String>, String);

impl Snapshot {
    /// Reads the catalog, in a read-only transaction of its own. The statement is prepared, and stays so in the session:
    /// to plan it takes several times as long as to run it.
    ///
    /// # Errors
    /// The server's.
    pub(crate) fn read(connection: &mut Connection) -> Result<Self, SqlError> {
        connection.execute(&format!("BEGIN TRANSACTION READ ONLY; {SETTINGS}"))?;
        let rows = Self::rows(connection);
        let end = connection.execute("ROLLBACK");
        let rows = rows?;
        end?;
        let objects =
            rows.into_iter()
                .map(|Row(kind, name, parent_kind, parent_name, definition)| {
                    let parent = parent_kind
                        .zip(parent_name)
                        .map(|(kind, name)| Key { kind, name });
                    (Key { kind, name }, Object { definition, parent })
                });
        Ok(Self(objects.collect()))
    }

    fn rows(connection: &mut Connection) -> Result<Vec<Row>, SqlError> {
        // A migration may have said DISCARD ALL.
        let prepared = connection.query_bool(
            "SELECT EXISTS (SELECT FROM pg_prepared_statements WHERE name = $1)",
            &[STATEMENT],
        )?;
        if !prepared {
            let query = query(connection.server_version());
            connection.execute(&format!("PREPARE {STATEMENT} AS {query}"))?;
        }
        connection.query_json(&format!("EXECUTE {STATEMENT}"), &[])
    }

    /// Every object.
    pub(crate) fn keys(&self) -> impl Iterator<Item = &Key> {
        self.0.keys()
    }
}

/// The one statement that reads it all.
fn query(server_version: i32) -> String {
    let grantee = "CASE x.grantee WHEN 0 THEN 'PUBLIC' WHEN a.owner THEN 'the owner' \
        ELSE pg_get_userbyid(x.grantee)::text END AS grantee";
    // What initdb granted names its owner of that time.
    let first_grantee = "CASE x.grantee WHEN 0 THEN 'PUBLIC' WHEN a.owner THEN 'the owner' WHEN x.grantor THEN 'the owner' \
        ELSE pg_get_userbyid(x.grantee)::text END AS grantee";
    let published = match server_version {
        150_000.. => PUBLISHED,
        _ => PUBLISHED_BEFORE_15,
    };
    [
        include_str!("catalog/query.sql"),
        include_str!("catalog/relations.sql"),
        "UNION ALL",
        include_str!("catalog/types.sql"),
        "UNION ALL",
        include_str!("catalog/others.sql"),
        include_str!("catalog/query_end.sql"),
    ]
    .join("\n")
    .replace("{published}", published)
    .replace("{grantee}", grantee)
    .replace("{first_grantee}", first_grantee)
}

/// The tables and schemas of a publication, with their columns and rows.
const PUBLISHED: &str = "
    (SELECT string_agg(concat_ws(' ', 'TABLE', r.prrelid::regclass,
        (SELECT '(' || string_agg(quote_ident(a.attname), ', ' ORDER BY a.attnum) || ')' FROM pg_attribute a
            WHERE a.attrelid = r.prrelid AND a.attnum = ANY (r.prattrs)),
        'WHERE ' || pg_get_expr(r.prqual, r.prrelid)), ', ' ORDER BY r.prrelid::regclass::text)
     FROM pg_publication_rel r WHERE r.prpubid = p.oid),
    (SELECT string_agg('SCHEMA ' || n.pnnspid::regnamespace, ', ' ORDER BY n.pnnspid::regnamespace::text)
     FROM pg_publication_namespace n WHERE n.pnpubid = p.oid)";

const PUBLISHED_BEFORE_15: &str = "
    (SELECT string_agg('TABLE ' || r.prrelid::regclass, ', ' ORDER BY r.prrelid::regclass::text)
     FROM pg_publication_rel r WHERE r.prpubid = p.oid)";
