//! What is in a database, counted: taken when it is dumped, and again of what was restored.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::pg::{Connection, Ident, SqlError};
use crate::ui::progress::Step;

/// The owner, the applied versions, the rows of each table, and how many objects of each kind there are.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Census {
    /// The service that the ledger names.
    pub(crate) owner: Option<String>,
    /// The applied versions, in order.
    pub(crate) versions: Vec<String>,
    /// `schema.table` and its exact number of rows, for each table whose rows a dump holds.
    pub(crate) rows: BTreeMap<String, u64>,
    pub(super) large_objects: u64,
    /// Tables, indexes, functions and so on.
    pub(super) objects: BTreeMap<String, u64>,
}

/// The tables whose rows `pg_dump` writes: not those of extensions, nor foreign or temporary ones.
const TABLES: &str = "
SELECT coalesce(json_agg(json_build_array(n.nspname, c.relname) ORDER BY n.nspname, c.relname), '[]')
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind = 'r' AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'
  AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid AND d.deptype = 'e')";

/// Only what every version of PostgreSQL counts in the same way, since a backup may go to a newer server: from 18 on each
/// NOT NULL is a constraint, and what partitions inherit has had rows of its own in different ways. A dump leaves out
/// INVALID indexes.
const OBJECTS: &str = "
WITH member AS (SELECT classid, objid FROM pg_depend WHERE deptype = 'e'),
own AS (SELECT oid FROM pg_namespace WHERE nspname !~ '^pg_' AND nspname <> 'information_schema'),
found(kind) AS (
  SELECT CASE c.relkind WHEN 'r' THEN 'table' WHEN 'p' THEN 'partitioned table' WHEN 'v' THEN 'view'
                        WHEN 'm' THEN 'materialized view' WHEN 'S' THEN 'sequence' WHEN 'f' THEN 'foreign table'
                        WHEN 'c' THEN 'composite type' ELSE 'index' END
  FROM pg_class c WHERE c.relnamespace IN (SELECT oid FROM own) AND c.relkind IN ('r', 'p', 'v', 'm', 'S', 'f', 'c', 'i')
    AND NOT EXISTS (SELECT FROM pg_index i WHERE i.indexrelid = c.oid AND NOT i.indisvalid)
    AND NOT EXISTS (SELECT FROM member WHERE classid = 'pg_class'::regclass AND objid = c.oid)
    AND NOT EXISTS (SELECT FROM pg_index i JOIN member ON objid = i.indrelid AND classid = 'pg_class'::regclass
                    WHERE i.indexrelid = c.oid)
  UNION ALL
  SELECT 'function' FROM pg_proc p WHERE p.pronamespace IN (SELECT oid FROM own)
    AND NOT EXISTS (SELECT FROM member WHERE classid = 'pg_proc'::regclass AND objid = p.oid)
  UNION ALL
  SELECT 'type' FROM pg_type t WHERE t.typnamespace IN (SELECT oid FROM own) AND t.typtype IN ('d', 'e', 'r')
    AND NOT EXISTS (SELECT FROM member WHERE classid = 'pg_type'::regclass AND objid = t.oid)
  UNION ALL
  SELECT 'constraint' FROM pg_constraint k WHERE k.connamespace IN (SELECT oid FROM own)
    AND k.contype IN ('p', 'u', 'f', 'c', 'x') AND k.conparentid = 0
    AND NOT EXISTS (SELECT FROM member WHERE (classid = 'pg_class'::regclass AND objid = k.conrelid)
                                          OR (classid = 'pg_type'::regclass AND objid = k.contypid))
  UNION ALL
  SELECT 'trigger' FROM pg_trigger t JOIN pg_class c ON c.oid = t.tgrelid
  WHERE NOT t.tgisinternal AND NOT c.relispartition AND c.relnamespace IN (SELECT oid FROM own)
  UNION ALL SELECT 'policy' FROM pg_policy
  UNION ALL SELECT 'extension' FROM pg_extension
  UNION ALL SELECT 'schema' FROM own
  UNION ALL SELECT 'default privilege' FROM pg_default_acl
)
SELECT coalesce(json_object_agg(kind, number), '{}') FROM (SELECT kind, count(*) AS number FROM found GROUP BY kind) t";

/// What must hold of a session that counts or waits for a long time: nothing ends it, and row security hides no row
/// without an error.
pub(super) const PATIENT: &str = "
SET statement_timeout = 0; SET idle_in_transaction_session_timeout = 0; SET row_security = off;
SELECT set_config(name, '0', false) FROM pg_settings WHERE name IN ('idle_session_timeout', 'transaction_timeout')";

impl Census {
    /// Counts in the session's transaction, if there is one.
    ///
    /// # Errors
    /// The server's.
    pub(super) fn take(
        connection: &mut Connection,
        history_schema: Option<&str>,
        step: &Step<'_>,
    ) -> Result<Self, SqlError> {
        let ledger = "SELECT to_regclass('db_ledger.owner') IS NOT NULL";
        let owner = match connection.query_bool(ledger, &[])? {
            true => connection.query_text("SELECT service FROM db_ledger.owner", &[])?,
            false => None,
        };
        let versions = match history_schema {
            Some(schema) => connection.query_json(
                &format!(
                    "SELECT coalesce(json_agg(version ORDER BY version COLLATE \"C\"), '[]') FROM {}.__diesel_schema_migrations",
                    Ident(schema)
                ),
                &[],
            )?,
            None => Vec::new(),
        };
        let tables: Vec<(String, String)> = connection.query_json(TABLES, &[])?;
        let mut rows = BTreeMap::new();
        for (index, (schema, table)) in tables.iter().enumerate() {
            let name = format!("{schema}.{table}");
            step.detail(&format!("counting {name} ({}/{})", index + 1, tables.len()));
            // The rows of tables that inherit are theirs.
            let sql = format!(
                "SELECT count(*) FROM ONLY {}.{}",
                Ident(schema),
                Ident(table)
            );
            rows.insert(name, connection.query_json(&sql, &[])?);
        }
        Ok(Self {
            owner,
            versions,
            rows,
            large_objects: connection
                .query_json("SELECT count(*) FROM pg_largeobject_metadata", &[])?,
            objects: connection.query_json(OBJECTS, &[])?,
        })
    }

    /// The rows of all tables but the bookkeeping's.
    pub(super) fn own_rows(&self) -> u64 {
        let own = self.rows.iter().filter(|(name, _)| {
            !name.starts_with("db_ledger.") && !name.ends_with(".__diesel_schema_migrations")
        });
        own.map(|(_, rows)| rows).sum()
    }

    /// The rows of all tables.
    pub(crate) fn all_rows(&self) -> u64 {
        self.rows.values().sum()
    }

    /// Where `found` is not what this is, in words; nothing where both are the same.
    pub(super) fn differences(&self, found: &Self) -> Vec<String> {
        let mut lines = Vec::new();
        if self.owner != found.owner {
            let named =
                |owner: &Option<String>| owner.clone().unwrap_or_else(|| "nobody".to_owned());
            lines.push(format!(
                "the owner is {}, but was {}",
                named(&found.owner),
                named(&self.owner)
            ));
        }
        if self.versions != found.versions {
            lines.push(format!(
                "the applied versions are {}, but were {}",
                found.versions.join(", "),
                self.versions.join(", ")
            ));
        }
        let large =
            |census: &Self| BTreeMap::from([("large object".to_owned(), census.large_objects)]);
        lines.extend(different("rows of ", &self.rows, &found.rows));
        lines.extend(different(
            "number of objects: ",
            &self.objects,
            &found.objects,
        ));
        lines.extend(different(
            "number of objects: ",
            &large(self),
            &large(found),
        ));
        lines
    }
}

fn different(
    what: &str,
    expected: &BTreeMap<String, u64>,
    found: &BTreeMap<String, u64>,
) -> Vec<String> {
    let mut names: Vec<_> = expected.keys().chain(found.keys()).collect();
    names.sort();
    names.dedup();
    let count = |map: &BTreeMap<String, u64>, name: &str| map.get(name).copied();
    let shown = |number: Option<u64>| number.map_or_else(|| "none".to_owned(), |n| n.to_string());
    names
        .into_iter()
        .filter(|name| count(expected, name) != count(found, name))
        .map(|name| {
            format!(
                "{what}{name}: found {}, expected {}",
                shown(count(found, name)),
                shown(count(expected, name))
            )
        })
        .collect()
}
