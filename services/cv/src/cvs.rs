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

/// Stores a CV and returns its id.
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

/// Makes a CV say something else.
pub fn replace(conn: &mut PgConnection, id: i64, content: &Content) -> Result<()> {
    conn.transaction(|conn| {
        // First the CV itself: this locks it, so that two users of one CV take turns.
        let updated = diesel::update(cvs::table.find(id))
            .set((&content.heading, cvs::updated_at.eq(now)))
            .execute(conn)?;
        if updated == 0 {
            return Err(Error::UnknownCv(id));
        }
        delete_sections(conn, id)?;
        insert_sections(conn, id, content)?;
        Ok(())
    })
}

/// One CV.
///
/// Reads in a transaction of its own, of one snapshot, so it cannot be called within another one.
pub fn load(conn: &mut PgConnection, id: i64) -> Result<Cv> {
    let cv = snapshot(conn, |conn| {
        let rows = cvs::table.find(id).select(CvRow::as_select()).load(conn)?;
        with_sections(conn, rows)
    })?;
    cv.into_iter().next().ok_or(Error::UnknownCv(id))
}

/// All CVs of a user, the last changed first.
///
/// Reads in a transaction of its own, of one snapshot, so it cannot be called within another one.
pub fn load_all(conn: &mut PgConnection, user_id: Uuid) -> Result<Vec<Cv>> {
    snapshot(conn, |conn| {
        let rows = cvs::table
            .filter(cvs::user_id.eq(user_id))
            .order((cvs::updated_at.desc(), cvs::id.desc()))
            .select(CvRow::as_select())
            .load(conn)?;
        with_sections(conn, rows)
    })
}

/// Removes a CV with all it says. Says whether it was there.
pub fn delete(conn: &mut PgConnection, id: i64) -> Result<bool> {
    let deleted = diesel::delete(cvs::table.find(id)).execute(conn)?;
    Ok(deleted > 0)
}

/// Several queries that see one state of the database: else a CV that is replaced meanwhile would
/// be loaded half old, half new.
fn snapshot<T>(
    conn: &mut PgConnection,
    read: impl FnOnce(&mut PgConnection) -> QueryResult<T>,
) -> Result<T> {
    let result = conn
        .build_transaction()
        .repeatable_read()
        .read_only()
        .run(read)?;
    Ok(result)
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
