//! The sections of a CV: six tables that differ in what a row says, not in how rows are kept.

use std::collections::HashMap;

use diesel::prelude::*;

use crate::models::{Certification, Education, Experience, Language, Project, Skill};
use crate::schema;

/// A row of a section.
pub(crate) trait Section: Sized {
    /// The rows of all these CVs, in order, by CV: one query.
    fn load(conn: &mut PgConnection, cvs: &[i64]) -> QueryResult<HashMap<i64, Vec<Self>>>;

    /// Stores the rows of a CV in this order: one query.
    fn insert(conn: &mut PgConnection, cv: i64, rows: &[Self]) -> QueryResult<()>;

    /// Removes all rows of a CV: one query.
    fn delete(conn: &mut PgConnection, cv: i64) -> QueryResult<()>;
}

macro_rules! section {
    ($row:ty, $table:ident) => {
        impl Section for $row {
            fn load(conn: &mut PgConnection, cvs: &[i64]) -> QueryResult<HashMap<i64, Vec<Self>>> {
                use schema::$table::{cv_id, position, table};
                let rows: Vec<(i64, Self)> = table
                    .filter(cv_id.eq_any(cvs))
                    .order((cv_id, position))
                    .select((cv_id, Self::as_select()))
                    .load(conn)?;
                let mut by_cv: HashMap<_, Vec<_>> = HashMap::new();
                for (cv, row) in rows {
                    by_cv.entry(cv).or_default().push(row);
                }
                Ok(by_cv)
            }

            fn insert(conn: &mut PgConnection, cv: i64, rows: &[Self]) -> QueryResult<()> {
                use schema::$table::{cv_id, position, table};
                let rows: Vec<_> = (0_i64..)
                    .zip(rows)
                    .map(|(n, row)| (cv_id.eq(cv), position.eq(n), row))
                    .collect();
                diesel::insert_into(table).values(rows).execute(conn)?;
                Ok(())
            }

            fn delete(conn: &mut PgConnection, cv: i64) -> QueryResult<()> {
                use schema::$table::{cv_id, table};
                diesel::delete(table.filter(cv_id.eq(cv))).execute(conn)?;
                Ok(())
            }
        }
    };
}

section!(Experience, experiences);
section!(Education, educations);
section!(Skill, skills);
section!(Language, languages);
section!(Project, projects);
section!(Certification, certifications);
