//! What no definition of an object says: owners, what an object depends on, and what belongs to the database itself.
//!
//! Of one database at two moments only: two databases seldom have one owner. A collation's version and the members of an
//! extension are not compared: the one is the machine's, the others are the extension's, and `pg_dump` leaves out both.
//! A large object is data, which `pg_dump` leaves out of a schema, and is told all the same, without asking it: no statement
//! drops it with the table that names it.

use std::collections::BTreeMap;

use super::query::Reader;
use super::{Changes, Key, Object, Row};
use crate::pg::SqlError;

/// What is listed here and nowhere else.
const KINDS: [&str; 7] = [
    "owner",
    "extension that it depends on",
    "secret options",
    "database",
    "settings",
    "subscription",
    "large objects",
];

/// What is not as usual.
#[derive(Default)]
pub(super) struct Apart {
    pub(super) objects: BTreeMap<Key, Object>,
    /// What may hold passwords, as it was seen: it is shown by its number.
    secrets: Vec<String>,
}

impl Apart {
    /// Whether this is one of ours.
    pub(super) fn has(key: &Key) -> bool {
        KINDS.contains(&key.kind.as_str())
    }

    /// What has changed since the last look.
    ///
    /// # Errors
    /// The server's.
    pub(super) fn changes(&mut self, reader: &mut Reader<'_>) -> Result<Changes, SqlError> {
        let rows: Vec<Row> = reader.run("apart", |_| include_str!("apart.sql").to_owned(), "")?;
        let mut objects = BTreeMap::new();
        for (_, key, mut object) in rows.into_iter().map(Row::split) {
            if key.kind == "secret options" {
                object.definition = self.masked(&object.definition);
            }
            objects.insert(key, object);
        }
        let before = std::mem::replace(&mut self.objects, objects);
        Ok(Changes::between(&before, &self.objects))
    }

    /// A text that is another one for other options.
    fn masked(&mut self, secret: &str) -> String {
        let known = self.secrets.iter().position(|known| known == secret);
        let number = known.unwrap_or_else(|| {
            self.secrets.push(secret.to_owned());
            self.secrets.len() - 1
        });
        format!("OPTIONS (…), version {}", number + 1)
    }
}
