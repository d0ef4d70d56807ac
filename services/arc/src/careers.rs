//! Career profiles, one for each user, changed under optimistic locking.

use diesel::dsl::{now, sql};
use diesel::expression::SqlLiteral;
use diesel::prelude::*;
use diesel::sql_types::BigInt;
use uuid::Uuid;

use crate::models::{CareerProfile, UserArcData};
use crate::schema::user_arc_data;
use crate::{Error, Result};

/// Stores the first profile of a user.
pub fn create(
    conn: &mut PgConnection,
    user_id: Uuid,
    profile: &CareerProfile,
) -> Result<UserArcData> {
    let row = diesel::insert_into(user_arc_data::table)
        .values((
            user_arc_data::user_id.eq(user_id),
            user_arc_data::profile.eq(profile),
        ))
        .returning(UserArcData::as_returning())
        .get_result(conn)?;
    Ok(row)
}

/// The career data of a user, if there is any.
pub fn find(conn: &mut PgConnection, user_id: Uuid) -> Result<Option<UserArcData>> {
    let row = UserArcData::query().find(user_id).first(conn).optional()?;
    Ok(row)
}

/// Replaces the profile, provided that it is still at the version it was read at.
pub fn update(
    conn: &mut PgConnection,
    user_id: Uuid,
    expected: i64,
    profile: &CareerProfile,
) -> Result<UserArcData> {
    let row = user_arc_data::table.find(user_id);
    let updated = diesel::update(row.filter(user_arc_data::version.eq(expected)))
        .set((
            user_arc_data::profile.eq(profile),
            user_arc_data::version.eq(next_version()),
            user_arc_data::updated_at.eq(now),
        ))
        .returning(UserArcData::as_returning())
        .get_result(conn)
        .optional()?;
    if let Some(updated) = updated {
        return Ok(updated);
    }
    let actual = row
        .select(user_arc_data::version)
        .first(conn)
        .optional()?
        .ok_or(Error::UnknownUser)?;
    Err(Error::Conflict {
        user_id,
        expected,
        actual,
    })
}

/// Forgets a user: the profile, the work experiences and the tasks. Says whether there was anything.
pub fn delete(conn: &mut PgConnection, user_id: Uuid) -> Result<bool> {
    let deleted = diesel::delete(user_arc_data::table.find(user_id)).execute(conn)?;
    Ok(deleted > 0)
}

/// From the count of the column's default: a version is never used again, even if the profile is
/// deleted in between.
fn next_version() -> SqlLiteral<BigInt> {
    sql("nextval('user_arc_data_version_seq')")
}
