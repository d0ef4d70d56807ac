//! What is expected of a migration: `pg_dump` says it, of databases that psql could have made.

use diesel::connection::SimpleConnection as _;
use diesel::{Connection as _, PgConnection, QueryResult};

use crate::support::{PgPrograms, quoted};

/// A migration, as its files are.
#[derive(Debug, Clone)]
pub(super) struct Generated {
    pub(super) up: String,
    pub(super) down: String,
    /// What down.sql does not undo, on purpose.
    pub(super) left_out: Option<String>,
}

/// A database to try migrations in, made anew for each trial.
pub(super) struct Judge<'j> {
    pub(super) programs: &'j PgPrograms,
    /// Of the server's maintenance database.
    pub(super) admin: String,
    pub(super) name: String,
    pub(super) url: String,
}

impl Judge<'_> {
    /// An empty database with a session in it.
    pub(super) fn empty(&self) -> PgConnection {
        let mut admin = PgConnection::establish(&self.admin).unwrap();
        let name = quoted(&self.name);
        for statement in [
            format!("DROP DATABASE IF EXISTS {name} WITH (FORCE)"),
            format!("CREATE DATABASE {name} TEMPLATE template0"),
        ] {
            admin.batch_execute(&statement).unwrap();
        }
        PgConnection::establish(&self.url).unwrap()
    }

    /// The check that must find the migration after these others, if one must.
    pub(super) fn verdict(
        &self,
        before: &[Generated],
        migration: &Generated,
    ) -> Option<&'static str> {
        let mut session = self.empty();
        for migration in before {
            run(&mut session, &migration.up).unwrap();
        }
        let straight = self.dump();
        run(&mut session, &migration.up).unwrap();
        if run(&mut session, &migration.down).is_err() {
            return Some("down-fails");
        }
        if self.dump() != straight {
            return Some("not-undone");
        }
        let again = run(&mut session, &migration.up);
        again.is_err().then_some("not-repeatable")
    }

    /// The lines of a dump, in one order: columns that were dropped and added again come last in their table.
    fn dump(&self) -> Vec<String> {
        let dump = self
            .programs
            .dump(&self.url, &["--schema-only", "--create"]);
        let lines = dump.lines().filter(|line| !line.starts_with("--"));
        let mut lines: Vec<_> = lines
            .map(|line| line.trim_end_matches(',').to_owned())
            .collect();
        lines.sort_unstable();
        lines
    }
}

/// Runs statements in a transaction.
pub(super) fn run(session: &mut PgConnection, sql: &str) -> QueryResult<()> {
    let result = session.batch_execute(&format!("BEGIN;\n{sql};\nCOMMIT"));
    if result.is_err() {
        session.batch_execute("ROLLBACK").unwrap();
    }
    result
}
