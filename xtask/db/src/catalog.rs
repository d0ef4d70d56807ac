//! A snapshot of everything in a database, and the difference between two.
//!
//! The server's own deparsers write the definitions: there is no `pg_dump` whose version has to fit, and it takes
//! milliseconds. Data is not compared: a sequence's position, whether a materialized view was filled. Owners, and what
//! belongs to the database itself, are compared by a [`Watch`] alone: two databases seldom have one owner.

mod apart;
pub(crate) mod diagram;
mod difference;
pub(crate) mod dump;
mod query;
mod rows;
#[cfg(test)]
mod tests;
mod watch;

use std::collections::BTreeMap;

use serde::Deserialize;

use crate::pg::{Connection, SqlError};

pub(crate) use difference::{Changes, Difference, render};
pub(crate) use watch::Watch;

/// An object: what it is, and its name with its schema.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Key {
    /// In PostgreSQL's words: `table`, `column`, `index`, …; or what is said of an object: `comment`, `grants`.
    pub(crate) kind: String,
    pub(crate) name: String,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Object {
    definition: String,
    /// The object without which this one can't be: of a column, its table.
    parent: Option<Key>,
}

/// Everything in a database at one moment, but for Diesel's bookkeeping and ours.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Snapshot(BTreeMap<Key, Object>);

/// The oids of a catalog and of an object in it.
type Address = (u32, u32);

/// An object as the query gives it: its address; kind and name; kind and name of its parent; its definition.
#[derive(Deserialize)]
struct Row(
    u32,
    u32,
    String,
    String,
    Option<String>,
    Option<String>,
    String,
);

impl Row {
    fn split(self) -> (Address, Key, Object) {
        let Self(class, object, kind, name, parent_kind, parent_name, definition) = self;
        let parent = parent_kind.zip(parent_name);
        let parent = parent.map(|(kind, name)| Key { kind, name });
        let key = Key { kind, name };
        ((class, object), key, Object { definition, parent })
    }
}

impl Snapshot {
    /// Reads the whole catalog, in a read-only transaction of its own.
    ///
    /// # Errors
    /// The server's.
    pub(crate) fn read(connection: &mut Connection) -> Result<Self, SqlError> {
        let sql = query::whole(connection.server_version());
        let rows: Vec<Row> =
            query::reading(connection, |reader| reader.connection.query_json(&sql, &[]))?;
        let objects = rows.into_iter().map(|row| {
            let (_, key, object) = row.split();
            (key, object)
        });
        Ok(Self(objects.collect()))
    }

    /// Every object.
    pub(crate) fn keys(&self) -> impl Iterator<Item = &Key> {
        self.0.keys()
    }

    /// What is not the same here and there, in the order of kind and name.
    pub(crate) fn diff(&self, other: &Self) -> Vec<Difference> {
        Changes::between(&self.0, &other.0).differences()
    }
}
