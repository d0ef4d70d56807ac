use std::collections::HashSet;

use arc::models::{CvTask, TaskStatus};
use arc::{Error, tasks};
use chrono::{TimeDelta, Utc};
use diesel::prelude::*;
use diesel::result::DatabaseErrorKind::CheckViolation;
use diesel::result::Error::DatabaseError;
use local_postgres::TestDatabase;
use serde_json::json;
use uuid::Uuid;

fn enqueue(conn: &mut PgConnection, user: Uuid, priority: i64) -> CvTask {
    tasks::enqueue(conn, user, priority, &json!({ "title": "engineer" })).unwrap()
}

#[test]
fn a_task_is_queued_then_running_then_done() {
    let db = TestDatabase::new();
    let conn = &mut db.connection();
    let user = crate::user(conn);

    let queued = enqueue(conn, user, 0);
    assert_eq!(queued.status, TaskStatus::Queued);

    let running = tasks::claim(conn, "w1").unwrap().unwrap();
    assert_eq!(
        (running.id, running.status),
        (queued.id, TaskStatus::Running)
    );
    assert_eq!(running.worker.as_deref(), Some("w1"));
    assert!(running.started_at.is_some());

    let done = tasks::finish(conn, running.id, "w1", &json!({ "cv": 7 })).unwrap();
    assert_eq!(done.status, TaskStatus::Done);
    assert_eq!(done.output, Some(json!({ "cv": 7 })));
    assert!(done.finished_at >= done.started_at);
    assert_eq!(tasks::claim(conn, "w1").unwrap(), None);
}

#[test]
fn a_failed_task_says_why() {
    let db = TestDatabase::new();
    let conn = &mut db.connection();
    let user = crate::user(conn);
    enqueue(conn, user, 0);
    let running = tasks::claim(conn, "w1").unwrap().unwrap();
    let failed = tasks::fail(conn, running.id, "w1", "no template").unwrap();
    assert_eq!(failed.status, TaskStatus::Failed);
    assert_eq!(failed.error.as_deref(), Some("no template"));
    assert_eq!(failed.output, None);
}

#[test]
fn only_its_worker_ends_a_task_and_only_once() {
    let db = TestDatabase::new();
    let conn = &mut db.connection();
    let user = crate::user(conn);
    let id = enqueue(conn, user, 0).id;
    let not_running = |result: Result<CvTask, Error>| {
        assert!(
            matches!(result, Err(Error::NotRunning { .. })),
            "{result:?}"
        );
    };
    not_running(tasks::finish(conn, id, "w1", &json!({})));
    tasks::claim(conn, "w1").unwrap().unwrap();
    not_running(tasks::finish(conn, id, "w2", &json!({})));
    tasks::finish(conn, id, "w1", &json!({})).unwrap();
    not_running(tasks::fail(conn, id, "w1", "too late"));
}

#[test]
fn urgent_tasks_first_then_in_the_order_of_arrival() {
    let db = TestDatabase::new();
    let conn = &mut db.connection();
    let user = crate::user(conn);
    let [first, second, urgent] = [0, 0, 5].map(|priority| enqueue(conn, user, priority).id);
    let claimed = [(); 3].map(|()| tasks::claim(conn, "w1").unwrap().unwrap().id);
    assert_eq!(claimed, [urgent, first, second]);
}

#[test]
fn a_claim_passes_over_a_task_that_is_being_claimed() {
    let db = TestDatabase::new();
    let conn = &mut db.connection();
    let user = crate::user(conn);
    let [first, second] = [0, 0].map(|priority| enqueue(conn, user, priority).id);

    let slow = &mut db.connection();
    slow.begin_test_transaction().unwrap();
    assert_eq!(tasks::claim(slow, "slow").unwrap().unwrap().id, first);

    diesel::sql_query("SET lock_timeout = '2s'")
        .execute(conn)
        .unwrap();
    assert_eq!(tasks::claim(conn, "fast").unwrap().unwrap().id, second);
    assert_eq!(tasks::claim(conn, "fast").unwrap(), None);
}

#[test]
fn many_workers_share_the_queue_without_a_task_done_twice() {
    let db = TestDatabase::new();
    let conn = &mut db.connection();
    let user = crate::user(conn);
    let queued: HashSet<_> = (0..60).map(|n| enqueue(conn, user, n % 3).id).collect();

    let claimed: Vec<i64> = std::thread::scope(|scope| {
        let workers: Vec<_> = (0..6)
            .map(|n| {
                let mut conn = db.connection();
                scope.spawn(move || {
                    let worker = format!("w{n}");
                    let mut ids = Vec::new();
                    while let Some(task) = tasks::claim(&mut conn, &worker).unwrap() {
                        tasks::finish(&mut conn, task.id, &worker, &json!({})).unwrap();
                        ids.push(task.id);
                    }
                    ids
                })
            })
            .collect();
        workers
            .into_iter()
            .flat_map(|w| w.join().unwrap())
            .collect()
    });
    assert_eq!(claimed.len(), 60);
    assert_eq!(claimed.into_iter().collect::<HashSet<_>>(), queued);
}

#[test]
fn an_abandoned_task_fails() {
    let db = TestDatabase::new();
    let conn = &mut db.connection();
    let user = crate::user(conn);
    let [taken, _queued] = [0, 0].map(|priority| enqueue(conn, user, priority).id);
    tasks::claim(conn, "w1").unwrap().unwrap();

    let hour = TimeDelta::hours(1);
    assert_eq!(tasks::fail_abandoned(conn, Utc::now() - hour).unwrap(), 0);
    assert_eq!(tasks::fail_abandoned(conn, Utc::now() + hour).unwrap(), 1);
    let late = tasks::finish(conn, taken, "w1", &json!({}));
    assert!(matches!(late, Err(Error::NotRunning { .. })), "{late:?}");
}

#[test]
fn a_half_finished_task_cannot_be_stored() {
    let db = TestDatabase::new();
    let conn = &mut db.connection();
    let user = crate::user(conn);
    enqueue(conn, user, 0);
    for status in ["running", "done", "failed"] {
        let result =
            diesel::sql_query(format!("UPDATE cv_tasks SET status = '{status}'")).execute(conn);
        assert!(
            matches!(result, Err(DatabaseError(CheckViolation, _))),
            "{status}: {result:?}"
        );
    }
}

#[test]
fn a_task_is_for_a_user_with_career_data() {
    let db = TestDatabase::new();
    let orphan = tasks::enqueue(&mut db.connection(), Uuid::new_v4(), 0, &json!({}));
    assert!(matches!(orphan, Err(Error::UnknownUser)), "{orphan:?}");
}
