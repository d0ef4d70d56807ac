//! The rows of this service's tables.

use std::io::Write;

use chrono::{DateTime, NaiveDate, Utc};
use diesel::deserialize::{self, FromSql, FromSqlRow};
use diesel::expression::AsExpression;
use diesel::pg::{Pg, PgValue};
use diesel::prelude::*;
use diesel::serialize::{self, IsNull, Output, ToSql};
use diesel::sql_types::Jsonb;
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::{Map, Value};
use uuid::Uuid;

use crate::schema::sql_types::CvTaskStatus;
use crate::schema::{cv_tasks, user_arc_data, work_experiences};

/// The career data of one user.
#[derive(Debug, Clone, PartialEq, HasQuery, Identifiable)]
#[diesel(table_name = user_arc_data, primary_key(user_id), check_for_backend(Pg))]
pub struct UserArcData {
    /// Whose data.
    pub user_id: Uuid,
    /// What the user wants to be known for.
    pub profile: CareerProfile,
    /// Grows with every change, and is never used again, not even for another profile of the user.
    pub version: i64,
    /// When the data was first stored.
    pub created_at: DateTime<Utc>,
    /// When it was last changed.
    pub updated_at: DateTime<Utc>,
}

/// What a user wants to be known for. Kept as JSON, since it grows faster than a schema should. A
/// `null` reads as if nothing had been said.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, AsExpression, FromSqlRow)]
#[diesel(sql_type = Jsonb)]
#[serde(default)]
pub struct CareerProfile {
    /// One line, such as "backend engineer who likes databases".
    #[serde(deserialize_with = "null_as_default")]
    pub headline: String,
    /// A paragraph in the user's own words.
    #[serde(deserialize_with = "null_as_default")]
    pub summary: String,
    /// Jobs the user looks for.
    #[serde(deserialize_with = "without_nulls")]
    pub target_titles: Vec<String>,
    /// Skills, the strongest first.
    #[serde(deserialize_with = "without_nulls")]
    pub skills: Vec<String>,
    /// What a newer version of the service has stored: an older one must not lose it.
    #[serde(flatten)]
    pub other: Map<String, Value>,
}

fn null_as_default<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    Ok(Option::deserialize(deserializer)?.unwrap_or_default())
}

fn without_nulls<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<String>, D::Error> {
    let values = Option::<Vec<Option<String>>>::deserialize(deserializer)?;
    Ok(values.into_iter().flatten().flatten().collect())
}

impl FromSql<Jsonb, Pg> for CareerProfile {
    fn from_sql(value: PgValue<'_>) -> deserialize::Result<Self> {
        let json = <Value as FromSql<Jsonb, Pg>>::from_sql(value)?;
        Ok(serde_json::from_value(json)?)
    }
}

impl ToSql<Jsonb, Pg> for CareerProfile {
    fn to_sql<'b>(&'b self, out: &mut Output<'b, '_, Pg>) -> serialize::Result {
        let json = serde_json::to_value(self)?;
        <Value as ToSql<Jsonb, Pg>>::to_sql(&json, &mut out.reborrow())
    }
}

/// Where a user has worked, and as what.
#[derive(Debug, Clone, PartialEq, HasQuery, Identifiable)]
#[diesel(table_name = work_experiences, check_for_backend(Pg))]
pub struct WorkExperience {
    /// The row.
    pub id: i64,
    /// Whose experience.
    pub user_id: Uuid,
    /// The employer.
    pub company: String,
    /// The job.
    pub title: String,
    /// What the user did there.
    pub description: String,
    /// The first day.
    pub started_on: NaiveDate,
    /// The last day; none while the user still works there.
    pub ended_on: Option<NaiveDate>,
    /// When the row was stored.
    pub created_at: DateTime<Utc>,
}

/// A work experience to store.
#[derive(Debug, Clone, Insertable)]
#[diesel(table_name = work_experiences, check_for_backend(Pg))]
pub struct NewWorkExperience<'a> {
    /// Whose experience.
    pub user_id: Uuid,
    /// The employer.
    pub company: &'a str,
    /// The job.
    pub title: &'a str,
    /// What the user did there.
    pub description: &'a str,
    /// The first day.
    pub started_on: NaiveDate,
    /// The last day; none while the user still works there.
    pub ended_on: Option<NaiveDate>,
}

/// A CV to write.
#[derive(Debug, Clone, PartialEq, HasQuery, Identifiable)]
#[diesel(table_name = cv_tasks, check_for_backend(Pg))]
pub struct CvTask {
    /// The row.
    pub id: i64,
    /// For whom.
    pub user_id: Uuid,
    /// How far it has come.
    pub status: TaskStatus,
    /// Higher runs first.
    pub priority: i64,
    /// What the worker needs to know.
    pub input: Value,
    /// What the worker made of it, once done.
    pub output: Option<Value>,
    /// Why it failed, or why the attempt before did not end.
    pub error: Option<String>,
    /// Who runs or ran it.
    pub worker: Option<String>,
    /// How often a worker has claimed it.
    pub attempts: i64,
    /// After so many attempts without an end, it has failed.
    pub max_attempts: i64,
    /// When it goes back to the queue, unless its worker extends the lease.
    pub leased_until: Option<DateTime<Utc>>,
    /// When it was queued.
    pub created_at: DateTime<Utc>,
    /// When a worker took it.
    pub started_at: Option<DateTime<Utc>>,
    /// When it was done or failed.
    pub finished_at: Option<DateTime<Utc>>,
}

/// How far a task has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, AsExpression, FromSqlRow)]
#[diesel(sql_type = CvTaskStatus)]
pub enum TaskStatus {
    /// Waits for a worker.
    Queued,
    /// A worker is at it.
    Running,
    /// Ended with an output.
    Done,
    /// A dead letter: ended with an error.
    Failed,
}

impl FromSql<CvTaskStatus, Pg> for TaskStatus {
    fn from_sql(value: PgValue<'_>) -> deserialize::Result<Self> {
        match value.as_bytes() {
            b"queued" => Ok(Self::Queued),
            b"running" => Ok(Self::Running),
            b"done" => Ok(Self::Done),
            b"failed" => Ok(Self::Failed),
            other => Err(format!("unknown cv_task_status `{}`", other.escape_ascii()).into()),
        }
    }
}

impl ToSql<CvTaskStatus, Pg> for TaskStatus {
    fn to_sql<'b>(&'b self, out: &mut Output<'b, '_, Pg>) -> serialize::Result {
        out.write_all(match self {
            Self::Queued => b"queued",
            Self::Running => b"running",
            Self::Done => b"done",
            Self::Failed => b"failed",
        })?;
        Ok(IsNull::No)
    }
}
