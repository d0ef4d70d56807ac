//! Accounts, each with an e-mail address of its own in whatever letter case.

use diesel::dsl::now;
use diesel::prelude::*;
use diesel::sql_types::Text;
use uuid::Uuid;

use crate::models::{ProfileChange, UserProfile};
use crate::schema::user_profiles;
use crate::{Error, Result};

#[diesel::declare_sql_function]
extern "SQL" {
    /// The function of the unique index: what it folds is equal, and found through it.
    fn lower(text: Text) -> Text;
}

/// Opens an account.
pub fn register(conn: &mut PgConnection, email: &str, name: &str) -> Result<UserProfile> {
    let profile = diesel::insert_into(user_profiles::table)
        .values((user_profiles::email.eq(email), user_profiles::name.eq(name)))
        .returning(UserProfile::as_returning())
        .get_result(conn)?;
    Ok(profile)
}

/// The account with this id, if there is one.
pub fn find(conn: &mut PgConnection, id: Uuid) -> Result<Option<UserProfile>> {
    let profile = UserProfile::query().find(id).first(conn).optional()?;
    Ok(profile)
}

/// The account with this address in any letter case, if there is one.
pub fn find_by_email(conn: &mut PgConnection, email: &str) -> Result<Option<UserProfile>> {
    let profile = UserProfile::query()
        .filter(lower(user_profiles::email).eq(lower(email)))
        .first(conn)
        .optional()?;
    Ok(profile)
}

/// Changes an account.
pub fn update(
    conn: &mut PgConnection,
    id: Uuid,
    change: &ProfileChange<'_>,
) -> Result<UserProfile> {
    diesel::update(user_profiles::table.find(id))
        .set((change, user_profiles::updated_at.eq(now)))
        .returning(UserProfile::as_returning())
        .get_result(conn)
        .optional()?
        .ok_or(Error::UnknownUser)
}
