//! The queue of CVs to write: queued, then running, then done; what fails is a dead letter.
//!
//! Any number of workers may claim at once: none waits for another, none gets a task of another.
//!
//! A worker has a task on a lease, which it extends while it works. When a lease runs out, because its
//! worker died or hangs, the task goes back to the queue, and after its last attempt to the dead
//! letters. The lease is the worker's name and the number of the attempt: a worker that has lost it can
//! neither extend it nor end the task, even if another worker of its name has the task by then.

use chrono::{DateTime, TimeDelta, Utc};
use diesel::dsl::{now, sql};
use diesel::expression::SqlLiteral;
use diesel::pg::Pg;
use diesel::prelude::*;
use diesel::sql_types::{Bool, Interval, Nullable, Timestamptz};
use serde_json::Value;
use uuid::Uuid;

use crate::models::{CvTask, TaskStatus};
use crate::schema::cv_tasks;
use crate::schema::sql_types::CvTaskStatus;
use crate::{Error, Result};

/// How many leases [`reclaim`] ends at once.
const BATCH: i64 = 100;

/// Queues a task. Higher priorities run first, equal ones in the order of their arrival.
///
/// # Errors
/// [`Error::UnknownUser`], or the database's.
pub fn enqueue(
    conn: &mut PgConnection,
    user_id: Uuid,
    priority: i64,
    input: &Value,
) -> Result<CvTask> {
    let task = diesel::insert_into(cv_tasks::table)
        .values((
            cv_tasks::user_id.eq(user_id),
            cv_tasks::priority.eq(priority),
            cv_tasks::input.eq(input),
        ))
        .returning(CvTask::as_returning())
        .get_result(conn)?;
    Ok(task)
}

/// Takes the next queued task on a lease, if there is one that no other worker is taking.
///
/// # Errors
/// The database's.
pub fn claim(conn: &mut PgConnection, worker: &str, lease: TimeDelta) -> Result<Option<CvTask>> {
    let queued = diesel::alias!(cv_tasks as queued);
    // A scalar subquery runs once. With `IN`, the planner may run it again for every row of the
    // table and lock more than one task.
    let next = queued
        .filter(queued.field(cv_tasks::status).eq(constant("'queued'")))
        .order((
            queued.field(cv_tasks::priority).desc(),
            queued.field(cv_tasks::id),
        ))
        .select(queued.field(cv_tasks::id))
        .limit(1)
        .for_update()
        .skip_locked()
        .single_value();
    let task = diesel::update(cv_tasks::table.filter(cv_tasks::id.nullable().eq(next)))
        .set((
            cv_tasks::status.eq(TaskStatus::Running),
            cv_tasks::worker.eq(worker),
            cv_tasks::attempts.eq(cv_tasks::attempts + 1),
            cv_tasks::started_at.eq(now),
            cv_tasks::leased_until.eq(until(lease)),
        ))
        .returning(CvTask::as_returning())
        .get_result(conn)
        .optional()?;
    Ok(task)
}

/// Extends the lease of a claimed task: it ends after `lease` from now.
///
/// # Errors
/// [`Error::LeaseLost`], or the database's.
pub fn extend(conn: &mut PgConnection, claimed: &CvTask, lease: TimeDelta) -> Result<CvTask> {
    let extended = diesel::update(cv_tasks::table)
        .filter(held(claimed))
        .set(cv_tasks::leased_until.eq(until(lease)))
        .returning(CvTask::as_returning())
        .get_result(conn);
    or_lost(extended, claimed)
}

/// Ends a claimed task with its output.
///
/// # Errors
/// [`Error::LeaseLost`], or the database's.
pub fn finish(conn: &mut PgConnection, claimed: &CvTask, output: &Value) -> Result<CvTask> {
    let done = Ended {
        status: TaskStatus::Done,
        output: Some(output),
        error: None,
        leased_until: None,
    };
    end(conn, claimed, &done)
}

/// Makes a claimed task a dead letter, for a reason that another attempt would meet as well.
///
/// # Errors
/// [`Error::LeaseLost`], or the database's.
pub fn fail(conn: &mut PgConnection, claimed: &CvTask, error: &str) -> Result<CvTask> {
    end(conn, claimed, &Ended::dead(error))
}

/// Gives a claimed task back to the queue, for a reason that may pass; a dead letter after the last
/// attempt.
///
/// # Errors
/// [`Error::LeaseLost`], or the database's.
pub fn give_back(conn: &mut PgConnection, claimed: &CvTask, error: &str) -> Result<CvTask> {
    if claimed.attempts >= claimed.max_attempts {
        return fail(conn, claimed, error);
    }
    let queued = diesel::update(cv_tasks::table)
        .filter(held(claimed))
        .set(Queued::after(Some(error)))
        .returning(CvTask::as_returning())
        .get_result(conn);
    or_lost(queued, claimed)
}

/// Ends leases that have run out, up to a hundred at once: the tasks go back to the queue, and to the
/// dead letters after their last attempt. Returns the tasks as they are then.
///
/// # Errors
/// The database's.
pub fn reclaim(conn: &mut PgConnection) -> Result<Vec<CvTask>> {
    conn.transaction(|conn| {
        // Passes over what a worker is just ending, or somebody else reclaims.
        let expired: Vec<(i64, bool)> = cv_tasks::table
            .filter(cv_tasks::status.eq(constant("'running'")))
            .filter(cv_tasks::leased_until.lt(now))
            .order(cv_tasks::leased_until)
            .select((cv_tasks::id, cv_tasks::attempts.ge(cv_tasks::max_attempts)))
            .limit(BATCH)
            .for_update()
            .skip_locked()
            .load(conn)?;
        if expired.is_empty() {
            return Ok(Vec::new());
        }
        let error = "the lease ran out before the worker had ended the task";
        let ids = |last: bool| {
            expired
                .iter()
                .filter(move |row| row.1 == last)
                .map(|row| row.0)
        };
        let mut reclaimed: Vec<CvTask> = diesel::update(cv_tasks::table)
            .filter(cv_tasks::id.eq_any(ids(false)))
            .set(Queued::after(Some(error)))
            .returning(CvTask::as_returning())
            .load(conn)?;
        let dead: Vec<CvTask> = diesel::update(cv_tasks::table)
            .filter(cv_tasks::id.eq_any(ids(true)))
            .set((Ended::dead(error), cv_tasks::finished_at.eq(now)))
            .returning(CvTask::as_returning())
            .load(conn)?;
        reclaimed.extend(dead);
        Ok(reclaimed)
    })
}

/// The dead letters, the oldest first.
///
/// # Errors
/// The database's.
pub fn dead_letters(conn: &mut PgConnection, limit: i64) -> Result<Vec<CvTask>> {
    let tasks = CvTask::query()
        .filter(cv_tasks::status.eq(constant("'failed'")))
        .order((cv_tasks::finished_at, cv_tasks::id))
        .limit(limit)
        .load(conn)?;
    Ok(tasks)
}

/// Queues a dead letter again, with all its attempts before it.
///
/// # Errors
/// [`Error::NotFailed`], or the database's.
pub fn revive(conn: &mut PgConnection, id: i64) -> Result<CvTask> {
    diesel::update(cv_tasks::table.find(id))
        .filter(cv_tasks::status.eq(TaskStatus::Failed))
        .set((cv_tasks::attempts.eq(0), Queued::after(None)))
        .returning(CvTask::as_returning())
        .get_result(conn)
        .optional()?
        .ok_or(Error::NotFailed(id))
}

/// A task that has ended; the time is the database's.
#[derive(AsChangeset)]
#[diesel(table_name = cv_tasks, treat_none_as_null = true)]
struct Ended<'a> {
    status: TaskStatus,
    output: Option<&'a Value>,
    error: Option<&'a str>,
    leased_until: Option<DateTime<Utc>>,
}

impl<'a> Ended<'a> {
    fn dead(error: &'a str) -> Self {
        Self {
            status: TaskStatus::Failed,
            output: None,
            error: Some(error),
            leased_until: None,
        }
    }
}

/// A task that is back in the queue.
#[derive(AsChangeset)]
#[diesel(table_name = cv_tasks, treat_none_as_null = true)]
struct Queued<'a> {
    status: TaskStatus,
    worker: Option<&'a str>,
    started_at: Option<DateTime<Utc>>,
    leased_until: Option<DateTime<Utc>>,
    finished_at: Option<DateTime<Utc>>,
    error: Option<&'a str>,
}

impl<'a> Queued<'a> {
    /// After an attempt that did not end the task.
    fn after(error: Option<&'a str>) -> Self {
        Self {
            status: TaskStatus::Queued,
            worker: None,
            started_at: None,
            leased_until: None,
            finished_at: None,
            error,
        }
    }
}

fn end(conn: &mut PgConnection, claimed: &CvTask, ended: &Ended<'_>) -> Result<CvTask> {
    let ended = diesel::update(cv_tasks::table)
        .filter(held(claimed))
        .set((ended, cv_tasks::finished_at.eq(now)))
        .returning(CvTask::as_returning())
        .get_result(conn);
    or_lost(ended, claimed)
}

/// The condition that this very attempt has the task, and in time.
fn held(
    claimed: &CvTask,
) -> Box<dyn BoxableExpression<cv_tasks::table, Pg, SqlType = Nullable<Bool>> + '_> {
    Box::new(
        cv_tasks::id
            .eq(claimed.id)
            .and(cv_tasks::status.eq(TaskStatus::Running))
            .and(cv_tasks::attempts.eq(claimed.attempts))
            .and(cv_tasks::worker.eq(claimed.worker.as_deref()))
            .and(cv_tasks::leased_until.gt(now)),
    )
}

fn or_lost(changed: QueryResult<CvTask>, claimed: &CvTask) -> Result<CvTask> {
    changed.optional()?.ok_or_else(|| Error::LeaseLost {
        task: claimed.id,
        attempt: claimed.attempts,
    })
}

/// The end of a lease that begins now.
#[diesel::dsl::auto_type(no_type_alias)]
fn until(lease: TimeDelta) -> _ {
    let lease = lease.into_sql::<Interval>();
    (now.into_sql::<Timestamptz>() + lease).nullable()
}

/// A status as a constant. Were it a parameter, the plan of a prepared statement could not use the
/// index on the tasks of this status.
fn constant(status: &str) -> SqlLiteral<CvTaskStatus> {
    sql(status)
}
