use diesel::prelude::*;
use diesel::result::DatabaseErrorKind::{CheckViolation, UniqueViolation};
use diesel::result::Error::DatabaseError;
use local_postgres::TestDatabase;
use user::models::TopupCredit;
use user::{Error, Result, credits, profiles};
use uuid::Uuid;

fn user(conn: &mut PgConnection, name: &str) -> Uuid {
    let email = format!("{name}@example.org");
    profiles::register(conn, &email, name).unwrap().id
}

/// Runs `work` on `n` connections at once.
fn at_once(
    db: &TestDatabase,
    n: usize,
    work: impl Fn(usize, &mut PgConnection) -> Result<TopupCredit> + Sync,
) -> Vec<Result<TopupCredit>> {
    std::thread::scope(|scope| {
        let threads: Vec<_> = (0..n)
            .map(|n| {
                let (mut conn, work) = (db.connection(), &work);
                scope.spawn(move || work(n, &mut conn))
            })
            .collect();
        threads.into_iter().map(|t| t.join().unwrap()).collect()
    })
}

/// Entries count from 1 and each balance is the sum so far.
fn assert_adds_up(conn: &mut PgConnection, user: Uuid) {
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
    let spent = credits::spend(conn, ann, 30, "cv 1").unwrap();
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
    let error = credits::spend(conn, ann, 11, "cv 1").unwrap_err();
    assert_eq!(
        error.to_string(),
        "11 credits are wanted, the balance is 10"
    );
    credits::spend(conn, ann, 10, "cv 1").unwrap();
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
        credits::spend(conn, ann, 0, "cv 1"),
        credits::spend(conn, ann, i64::MIN, "cv 1"),
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
        credits::spend(conn, Uuid::new_v4(), 1, "cv 1"),
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
    credits::spend(conn, ann, 40, "cv 1").unwrap();
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
        assert!(matches!(result, Err(Error::PaymentReused(_))), "{result:?}");
    }
    assert_eq!(credits::balance(conn, bob).unwrap(), 0);
}

#[test]
fn a_payment_sent_many_times_at_once_counts_once() {
    let db = TestDatabase::new();
    let conn = &mut db.connection();
    let ann = user(conn, "ann");
    let entries = at_once(&db, 8, |_, conn| credits::top_up(conn, ann, 100, "pay-1"));
    for entry in entries {
        assert_eq!(entry.unwrap().entry, 1);
    }
    assert_eq!(credits::balance(conn, ann).unwrap(), 100);
}

#[test]
fn a_payment_for_many_users_at_once_is_one_users() {
    let db = TestDatabase::new();
    let conn = &mut db.connection();
    let users: Vec<_> = (0..8).map(|n| user(conn, &format!("user{n}"))).collect();
    let results = at_once(&db, 8, |n, conn| {
        credits::top_up(conn, users[n], 100, "pay-1")
    });
    let (booked, refused): (Vec<_>, Vec<_>) = results.into_iter().partition(Result::is_ok);
    assert_eq!(booked.len(), 1);
    for result in refused {
        assert!(matches!(result, Err(Error::PaymentReused(_))), "{result:?}");
    }
}

#[test]
fn many_spenders_at_once_do_not_overdraw() {
    let db = TestDatabase::new();
    let conn = &mut db.connection();
    let ann = user(conn, "ann");
    credits::top_up(conn, ann, 50, "pay-1").unwrap();
    let results = at_once(&db, 8, |n, conn| {
        credits::spend(conn, ann, 10, &format!("cv {n}"))
    });
    let (spent, refused): (Vec<_>, Vec<_>) = results.into_iter().partition(Result::is_ok);
    assert_eq!(spent.len(), 5);
    for result in refused {
        let poor = matches!(
            result,
            Err(Error::InsufficientCredits {
                balance: 0,
                wanted: 10
            })
        );
        assert!(poor, "{result:?}");
    }
    assert_eq!(credits::balance(conn, ann).unwrap(), 0);
    assert_adds_up(conn, ann);
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
        credits::spend(conn, ann, 10, "cv 1")?;
        credits::spend(stale, ann, 10, "cv 2")
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
fn the_table_itself_refuses_a_negative_balance() {
    let db = TestDatabase::new();
    let conn = &mut db.connection();
    let ann = user(conn, "ann");
    credits::top_up(conn, ann, 10, "pay-1").unwrap();
    let result = diesel::sql_query(
        "INSERT INTO topup_credits (user_id, entry, amount, balance, reason)
         SELECT id, 2, -11, -1, 'by hand' FROM user_profiles",
    )
    .execute(conn);
    assert!(
        matches!(result, Err(DatabaseError(CheckViolation, _))),
        "{result:?}"
    );
}
