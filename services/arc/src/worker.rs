//! A worker: threads that claim tasks, do them and end them, until they are told to stop.

use std::collections::HashMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use chrono::TimeDelta;
use diesel::PgConnection;
use diesel::r2d2::{ConnectionManager, Pool, PooledConnection};
use serde_json::{Value, json};

use crate::models::CvTask;
use crate::{Error, tasks};

/// What a task is done with: its input to its output, or to the reason why there is none.
pub type Work<'a> = &'a (dyn Fn(&Value) -> Result<Value, String> + Sync);

/// How to work.
#[derive(Debug, Clone)]
pub struct Worker {
    /// Connections to the service's database, one more than threads.
    pub pool: Pool<ConnectionManager<PgConnection>>,
    /// Who works: different for every process.
    pub name: String,
    /// How many tasks at once.
    pub threads: u16,
    /// For how long a task is this worker's unless it extends the lease.
    pub lease: TimeDelta,
    /// How often it extends the leases of its tasks, and looks for leases of others that have run out.
    pub heartbeat: Duration,
    /// How long a thread waits when there is nothing to do, or when the database does not answer.
    pub idle: Duration,
}

/// The tasks that the threads are at, by id.
type Held = Mutex<HashMap<i64, CvTask>>;

impl Worker {
    /// Works until `stop` is set, and then ends what it has. What goes wrong with a task or with the
    /// database is printed to stderr and ends nothing else.
    pub fn run(&self, work: Work<'_>, stop: &AtomicBool) {
        let held = &Held::default();
        let (working, worked) = channel::<()>();
        thread::scope(|scope| {
            scope.spawn(move || self.beat(held, &worked));
            for n in 1..=self.threads {
                let working = working.clone();
                let name = format!("{}/{n}", self.name);
                scope.spawn(move || {
                    while !stop.load(Ordering::Relaxed) {
                        if !self.one_task(&name, held, work) {
                            thread::sleep(self.idle);
                        }
                    }
                    drop(working);
                });
            }
            // The last thread to stop drops the last of these, which stops the heart.
            drop(working);
        });
    }

    /// Does one task. Says whether there was one.
    fn one_task(&self, name: &str, held: &Held, work: Work<'_>) -> bool {
        let claimed = self.with(|conn| tasks::claim(conn, name, self.lease));
        let Some(Some(task)) = said("claim a task", claimed) else {
            return false;
        };
        lock(held).insert(task.id, task.clone());
        let result = catch_unwind(AssertUnwindSafe(|| work(&task.input)));
        lock(held).remove(&task.id);
        // The task that failed for a reason of its own fails again; what panicked may do better elsewhere.
        let ended = self.with(|conn| match &result {
            Ok(Ok(output)) => tasks::finish(conn, &task, output),
            Ok(Err(error)) => tasks::fail(conn, &task, error),
            Err(_) => tasks::give_back(conn, &task, "the worker panicked"),
        });
        said("end a task", ended).is_some()
    }

    /// Keeps what is held, and gives back to the queue what others hold no longer, until all threads
    /// have stopped.
    fn beat(&self, held: &Held, worked: &Receiver<()>) {
        while let Err(RecvTimeoutError::Timeout) = worked.recv_timeout(self.heartbeat) {
            let tasks: Vec<_> = lock(held).values().cloned().collect();
            for task in tasks {
                let extended = self.with(|conn| tasks::extend(conn, &task, self.lease));
                // Perhaps it has ended meanwhile.
                if lock(held).contains_key(&task.id) {
                    said("extend a lease", extended);
                }
            }
            said(
                "look for leases that have run out",
                self.with(tasks::reclaim),
            );
        }
    }

    fn with<T>(
        &self,
        statements: impl FnOnce(&mut PgConnection) -> crate::Result<T>,
    ) -> Result<T, Trouble> {
        let mut conn: PooledConnection<_> = self.pool.get()?;
        Ok(statements(&mut conn)?)
    }
}

/// What goes wrong with the database.
#[derive(Debug, thiserror::Error)]
enum Trouble {
    #[error(transparent)]
    Pool(#[from] diesel::r2d2::PoolError),
    #[error(transparent)]
    Statement(#[from] Error),
}

/// The value, if there is one; what is wrong is printed.
fn said<T>(doing: &str, result: Result<T, Trouble>) -> Option<T> {
    result
        .inspect_err(|error| eprintln!("arc: failed to {doing}: {error}"))
        .ok()
}

fn lock(held: &Held) -> MutexGuard<'_, HashMap<i64, CvTask>> {
    held.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The work of this service: how well the `cv` of the input answers its `advertisement`.
///
/// # Errors
/// One of them is missing, or not a string.
pub fn score(input: &Value) -> Result<Value, String> {
    let text = |name: &str| {
        let text = input.get(name).and_then(Value::as_str);
        text.ok_or_else(|| format!("the input has no string `{name}`"))
    };
    let found = ai::score(text("cv")?, text("advertisement")?);
    Ok(json!({
        "score": found.score,
        "matched": found.matched,
        "missing": found.missing,
    }))
}
