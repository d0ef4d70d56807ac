//! A configured database beside one that its applied migrations make from empty.
//!
//! As on the throw-away server, snapshots of the catalog find where the two differ, and `pg_dump` decides whether they do.
//! Not compared are owners, the settings of the database itself, and subscriptions: these are the server's affair.
//! Privileges are compared in the snapshots only, where an owner has no name.

use super::super::finding::Ignored;
use super::Live;
use crate::adopt::bookkeeping;
use crate::catalog::dump::Dump;
use crate::catalog::{Difference, Snapshot, render};
use crate::pg::{Connection, Ident, Params, SqlError, Tool, major};
use crate::scratch::throwaway::{ThrowawayDatabase, ThrowawayServer};
use crate::ui::failure::Result;

/// How the two are called.
const NAMES: [&str; 2] = ["in the migrations", "in the database"];

/// How long `pg_dump` waits for a table that another session has locked, in milliseconds.
const LOCK_WAIT: u32 = 5_000;

impl Live<'_> {
    /// Compares the database with one that its applied migrations make from empty.
    ///
    /// # Errors
    /// The servers'.
    pub(super) fn drift(
        &mut self,
        server: &ThrowawayServer<'_>,
        connection: &mut Connection,
    ) -> Result<()> {
        let is_other = self
            .findings
            .iter()
            .any(|finding| finding.check == "live-owner");
        if is_other || !self.state.has_history {
            // Everything would differ.
            return Ok(());
        }
        let target = self.target;
        let mut built = server.database(target.service)?;
        for applied in &self.state.applied {
            // An unknown one is told already; what it made then shows as a difference.
            if let Some(migration) = target.migrations.get(&applied.version)
                && built.up(migration).is_err()
            {
                // Found by the checks on the throw-away server.
                return Ok(());
            }
        }
        let refused = |error: SqlError| target.failed("read the catalog of", &error);
        let shown = self.snapshots(&mut built, connection).map_err(refused)?;
        let shown = self.judged(shown, &built, connection).map_err(refused)?;
        if let Some(shown) = shown {
            let help = help([connection, built.connection()]);
            let message = format!(
                "database `{}` differs from what its migrations make:\n{shown}",
                target.url.database
            );
            self.add("live-drift", None, message, help);
        }
        Ok(())
    }

    /// What the two snapshots differ in: privileges, and all else.
    fn snapshots(
        &self,
        built: &mut ThrowawayDatabase<'_>,
        connection: &mut Connection,
    ) -> Result<[Vec<Difference>; 2], SqlError> {
        let expected = Snapshot::read(built.connection())?;
        let actual = Snapshot::read(connection)?;
        let invalid = |difference: &Difference| {
            let is_told = |index: &String| difference.key.name.ends_with(index.as_str());
            difference.key.kind == "index" && self.state.invalid_indexes.iter().any(is_told)
        };
        let told = expected.diff(&actual).into_iter().filter(|difference| {
            !difference.is_order() && !invalid(difference) && !bookkeeping::is_kept(difference)
        });
        let (privileges, others) = told.partition(Difference::is_privilege);
        Ok([privileges, others])
    }

    /// What is left of the differences of the snapshots once `pg_dump` has compared the two, for a person.
    fn judged(
        &mut self,
        [mut privileges, others]: [Vec<Difference>; 2],
        built: &ThrowawayDatabase<'_>,
        connection: &mut Connection,
    ) -> Result<Option<String>, SqlError> {
        let dumps = self.dumps(built, connection)?;
        let difference = dumps.map(|[built, live]| built.difference(&live, NAMES));
        match difference {
            // It shows no INVALID index, of which there is a finding of its own.
            Some(Some(quoted)) if others.is_empty() && self.state.invalid_indexes.is_empty() => {
                let rendered = render(&privileges, NAMES[0], NAMES[1]);
                return Ok(Some(format!("{rendered}\n{quoted}").trim().to_owned()));
            }
            Some(None) if !others.is_empty() => self.ignored.push(Ignored {
                service: self.target.service.name.clone(),
                file: None,
                message: render(&others, NAMES[0], NAMES[1]),
            }),
            _ => privileges.extend(others),
        }
        let shown = render(&privileges, NAMES[0], NAMES[1]);
        Ok((!shown.is_empty()).then_some(shown))
    }

    /// Both databases as one version of `pg_dump` shows them; `None` where that can't be, which is said.
    fn dumps(
        &self,
        built: &ThrowawayDatabase<'_>,
        connection: &mut Connection,
    ) -> Result<Option<[Dump; 2]>, SqlError> {
        let mut arguments = [
            "--no-owner",
            "--no-privileges",
            "--no-subscriptions",
            "--exclude-schema=db_ledger",
            "--exclude-table=*.__diesel_schema_migrations",
        ]
        .map(str::to_owned)
        .to_vec();
        arguments.push(format!("--lock-wait-timeout={LOCK_WAIT}"));
        for kept in bookkeeping::find(connection)? {
            let (schema, name) = (Ident(&kept.schema), Ident(&kept.name));
            arguments.push(format!("--exclude-table={schema}.{name}"));
        }
        arguments.push(format!("--exclude-schema={}", bookkeeping::SCHEMA));
        let built = built.dumped();
        let (live, version) = (strings_as_usual(connection), connection.server_version());
        let version = version.max(built.server_version);
        let both = [&built.params, &live];
        let tools = both.map(|params| Tool::for_schema(version, params));
        let dump = |(tool, params)| {
            let dump = Dump::read(tool, params, arguments.clone(), &[]);
            dump.map(Dump::without_passwords)
        };
        let dumps = match tools {
            [Ok(one), Ok(other)] if one.number == other.number => std::thread::scope(|scope| {
                let one = scope.spawn(|| dump((&one, both[0])));
                let other = dump((&other, both[1]));
                let one = one
                    .join()
                    .unwrap_or_else(|panic| std::panic::resume_unwind(panic))?;
                anyhow::Ok([one, other?])
            })
            .map_err(|error| format!("pg_dump can't read it: {error:#}")),
            [Err(failure), _] | [_, Err(failure)] => Err(failure.message),
            _ => Err("there is no pg_dump that reads both servers".to_owned()),
        };
        let dumps = dumps.map_err(|reason| {
            let database = &self.target.url.database;
            let compared = "only snapshots of the catalog are compared";
            self.app
                .progress
                .note(&format!("database `{database}`: {compared}: {reason}"));
        });
        Ok(dumps.ok())
    }
}

/// How to connect once more, and have strings written in the same way for every database.
fn strings_as_usual(connection: &Connection) -> Params {
    let params = connection.pinned();
    let own = params.get("options").map(str::to_owned);
    let own = own.or_else(|| std::env::var("PGOPTIONS").ok());
    let options = format!(
        "{} -c standard_conforming_strings=on",
        own.unwrap_or_default()
    );
    params.with("options", options.trim())
}

/// What to do about a difference, given the sessions on both servers.
fn help(sessions: [&Connection; 2]) -> String {
    let help = "write the manual change as a migration, or undo it".to_owned();
    let [live, throwaway] = sessions.map(|session| major(session.server_version()));
    if live == throwaway {
        return help;
    }
    format!(
        "{help}\nthe database is on PostgreSQL {live}, but was compared on PostgreSQL {throwaway}, which may print definitions differently: set LOCAL_POSTGRES_VERSION={live} to be sure"
    )
}
