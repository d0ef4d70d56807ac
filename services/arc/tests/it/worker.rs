//! A worker's threads, with work that waits for the test.

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::channel;
use std::time::Duration;

use arc::models::TaskStatus;
use arc::schema::cv_tasks;
use arc::tasks;
use arc::worker::{Worker, score};
use chrono::{DateTime, TimeDelta, Utc};
use diesel::prelude::*;
use diesel::r2d2::{ConnectionManager, Pool};
use local_postgres::TestDatabase;
use serde_json::{Value, json};

/// One thread, with a lease that is longer than any test takes.
fn worker(db: &TestDatabase) -> Worker {
    Worker {
        pool: Pool::builder()
            .max_size(2)
            .build(ConnectionManager::new(db.url()))
            .unwrap(),
        name: "w1".into(),
        threads: 1,
        lease: TimeDelta::minutes(10),
        heartbeat: Duration::from_millis(10),
        idle: Duration::from_millis(10),
    }
}

fn statuses(conn: &mut PgConnection) -> Vec<TaskStatus> {
    let tasks = cv_tasks::table.order(cv_tasks::id);
    tasks.select(cv_tasks::status).load(conn).unwrap()
}

#[test]
fn told_to_stop_a_worker_ends_what_it_has_and_takes_nothing_new() {
    let db = TestDatabase::new();
    let conn = &mut db.connection();
    let user = crate::user(conn);
    for _ in 0..2 {
        tasks::enqueue(conn, user, 0, &json!({})).unwrap();
    }
    let stop = AtomicBool::new(false);
    let ((begun, has_begun), (go_on, may_go_on)) = (channel(), channel::<()>());
    let may_go_on = Mutex::new(may_go_on);
    let work = |_: &Value| {
        begun.send(()).unwrap();
        may_go_on.lock().unwrap().recv().unwrap();
        Ok(json!("done"))
    };
    std::thread::scope(|scope| {
        let worker = worker(&db);
        let (work, stop) = (&work, &stop);
        scope.spawn(move || worker.run(work, stop));
        has_begun.recv().unwrap();
        stop.store(true, Ordering::Relaxed);
        go_on.send(()).unwrap();
    });
    assert_eq!(statuses(conn), [TaskStatus::Done, TaskStatus::Queued]);
}

#[test]
fn while_it_works_a_worker_extends_its_lease() {
    let db = TestDatabase::new();
    let conn = &mut db.connection();
    let user = crate::user(conn);
    tasks::enqueue(conn, user, 0, &json!({})).unwrap();
    let leased_until = |conn: &mut PgConnection| -> Option<DateTime<Utc>> {
        let lease = cv_tasks::table.select(cv_tasks::leased_until);
        lease.first(conn).unwrap()
    };
    let stop = AtomicBool::new(false);
    let work = |_: &Value| {
        let conn = &mut db.connection();
        let first = leased_until(conn);
        while leased_until(conn) == first {
            std::thread::sleep(Duration::from_millis(5));
        }
        stop.store(true, Ordering::Relaxed);
        Ok(json!("done"))
    };
    worker(&db).run(&work, &stop);
    assert_eq!(statuses(conn), [TaskStatus::Done]);
}

#[test]
fn a_task_that_another_worker_left_is_done() {
    let db = TestDatabase::new();
    let conn = &mut db.connection();
    let user = crate::user(conn);
    let id = tasks::enqueue(conn, user, 0, &json!({})).unwrap().id;
    let dead = TimeDelta::milliseconds(-1);
    tasks::claim(conn, "w0", dead).unwrap().unwrap();

    let stop = AtomicBool::new(false);
    let work = |_: &Value| {
        stop.store(true, Ordering::Relaxed);
        Ok(json!("done"))
    };
    worker(&db).run(&work, &stop);
    let (worker, attempts): (Option<String>, i64) = cv_tasks::table
        .find(id)
        .select((cv_tasks::worker, cv_tasks::attempts))
        .first(conn)
        .unwrap();
    assert_eq!((worker.as_deref(), attempts), (Some("w1/1"), 2));
    assert_eq!(statuses(conn), [TaskStatus::Done]);
}

#[test]
fn bad_input_is_a_dead_letter_at_once_and_a_panic_after_all_attempts() {
    let db = TestDatabase::new();
    let conn = &mut db.connection();
    let user = crate::user(conn);
    for input in [json!({ "cv": 7 }), json!("panic"), json!("stop")] {
        tasks::enqueue(conn, user, 0, &input).unwrap();
    }
    let stop = AtomicBool::new(false);
    let work = |input: &Value| match input.as_str() {
        Some("panic") => panic!("as the test wants"),
        Some(_) => {
            stop.store(true, Ordering::Relaxed);
            score(&json!({ "cv": "I write Rust.", "advertisement": "Rust, SQL" }))
        }
        None => score(input),
    };
    worker(&db).run(&work, &stop);
    let ended: Vec<_> = tasks::dead_letters(conn, 10)
        .unwrap()
        .into_iter()
        .map(|task| (task.attempts, task.error.unwrap()))
        .collect();
    assert_eq!(
        ended,
        [
            (1, "the input has no string `cv`".to_owned()),
            (5, "the worker panicked".to_owned())
        ]
    );
    let output: Vec<Value> = cv_tasks::table
        .filter(cv_tasks::status.eq(TaskStatus::Done))
        .select(cv_tasks::output.assume_not_null())
        .load(conn)
        .unwrap();
    let expected = json!({ "score": 0.5, "matched": ["Rust"], "missing": ["SQL"] });
    assert_eq!(output, [expected]);
}
