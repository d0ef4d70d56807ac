//! Credits: bought with a payment, spent on services, never below zero.
//!
//! The table is a ledger whose last entry holds the balance. Writers of one user's ledger take turns
//! by a lock on the user's profile; where that does not help (a stale snapshot under a higher
//! isolation level), the keys and checks of the table make the second writer fail.

use diesel::prelude::*;
use diesel::result::DatabaseErrorKind::UniqueViolation;
use diesel::result::Error::DatabaseError;
use uuid::Uuid;

use crate::models::{NewTopupCredit, TopupCredit};
use crate::schema::{topup_credits, user_profiles};
use crate::{Error, Result};

/// Books a payment. The same payment again, as a provider that got no answer sends it, is booked
/// once: the first entry comes back.
pub fn top_up(
    conn: &mut PgConnection,
    user_id: Uuid,
    amount: i64,
    payment_id: &str,
) -> Result<TopupCredit> {
    if amount <= 0 {
        return Err(Error::InvalidAmount(amount));
    }
    let result = conn.transaction(|conn| {
        let last = lock(conn, user_id)?;
        let booked = topup_credits::table
            .filter(topup_credits::payment_id.eq(payment_id))
            .select(TopupCredit::as_select())
            .first(conn)
            .optional()?;
        match booked {
            Some(entry) if entry.user_id == user_id && entry.amount == amount => Ok(entry),
            Some(_) => Err(Error::PaymentReused(payment_id.to_owned())),
            None => append(conn, user_id, last, amount, "top-up", Some(payment_id)),
        }
    });
    // Another user booked it in this very moment: the lock is one user's, the key is everybody's.
    match result {
        Err(Error::Database(DatabaseError(UniqueViolation, info)))
            if info.constraint_name() == Some("topup_credits_payment_id_key") =>
        {
            Err(Error::PaymentReused(payment_id.to_owned()))
        }
        result => result,
    }
}

/// Spends credits, if there are as many.
pub fn spend(
    conn: &mut PgConnection,
    user_id: Uuid,
    amount: i64,
    reason: &str,
) -> Result<TopupCredit> {
    if amount <= 0 {
        return Err(Error::InvalidAmount(amount));
    }
    conn.transaction(|conn| {
        let last = lock(conn, user_id)?;
        let balance = last.as_ref().map_or(0, |last| last.balance);
        if balance < amount {
            return Err(Error::InsufficientCredits {
                balance,
                wanted: amount,
            });
        }
        append(conn, user_id, last, -amount, reason, None)
    })
}

/// What a user has left.
pub fn balance(conn: &mut PgConnection, user_id: Uuid) -> Result<i64> {
    Ok(last(conn, user_id)?.map_or(0, |last| last.balance))
}

/// All entries of a user, the latest first.
pub fn history(conn: &mut PgConnection, user_id: Uuid) -> Result<Vec<TopupCredit>> {
    let entries = topup_credits::table
        .filter(topup_credits::user_id.eq(user_id))
        .order(topup_credits::entry.desc())
        .select(TopupCredit::as_select())
        .load(conn)?;
    Ok(entries)
}

/// Waits for this user's turn to write, then reads the last entry.
fn lock(conn: &mut PgConnection, user_id: Uuid) -> Result<Option<TopupCredit>> {
    // Not `FOR UPDATE`: that would also wait for whoever merely refers to the profile by a key.
    user_profiles::table
        .find(user_id)
        .select(user_profiles::id)
        .for_no_key_update()
        .first::<Uuid>(conn)
        .optional()?
        .ok_or(Error::UnknownUser)?;
    last(conn, user_id)
}

fn last(conn: &mut PgConnection, user_id: Uuid) -> Result<Option<TopupCredit>> {
    let entry = topup_credits::table
        .filter(topup_credits::user_id.eq(user_id))
        .order(topup_credits::entry.desc())
        .select(TopupCredit::as_select())
        .first(conn)
        .optional()?;
    Ok(entry)
}

fn append(
    conn: &mut PgConnection,
    user_id: Uuid,
    last: Option<TopupCredit>,
    amount: i64,
    reason: &str,
    payment_id: Option<&str>,
) -> Result<TopupCredit> {
    let (entry, balance) = last.map_or((0, 0), |last| (last.entry, last.balance));
    let new = NewTopupCredit {
        user_id,
        entry: entry + 1,
        amount,
        balance: balance
            .checked_add(amount)
            .ok_or(Error::InvalidAmount(amount))?,
        reason,
        payment_id,
    };
    let entry = diesel::insert_into(topup_credits::table)
        .values(new)
        .returning(TopupCredit::as_returning())
        .get_result(conn)?;
    Ok(entry)
}
