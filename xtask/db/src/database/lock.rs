//! One run at a time on one database: advisory locks of the session that does the work, or of one beside it.

use std::time::{Duration, Instant};

use crate::database::guard::Permit;
use crate::database::interrupt;
use crate::database::target::Target;
use crate::pg::{Connection, SqlError};
use crate::ui::failure::{Failure, Kind, Result};
use crate::ui::progress::Step;
use crate::workspace::Service;

/// The first key of both locks: "dblg" in ASCII. Advisory locks are per database, so services never meet.
const CLASS: i32 = 0x6462_6c67;
/// The run's lock.
const RUN: i32 = 1;
/// Held by the session that does the work: it outlives a killed run until the server has noticed.
const WORK: i32 = 2;

/// How often a waiter asks again.
const POLL: Duration = Duration::from_millis(100);

/// The SQL condition that a run holds its lock on the current database.
pub(crate) fn is_held() -> String {
    held(RUN)
}

/// The SQL condition that a session is at work on the current database: also one whose run has lost it.
pub(crate) fn is_at_work() -> String {
    held(WORK)
}

/// The SQL condition that takes both locks of a run, in a script whose session ends with it.
pub(crate) fn take() -> String {
    format!("pg_try_advisory_lock({CLASS}, {RUN}) AND pg_try_advisory_lock({CLASS}, {WORK})")
}

fn held(object: i32) -> String {
    format!(
        "EXISTS (SELECT FROM pg_locks WHERE locktype = 'advisory' AND classid = {CLASS} AND objid = {object} AND granted
                 AND database = (SELECT oid FROM pg_database WHERE datname = current_database()))"
    )
}

/// The lock of a run, held until this is dropped and the session that does the work is closed.
pub(crate) struct Lock {
    /// Holds the run's lock where the work could let go of it.
    _keeper: Option<Connection>,
}

impl Lock {
    /// Takes both locks, asking again until `deadline`: the run's in `worker`, or in a session of its own if `apart`, and
    /// the work's in `worker`.
    ///
    /// Never with the blocking form: a waiter's open statement would deadlock with `CREATE INDEX CONCURRENTLY`.
    ///
    /// # Errors
    /// Another run still holds one at the end; or a transaction pooler is in between.
    pub(crate) fn acquire(
        worker: &mut Connection,
        target: &Target<'_>,
        _permit: &Permit,
        deadline: Instant,
        step: &Step<'_>,
        apart: bool,
    ) -> Result<Self> {
        // First of all: a lock taken through a pooler would stay with the pooler.
        refuse_pooler(worker, target)?;
        let mut keeper = match apart {
            true => Some(target.url.connect(target.service)?),
            false => None,
        };
        let holder = keeper.as_mut().unwrap_or(worker);
        try_until(holder, RUN, deadline, target, step)?;
        try_until(worker, WORK, deadline, target, step)?;
        Ok(Self { _keeper: keeper })
    }
}

/// A pooler announces an invented process number. In session mode that is harmless; in transaction mode two sessions
/// take turns on one process, and a lock would have no owner.
fn refuse_pooler(session: &mut Connection, target: &Target<'_>) -> Result<()> {
    let Target { service, url, .. } = target;
    let failed = |error: SqlError| failed(service, &error);
    let own = pid(session).map_err(failed)?;
    if own == session.announced_pid() {
        return Ok(());
    }
    let mut other = url.connect(service)?;
    // Several times: other clients of the pooler may get in between.
    for _ in 0..5 {
        let before = pid(session).map_err(failed)?;
        let others = pid(&mut other).map_err(failed)?;
        let after = pid(session).map_err(failed)?;
        if before != own || after != own || others == own {
            return Err(Failure::usage(format!(
                "{} goes through a transaction pooler such as PgBouncer, which breaks the lock that keeps two runs apart",
                url.origin
            ))
            .at(url.params.to_string())
            .help(format!(
                "set {} to a direct URL of the PostgreSQL server",
                service.variable
            )));
        }
    }
    Ok(())
}

fn pid(session: &mut Connection) -> Result<i32, SqlError> {
    let text = session.soon(|session| session.query_text("SELECT pg_backend_pid()", &[]))?;
    Ok(text.and_then(|text| text.parse().ok()).unwrap_or_default())
}

fn failed(service: &Service, error: &SqlError) -> Failure {
    Failure::new(
        Kind::Connect,
        format!(
            "failed to take the lock of service `{}`: {error}",
            service.name
        ),
    )
}

fn try_until(
    session: &mut Connection,
    object: i32,
    deadline: Instant,
    target: &Target<'_>,
    step: &Step<'_>,
) -> Result<()> {
    let service = target.service;
    let (class, object) = (CLASS.to_string(), object.to_string());
    let begin = Instant::now();
    let mut is_waiting = false;
    loop {
        let taken = session
            .soon(|session| {
                session.query_bool(
                    "SELECT pg_try_advisory_lock($1::int, $2::int)",
                    &[&class, &object],
                )
            })
            .map_err(|error| failed(service, &error))?;
        if taken {
            return Ok(());
        }
        interrupt::check(|| format!("work on service `{}` began", service.name))?;
        if Instant::now() >= deadline {
            return Err(Failure::new(
                Kind::Lock,
                format!(
                    "failed to lock the database of service `{}` within {} s: {}",
                    service.name,
                    begin.elapsed().as_secs_f64().round(),
                    holder(session, &class, &object)
                ),
            )
            .help("wait for the other run, or give more time with `--lock-timeout SECONDS`"));
        }
        // A server may take a moment to notice that the session of the run before has ended.
        if is_waiting {
            step.say("waiting for another run to finish");
        }
        is_waiting = true;
        std::thread::sleep(POLL);
    }
}

/// Who holds the lock, in words.
fn holder(session: &mut Connection, class: &str, object: &str) -> String {
    let sql = "SELECT format('process %s of the server holds it (%s from %s, connected since %s)', a.pid,
            coalesce(nullif(a.application_name, ''), 'unnamed'), coalesce(host(a.client_addr), 'this machine'),
            coalesce(a.backend_start::timestamptz(0)::text, 'unknown'))
        FROM pg_locks l JOIN pg_stat_activity a USING (pid)
        WHERE l.locktype = 'advisory' AND l.classid = $1::oid AND l.objid = $2::oid AND l.granted
          AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())";
    session
        .soon(|session| session.query_text(sql, &[class, object]))
        .ok()
        .flatten()
        .unwrap_or_else(|| "another run holds it".to_owned())
}
