//! Storing and loading whole CVs.

use diesel::dsl::now;
use diesel::prelude::*;
use uuid::Uuid;

use crate::models::{
    Certification, Content, Cv, CvRow, Education, Experience, Language, Project, Skill,
};
use crate::schema::cvs;
use crate::section::Section;
use crate::{Error, Result};

/// Stores a CV, as version 1, and returns its id.
///
/// # Errors
/// [`Error::Invalid`], or the database's.
pub fn create(conn: &mut PgConnection, user_id: Uuid, content: &Content) -> Result<i64> {
    conn.transaction(|conn| {
        let id = diesel::insert_into(cvs::table)
            .values((cvs::user_id.eq(user_id), &content.heading))
            .returning(cvs::id)
            .get_result(conn)?;
        insert_sections(conn, id, content)?;
        Ok(id)
    })
}

/// Makes a CV of this user say something else, provided that it is still at the version it was read
/// at. Returns the version that it is at now.
///
/// # Errors
/// [`Error::UnknownCv`], [`Error::Conflict`], [`Error::Invalid`], or the database's.
pub fn replace(
    conn: &mut PgConnection,
    user_id: Uuid,
    id: i64,
    expected: i64,
    content: &Content,
) -> Result<i64> {
    conn.transaction(|conn| {
        // First the CV itself: this locks it, so that two writers of one CV take turns.
        let version = diesel::update(of(user_id, id).filter(cvs::version.eq(expected)))
            .set((
                &content.heading,
                cvs::version.eq(cvs::version + 1),
                cvs::updated_at.eq(now),
            ))
            .returning(cvs::version)
            .get_result(conn)
            .optional()?;
        let Some(version) = version else {
            let actual = version_of(conn, user_id, id)?.ok_or(Error::UnknownCv(id))?;
            return Err(Error::Conflict {
                id,
                expected,
                actual,
            });
        };
        delete_sections(conn, id)?;
        insert_sections(conn, id, content)?;
        Ok(version)
    })
}

/// One CV of this user, in one state, inside and outside of a transaction.
///
/// # Errors
/// [`Error::UnknownCv`], or the database's.
pub fn load(conn: &mut PgConnection, user_id: Uuid, id: i64) -> Result<Cv> {
    let cvs = in_one_state(conn, |conn| {
        let own = CvRow::query().filter(cvs::user_id.eq(user_id));
        own.filter(cvs::id.eq(id)).load(conn)
    })?;
    cvs.into_iter().next().ok_or(Error::UnknownCv(id))
}

/// All CVs of a user, the last changed first, in one state, inside and outside of a transaction.
///
/// # Errors
/// The database's.
pub fn load_all(conn: &mut PgConnection, user_id: Uuid) -> Result<Vec<Cv>> {
    in_one_state(conn, |conn| {
        CvRow::query()
            .filter(cvs::user_id.eq(user_id))
            .order((cvs::updated_at.desc(), cvs::id.desc()))
            .load(conn)
    })
}

/// Removes a CV of this user with all it says, provided that it is still at the version it was read
/// at. Says whether it was there.
///
/// # Errors
/// [`Error::Conflict`], or the database's.
pub fn delete(conn: &mut PgConnection, user_id: Uuid, id: i64, expected: i64) -> Result<bool> {
    let current = of(user_id, id).filter(cvs::version.eq(expected));
    if diesel::delete(current).execute(conn)? > 0 {
        return Ok(true);
    }
    match version_of(conn, user_id, id)? {
        None => Ok(false),
        Some(actual) => Err(Error::Conflict {
            id,
            expected,
            actual,
        }),
    }
}

/// The CV with this id, if it is this user's: an id alone can be guessed.
#[diesel::dsl::auto_type(no_type_alias)]
fn of(user_id: Uuid, id: i64) -> _ {
    let own = cvs::user_id.eq(user_id);
    cvs::table.find(id).filter(own)
}

fn version_of(conn: &mut PgConnection, user_id: Uuid, id: i64) -> QueryResult<Option<i64>> {
    let version = of(user_id, id).select(cvs::version);
    version.first(conn).optional()
}

/// CVs with their sections, none of them half old, half new.
///
/// A snapshot would do, but a caller's transaction may have begun without one. So the versions are
/// read again at the end: what has the version that it had at the beginning did not change in
/// between. It is read anew as often as another session changed it meanwhile.
fn in_one_state(
    conn: &mut PgConnection,
    rows: impl Fn(&mut PgConnection) -> QueryResult<Vec<CvRow>>,
) -> Result<Vec<Cv>> {
    loop {
        let cvs = rows(conn)?;
        let cvs = with_sections(conn, cvs)?;
        let mut before: Vec<_> = cvs.iter().map(|cv| (cv.id, cv.version)).collect();
        before.sort_unstable();
        let ids = before.iter().map(|(id, _)| *id);
        let after: Vec<(i64, i64)> = cvs::table
            .filter(cvs::id.eq_any(ids))
            .order(cvs::id)
            .select((cvs::id, cvs::version))
            .load(conn)?;
        if after == before {
            return Ok(cvs);
        }
    }
}

fn with_sections(conn: &mut PgConnection, rows: Vec<CvRow>) -> QueryResult<Vec<Cv>> {
    let ids: Vec<_> = rows.iter().map(|row| row.id).collect();
    let mut experiences = Experience::load(conn, &ids)?;
    let mut educations = Education::load(conn, &ids)?;
    let mut skills = Skill::load(conn, &ids)?;
    let mut languages = Language::load(conn, &ids)?;
    let mut projects = Project::load(conn, &ids)?;
    let mut certifications = Certification::load(conn, &ids)?;
    let cv = |row: CvRow| Cv {
        id: row.id,
        user_id: row.user_id,
        version: row.version,
        created_at: row.created_at,
        updated_at: row.updated_at,
        content: Content {
            heading: row.heading,
            experiences: experiences.remove(&row.id).unwrap_or_default(),
            educations: educations.remove(&row.id).unwrap_or_default(),
            skills: skills.remove(&row.id).unwrap_or_default(),
            languages: languages.remove(&row.id).unwrap_or_default(),
            projects: projects.remove(&row.id).unwrap_or_default(),
            certifications: certifications.remove(&row.id).unwrap_or_default(),
        },
    };
    Ok(rows.into_iter().map(cv).collect())
}

fn insert_sections(conn: &mut PgConnection, id: i64, content: &Content) -> QueryResult<()> {
    Section::insert(conn, id, &content.experiences)?;
    Section::insert(conn, id, &content.educations)?;
    Section::insert(conn, id, &content.skills)?;
    Section::insert(conn, id, &content.languages)?;
    Section::insert(conn, id, &content.projects)?;
    Section::insert(conn, id, &content.certifications)
}

fn delete_sections(conn: &mut PgConnection, id: i64) -> QueryResult<()> {
    Experience::delete(conn, id)?;
    Education::delete(conn, id)?;
    Skill::delete(conn, id)?;
    Language::delete(conn, id)?;
    Project::delete(conn, id)?;
    Certification::delete(conn, id)
}
