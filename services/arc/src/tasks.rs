//! The queue of CVs to write: queued, then running, then done or failed.
//!
//! Any number of workers may claim at once: none waits for another, none gets a task of another.

use chrono::{DateTime, Utc};
use diesel::dsl::now;
use diesel::prelude::*;
use serde_json::Value;
use uuid::Uuid;

use crate::models::{CvTask, TaskStatus};
use crate::schema::cv_tasks;
use crate::{Error, Result};

/// Queues a task. Higher priorities run first, equal ones in the order of their arrival.
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

/// Takes the next queued task, if there is one that no other worker is taking.
pub fn claim(conn: &mut PgConnection, worker: &str) -> Result<Option<CvTask>> {
    let queued = diesel::alias!(cv_tasks as queued);
    // A scalar subquery runs once. With `IN`, the planner may run it again for every row of the
    // table and lock more than one task.
    let next = queued
        .filter(queued.field(cv_tasks::status).eq(TaskStatus::Queued))
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
            cv_tasks::started_at.eq(now),
        ))
        .returning(CvTask::as_returning())
        .get_result(conn)
        .optional()?;
    Ok(task)
}

/// Ends a task that `worker` runs, with its output.
pub fn finish(conn: &mut PgConnection, id: i64, worker: &str, output: &Value) -> Result<CvTask> {
    end(conn, id, worker, TaskStatus::Done, Some(output), None)
}

/// Ends a task that `worker` runs, with the reason why there is no output.
pub fn fail(conn: &mut PgConnection, id: i64, worker: &str, error: &str) -> Result<CvTask> {
    end(conn, id, worker, TaskStatus::Failed, None, Some(error))
}

/// Fails every task that a worker took before `started_before` and never ended, and says how many:
/// a worker that died would keep its task running for ever.
pub fn fail_abandoned(conn: &mut PgConnection, started_before: DateTime<Utc>) -> Result<usize> {
    let abandoned = cv_tasks::table
        .filter(cv_tasks::status.eq(TaskStatus::Running))
        .filter(cv_tasks::started_at.lt(started_before));
    let failed = diesel::update(abandoned)
        .set((
            cv_tasks::status.eq(TaskStatus::Failed),
            cv_tasks::error.eq("abandoned by its worker"),
            cv_tasks::finished_at.eq(now),
        ))
        .execute(conn)?;
    Ok(failed)
}

fn end(
    conn: &mut PgConnection,
    id: i64,
    worker: &str,
    status: TaskStatus,
    output: Option<&Value>,
    error: Option<&str>,
) -> Result<CvTask> {
    let running = cv_tasks::table
        .find(id)
        .filter(cv_tasks::status.eq(TaskStatus::Running))
        .filter(cv_tasks::worker.eq(worker));
    diesel::update(running)
        .set((
            cv_tasks::status.eq(status),
            cv_tasks::output.eq(output),
            cv_tasks::error.eq(error),
            cv_tasks::finished_at.eq(now),
        ))
        .returning(CvTask::as_returning())
        .get_result(conn)
        .optional()?
        .ok_or_else(|| Error::NotRunning {
            task: id,
            worker: worker.to_owned(),
        })
}
