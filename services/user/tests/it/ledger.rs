//! What the table itself holds, whoever writes to it.

use diesel::connection::SimpleConnection as _;
use diesel::prelude::*;
use diesel::result::DatabaseErrorKind::{
    CheckViolation, ForeignKeyViolation, NotNullViolation, UniqueViolation,
};
use diesel::result::Error::DatabaseError;
use diesel_migrations::MigrationHarness as _;
use local_postgres::TestDatabase;
use user::credits;
use user::schema::user_profiles;
use uuid::Uuid;

use crate::credits::{assert_adds_up, user};

#[test]
fn an_entry_by_hand_fits_the_one_before_or_is_refused() {
    let db = TestDatabase::new();
    let conn = &mut db.connection();
    let ann = user(conn, "ann");
    let bob = user(conn, "bob");
    credits::top_up(conn, ann, 10, "pay-1").unwrap();
    credits::top_up(conn, bob, 50, "pay-2").unwrap();
    let mut insert = |values: &str| {
        diesel::sql_query(format!(
            "INSERT INTO topup_credits
                 (entry, amount, balance, previous_entry, previous_balance, payment_id, request_key, user_id, reason)
             SELECT {values}, id, 'by hand' FROM user_profiles WHERE name = 'ann'"
        ))
        .execute(conn)
    };
    for (values, why) in [
        ("99, 1000000, 1000000, NULL, NULL, 'x', 'x'", CheckViolation),
        ("99, 1000000, 1000000, 98, 0, 'x', 'x'", ForeignKeyViolation),
        ("3, 5, 15, 2, 10, 'x', 'x'", ForeignKeyViolation),
        ("2, 5, 55, 1, 50, 'x', 'x'", ForeignKeyViolation),
        ("2, 5, 16, 1, 10, 'x', 'x'", CheckViolation),
        ("2, 5, 15, 1, NULL, 'x', 'x'", CheckViolation),
        ("2, 5, 15, NULL, NULL, 'x', 'x'", CheckViolation),
        ("0, 5, 5, NULL, NULL, 'x', 'x'", CheckViolation),
        ("1, 5, 5, NULL, NULL, 'x', 'x'", UniqueViolation),
        ("2, -11, -1, 1, 10, NULL, 'x'", CheckViolation),
        ("2, 5, 15, 1, 10, 'x', NULL", NotNullViolation),
        ("2, 5, 15, 1, 10, NULL, 'x'", CheckViolation),
    ] {
        let result = insert(values);
        let Err(DatabaseError(kind, _)) = &result else {
            panic!("{values}: {result:?}");
        };
        assert_eq!(
            format!("{kind:?}"),
            format!("{why:?}"),
            "{values}: {result:?}"
        );
    }
    assert_eq!(insert("2, 5, 15, 1, 10, 'x', 'x'"), Ok(1));
    assert_adds_up(conn, ann);
}

#[test]
fn an_entry_is_never_changed_or_removed() {
    let db = TestDatabase::new();
    let conn = &mut db.connection();
    let ann = user(conn, "ann");
    credits::top_up(conn, ann, 10, "pay-1").unwrap();
    for statement in [
        "UPDATE topup_credits SET reason = 'other'",
        "DELETE FROM topup_credits",
        "TRUNCATE topup_credits",
        "DELETE FROM user_profiles",
    ] {
        let result = diesel::sql_query(statement).execute(conn);
        assert!(matches!(result, Err(DatabaseError(..))), "{statement}");
    }
    assert_adds_up(conn, ann);
}

/// What was booked before requests had keys, and named before names were checked.
#[test]
fn a_ledger_of_before_is_taken_over() {
    let db = TestDatabase::at("20261012091500");
    let conn = &mut db.connection();
    let ann: Uuid = diesel::insert_into(user_profiles::table)
        .values((
            user_profiles::email.eq("ann@example.org"),
            user_profiles::name.eq(" "),
        ))
        .returning(user_profiles::id)
        .get_result(conn)
        .unwrap();
    conn.batch_execute(
        "INSERT INTO topup_credits (user_id, entry, amount, balance, reason, payment_id)
         SELECT id, entry, amount, balance, reason, payment_id FROM user_profiles, (VALUES
             (1, 10, 10, 'top-up', 'pay-1'), (2, -4, 6, '', NULL), (3, 1, 7, 'top-up', '')
         ) AS v (entry, amount, balance, reason, payment_id)",
    )
    .unwrap();
    conn.run_pending_migrations(user::MIGRATIONS).unwrap();

    assert_adds_up(conn, ann);
    let spent = credits::spend(conn, ann, 7, "cv 1", "request 1").unwrap();
    assert_eq!((spent.entry, spent.balance), (4, 0));
    let booked = credits::top_up(conn, ann, 10, "pay-1").unwrap();
    assert_eq!((booked.entry, &*booked.request_key), (1, "pay-1"));
    let ann = user::profiles::find(conn, ann).unwrap().unwrap();
    assert_eq!(ann.name, "ann");
}
