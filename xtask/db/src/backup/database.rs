//! The new database that a backup is restored into, beside the one that serves.

use anyhow::anyhow;

use super::census::{Census, PATIENT};
use super::folder::DUMP;
use super::manifest::Manifest;
use crate::database::ledger;
use crate::pg::{Connection, Ident, Params, SqlError, Tool, Work};
use crate::ui::progress::Step;

/// The comment that such a database has until it is complete.
const MARK: &str = "being restored by cargo xtask db";

/// A database of ours, dropped with this unless it was handed over.
pub(super) struct Beside {
    pub(super) name: String,
    pub(super) oid: String,
    /// On the server's maintenance database.
    server: Connection,
    params: Params,
    maintenance: String,
    handed_over: bool,
}

impl Beside {
    /// Creates it, owned by `owner`.
    ///
    /// # Errors
    /// The server's; then there is none.
    pub(super) fn create(
        mut server: Connection,
        name: String,
        owner: &str,
        manifest: &Manifest,
    ) -> Result<Self, SqlError> {
        let create = manifest
            .properties
            .create(&name, owner, server.server_version());
        server.execute(&create)?;
        let maintenance = server.pinned();
        let params = maintenance.with("dbname", &name);
        let maintenance = maintenance.get("dbname").unwrap_or("postgres").to_owned();
        let mut beside = Self {
            name,
            oid: String::new(),
            server,
            params,
            maintenance,
            handed_over: false,
        };
        let mark = format!("COMMENT ON DATABASE {} IS '{MARK}'", Ident(&beside.name));
        beside.server.execute(&mark)?;
        let oid = "SELECT oid::text FROM pg_database WHERE datname = $1";
        beside.oid = beside
            .server
            .query_text(oid, &[&beside.name])?
            .unwrap_or_default();
        Ok(beside)
    }

    /// Fills it from the dump.
    ///
    /// # Errors
    /// The first that `pg_restore` met.
    pub(super) fn fill(
        &self,
        tool: &Tool,
        folder: &std::path::Path,
        jobs: usize,
        tables: usize,
        step: &Step<'_>,
    ) -> anyhow::Result<Vec<String>> {
        let dump = folder.join(DUMP);
        let mut begun = 0;
        let said = |line: &str| {
            if let Some((_, table)) = line.split_once("processing data for table ") {
                begun += 1;
                step.detail(&format!("restoring {table} ({begun}/{tables})"));
            }
        };
        let work = Work {
            arguments: vec!["--exit-on-error".to_owned()],
            restores: Some((&dump, jobs)),
            ..Work::default()
        };
        tool.run(&self.params, work, said)
    }

    /// Counts what is in it, collects the planner's statistics, which are in no dump, and gives what is not as it was
    /// dumped.
    ///
    /// # Errors
    /// It can't be read.
    pub(super) fn check(
        &self,
        manifest: &Manifest,
        step: &Step<'_>,
    ) -> anyhow::Result<Vec<String>> {
        let mut connection = Connection::open(&self.params).map_err(|reason| anyhow!(reason))?;
        connection.execute(PATIENT)?;
        let history = manifest.history_schema.as_deref();
        let found = Census::take(&mut connection, history, step)?;
        let differences = manifest.census.differences(&found);
        if differences.is_empty() {
            step.detail("collecting statistics");
            connection.execute("ANALYZE")?;
        }
        Ok(differences)
    }

    /// Has it say of itself that it is protected.
    ///
    /// # Errors
    /// The server's.
    pub(super) fn protect(&self, service: &str) -> anyhow::Result<()> {
        let mut connection = Connection::open(&self.params).map_err(|reason| anyhow!(reason))?;
        Ok(ledger::keep_protected(&mut connection, service)?)
    }

    /// Gives it the grants and settings that it had as a whole; gives those that this role may not give.
    pub(super) fn adjust(&mut self, manifest: &Manifest, owner: &str) -> Vec<String> {
        let mut left = Vec::new();
        for statement in manifest.properties.statements(&self.name, owner) {
            if let Err(error) = self.server.execute(&statement) {
                left.push(format!("{statement}: {error}"));
            }
        }
        left
    }

    /// It is in use now: it is not dropped any more.
    pub(super) fn hand_over(mut self) {
        self.handed_over = true;
    }

    /// Drops it, and ends its sessions.
    ///
    /// # Errors
    /// The server's.
    pub(super) fn discard(mut self) -> Result<(), SqlError> {
        self.handed_over = true;
        let dropped = self.drop_it();
        if dropped.is_err() && self.server.is_lost() {
            // The server may have been restarted meanwhile.
            let reopened = Connection::open(&self.params.with("dbname", &self.maintenance));
            if let Ok(server) = reopened {
                self.server = server;
                return self.drop_it();
            }
        }
        dropped
    }

    fn drop_it(&mut self) -> Result<(), SqlError> {
        let force = match self.server.server_version() >= 130_000 {
            true => " WITH (FORCE)",
            false => "",
        };
        let sql = format!("DROP DATABASE IF EXISTS {}{force}", Ident(&self.name));
        self.server.execute(&sql)
    }
}

impl Drop for Beside {
    fn drop(&mut self) {
        if !self.handed_over {
            // On the way out of another failure.
            let _ = self.drop_it();
        }
    }
}

/// Databases that interrupted restores of `database` left: their names begin with `prefix`.
///
/// # Errors
/// The server's.
pub(super) fn leftovers(server: &mut Connection, prefix: &str) -> Result<Vec<String>, SqlError> {
    server.query_json(
        "SELECT coalesce(json_agg(datname ORDER BY datname), '[]') FROM pg_database
         WHERE starts_with(datname, $1) AND shobj_description(oid, 'pg_database') = $2",
        &[prefix, MARK],
    )
}

/// `name` with an ending, as short as PostgreSQL keeps it: 63 bytes.
pub(super) fn named(name: &str, ending: &str) -> String {
    let mut length = (63 - ending.len()).min(name.len());
    while !name.is_char_boundary(length) {
        length -= 1;
    }
    format!("{}{ending}", &name[..length])
}

#[cfg(test)]
mod tests {
    #[test]
    fn a_name_keeps_its_ending_and_its_characters() {
        assert_eq!(super::named("arc_db", "_x"), "arc_db_x");
        let long = super::named(&"ä".repeat(40), "_replaced_20260131120000");
        assert!(
            long.len() <= 63 && long.ends_with("ä_replaced_20260131120000"),
            "{long}"
        );
    }
}
