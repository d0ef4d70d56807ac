//! A snapshot that follows its database: it reads what has changed, and not all the rest again.

use std::collections::{BTreeMap, BTreeSet};

use super::apart::Apart;
use super::query::{self, Reader};
use super::rows::Rows;
use super::{Address, Changes, Key, Object, Row};
use crate::pg::{Connection, SqlError};

/// What is in a database, as of the last look at it.
#[derive(Default)]
pub(crate) struct Watch {
    objects: BTreeMap<Key, Object>,
    /// What is listed under an address: an object, its columns, and what is said of them.
    keys: BTreeMap<Address, BTreeSet<Key>>,
    rows: Rows,
    apart: Apart,
    /// How many objects there are where it reads in parts: what is small is read as a whole in the same time.
    parts_from: usize,
    /// Whether everything was read at the last look.
    is_whole: bool,
}

/// What [`query::touched`] gives: whether it is all to be read, what it has looked at, and the objects.
type Touched = (bool, Vec<Address>, Vec<Row>);

impl Watch {
    /// Looks at a database for the first time. Later looks read in parts what has at least `parts_from` objects; with
    /// `usize::MAX`, never.
    ///
    /// # Errors
    /// The server's.
    pub(crate) fn start(connection: &mut Connection, parts_from: usize) -> Result<Self, SqlError> {
        let mut watch = Self {
            parts_from,
            ..Self::default()
        };
        watch.changes(connection)?;
        Ok(watch)
    }

    /// What has changed since the last look.
    ///
    /// # Errors
    /// The server's.
    pub(crate) fn changes(&mut self, connection: &mut Connection) -> Result<Changes, SqlError> {
        query::reading(connection, |reader| {
            let changes = self.defined(reader)?;
            Ok(changes.and(self.apart.changes(reader)?))
        })
    }

    /// What has changed of the definitions.
    fn defined(&mut self, reader: &mut Reader<'_>) -> Result<Changes, SqlError> {
        if self.objects.len() < self.parts_from {
            self.rows = Rows::default();
            return self.read_whole(reader);
        }
        self.is_whole = false;
        match self.rows.changed(reader)? {
            None => self.read_whole(reader),
            Some(changed) if changed.is_empty() => Ok(Changes::default()),
            Some(changed) => self.read_changed(reader, &changed),
        }
    }

    /// Takes it that these changes were made since the last look. If that is not so, the next look, or
    /// [`is_right`](Self::is_right), tells what is otherwise.
    pub(crate) fn assume(&mut self, changes: &Changes) {
        for (key, after) in changes.after() {
            let objects = match Apart::has(key) {
                true => &mut self.apart.objects,
                false => &mut self.objects,
            };
            match after {
                Some(object) => objects.insert(key.clone(), object.clone()),
                None => objects.remove(key),
            };
        }
        self.is_whole = false;
    }

    /// Whether nothing has escaped the looks so far: what is known of the database is what a whole snapshot says.
    ///
    /// # Errors
    /// The server's.
    pub(crate) fn is_right(&mut self, connection: &mut Connection) -> Result<bool, SqlError> {
        if self.is_whole {
            return Ok(true);
        }
        query::reading(connection, |reader| {
            let before = self.objects.clone();
            self.read_whole(reader)?;
            let is_same = before == self.objects;
            Ok(self.apart.changes(reader)?.is_empty() && is_same)
        })
    }

    fn read_whole(&mut self, reader: &mut Reader<'_>) -> Result<Changes, SqlError> {
        let rows: Vec<Row> = reader.run("catalog", query::whole, "")?;
        self.is_whole = true;
        let before = std::mem::take(&mut self.objects);
        self.keys.clear();
        for (address, key, object) in rows.into_iter().map(Row::split) {
            self.keys.entry(address).or_default().insert(key.clone());
            self.objects.insert(key, object);
        }
        Ok(Changes::between(&before, &self.objects))
    }

    fn read_changed(
        &mut self,
        reader: &mut Reader<'_>,
        changed: &BTreeSet<Address>,
    ) -> Result<Changes, SqlError> {
        let list = |part: fn(&Address) -> u32| {
            let oids = changed.iter().map(|address| part(address).to_string());
            oids.collect::<Vec<_>>().join(",")
        };
        let arguments = format!("('{{{}}}', '{{{}}}')", list(|a| a.0), list(|a| a.1));
        let (is_all, touched, rows): Touched = reader.run("touched", query::touched, &arguments)?;
        if !is_all {
            return self.read_whole(reader);
        }
        let mut before = BTreeMap::new();
        for key in touched
            .iter()
            .filter_map(|address| self.keys.remove(address))
            .flatten()
        {
            let object = self.objects.remove(&key);
            before.insert(key, object);
        }
        for (address, key, object) in rows.into_iter().map(Row::split) {
            self.keys.entry(address).or_default().insert(key.clone());
            let known = self.objects.insert(key.clone(), object);
            before.entry(key).or_insert(known);
        }
        let sides = before.into_iter().map(|(key, before)| {
            let after = self.objects.get(&key).cloned();
            (key, (before, after))
        });
        Ok(Changes::new(sides))
    }
}
