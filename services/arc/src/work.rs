//! Work experiences of a user.

use diesel::prelude::*;
use uuid::Uuid;

use crate::Result;
use crate::models::{NewWorkExperience, WorkExperience};
use crate::schema::work_experiences;

/// Stores a work experience of a user who has a career profile.
pub fn add(conn: &mut PgConnection, new: &NewWorkExperience<'_>) -> Result<WorkExperience> {
    let row = diesel::insert_into(work_experiences::table)
        .values(new)
        .returning(WorkExperience::as_returning())
        .get_result(conn)?;
    Ok(row)
}

/// The work experiences of a user, the latest first.
pub fn list(conn: &mut PgConnection, user_id: Uuid) -> Result<Vec<WorkExperience>> {
    let rows = WorkExperience::query()
        .filter(work_experiences::user_id.eq(user_id))
        .order((
            work_experiences::started_on.desc(),
            work_experiences::id.desc(),
        ))
        .load(conn)?;
    Ok(rows)
}

/// Removes one work experience of a user. Says whether it was there.
pub fn remove(conn: &mut PgConnection, user_id: Uuid, id: i64) -> Result<bool> {
    let row = work_experiences::table
        .find(id)
        .filter(work_experiences::user_id.eq(user_id));
    let deleted = diesel::delete(row).execute(conn)?;
    Ok(deleted > 0)
}
