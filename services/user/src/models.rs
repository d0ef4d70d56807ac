//! The rows of this service's tables.

use chrono::{DateTime, Utc};
use diesel::pg::Pg;
use diesel::prelude::*;
use uuid::Uuid;

use crate::schema::{topup_credits, user_profiles};

/// An account.
#[derive(Debug, Clone, PartialEq, Eq, HasQuery, Identifiable)]
#[diesel(table_name = user_profiles, check_for_backend(Pg))]
pub struct UserProfile {
    /// What every service calls the user.
    pub id: Uuid,
    /// As the user typed it; compared without regard to case.
    pub email: String,
    /// How the user wants to be called.
    pub name: String,
    /// When the account was opened.
    pub created_at: DateTime<Utc>,
    /// When it was last changed.
    pub updated_at: DateTime<Utc>,
}

/// A change of a profile; what is `None` stays.
#[derive(Debug, Clone, Default, AsChangeset)]
#[diesel(table_name = user_profiles)]
pub struct ProfileChange<'a> {
    /// Another address.
    pub email: Option<&'a str>,
    /// Another name.
    pub name: Option<&'a str>,
}

/// An entry in the ledger of credits. Entries are added, never changed.
#[derive(Debug, Clone, PartialEq, Eq, HasQuery, Identifiable, Associations)]
#[diesel(table_name = topup_credits, primary_key(user_id, entry), check_for_backend(Pg))]
#[diesel(belongs_to(UserProfile, foreign_key = user_id))]
pub struct TopupCredit {
    /// Whose credits.
    pub user_id: Uuid,
    /// Counts the entries of this user from 1, without gaps.
    pub entry: i64,
    /// Credits bought (positive) or spent (negative).
    pub amount: i64,
    /// Credits left after this entry.
    pub balance: i64,
    /// What for.
    pub reason: String,
    /// The payment provider's id; none when nothing is paid.
    pub payment_id: Option<String>,
    /// The request that asked for this entry, as the caller named it.
    pub request_key: String,
    /// The earlier entry that this one takes back, if it is a correction.
    pub corrects: Option<i64>,
    /// When it was booked.
    pub created_at: DateTime<Utc>,
}

/// An entry to add.
#[derive(Debug, Insertable)]
#[diesel(table_name = topup_credits, check_for_backend(Pg))]
pub(crate) struct NewTopupCredit<'a> {
    pub(crate) user_id: Uuid,
    pub(crate) entry: i64,
    pub(crate) amount: i64,
    pub(crate) balance: i64,
    pub(crate) reason: &'a str,
    pub(crate) payment_id: Option<&'a str>,
    pub(crate) request_key: &'a str,
    pub(crate) previous_entry: Option<i64>,
    pub(crate) previous_balance: Option<i64>,
    pub(crate) corrects: Option<i64>,
}
