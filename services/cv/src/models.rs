//! What a CV says, section by section.
//!
//! The rows of a section are values without an identity of their own: their order is their order
//! in the vector, which the database keeps as `position`.

use chrono::{DateTime, NaiveDate, Utc};
use diesel::deserialize::{self, FromSql, FromSqlRow};
use diesel::expression::AsExpression;
use diesel::pg::{Pg, PgValue};
use diesel::prelude::*;
use diesel::serialize::{self, Output, ToSql};
use diesel::sql_types::Text;
use uuid::Uuid;

use crate::schema::{certifications, cvs, educations, experiences, languages, projects, skills};

/// A CV as it is stored.
#[derive(Debug, Clone, PartialEq)]
pub struct Cv {
    /// The CV.
    pub id: i64,
    /// Whose CV.
    pub user_id: Uuid,
    /// Grows by one with every change.
    pub version: i64,
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
#[derive(Debug, Clone, HasQuery, Identifiable)]
#[diesel(table_name = cvs, check_for_backend(Pg))]
pub(crate) struct CvRow {
    pub(crate) id: i64,
    pub(crate) user_id: Uuid,
    pub(crate) version: i64,
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
    /// How well the user has command of it.
    pub level: Level,
}

/// A level of the Common European Framework, or native; ordered by command of the language.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, AsExpression, FromSqlRow)]
#[diesel(sql_type = Text)]
#[expect(missing_docs, reason = "the names are the framework's")]
pub enum Level {
    A1,
    A2,
    B1,
    B2,
    C1,
    C2,
    Native,
}

impl Level {
    const ALL: [Self; 7] = [
        Self::A1,
        Self::A2,
        Self::B1,
        Self::B2,
        Self::C1,
        Self::C2,
        Self::Native,
    ];

    /// As the database and a CV write it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::A1 => "A1",
            Self::A2 => "A2",
            Self::B1 => "B1",
            Self::B2 => "B2",
            Self::C1 => "C1",
            Self::C2 => "C2",
            Self::Native => "native",
        }
    }
}

impl FromSql<Text, Pg> for Level {
    fn from_sql(value: PgValue<'_>) -> deserialize::Result<Self> {
        let text = <String as FromSql<Text, Pg>>::from_sql(value)?;
        let level = Self::ALL.into_iter().find(|level| level.as_str() == text);
        level.ok_or_else(|| format!("unknown level `{text}`").into())
    }
}

impl ToSql<Text, Pg> for Level {
    fn to_sql<'b>(&'b self, out: &mut Output<'b, '_, Pg>) -> serialize::Result {
        <str as ToSql<Text, Pg>>::to_sql(self.as_str(), out)
    }
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
