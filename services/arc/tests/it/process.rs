//! The program itself: where it refuses to start, and what becomes of the queue when it is killed.

use std::io::{BufRead as _, BufReader};
use std::os::unix::process::ExitStatusExt as _;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use arc::careers;
use arc::models::{CareerProfile, TaskStatus};
use arc::schema::cv_tasks;
use diesel::connection::SimpleConnection as _;
use diesel::dsl::sql;
use diesel::prelude::*;
use diesel::sql_types::{BigInt, Bool, Text, Uuid as SqlUuid};
use local_postgres::TestDatabase;
use rustix::process::{Pid, Signal, kill_process};
use uuid::Uuid;

/// Writes what the tool's ledger says of the owner.
fn give_to(db: &TestDatabase, service: &str) {
    db.connection()
        .batch_execute(&format!(
            "CREATE SCHEMA db_ledger;
             CREATE TABLE db_ledger.owner (
                 only_row boolean PRIMARY KEY DEFAULT true CHECK (only_row), service text NOT NULL);
             INSERT INTO db_ledger.owner (service) VALUES ('{service}');"
        ))
        .unwrap();
}

/// The worker as it is deployed: without a workspace around it.
fn program(variable: &str, url: &str) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_arc"));
    command
        .current_dir(std::env::temp_dir())
        .env_remove("ARC_DATABASE_URL")
        .env_remove("DATABASE_URL")
        .env(variable, url)
        .stdin(Stdio::null());
    command
}

/// A process that does not outlive its test, however that ends.
struct Process(Child);

impl Process {
    fn kill(&mut self) {
        self.0.kill().unwrap();
        self.0.wait().unwrap();
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // It may have ended.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn signal(Process(child): &Process, signal: Signal) {
    kill_process(Pid::from_child(child), signal).unwrap();
}

/// Starts the program, sends it SIGTERM as soon as it works, and gives what it said until then.
fn started(command: &mut Command) -> Vec<String> {
    let mut process = Process(command.stderr(Stdio::piped()).spawn().unwrap());
    let mut lines = BufReader::new(process.0.stderr.take().unwrap()).lines();
    let mut said = Vec::new();
    for line in lines.by_ref() {
        said.push(line.unwrap());
        if said.last().unwrap().contains("working as") {
            signal(&process, Signal::TERM);
            break;
        }
    }
    let rest: Vec<_> = lines.map(Result::unwrap).collect();
    let status = process.0.wait().unwrap();
    assert!(status.success(), "{status} {said:?} {rest:?}");
    assert_eq!(rest, ["arc: stopped"], "{said:?}");
    said
}

#[track_caller]
fn refused(command: &mut Command, code: i32, why: &str) {
    let output = command.output().unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(code), "{said}");
    assert!(said.contains(why), "{said}");
}

#[test]
fn it_starts_on_its_own_database_only() {
    let db = TestDatabase::new();
    let own = || program("ARC_DATABASE_URL", db.url());
    refused(&mut own(), 6, "belongs to no service");
    give_to(&db, "cv");
    refused(
        &mut own(),
        6,
        "belongs to service `cv`, not to service `arc`",
    );
    refused(own().arg("--migrate"), 6, "belongs to service `cv`");
    let rename = "UPDATE db_ledger.owner SET service = 'arc'";
    db.connection().batch_execute(rename).unwrap();
    assert_eq!(started(&mut own()).len(), 1);
    refused(
        &mut program("CV_DATABASE_URL", db.url()),
        2,
        "set ARC_DATABASE_URL in the environment",
    );
}

#[test]
fn the_fallback_is_used_with_a_warning() {
    let db = TestDatabase::new();
    give_to(&db, "arc");
    let said = started(&mut program("DATABASE_URL", db.url()));
    assert_eq!(
        said[0],
        "WARNING: Using generic DATABASE_URL for service 'arc'; set ARC_DATABASE_URL"
    );
}

#[test]
fn it_migrates_when_asked_and_not_else() {
    let db = TestDatabase::empty();
    give_to(&db, "arc");
    let own = || program("ARC_DATABASE_URL", db.url());
    refused(&mut own(), 1, "lacks migrations: 20260907090000, ");
    let said = started(own().arg("--migrate"));
    assert!(
        said[0].starts_with("arc: applied 2026-09-07-090000_"),
        "{said:?}"
    );
    assert_eq!(started(own().arg("--migrate")).len(), 1);
}

/// Eight workers, of which one after the other is killed with SIGKILL while it is at a task or not.
#[test]
fn killed_workers_lose_no_task_and_do_none_twice() {
    killed_workers(200);
}

/// The same at full scale, with figures:
/// `cargo test -p arc --test it -- --ignored --nocapture five_thousand`.
#[test]
#[ignore = "five thousand tasks take a minute"]
fn killed_workers_and_five_thousand_tasks() {
    killed_workers(5_000);
}

fn killed_workers(count: i64) {
    let db = TestDatabase::new();
    give_to(&db, "arc");
    let conn = &mut db.connection();
    fill(conn, count);

    let begin = Instant::now();
    let mut workers: Vec<_> = (0..8).map(|_| spawn(&db)).collect();
    kill_at_a_task(conn, &db, &mut workers);
    let mut kills = 1;
    while left(conn) > 0 {
        assert!(kills < 10 * count, "there are tasks that nobody ends");
        // No figure depends on the order: any will do.
        let victim = Uuid::new_v4().as_u128() as usize % workers.len();
        workers[victim].kill();
        workers[victim] = spawn(&db);
        kills += 1;
        std::thread::sleep(Duration::from_millis(100));
    }
    let took = begin.elapsed();
    for worker in &mut workers {
        signal(worker, Signal::TERM);
        let status = worker.0.wait().unwrap();
        // One that was started a moment ago does not listen to the signal yet, and has no task.
        let is_ended_early = status.signal() == Some(Signal::TERM.as_raw());
        assert!(status.success() || is_ended_early, "{status}");
    }

    let mut number = |what: &str| sql::<BigInt>(&format!("SELECT {what}")).get_result::<i64>(conn);
    let done = number("count(*) FROM cv_tasks WHERE status = 'done'").unwrap();
    let dead = number("count(*) FROM cv_tasks WHERE status = 'failed' AND attempts = max_attempts");
    assert_eq!(
        done + dead.as_ref().unwrap(),
        count,
        "{dead:?} dead letters"
    );
    let completed = number("count(*) FROM completions").unwrap();
    let distinct = number("count(DISTINCT task) FROM completions").unwrap();
    assert_eq!((completed, distinct), (done, done));
    let again = number("count(*) FROM cv_tasks WHERE attempts > 1").unwrap();
    assert!(again > 0, "no worker was killed at a task");
    println!(
        "{count} tasks, 8 workers, {kills} killed: {done} done, {} dead letters, {again} more than once begun, {:.1} s",
        dead.unwrap(),
        took.as_secs_f64()
    );
}

/// Queues tasks of some milliseconds each, and has the database write down each completion.
fn fill(conn: &mut PgConnection, count: i64) {
    let user = Uuid::new_v4();
    careers::create(conn, user, &CareerProfile::default()).unwrap();
    diesel::sql_query(
        "INSERT INTO cv_tasks (user_id, input)
         SELECT $1, jsonb_build_object('cv', text, 'advertisement', text) FROM generate_series(1, $2),
             (SELECT string_agg('word' || n, ' ') AS text FROM generate_series(1, 500) n) t",
    )
    .bind::<SqlUuid, _>(user)
    .bind::<BigInt, _>(count)
    .execute(conn)
    .unwrap();
    conn.batch_execute(
        "CREATE TABLE completions (task bigint);
         CREATE FUNCTION complete() RETURNS trigger LANGUAGE plpgsql AS $$
             BEGIN INSERT INTO completions VALUES (NEW.id); RETURN NULL; END $$;
         CREATE TRIGGER complete AFTER UPDATE ON cv_tasks FOR EACH ROW
             WHEN (NEW.status = 'done') EXECUTE FUNCTION complete();",
    )
    .unwrap();
}

fn spawn(db: &TestDatabase) -> Process {
    let mut command = program("ARC_DATABASE_URL", db.url());
    // What one that is killed would have said is of no interest.
    command
        .args(["--threads", "1", "--lease", "2"])
        .stderr(Stdio::null());
    Process(command.spawn().unwrap())
}

/// Kills a worker that is at a task for certain: it is stopped first, and then still has it.
fn kill_at_a_task(conn: &mut PgConnection, db: &TestDatabase, workers: &mut [Process]) {
    for n in (0..workers.len()).cycle() {
        let worker = &mut workers[n];
        signal(worker, Signal::STOP);
        let at_a_task = sql::<Bool>(
            "SELECT EXISTS (SELECT FROM cv_tasks WHERE status = 'running' AND worker LIKE ",
        )
        .bind::<Text, _>(format!("%:{}/1", worker.0.id()))
        .sql(")");
        if at_a_task.get_result(conn).unwrap() {
            worker.kill();
            *worker = spawn(db);
            return;
        }
        signal(worker, Signal::CONT);
        assert!(
            left(conn) > 0,
            "every task was ended before one was interrupted"
        );
        std::thread::sleep(Duration::from_millis(3));
    }
}

/// Tasks that have not ended.
fn left(conn: &mut PgConnection) -> i64 {
    cv_tasks::table
        .filter(cv_tasks::status.eq_any([TaskStatus::Queued, TaskStatus::Running]))
        .count()
        .get_result(conn)
        .unwrap()
}
