//! Credits: bought with a payment, spent on services, never below zero.
//!
//! The table is a ledger whose last entry holds the balance. Writers of one user's ledger take turns
//! by a lock on the user's profile; where that does not help (a stale snapshot under a higher
//! isolation level), the keys and checks of the table make the second writer fail.
//!
//! Every entry has the key of the request that asked for it, unique in the whole ledger and chosen by
//! the caller: a request that is sent again, because its answer was lost, gets the entry that it was
//! booked as. For a payment, the key is the payment's id.
//!
//! The table takes an entry only after the one before it, with the balance that this one left, and
//! refuses every UPDATE and DELETE. An error is therefore corrected by a contrary entry that names the
//! wrong one: see [`correct`].

use diesel::prelude::*;
use diesel::result::DatabaseErrorKind::UniqueViolation;
use diesel::result::Error::DatabaseError;
use uuid::Uuid;

use crate::models::{NewTopupCredit, TopupCredit};
use crate::schema::{topup_credits, user_profiles};
use crate::{Error, Result};

/// Books a payment. The same payment again, as a provider that got no answer sends it, is booked
/// once: the first entry comes back.
///
/// # Errors
/// [`Error::InvalidAmount`], [`Error::InvalidRequest`] for a blank id, [`Error::UnknownUser`], and
/// [`Error::RequestReused`] where the id stands for something else already.
pub fn top_up(
    conn: &mut PgConnection,
    user_id: Uuid,
    amount: i64,
    payment_id: &str,
) -> Result<TopupCredit> {
    positive(amount)?;
    book(conn, user_id, payment_id, |_, _| {
        Ok(Booking {
            amount,
            reason: "top-up".to_owned(),
            payment_id: Some(payment_id),
            corrects: None,
        })
    })
}

/// Spends credits, if there are as many. The same request again spends nothing: the first entry
/// comes back.
///
/// # Errors
/// [`Error::InvalidAmount`], [`Error::InvalidRequest`] for a blank key, [`Error::InvalidReason`] for a
/// blank reason, [`Error::UnknownUser`], [`Error::InsufficientCredits`], and [`Error::RequestReused`]
/// where the key stands for something else already.
pub fn spend(
    conn: &mut PgConnection,
    user_id: Uuid,
    amount: i64,
    reason: &str,
    request_key: &str,
) -> Result<TopupCredit> {
    positive(amount)?;
    book(conn, user_id, request_key, |_, _| {
        Ok(Booking {
            amount: -amount,
            reason: reason.to_owned(),
            payment_id: None,
            corrects: None,
        })
    })
}

/// Takes back an entry that should not be there, by a contrary one. Each entry is corrected once, a
/// correction like any other. The same request again corrects nothing: the first entry comes back.
///
/// # Errors
/// As [`spend`]; [`Error::UnknownEntry`], [`Error::AlreadyCorrected`], and
/// [`Error::InsufficientCredits`] where the credits of a wrong payment are spent already.
pub fn correct(
    conn: &mut PgConnection,
    user_id: Uuid,
    entry: i64,
    reason: &str,
    request_key: &str,
) -> Result<TopupCredit> {
    book(conn, user_id, request_key, |conn, user_id| {
        let wrong: TopupCredit = TopupCredit::query()
            .find((user_id, entry))
            .first(conn)
            .optional()?
            .ok_or(Error::UnknownEntry(entry))?;
        Ok(Booking {
            amount: -wrong.amount,
            reason: reason.to_owned(),
            payment_id: None,
            corrects: Some(entry),
        })
    })
}

/// What a user has left.
///
/// # Errors
/// The database's.
pub fn balance(conn: &mut PgConnection, user_id: Uuid) -> Result<i64> {
    Ok(last(conn, user_id)?.map_or(0, |last| last.balance))
}

/// All entries of a user, the latest first.
///
/// # Errors
/// The database's.
pub fn history(conn: &mut PgConnection, user_id: Uuid) -> Result<Vec<TopupCredit>> {
    let entries = TopupCredit::query()
        .filter(topup_credits::user_id.eq(user_id))
        .order(topup_credits::entry.desc())
        .load(conn)?;
    Ok(entries)
}

/// What a request wants to have booked.
struct Booking<'a> {
    amount: i64,
    reason: String,
    payment_id: Option<&'a str>,
    corrects: Option<i64>,
}

impl Booking<'_> {
    /// Whether the entry is what this would be booked as.
    fn is(&self, user_id: Uuid, entry: &TopupCredit) -> bool {
        entry.user_id == user_id
            && entry.amount == self.amount
            && entry.reason == self.reason
            && entry.payment_id.as_deref() == self.payment_id
            && entry.corrects == self.corrects
    }
}

fn positive(amount: i64) -> Result<()> {
    if amount > 0 {
        Ok(())
    } else {
        Err(Error::InvalidAmount(amount))
    }
}

/// Books what a request wants, once: everything in one transaction, when it is this user's turn.
fn book<'a>(
    conn: &mut PgConnection,
    user_id: Uuid,
    request_key: &'a str,
    wanted: impl FnOnce(&mut PgConnection, Uuid) -> Result<Booking<'a>>,
) -> Result<TopupCredit> {
    let reused = || Error::RequestReused(request_key.to_owned());
    let result = conn.transaction(|conn| {
        let last = lock(conn, user_id)?;
        let wanted = wanted(conn, user_id)?;
        let booked = TopupCredit::query()
            .filter(topup_credits::request_key.eq(request_key))
            .first(conn)
            .optional()?;
        match booked {
            Some(entry) if wanted.is(user_id, &entry) => Ok(entry),
            Some(_) => Err(reused()),
            None => append(conn, user_id, last.as_ref(), &wanted, request_key),
        }
    });
    // Another user booked it in this very moment: the lock is one user's, the key is everybody's.
    match result {
        Err(Error::Database(DatabaseError(UniqueViolation, info)))
            if matches!(
                info.constraint_name(),
                Some("topup_credits_request_key_key" | "topup_credits_payment_id_key")
            ) =>
        {
            Err(reused())
        }
        result => result,
    }
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
    let entry = TopupCredit::query()
        .filter(topup_credits::user_id.eq(user_id))
        .order(topup_credits::entry.desc())
        .first(conn)
        .optional()?;
    Ok(entry)
}

fn append(
    conn: &mut PgConnection,
    user_id: Uuid,
    last: Option<&TopupCredit>,
    booking: &Booking<'_>,
    request_key: &str,
) -> Result<TopupCredit> {
    let Booking { amount, .. } = *booking;
    let before = last.map_or(0, |last| last.balance);
    let balance = before
        .checked_add(amount)
        .ok_or(Error::InvalidAmount(amount))?;
    if balance < 0 {
        return Err(Error::InsufficientCredits {
            balance: before,
            wanted: -amount,
        });
    }
    let entry = diesel::insert_into(topup_credits::table)
        .values(NewTopupCredit {
            user_id,
            entry: last.map_or(1, |last| last.entry + 1),
            amount,
            balance,
            reason: &booking.reason,
            payment_id: booking.payment_id,
            request_key,
            previous_entry: last.map(|last| last.entry),
            previous_balance: last.map(|last| last.balance),
            corrects: booking.corrects,
        })
        .returning(TopupCredit::as_returning())
        .get_result(conn)?;
    Ok(entry)
}
