use std::collections::HashSet;
use std::time::Duration;

use diesel::dsl::sql;
use diesel::prelude::*;
use diesel::result::DatabaseErrorKind::UniqueViolation;
use diesel::result::Error::DatabaseError;
use diesel::sql_types::Bool;
use local_postgres::TestDatabase;
use user::models::TopupCredit;
use user::{Error, Result, credits, profiles};
use uuid::Uuid;

pub(crate) fn user(conn: &mut PgConnection, name: &str) -> Uuid {
    let email = format!("{name}@example.org");
    profiles::register(conn, &email, name).unwrap().id
}

type Booking = Result<TopupCredit>;

/// Runs `late` while the transaction of `early` is still open, and commits that one as soon as
/// `late` waits for it: two writers at once, the same way in every run.
fn overlap(
    db: &TestDatabase,
    early: impl FnOnce(&mut PgConnection) -> Booking,
    late: impl FnOnce(&mut PgConnection) -> Booking + Send,
) -> (Booking, Booking) {
    let (mut conn, mut late_conn) = (db.connection(), db.connection());
    std::thread::scope(|scope| {
        let mut late_thread = None;
        let first = conn.transaction(|conn| {
            let first = early(conn);
            let thread = scope.spawn(move || late(&mut late_conn));
            while !thread.is_finished() && !somebody_waits(conn) {
                std::thread::sleep(Duration::from_millis(5));
            }
            late_thread = Some(thread);
            first
        });
        (first, late_thread.unwrap().join().unwrap())
    })
}

fn somebody_waits(conn: &mut PgConnection) -> bool {
    diesel::select(sql::<Bool>(
        "EXISTS (SELECT FROM pg_locks WHERE NOT granted AND pg_backend_pid() = ANY (pg_blocking_pids(pid)))",
    ))
    .get_result(conn)
    .unwrap()
}

/// Entries count from 1 and each balance is the sum so far.
pub(crate) fn assert_adds_up(conn: &mut PgConnection, user: Uuid) {
    let mut history = credits::history(conn, user).unwrap();
    history.reverse();
    let mut sum = 0;
    for (n, entry) in (1..).zip(&history) {
        sum += entry.amount;
        assert_eq!((entry.entry, entry.balance), (n, sum));
    }
    assert_eq!(credits::balance(conn, user).unwrap(), sum);
}

#[test]
fn credits_are_bought_and_spent() {
    let db = TestDatabase::new();
    let conn = &mut db.connection();
    let ann = user(conn, "ann");
    let bob = user(conn, "bob");
    assert_eq!(credits::balance(conn, ann).unwrap(), 0);
    credits::top_up(conn, ann, 100, "pay-1").unwrap();
    credits::top_up(conn, bob, 7, "pay-2").unwrap();
    let spent = credits::spend(conn, ann, 30, "cv 1", "request 1").unwrap();
    assert_eq!((spent.entry, spent.amount, spent.balance), (2, -30, 70));
    assert_eq!(credits::balance(conn, ann).unwrap(), 70);
    assert_eq!(credits::balance(conn, bob).unwrap(), 7);
    assert_adds_up(conn, ann);
}

#[test]
fn nobody_spends_more_than_there_is() {
    let db = TestDatabase::new();
    let conn = &mut db.connection();
    let ann = user(conn, "ann");
    credits::top_up(conn, ann, 10, "pay-1").unwrap();
    let error = credits::spend(conn, ann, 11, "cv 1", "request 2").unwrap_err();
    assert_eq!(
        error.to_string(),
        "11 credits are wanted, the balance is 10"
    );
    credits::spend(conn, ann, 10, "cv 1", "request 3").unwrap();
    assert_eq!(credits::balance(conn, ann).unwrap(), 0);
}

#[test]
fn amounts_are_positive_and_balances_finite() {
    let db = TestDatabase::new();
    let conn = &mut db.connection();
    let ann = user(conn, "ann");
    credits::top_up(conn, ann, 1, "pay-1").unwrap();
    for result in [
        credits::top_up(conn, ann, 0, "pay-2"),
        credits::top_up(conn, ann, -5, "pay-2"),
        credits::top_up(conn, ann, i64::MAX, "pay-2"),
        credits::spend(conn, ann, 0, "cv 1", "request 4"),
        credits::spend(conn, ann, i64::MIN, "cv 1", "request 5"),
    ] {
        assert!(matches!(result, Err(Error::InvalidAmount(_))), "{result:?}");
    }
    assert_eq!(credits::balance(conn, ann).unwrap(), 1);
}

#[test]
fn nobody_buys_or_spends_without_an_account() {
    let db = TestDatabase::new();
    let conn = &mut db.connection();
    for result in [
        credits::top_up(conn, Uuid::new_v4(), 1, "pay-1"),
        credits::spend(conn, Uuid::new_v4(), 1, "cv 1", "request 6"),
    ] {
        assert!(matches!(result, Err(Error::UnknownUser)), "{result:?}");
    }
}

#[test]
fn a_payment_counts_once() {
    let db = TestDatabase::new();
    let conn = &mut db.connection();
    let ann = user(conn, "ann");
    let first = credits::top_up(conn, ann, 100, "pay-1").unwrap();
    credits::spend(conn, ann, 40, "cv 1", "request 7").unwrap();
    assert_eq!(credits::top_up(conn, ann, 100, "pay-1").unwrap(), first);
    assert_eq!(credits::balance(conn, ann).unwrap(), 60);
}

#[test]
fn a_payment_is_booked_in_one_way() {
    let db = TestDatabase::new();
    let conn = &mut db.connection();
    let ann = user(conn, "ann");
    let bob = user(conn, "bob");
    credits::top_up(conn, ann, 100, "pay-1").unwrap();
    for result in [
        credits::top_up(conn, ann, 200, "pay-1"),
        credits::top_up(conn, bob, 100, "pay-1"),
    ] {
        assert!(matches!(result, Err(Error::RequestReused(_))), "{result:?}");
    }
    assert_eq!(credits::balance(conn, bob).unwrap(), 0);
}

#[test]
fn a_payment_sent_twice_at_once_counts_once() {
    let db = TestDatabase::new();
    let conn = &mut db.connection();
    let ann = user(conn, "ann");
    let book = |conn: &mut PgConnection| credits::top_up(conn, ann, 100, "pay-1");
    let (first, second) = overlap(&db, book, book);
    assert_eq!(first.unwrap(), second.unwrap());
    assert_eq!(credits::balance(conn, ann).unwrap(), 100);
}

#[test]
fn a_payment_for_two_users_at_once_is_the_firsts() {
    let db = TestDatabase::new();
    let conn = &mut db.connection();
    let ann = user(conn, "ann");
    let bob = user(conn, "bob");
    let (first, second) = overlap(
        &db,
        |conn| credits::top_up(conn, ann, 100, "pay-1"),
        |conn| credits::top_up(conn, bob, 100, "pay-1"),
    );
    first.unwrap();
    assert!(matches!(second, Err(Error::RequestReused(_))), "{second:?}");
}

#[test]
fn two_spenders_at_once_do_not_overdraw() {
    let db = TestDatabase::new();
    let conn = &mut db.connection();
    let ann = user(conn, "ann");
    credits::top_up(conn, ann, 15, "pay-1").unwrap();
    let (first, second) = overlap(
        &db,
        |conn| credits::spend(conn, ann, 10, "cv 1", "request 8"),
        |conn| credits::spend(conn, ann, 10, "cv 2", "request 9"),
    );
    assert_eq!(first.unwrap().balance, 5);
    assert!(
        matches!(
            second,
            Err(Error::InsufficientCredits {
                balance: 5,
                wanted: 10
            })
        ),
        "{second:?}"
    );
}

#[test]
fn users_do_not_wait_for_each_other() {
    let db = TestDatabase::new();
    let conn = &mut db.connection();
    let ann = user(conn, "ann");
    let bob = user(conn, "bob");
    let (first, second) = overlap(
        &db,
        |conn| credits::top_up(conn, ann, 1, "pay-1"),
        |conn| {
            diesel::sql_query("SET lock_timeout = '1s'").execute(conn)?;
            credits::top_up(conn, bob, 1, "pay-2")
        },
    );
    first.unwrap();
    second.unwrap();
}

/// 50 spenders with one account, each request sent twice, until nothing is left.
#[test]
fn many_spenders_at_once_spend_all_and_no_more() {
    const CREDITS: usize = 200;
    let db = TestDatabase::new();
    let conn = &mut db.connection();
    let ann = user(conn, "ann");
    credits::top_up(conn, ann, CREDITS as i64, "pay-1").unwrap();
    let spent: Vec<TopupCredit> = std::thread::scope(|scope| {
        let spenders: Vec<_> = (0..50)
            .map(|n| {
                let mut conn = db.connection();
                scope.spawn(move || spend_until_nothing_is_left(&mut conn, ann, n))
            })
            .collect();
        spenders
            .into_iter()
            .flat_map(|spender| spender.join().unwrap())
            .collect()
    });
    assert_eq!(spent.len(), CREDITS);
    let keys: HashSet<_> = spent.iter().map(|entry| &entry.request_key).collect();
    assert_eq!(keys.len(), CREDITS);
    assert_eq!(credits::history(conn, ann).unwrap().len(), CREDITS + 1);
    assert_adds_up(conn, ann);
    assert_eq!(credits::balance(conn, ann).unwrap(), 0);
}

fn spend_until_nothing_is_left(conn: &mut PgConnection, user: Uuid, n: u32) -> Vec<TopupCredit> {
    let mut spent = Vec::new();
    loop {
        let key = format!("spender {n}, request {}", spent.len());
        match credits::spend(conn, user, 1, "cv", &key) {
            Ok(entry) => {
                let again = credits::spend(conn, user, 1, "cv", &key).unwrap();
                assert_eq!(again, entry);
                spent.push(entry);
            }
            Err(Error::InsufficientCredits { balance: 0, .. }) => return spent,
            Err(error) => panic!("{error}"),
        }
    }
}

#[test]
fn a_stale_snapshot_does_not_spend_twice() {
    let db = TestDatabase::new();
    let conn = &mut db.connection();
    let ann = user(conn, "ann");
    credits::top_up(conn, ann, 10, "pay-1").unwrap();

    let stale = &mut db.connection();
    let result = stale.build_transaction().repeatable_read().run(|stale| {
        assert_eq!(credits::balance(stale, ann)?, 10);
        credits::spend(conn, ann, 10, "cv 1", "request 9")?;
        credits::spend(stale, ann, 10, "cv 2", "request 10")
    });
    assert!(
        matches!(
            result,
            Err(Error::Database(DatabaseError(UniqueViolation, _)))
        ),
        "{result:?}"
    );
    assert_eq!(credits::balance(conn, ann).unwrap(), 0);
}

#[test]
fn a_request_spends_once() {
    let db = TestDatabase::new();
    let conn = &mut db.connection();
    let ann = user(conn, "ann");
    credits::top_up(conn, ann, 10, "pay-1").unwrap();
    let first = credits::spend(conn, ann, 3, "cv 1", "request 1").unwrap();
    credits::spend(conn, ann, 7, "cv 2", "request 2").unwrap();
    // The answer is the same when the credits are spent meanwhile.
    let again = credits::spend(conn, ann, 3, "cv 1", "request 1").unwrap();
    assert_eq!(again, first);
    assert_eq!(credits::history(conn, ann).unwrap().len(), 3);
}

#[test]
fn a_request_is_booked_in_one_way() {
    let db = TestDatabase::new();
    let conn = &mut db.connection();
    let ann = user(conn, "ann");
    let bob = user(conn, "bob");
    for user in [ann, bob] {
        credits::top_up(conn, user, 10, &format!("pay-{user}")).unwrap();
    }
    credits::spend(conn, ann, 3, "cv 1", "request 1").unwrap();
    for result in [
        credits::spend(conn, ann, 4, "cv 1", "request 1"),
        credits::spend(conn, ann, 3, "cv 2", "request 1"),
        credits::spend(conn, bob, 3, "cv 1", "request 1"),
        credits::top_up(conn, ann, 3, "request 1"),
        credits::correct(conn, ann, 2, "cv 1", "request 1"),
    ] {
        assert!(matches!(result, Err(Error::RequestReused(_))), "{result:?}");
    }
    assert_eq!(credits::balance(conn, ann).unwrap(), 7);
    assert_eq!(credits::balance(conn, bob).unwrap(), 10);
}

#[test]
fn requests_and_reasons_are_not_blank() {
    let db = TestDatabase::new();
    let conn = &mut db.connection();
    let ann = user(conn, "ann");
    credits::top_up(conn, ann, 10, "pay-1").unwrap();
    for blank in ["", " ", "\t\n"] {
        for result in [
            credits::top_up(conn, ann, 1, blank),
            credits::spend(conn, ann, 1, "cv 1", blank),
            credits::correct(conn, ann, 1, "error", blank),
        ] {
            assert!(matches!(result, Err(Error::InvalidRequest)), "{result:?}");
        }
        let result = credits::spend(conn, ann, 1, blank, "request 1");
        assert!(matches!(result, Err(Error::InvalidReason)), "{result:?}");
    }
    assert_eq!(credits::balance(conn, ann).unwrap(), 10);
}

#[test]
fn an_error_is_corrected_once_by_a_contrary_entry() {
    let db = TestDatabase::new();
    let conn = &mut db.connection();
    let ann = user(conn, "ann");
    let bob = user(conn, "bob");
    credits::top_up(conn, ann, 10, "pay-1").unwrap();
    let wrong = credits::spend(conn, ann, 4, "cv 1", "request 1").unwrap();
    let correction = credits::correct(conn, ann, wrong.entry, "no cv", "request 2").unwrap();
    assert_eq!((correction.amount, correction.balance), (4, 10));
    assert_eq!(correction.corrects, Some(wrong.entry));
    let again = credits::correct(conn, ann, wrong.entry, "no cv", "request 2").unwrap();
    assert_eq!(again, correction);

    let twice = credits::correct(conn, ann, wrong.entry, "no cv", "request 3");
    assert!(matches!(twice, Err(Error::AlreadyCorrected)), "{twice:?}");
    for (user, entry) in [(ann, 99), (bob, 1)] {
        let unknown = credits::correct(conn, user, entry, "no cv", "request 3");
        assert!(
            matches!(unknown, Err(Error::UnknownEntry(_))),
            "{unknown:?}"
        );
    }
    // A payment that is spent already can't be taken back.
    credits::spend(conn, ann, 1, "cv 2", "request 4").unwrap();
    let spent = credits::correct(conn, ann, 1, "charge-back", "request 5");
    assert!(
        matches!(
            spent,
            Err(Error::InsufficientCredits {
                balance: 9,
                wanted: 10
            })
        ),
        "{spent:?}"
    );
    assert_adds_up(conn, ann);
}
