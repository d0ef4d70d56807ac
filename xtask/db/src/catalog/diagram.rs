//! The parts of a database that a reader looks for: tables with their columns, keys and indexes; enums; views.

use serde::Deserialize;

use super::query;
use crate::pg::{Connection, SqlError};

/// Everything that is drawn, in the order of the schemas' and the objects' names. Diesel's bookkeeping and the members of
/// extensions are left out.
#[derive(Deserialize)]
pub(crate) struct Contents {
    pub(crate) tables: Vec<Table>,
    pub(crate) views: Vec<Item>,
    pub(crate) enums: Vec<Enum>,
}

/// A table that is no partition of another.
#[derive(Deserialize)]
pub(crate) struct Table {
    /// As SQL names it: quoted where it must be, with its schema unless that is `public`.
    pub(crate) name: String,
    pub(crate) comment: Option<String>,
    pub(crate) is_foreign: bool,
    pub(crate) partitioned_by: Option<String>,
    pub(crate) partitions: Vec<String>,
    pub(crate) columns: Vec<Column>,
    pub(crate) keys: Vec<Item>,
    pub(crate) indexes: Vec<Item>,
    pub(crate) references: Vec<Reference>,
}

#[derive(Deserialize)]
pub(crate) struct Column {
    pub(crate) name: String,
    pub(crate) sql_name: String,
    #[serde(rename = "type")]
    pub(crate) sql_type: String,
    /// Without length and precision.
    pub(crate) short_type: String,
    pub(crate) is_nullable: bool,
    /// Also how it is generated.
    pub(crate) default: Option<String>,
    pub(crate) is_primary: bool,
    pub(crate) is_foreign: bool,
    /// By itself, not with other columns.
    pub(crate) is_unique: bool,
    pub(crate) comment: Option<String>,
}

/// A key, an index or a view.
#[derive(Deserialize)]
pub(crate) struct Item {
    pub(crate) sql_name: String,
    pub(crate) definition: String,
    pub(crate) comment: Option<String>,
}

#[derive(Deserialize)]
pub(crate) struct Enum {
    pub(crate) sql_name: String,
    pub(crate) values: Vec<String>,
    pub(crate) comment: Option<String>,
}

/// A foreign key.
#[derive(Deserialize)]
pub(crate) struct Reference {
    pub(crate) to: String,
    pub(crate) columns: Vec<String>,
    /// A row may refer to none.
    pub(crate) is_optional: bool,
    /// No two rows refer to the same.
    pub(crate) is_unique: bool,
}

impl Contents {
    /// Reads them in one statement.
    ///
    /// # Errors
    /// The server's.
    pub(crate) fn read(connection: &mut Connection) -> Result<Self, SqlError> {
        query::reading(connection, |reader| {
            reader
                .connection
                .execute("SET LOCAL search_path = public")?;
            reader
                .connection
                .query_json(include_str!("diagram.sql"), &[])
        })
    }
}
