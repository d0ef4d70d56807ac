use std::collections::HashSet;

use arc::models::{CvTask, TaskStatus};
use arc::{Error, tasks};
use chrono::TimeDelta;
use diesel::connection::SimpleConnection as _;
use diesel::dsl::sql;
use diesel::prelude::*;
use diesel::result::DatabaseErrorKind::CheckViolation;
use diesel::result::Error::DatabaseError;
use diesel::sql_types::BigInt;
use diesel_migrations::MigrationHarness as _;
use local_postgres::TestDatabase;
use serde_json::json;
use uuid::Uuid;

/// Longer than any test takes.
const LEASE: TimeDelta = TimeDelta::minutes(10);

fn claim(conn: &mut PgConnection, worker: &str) -> Option<CvTask> {
    tasks::claim(conn, worker, LEASE).unwrap()
}

/// Lets every lease run out, as time would.
fn let_leases_run_out(conn: &mut PgConnection) {
    let sql =
        "UPDATE cv_tasks SET leased_until = now() - interval '1 second' WHERE status = 'running'";
    diesel::sql_query(sql).execute(conn).unwrap();
}

#[track_caller]
fn assert_lost(result: &Result<CvTask, Error>) {
    assert!(matches!(result, Err(Error::LeaseLost { .. })), "{result:?}");
}

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

    let running = claim(conn, "w1").unwrap();
    assert_eq!(
        (running.id, running.status),
        (queued.id, TaskStatus::Running)
    );
    assert_eq!(running.worker.as_deref(), Some("w1"));
    assert!(running.started_at.is_some());
    assert_eq!(running.attempts, 1);

    let done = tasks::finish(conn, &running, &json!({ "cv": 7 })).unwrap();
    assert_eq!(done.status, TaskStatus::Done);
    assert_eq!(done.output, Some(json!({ "cv": 7 })));
    assert_eq!(done.leased_until, None);
    assert!(done.finished_at >= done.started_at);
    assert_eq!(claim(conn, "w1"), None);
}

#[test]
fn a_failed_task_says_why() {
    let db = TestDatabase::new();
    let conn = &mut db.connection();
    let user = crate::user(conn);
    enqueue(conn, user, 0);
    let running = claim(conn, "w1").unwrap();
    let failed = tasks::fail(conn, &running, "no template").unwrap();
    assert_eq!(failed.status, TaskStatus::Failed);
    assert_eq!(failed.error.as_deref(), Some("no template"));
    assert_eq!(failed.output, None);
}

#[test]
fn only_its_worker_ends_a_task_and_only_once() {
    let db = TestDatabase::new();
    let conn = &mut db.connection();
    let user = crate::user(conn);
    let queued = enqueue(conn, user, 0);
    assert_lost(&tasks::finish(conn, &queued, &json!({})));
    let running = claim(conn, "w1").unwrap();
    let other = CvTask {
        worker: Some("w2".into()),
        ..running.clone()
    };
    assert_lost(&tasks::finish(conn, &other, &json!({})));
    assert_lost(&tasks::extend(conn, &other, LEASE));
    tasks::finish(conn, &running, &json!({})).unwrap();
    assert_lost(&tasks::finish(conn, &running, &json!({})));
    assert_lost(&tasks::fail(conn, &running, "too late"));
    assert_lost(&tasks::give_back(conn, &running, "too late"));
    assert_lost(&tasks::extend(conn, &running, LEASE));
}

#[test]
fn urgent_tasks_first_then_in_the_order_of_arrival() {
    let db = TestDatabase::new();
    let conn = &mut db.connection();
    let user = crate::user(conn);
    let [first, second, urgent] = [0, 0, 5].map(|priority| enqueue(conn, user, priority).id);
    let claimed = [(); 3].map(|()| claim(conn, "w1").unwrap().id);
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
    assert_eq!(claim(slow, "slow").unwrap().id, first);

    diesel::sql_query("SET lock_timeout = '2s'")
        .execute(conn)
        .unwrap();
    assert_eq!(claim(conn, "fast").unwrap().id, second);
    assert_eq!(claim(conn, "fast"), None);
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
                    while let Some(task) = claim(&mut conn, &worker) {
                        tasks::finish(&mut conn, &task, &json!({})).unwrap();
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
fn an_abandoned_task_goes_back_to_the_queue() {
    let db = TestDatabase::new();
    let conn = &mut db.connection();
    let user = crate::user(conn);
    let [taken, queued] = [0, 0].map(|priority| enqueue(conn, user, priority));
    let first = claim(conn, "w1").unwrap();
    assert_eq!(first.id, taken.id);
    assert_eq!(tasks::reclaim(conn).unwrap(), []);

    let_leases_run_out(conn);
    let reclaimed = tasks::reclaim(conn).unwrap();
    assert_eq!((reclaimed.len(), reclaimed[0].id), (1, taken.id));
    assert_eq!(reclaimed[0].status, TaskStatus::Queued);
    assert!(reclaimed[0].error.is_some());
    assert_eq!(tasks::reclaim(conn).unwrap(), []);

    // Before the task that came later, and even for a worker of the same name, whose first attempt can't end it.
    let second = claim(conn, "w1").unwrap();
    assert_eq!((second.id, second.attempts), (taken.id, 2));
    assert_lost(&tasks::finish(conn, &first, &json!("first")));
    assert_lost(&tasks::extend(conn, &first, LEASE));
    let done = tasks::finish(conn, &second, &json!("second")).unwrap();
    assert_eq!((done.output, done.error), (Some(json!("second")), None));
    assert_eq!(claim(conn, "w1").unwrap().id, queued.id);
}

#[test]
fn a_lease_that_has_run_out_is_lost_before_it_is_reclaimed() {
    let db = TestDatabase::new();
    let conn = &mut db.connection();
    let user = crate::user(conn);
    enqueue(conn, user, 0);
    let running = claim(conn, "w1").unwrap();
    let_leases_run_out(conn);
    assert_lost(&tasks::finish(conn, &running, &json!({})));
    assert_lost(&tasks::extend(conn, &running, LEASE));
}

#[test]
fn a_slow_worker_keeps_its_task_by_extending_the_lease() {
    let db = TestDatabase::new();
    let conn = &mut db.connection();
    let user = crate::user(conn);
    enqueue(conn, user, 0);
    let running = claim(conn, "w1").unwrap();
    // As if it had been at it for a day.
    diesel::sql_query("UPDATE cv_tasks SET started_at = now() - interval '1 day'")
        .execute(conn)
        .unwrap();
    let extended = tasks::extend(conn, &running, LEASE * 2).unwrap();
    assert!(extended.leased_until > running.leased_until);
    assert_eq!(tasks::reclaim(conn).unwrap(), []);
    tasks::finish(conn, &running, &json!({})).unwrap();
}

#[test]
fn after_its_last_attempt_a_task_is_a_dead_letter_until_it_is_revived() {
    let db = TestDatabase::new();
    let conn = &mut db.connection();
    let user = crate::user(conn);
    let poison = enqueue(conn, user, 0);
    for attempt in 1..poison.max_attempts {
        let running = claim(conn, "w1").unwrap();
        assert_eq!(running.attempts, attempt);
        let back = match attempt % 2 {
            0 => tasks::give_back(conn, &running, "out of memory").unwrap(),
            _ => {
                let_leases_run_out(conn);
                tasks::reclaim(conn).unwrap().remove(0)
            }
        };
        assert_eq!(back.status, TaskStatus::Queued);
        assert_eq!(tasks::dead_letters(conn, 10).unwrap(), []);
    }
    claim(conn, "w1").unwrap();
    let_leases_run_out(conn);
    let dead = tasks::reclaim(conn).unwrap();
    assert_eq!(dead[0].status, TaskStatus::Failed);
    assert_eq!(dead[0].attempts, dead[0].max_attempts);
    assert_eq!(claim(conn, "w1"), None);
    assert_eq!(tasks::dead_letters(conn, 10).unwrap(), dead);

    let revived = tasks::revive(conn, poison.id).unwrap();
    assert_eq!((revived.status, revived.attempts), (TaskStatus::Queued, 0));
    let again = tasks::revive(conn, poison.id);
    assert!(matches!(again, Err(Error::NotFailed(_))), "{again:?}");
    for _ in 1..poison.max_attempts {
        let running = claim(conn, "w1").unwrap();
        tasks::give_back(conn, &running, "out of memory").unwrap();
    }
    let last = claim(conn, "w1").unwrap();
    let dead = tasks::give_back(conn, &last, "out of memory").unwrap();
    assert_eq!(tasks::dead_letters(conn, 10).unwrap(), [dead]);
}

#[test]
fn two_that_reclaim_at_once_do_not_wait_for_each_other() {
    let db = TestDatabase::new();
    let conn = &mut db.connection();
    let user = crate::user(conn);
    enqueue(conn, user, 0);
    claim(conn, "w1").unwrap();
    let_leases_run_out(conn);

    let slow = &mut db.connection();
    slow.begin_test_transaction().unwrap();
    assert_eq!(tasks::reclaim(slow).unwrap().len(), 1);
    diesel::sql_query("SET lock_timeout = '2s'")
        .execute(conn)
        .unwrap();
    assert_eq!(tasks::reclaim(conn).unwrap(), []);
}

#[test]
fn neither_claiming_nor_reclaiming_reads_the_whole_table() {
    let db = TestDatabase::new();
    let conn = &mut db.connection();
    let user = crate::user(conn);
    diesel::sql_query(
        "INSERT INTO cv_tasks (user_id, input, output, status, worker, started_at, finished_at)
         SELECT $1, '{}', '{}', 'done', 'w0', now(), now() FROM generate_series(1, 20000)",
    )
    .bind::<diesel::sql_types::Uuid, _>(user)
    .execute(conn)
    .unwrap();
    for _ in 0..20 {
        enqueue(conn, user, 0);
    }
    conn.batch_execute("VACUUM ANALYZE cv_tasks").unwrap();

    // More than five times, after which a prepared statement may get a plan for all parameters.
    let scans = conn
        .transaction(|conn| {
            for _ in 0..10 {
                let claimed = claim(conn, "w1").unwrap();
                tasks::reclaim(conn).unwrap();
                tasks::dead_letters(conn, 10).unwrap();
                tasks::fail(conn, &claimed, "no template").unwrap();
            }
            diesel::select(sql::<BigInt>(
                "(SELECT seq_scan FROM pg_stat_xact_user_tables WHERE relname = 'cv_tasks')",
            ))
            .get_result::<i64>(conn)
        })
        .unwrap();
    assert_eq!(scans, 0);
}

/// A worker of the version before was running a task when the leases came.
#[test]
fn a_task_without_a_lease_gets_one() {
    let db = TestDatabase::at("20261005084500");
    let conn = &mut db.connection();
    conn.batch_execute(
        "INSERT INTO user_arc_data (user_id) VALUES (gen_random_uuid());
         INSERT INTO cv_tasks (user_id, input, status, worker, started_at)
         SELECT user_id, '{}', 'running', 'w1', now() FROM user_arc_data;",
    )
    .unwrap();
    conn.run_pending_migrations(arc::MIGRATIONS).unwrap();

    assert_eq!(tasks::reclaim(conn).unwrap(), []);
    assert_eq!(claim(conn, "w1"), None);
    let_leases_run_out(conn);
    assert_eq!(tasks::reclaim(conn).unwrap().len(), 1);
    assert_eq!(claim(conn, "w2").unwrap().attempts, 2);
}

#[test]
fn a_half_finished_task_cannot_be_stored() {
    let db = TestDatabase::new();
    let conn = &mut db.connection();
    let user = crate::user(conn);
    enqueue(conn, user, 0);
    claim(conn, "w1").unwrap();
    for set in [
        "leased_until = NULL",
        "worker = NULL",
        "attempts = 0",
        "attempts = max_attempts + 1",
        "status = 'queued'",
        "status = 'done'",
        "status = 'failed'",
    ] {
        let result = diesel::sql_query(format!("UPDATE cv_tasks SET {set}")).execute(conn);
        assert!(
            matches!(result, Err(DatabaseError(CheckViolation, _))),
            "{set}: {result:?}"
        );
    }
}

#[test]
fn a_task_is_for_a_user_with_career_data() {
    let db = TestDatabase::new();
    let orphan = tasks::enqueue(&mut db.connection(), Uuid::new_v4(), 0, &json!({}));
    assert!(matches!(orphan, Err(Error::UnknownUser)), "{orphan:?}");
}
