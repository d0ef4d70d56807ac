//! The databases of test processes: their names, and the removal of those whose process is gone.
//!
//! `lp_<run>_<number>_<label>`: `run` is the number of a lock that the process's own session holds. The server gives
//! the lock back when that process dies, so a database without the lock of its run is unused. Nothing is inferred
//! from ages or process ids, and a run that lives can't lose a database to another one.

use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};
use std::{iter, thread};

use anyhow::Result;
use diesel::PgConnection;
use diesel::connection::SimpleConnection;

use crate::server::{LOCK_CLASS, Server};
use crate::sql::{self, literal, quote};

/// One test must not pay for all that a killed run left.
const SWEEP_MAX: usize = 20;
/// Databases of failed tests that stay on a server: 400 MB of memory. All of a big suite may fail.
const KEPT_MAX: u32 = 50;
/// The comment of such a database, with its time; a template that was not finished has another one.
const KEPT: &str = "^kept ([0-9]+)";
/// PostgreSQL cuts longer names.
const NAME_MAX: usize = 63;

static NUMBER: AtomicU32 = AtomicU32::new(0);

/// A new name for a database of this run.
pub(crate) fn name(run: i32, label: &str) -> String {
    let number = NUMBER.fetch_add(1, Ordering::Relaxed);
    let label = label.chars().map(|c| {
        if c.is_ascii_alphanumeric() {
            c.to_ascii_lowercase()
        } else {
            '_'
        }
    });
    let mut name: String = format!("lp_{run:08x}_{number}_")
        .chars()
        .chain(label)
        .collect();
    name.truncate(NAME_MAX);
    name
}

/// Makes a database from a template.
pub(crate) fn create(server: &Server, name: &str, template: &str) -> Result<()> {
    // Copying files beats logging every page while nothing has to reach a disk: 16 ms against 27–41 for 30 tables.
    let strategy = if server.is_at_least(15) {
        " STRATEGY file_copy"
    } else {
        ""
    };
    server.execute(&format!(
        "CREATE DATABASE {} TEMPLATE {}{strategy}",
        quote(name),
        quote(template)
    ))
}

/// Drops a database, its sessions first.
pub(crate) fn drop(server: &Server, name: &str) -> Result<()> {
    server.with_session(|session| drop_in(session, name))
}

fn drop_in(session: &mut PgConnection, name: &str) -> Result<()> {
    end_sessions(session, name)?;
    session.batch_execute(&format!(
        "DROP DATABASE IF EXISTS {} WITH (FORCE)",
        quote(name)
    ))?;
    Ok(())
}

/// Drops a database that may be marked as a template.
pub(crate) fn drop_template(session: &mut PgConnection, name: &str) -> Result<()> {
    // Asked first: ALTER DATABASE of what an interrupted DROP DATABASE left (-2) ends the session, lock and all.
    let query = format!(
        "SELECT datname::text AS value FROM pg_database WHERE datname = {} AND datistemplate AND datconnlimit <> -2",
        literal(name)
    );
    for name in sql::texts(session, &query)? {
        session.batch_execute(&format!(
            "ALTER DATABASE {} IS_TEMPLATE false",
            quote(&name)
        ))?;
    }
    drop_in(session, name)
}

/// Ends the sessions of a database and waits until they are gone.
///
/// DROP DATABASE looks once and then sleeps for 100 ms if a session that was just closed is still on its way out.
pub(crate) fn end_sessions(session: &mut PgConnection, name: &str) -> Result<()> {
    let query = format!(
        "SELECT pg_terminate_backend(pid)::text AS value FROM pg_stat_activity WHERE datname = {}",
        literal(name)
    );
    let start = Instant::now();
    while !sql::texts(session, &query)?.is_empty() && start.elapsed() < Duration::from_secs(5) {
        thread::sleep(Duration::from_micros(200));
    }
    Ok(())
}

/// Marks a database so that it stays after its run, for a day at most, and drops the oldest ones that stayed so.
pub(crate) fn keep(server: &Server, name: &str, why: &str) -> Result<()> {
    let now = std::time::UNIX_EPOCH
        .elapsed()
        .unwrap_or_default()
        .as_secs();
    let surplus = format!(
        "SELECT datname::text AS value FROM pg_database \
         WHERE datname LIKE 'lp\\_%' AND shobj_description(oid, 'pg_database') ~ '{KEPT}' \
         ORDER BY substring(shobj_description(oid, 'pg_database') FROM '{KEPT}')::bigint DESC, oid DESC \
         OFFSET {KEPT_MAX}"
    );
    server.with_session(|session| {
        session.batch_execute(&format!(
            "COMMENT ON DATABASE {} IS {}",
            quote(name),
            literal(&format!("kept {now} {why}"))
        ))?;
        for name in sql::texts(session, &surplus)? {
            // Another test that failed may be faster.
            let _ = drop_in(session, &name);
        }
        Ok(())
    })
}

/// Drops databases of runs that are gone; all of them if `all`, else so few that a test can wait for it.
///
/// Returns how many.
pub(crate) fn sweep(server: &Server, all: bool) -> Result<usize> {
    // A run takes its lock before it makes a database. Databases are seen as of the statement's start, locks as of
    // later, so a database that is seen here without a lock has lost its process.
    let query = format!(
        "SELECT datname::text AS value FROM pg_database \
         WHERE datname ~ '^lp_[0-7][0-9a-f]{{7}}_[0-9]' AND NOT EXISTS ( \
             SELECT FROM pg_locks WHERE locktype = 'advisory' AND classid = {LOCK_CLASS} AND objsubid = 2 \
             AND objid = ('x' || substr(datname, 4, 8))::bit(32)::int::oid) \
         AND coalesce(substring(shobj_description(oid, 'pg_database') FROM '{KEPT}')::bigint, 0) \
             < extract(epoch FROM now()) - 86400"
    );
    server.with_session(|session| {
        let mut names = sql::texts(session, &query)?;
        if !all {
            names.truncate(SWEEP_MAX);
        }
        let dropped = iter::zip(&names, 0..).filter(|(name, _)| {
            // Some are templates that were not finished. Another sweep may be faster: then there is nothing to do.
            drop_template(session, name).is_ok()
        });
        Ok(dropped.count())
    })
}
