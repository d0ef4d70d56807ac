//! The catalog's rows: which were written or have gone since they were last looked at, and whose they are.
//!
//! PostgreSQL never changes a row in place, but for statistics and flags that no definition has: a row that was written
//! is another one, at another place (`ctid`) or by another transaction (`xmin`).

use std::cmp::Ordering;
use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;

use super::Address;
use super::query::Reader;
use crate::pg::SqlError;

/// The catalogs of what migrations do every day, each with the class and the oid of the object that a row belongs to.
const CATALOGS: [(&str, &str, &str); 21] = [
    ("pg_namespace", "tableoid", "oid"),
    ("pg_class", "tableoid", "oid"),
    // System columns change with their table only.
    (
        "pg_attribute",
        "'pg_class'::regclass",
        "CASE WHEN attnum > 0 THEN attrelid END",
    ),
    ("pg_attrdef", "'pg_class'::regclass", "adrelid"),
    ("pg_inherits", "'pg_class'::regclass", "inhrelid"),
    ("pg_index", "'pg_class'::regclass", "indexrelid"),
    ("pg_sequence", "'pg_class'::regclass", "seqrelid"),
    ("pg_partitioned_table", "'pg_class'::regclass", "partrelid"),
    ("pg_constraint", "tableoid", "oid"),
    ("pg_trigger", "tableoid", "oid"),
    ("pg_rewrite", "tableoid", "oid"),
    ("pg_policy", "tableoid", "oid"),
    ("pg_statistic_ext", "tableoid", "oid"),
    ("pg_type", "tableoid", "oid"),
    ("pg_enum", "'pg_type'::regclass", "enumtypid"),
    ("pg_proc", "tableoid", "oid"),
    ("pg_default_acl", "tableoid", "oid"),
    ("pg_publication", "tableoid", "oid"),
    (
        "pg_publication_rel",
        "'pg_publication'::regclass",
        "prpubid",
    ),
    ("pg_description", "classoid", "objoid"),
    ("pg_depend", "classid", "objid"),
];

/// The others: when one of their rows changes, or a row of an object that initdb made but schema `public`, everything is
/// read.
const OTHERS: &str = "pg_aggregate pg_am pg_amop pg_amproc pg_cast pg_collation pg_conversion pg_event_trigger pg_extension \
pg_foreign_data_wrapper pg_foreign_server pg_foreign_table pg_init_privs pg_language pg_opclass pg_operator pg_opfamily \
pg_publication_namespace pg_range pg_seclabel pg_transform pg_ts_config pg_ts_config_map \
pg_ts_dict pg_ts_parser pg_ts_template";

/// What is not in a catalog of the database, or in none that everybody may read: names that definitions speak of.
const NAMES: &str = "md5(concat_ws(E'\\n', current_user,
    (SELECT datdba FROM pg_database WHERE datname = current_database()),
    (SELECT string_agg(format('%s %s', oid, rolname), E'\\n' ORDER BY oid) FROM pg_roles
        -- Those of other runs come and go.
        WHERE rolname !~ '^throwaway_'),
    (SELECT string_agg(format('%s %s', oid, spcname), E'\\n' ORDER BY oid) FROM pg_tablespace),
    (SELECT string_agg(format('%s %s %s', umid, srvid, umuser), E'\\n' ORDER BY umid) FROM pg_user_mappings)))";

/// The rows as they were when they were last looked at.
#[derive(Default)]
pub(super) struct Rows {
    catalogs: Vec<Catalog>,
    /// The oldest transaction that may not have ended by then: later rows are written by it or by a later one.
    since: Option<String>,
    names: String,
}

#[derive(Default)]
struct Catalog {
    /// Another one after `VACUUM FULL`, which moves every row.
    file: u64,
    count: usize,
    rows: BTreeMap<Place, Written>,
}

/// Block, and number in the block.
type Place = (u32, u32);

#[derive(PartialEq)]
struct Written {
    by: u32,
    of: Address,
}

/// What the server says of all catalogs: the transaction for the next time, a digest of the names, each catalog.
#[derive(Deserialize)]
struct Seen(String, String, Vec<SeenCatalog>);

#[derive(Deserialize)]
struct SeenCatalog {
    file: u64,
    /// Of the [`CATALOGS`], how many rows are ours; of the others, how many there are.
    count: usize,
    /// Whether another row than ours was written.
    is_other: bool,
    /// Our rows that were written: place, transaction and address, in numbers.
    written: String,
}

impl Rows {
    /// The objects of which a row was written or has gone since the last call; `None` where that is not clear, as at
    /// the first call.
    ///
    /// # Errors
    /// The server's.
    pub(super) fn changed(
        &mut self,
        reader: &mut Reader<'_>,
    ) -> Result<Option<BTreeSet<Address>>, SqlError> {
        if let Some(since) = self.since.take() {
            let seen: Seen = reader.run("rows", query, &format!("('{since}')"))?;
            let changed = self.update(reader, seen)?;
            if changed.is_some() {
                return Ok(changed);
            }
        }
        let Seen(since, names, catalogs) = reader.run("rows", query, "(NULL)")?;
        let catalogs = catalogs.into_iter().map(|seen| Catalog {
            file: seen.file,
            count: seen.count,
            rows: numbers(&seen.written).map(row).collect(),
        });
        *self = Self {
            catalogs: catalogs.collect(),
            since: Some(since),
            names,
        };
        Ok(None)
    }

    fn update(
        &mut self,
        reader: &mut Reader<'_>,
        seen: Seen,
    ) -> Result<Option<BTreeSet<Address>>, SqlError> {
        let Seen(since, names, seen) = seen;
        if names != self.names {
            return Ok(None);
        }
        let (mut changed, mut lacking) = (BTreeSet::new(), Vec::new());
        for (index, (catalog, seen)) in self.catalogs.iter_mut().zip(&seen).enumerate() {
            if seen.is_other || seen.file != catalog.file {
                return Ok(None);
            }
            if index >= CATALOGS.len() {
                if seen.count != catalog.count {
                    return Ok(None);
                }
                continue;
            }
            for (place, written) in numbers(&seen.written).map(row) {
                let of = written.of;
                match catalog.rows.insert(place, written) {
                    // As old as the oldest transaction, and seen before.
                    Some(before) if before == catalog.rows[&place] => continue,
                    Some(before) => changed.extend([before.of, of]),
                    None => changed.extend([of]),
                }
            }
            match catalog.rows.len().cmp(&seen.count) {
                Ordering::Less => return Ok(None),
                Ordering::Equal => {}
                Ordering::Greater => lacking.push(index),
            }
        }
        if !lacking.is_empty() {
            let places: Vec<(usize, String)> =
                reader.connection.query_json(&places(&lacking), &[])?;
            for (index, places) in places {
                let there = numbers(&places).map(|[block, number]| (block, number));
                let Some(gone) = self.catalogs[index].keep(&there.collect()) else {
                    return Ok(None);
                };
                changed.extend(gone);
            }
        }
        self.since = Some(since);
        Ok(Some(changed))
    }
}

impl Catalog {
    /// Forgets the rows that are not there any more, and gives their objects; `None` if there is one that is not known.
    fn keep(&mut self, there: &BTreeSet<Place>) -> Option<Vec<Address>> {
        let mut gone = Vec::new();
        self.rows.retain(|place, written| {
            let is_there = there.contains(place);
            if !is_there {
                gone.push(written.of);
            }
            is_there
        });
        (self.rows.len() == there.len()).then_some(gone)
    }
}

/// The statement that looks at every row; its argument is the transaction since which rows are shown.
fn query(server_version: i32) -> String {
    let listed = CATALOGS.iter().map(|(name, class, object)| {
        let ours = ours(object);
        format!(
            "SELECT json_build_object('file', pg_relation_filenode('{name}'::regclass)::int8,
                'count', count(*) FILTER (WHERE {ours}), 'is_other', coalesce(bool_or(NOT ({ours})), false),
                'written', coalesce(string_agg(concat_ws(' ', ctid, xmin, {class}::oid, {object}), ' ')
                    FILTER (WHERE ({ours}) AND age(xmin) <= (SELECT age FROM since)), '')) AS seen
            FROM {name} WHERE {ours} OR age(xmin) <= (SELECT age FROM since)"
        )
    });
    let others = OTHERS.split_whitespace();
    let others =
        others.filter(|name| server_version >= 150_000 || *name != "pg_publication_namespace");
    let others = others.map(|name| {
        format!(
            "SELECT json_build_object('file', pg_relation_filenode('{name}'::regclass)::int8, 'count', count(*),
                'is_other', coalesce(min(age(xmin)) <= (SELECT age FROM since), false), 'written', '') AS seen FROM {name}"
        )
    });
    let catalogs = listed.chain(others).collect::<Vec<_>>();
    format!(
        "WITH since AS MATERIALIZED (SELECT coalesce(age($1::xid), 2147483647) AS age)
        SELECT json_build_array(pg_snapshot_xmin(pg_current_snapshot())::xid::text, {NAMES},
            (SELECT json_agg(seen) FROM ({}) c))",
        catalogs.join("\nUNION ALL ")
    )
}

/// The statement that tells where there are rows of ours in some of the [`CATALOGS`].
fn places(indexes: &[usize]) -> String {
    let catalogs = indexes.iter().map(|index| {
        let (name, _, object) = CATALOGS[*index];
        let ours = ours(object);
        format!(
            "SELECT json_build_array({index}, coalesce(string_agg(ctid::text, ''), '')) AS places FROM {name} WHERE {ours}"
        )
    });
    let catalogs = catalogs.collect::<Vec<_>>().join(" UNION ALL ");
    format!("SELECT json_agg(places) FROM ({catalogs}) c")
}

/// Whether a row is of an object that initdb did not make, or of schema `public`.
fn ours(object: &str) -> String {
    format!("{object} >= 16384 OR {object} = 2200")
}

/// A row from its numbers.
fn row([block, number, by, class, object]: [u32; 5]) -> (Place, Written) {
    let of = (class, object);
    ((block, number), Written { by, of })
}

/// The numbers in a text, so many at a time.
fn numbers<const N: usize>(text: &str) -> impl Iterator<Item = [u32; N]> {
    let mut numbers = text
        .split(|c: char| !c.is_ascii_digit())
        .filter_map(|number| number.parse().ok());
    std::iter::from_fn(move || {
        let mut group = [0; N];
        for place in &mut group {
            *place = numbers.next()?;
        }
        Some(group)
    })
}
