//! The locks of `cargo xtask db`: two runs on one database take turns.

use std::time::{Duration, Instant};

use diesel::dsl::sql;
use diesel::sql_types::{Bool, Integer};
use diesel::{PgConnection, RunQueryDsl as _};

use crate::{Error, Result};

/// The first key of both locks: "dblg" in ASCII. Advisory locks are per database, so services never meet.
const CLASS: i32 = 0x6462_6c67;
/// The lock of a run, on a session that does nothing else.
pub(crate) const RUN: i32 = 1;
/// The lock of the session that does the work: it outlives a killed run until the server has noticed.
pub(crate) const WORK: i32 = 2;

/// How often a waiter asks again.
const POLL: Duration = Duration::from_millis(100);

/// Takes a lock for as long as the session lasts, asking again until `deadline`. Never with the blocking
/// form: a waiter's open statement would deadlock with `CREATE INDEX CONCURRENTLY`.
pub(crate) fn acquire(
    session: &mut PgConnection,
    object: i32,
    deadline: Instant,
    service: &'static str,
) -> Result<()> {
    loop {
        let taken = sql::<Bool>("SELECT pg_try_advisory_lock(")
            .bind::<Integer, _>(CLASS)
            .sql(", ")
            .bind::<Integer, _>(object)
            .sql(")");
        if taken.get_result(session)? {
            return Ok(());
        }
        if Instant::now() >= deadline {
            return Err(Error::Locked { service });
        }
        std::thread::sleep(POLL);
    }
}
