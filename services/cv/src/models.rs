//! What a CV says, section by section.
//!
//! The rows of a section are values without an identity of their own: their order is their order
//! in the vector, which the database keeps as `position`.

use chrono::{DateTime, NaiveDate, Utc};
use diesel::pg::Pg;
use diesel::prelude::*;
use uuid::Uuid;

use crate::schema::{certifications, cvs, educations, experiences, languages, projects, skills};

/// A CV as it is stored.
#[derive(Debug, Clone, PartialEq)]
pub struct Cv {
    /// The CV.
    pub id: i64,
    /// Whose CV.
    pub user_id: Uuid,
    /// When it was first stored.
    pub created_at: DateTime<Utc>,
    /// When it was last changed.
    pub updated_at: DateTime<Utc>,
    /// What it says.
    pub content: Content,
}

/// Everything a CV says.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Content {
    /// The top of the page.
    pub heading: Heading,
    /// Jobs.
    pub experiences: Vec<Experience>,
    /// Schools and degrees.
    pub educations: Vec<Education>,
    /// Skills.
    pub skills: Vec<Skill>,
    /// Languages.
    pub languages: Vec<Language>,
    /// Projects.
    pub projects: Vec<Project>,
    /// Certificates.
    pub certifications: Vec<Certification>,
}

/// A row of `cvs`.
#[derive(Debug, Clone, Queryable, Selectable, Identifiable)]
#[diesel(table_name = cvs, check_for_backend(Pg))]
pub(crate) struct CvRow {
    pub(crate) id: i64,
    pub(crate) user_id: Uuid,
    pub(crate) created_at: DateTime<Utc>,
    pub(crate) updated_at: DateTime<Utc>,
    #[diesel(embed)]
    pub(crate) heading: Heading,
}

/// The top of the page.
#[derive(Debug, Clone, PartialEq, Default, Queryable, Selectable, Insertable, AsChangeset)]
#[diesel(table_name = cvs, check_for_backend(Pg))]
pub struct Heading {
    /// What the user calls this CV; never printed on it.
    pub title: String,
    /// Whose CV it is, in print.
    pub full_name: String,
    /// One line under the name.
    pub headline: String,
    /// A paragraph under the line.
    pub summary: String,
}

/// A job.
#[derive(Debug, Clone, PartialEq, Queryable, Selectable, Insertable)]
#[diesel(table_name = experiences, check_for_backend(Pg))]
pub struct Experience {
    /// The employer.
    pub company: String,
    /// The job.
    pub title: String,
    /// What the user did there.
    pub description: String,
    /// The first day.
    pub started_on: NaiveDate,
    /// The last day; none for the present job.
    pub ended_on: Option<NaiveDate>,
}

/// A school or a degree.
#[derive(Debug, Clone, PartialEq, Queryable, Selectable, Insertable)]
#[diesel(table_name = educations, check_for_backend(Pg))]
pub struct Education {
    /// The school.
    pub institution: String,
    /// The degree.
    pub degree: String,
    /// The first day.
    pub started_on: NaiveDate,
    /// The last day; none while the studies last.
    pub ended_on: Option<NaiveDate>,
}

/// A skill.
#[derive(Debug, Clone, PartialEq, Queryable, Selectable, Insertable)]
#[diesel(table_name = skills, check_for_backend(Pg))]
pub struct Skill {
    /// What the user can do.
    pub name: String,
    /// Years of practice, if the user says.
    pub years: Option<i64>,
}

/// A language.
#[derive(Debug, Clone, PartialEq, Queryable, Selectable, Insertable)]
#[diesel(table_name = languages, check_for_backend(Pg))]
pub struct Language {
    /// The language, in the language of the CV.
    pub name: String,
    /// `A1` to `C2`, or `native`.
    pub level: String,
}

/// A project.
#[derive(Debug, Clone, PartialEq, Queryable, Selectable, Insertable)]
#[diesel(table_name = projects, check_for_backend(Pg))]
pub struct Project {
    /// What it is called.
    pub name: String,
    /// What it is.
    pub description: String,
    /// Where it can be seen, on the web.
    pub url: Option<String>,
}

/// A certificate.
#[derive(Debug, Clone, PartialEq, Queryable, Selectable, Insertable)]
#[diesel(table_name = certifications, check_for_backend(Pg))]
pub struct Certification {
    /// What it certifies.
    pub name: String,
    /// Who issued it.
    pub issuer: String,
    /// When.
    pub issued_on: NaiveDate,
    /// When it expires; none if it does not.
    pub expires_on: Option<NaiveDate>,
}
