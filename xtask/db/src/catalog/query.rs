//! The statements that read the catalog, and the transaction that they run in.

use serde::de::DeserializeOwned;

use crate::pg::{Connection, SqlError};

/// What the deparsers' output depends on, and how our own strings are read. Without a search path the deparsers qualify
/// every name. What is read in parts is read of one moment, and each statement is planned once: to plan it takes several
/// times as long as to run it.
const BEGIN: &str = "BEGIN TRANSACTION READ ONLY ISOLATION LEVEL REPEATABLE READ; \
SET LOCAL search_path = ''; SET LOCAL quote_all_identifiers = off; SET LOCAL timezone = 'UTC'; \
SET LOCAL datestyle = 'ISO, YMD'; SET LOCAL intervalstyle = 'postgres'; SET LOCAL extra_float_digits = 1; \
SET LOCAL bytea_output = 'hex'; SET LOCAL standard_conforming_strings = on; \
SET LOCAL plan_cache_mode = force_generic_plan; \
SELECT coalesce(json_agg(name), '[]') FROM pg_prepared_statements";

/// A session in a transaction that reads the catalog.
pub(super) struct Reader<'c> {
    pub(super) connection: &'c mut Connection,
    prepared: Vec<String>,
}

/// Reads in a read-only transaction of its own.
///
/// # Errors
/// The server's.
pub(super) fn reading<T>(
    connection: &mut Connection,
    read: impl FnOnce(&mut Reader<'_>) -> Result<T, SqlError>,
) -> Result<T, SqlError> {
    let prepared = connection.execute_json(BEGIN);
    let result = prepared.and_then(|prepared| {
        read(&mut Reader {
            connection,
            prepared,
        })
    });
    let end = connection.execute("ROLLBACK");
    let result = result?;
    end?;
    Ok(result)
}

impl Reader<'_> {
    /// Runs a statement that gives one JSON value, `arguments` as SQL; prepares it first, where it is not: a migration
    /// may have said `DISCARD ALL`.
    pub(super) fn run<T: DeserializeOwned>(
        &mut self,
        name: &str,
        sql: impl FnOnce(i32) -> String,
        arguments: &str,
    ) -> Result<T, SqlError> {
        let name = format!("cargo_xtask_db_{name}");
        if !self.prepared.contains(&name) {
            let sql = sql(self.connection.server_version());
            self.connection
                .execute(&format!("PREPARE {name} AS {sql}"))?;
            self.prepared.push(name.clone());
        }
        self.connection
            .query_json(&format!("EXECUTE {name}{arguments}"), &[])
    }
}

/// The catalogs of the objects that [`touched`] reads. What else depends on a change, such as an operator or a cast, is
/// seldom: then everything is read.
const KNOWN: &str = "'{pg_namespace, pg_class, pg_attrdef, pg_constraint, pg_trigger, pg_rewrite, pg_policy, \
pg_statistic_ext, pg_type, pg_proc, pg_default_acl, pg_publication, pg_publication_rel}'::regclass[]";

/// The one statement that reads it all.
pub(super) fn whole(server_version: i32) -> String {
    let others = format!("UNION ALL\n{}", include_str!("others.sql"));
    let [ctes, objects] = parts(server_version, &others);
    format!("WITH {ctes} {objects}")
}

/// The statement that reads what a change can be seen in, given the addresses of the changed objects as two arrays. Its
/// result: whether that is all to be read; the addresses that it has looked at; the objects.
pub(super) fn touched(server_version: i32) -> String {
    let [ctes, objects] = parts(server_version, "")
        .map(|sql| only(&only(&sql, "touched", "list"), "around", "around"));
    let touched = include_str!("touched.sql");
    format!(
        "WITH RECURSIVE {touched} {ctes} SELECT json_build_array(
            NOT EXISTS (SELECT FROM touched WHERE class <> ALL ({KNOWN})),
            (SELECT json_agg(json_build_array(class::int8, object::int8)) FROM touched), ({objects}))"
    )
}

/// The statement without its first word: what it selects from, and the select.
fn parts(server_version: i32, others: &str) -> [String; 2] {
    let ctes = [
        include_str!("query.sql"),
        include_str!("relations.sql"),
        "UNION ALL",
        include_str!("types.sql"),
        "UNION ALL",
        include_str!("remarks.sql"),
        others,
        ")",
    ];
    let grantee = "CASE x.grantee WHEN 0 THEN 'PUBLIC' WHEN a.owner THEN 'the owner' \
        ELSE pg_get_userbyid(x.grantee)::text END AS grantee";
    // What initdb granted names its owner of that time.
    let first_grantee = "CASE x.grantee WHEN 0 THEN 'PUBLIC' WHEN a.owner THEN 'the owner' WHEN x.grantor THEN 'the owner' \
        ELSE pg_get_userbyid(x.grantee)::text END AS grantee";
    [ctes.join("\n"), include_str!("query_end.sql").to_owned()].map(|sql| {
        sql.replace("{published}", published(server_version))
            .replace("{compression}", compression(server_version))
            .replace("{grantee}", grantee)
            .replace("{first_grantee}", first_grantee)
    })
}

/// The SQL with each comment `/*marker oid*/` as a condition: that the oid is in the list.
fn only(sql: &str, marker: &str, list: &str) -> String {
    let marker = format!("/*{marker} ");
    let mut pieces = sql.split(&marker);
    let mut out = pieces.next().unwrap_or_default().to_owned();
    for (oid, rest) in pieces.filter_map(|piece| piece.split_once("*/")) {
        out += &format!("AND {oid} = ANY ((SELECT oids FROM {list})::oid[]){rest}");
    }
    out
}

/// How a column is compressed, if that was chosen.
fn compression(server_version: i32) -> &'static str {
    match server_version >= 140_000 {
        true => "nullif(a.attcompression::text, '')",
        false => "NULL",
    }
}

/// The tables and schemas of a publication, with their columns and rows.
fn published(server_version: i32) -> &'static str {
    if server_version < 150_000 {
        return "
    (SELECT string_agg('TABLE ' || r.prrelid::regclass, ', ' ORDER BY r.prrelid::regclass::text)
     FROM pg_publication_rel r WHERE r.prpubid = p.oid)";
    }
    "
    (SELECT string_agg(concat_ws(' ', 'TABLE', r.prrelid::regclass,
        (SELECT '(' || string_agg(quote_ident(a.attname), ', ' ORDER BY a.attnum) || ')' FROM pg_attribute a
            WHERE a.attrelid = r.prrelid AND a.attnum = ANY (r.prattrs)),
        'WHERE ' || pg_get_expr(r.prqual, r.prrelid)), ', ' ORDER BY r.prrelid::regclass::text)
     FROM pg_publication_rel r WHERE r.prpubid = p.oid),
    (SELECT string_agg('SCHEMA ' || n.pnnspid::regnamespace, ', ' ORDER BY n.pnnspid::regnamespace::text)
     FROM pg_publication_namespace n WHERE n.pnpubid = p.oid)"
}
