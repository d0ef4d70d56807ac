//! What there is to lose in a database, for who is asked whether it may go.

use indicatif::HumanBytes;
use serde::Deserialize;

use crate::pg::{Connection, SqlError};
use crate::ui::report::count;

/// How many tables are named; the largest.
const NAMED: usize = 12;

/// What is in a database, and who is connected to it.
#[derive(Deserialize)]
pub(crate) struct Stake {
    size: u64,
    tables: Vec<Table>,
    /// The programs that are connected, but for this one, and how often each is.
    sessions: Vec<(String, u64)>,
}

#[derive(Deserialize)]
struct Table {
    name: String,
    /// Estimated; `None` where the server knows nothing of them.
    rows: Option<u64>,
}

/// The estimates of the server, of which a table without a page needs none. Who locks a table for long is not waited for.
const READ: &str = "BEGIN TRANSACTION READ ONLY; SET LOCAL lock_timeout = '5s';
SELECT json_build_object(
  'size', pg_database_size(current_database()),
  'tables', (SELECT coalesce(json_agg(json_build_object('name', t.name, 'rows', t.rows) ORDER BY t.bytes DESC, t.name), '[]')
             FROM (SELECT CASE n.nspname WHEN 'public' THEN '' ELSE n.nspname || '.' END || c.relname AS name,
                          CASE WHEN pg_relation_size(c.oid) = 0 THEN 0
                               WHEN e.rows > 0 THEN e.rows::bigint END AS rows,
                          pg_total_relation_size(c.oid) AS bytes
                   FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace,
                        LATERAL (SELECT greatest(c.reltuples, pg_stat_get_live_tuples(c.oid)) AS rows) e
                   WHERE c.relkind = 'r' AND c.relpersistence <> 't' AND n.nspname !~ '^pg_'
                     AND n.nspname NOT IN ('information_schema', 'db_ledger') AND c.relname <> '__diesel_schema_migrations') t),
  'sessions', (SELECT coalesce(json_agg(json_build_array(s.name, s.number) ORDER BY s.name), '[]')
               FROM (SELECT coalesce(nullif(application_name, ''), usename, 'unnamed') AS name, count(*) AS number
                     FROM pg_stat_activity
                     WHERE datname = current_database() AND pid <> pg_backend_pid()
                       AND backend_type IS DISTINCT FROM 'autovacuum worker'
                     GROUP BY 1) s));
ROLLBACK";

impl Stake {
    /// Reads it, writing nothing.
    ///
    /// # Errors
    /// The server's.
    pub(crate) fn read(connection: &mut Connection) -> Result<Self, SqlError> {
        let read = connection.execute_json(READ);
        if read.is_err() && !connection.is_lost() {
            connection.execute("ROLLBACK")?;
        }
        read
    }

    /// In words, a line each.
    pub(crate) fn lines(&self) -> Vec<String> {
        let named = self.tables.iter().take(NAMED).map(|table| {
            let rows = match table.rows {
                Some(0) => "empty".to_owned(),
                Some(rows) => format!(
                    "about {}",
                    count(usize::try_from(rows).unwrap_or(usize::MAX), "row")
                ),
                None => "rows not counted".to_owned(),
            };
            format!("{} ({rows})", table.name)
        });
        let mut tables: Vec<_> = named.collect();
        if self.tables.len() > NAMED {
            tables.push(format!("and {} more", self.tables.len() - NAMED));
        }
        let mut lines = vec![format!("size: {}", HumanBytes(self.size))];
        lines.push(match tables.is_empty() {
            true => "tables: none".to_owned(),
            false => format!("tables: {}", tables.join(", ")),
        });
        let sessions = self.sessions.iter();
        let sessions: Vec<_> = sessions
            .map(|(name, number)| format!("{number} of {name}"))
            .collect();
        lines.push(match sessions.is_empty() {
            true => "open connections: none".to_owned(),
            false => format!("open connections: {}", sessions.join(", ")),
        });
        lines
    }
}
