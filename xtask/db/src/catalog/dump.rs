//! What `pg_dump` writes of a database's schema, in a form in which two databases can be compared.
//!
//! A snapshot finds where two databases differ, in milliseconds; columns of the catalog are no contract, though: what
//! `pg_dump` prints decides whether they do.

use std::collections::BTreeMap;

use crate::pg::{Params, Tool};
use crate::sql::statements::Script;

/// How much of a statement is quoted.
const LINES: usize = 12;

/// The statements of a database's schema. Their order says nothing, nor does the order of a table's columns or of a
/// type's attributes: one that was dropped and is added again comes last.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Dump(BTreeMap<String, Quoted>);

/// A statement as it is shown, and how often it is there.
#[derive(Debug, Clone)]
struct Quoted {
    text: String,
    times: usize,
}

/// How it is shown is no difference.
impl PartialEq for Quoted {
    fn eq(&self, other: &Self) -> bool {
        self.times == other.times
    }
}

impl Eq for Quoted {}

impl Dump {
    /// Reads the schema; `names` are those that two databases never share, such as their own, with what they stand for.
    ///
    /// # Errors
    /// `pg_dump`'s own message.
    pub(crate) fn read(
        tool: &Tool,
        params: &Params,
        arguments: Vec<String>,
        names: &[(&str, &str)],
    ) -> anyhow::Result<Self> {
        let all = ["--schema-only", "--encoding=UTF8"].map(str::to_owned);
        let text = tool.read(params, all.into_iter().chain(arguments).collect())?;
        Ok(Self::of(&text, names))
    }

    fn of(text: &str, names: &[(&str, &str)]) -> Self {
        // With --create, psql goes from one database to the other.
        let parts = text.split_once("\n\\connect ").and_then(|(head, rest)| {
            let (_, rest) = rest.split_once('\n')?;
            Some(format!("{head}\n{rest}"))
        });
        let text = parts.as_deref().unwrap_or(text);
        let mut statements = BTreeMap::<String, Quoted>::new();
        for statement in statements_of(text) {
            let replaced = |text: String, (from, to): &(&str, &str)| text.replace(from, to);
            let text = names.iter().fold(statement, replaced);
            let entry = statements.entry(normal(&text));
            entry.or_insert(Quoted { text, times: 0 }).times += 1;
        }
        Self(statements)
    }

    /// Without the options of user mappings: they hold passwords, which no migration should have.
    pub(crate) fn without_passwords(self) -> Self {
        let statements =
            self.0
                .into_iter()
                .map(|(key, mut quoted)| match key.split_once(" OPTIONS (") {
                    Some((mapping, _)) if mapping.starts_with("CREATE USER MAPPING") => {
                        let mapping = format!("{mapping};");
                        quoted.text.clone_from(&mapping);
                        (mapping, quoted)
                    }
                    _ => (key, quoted),
                });
        Self(statements.collect())
    }

    /// What is not in both, for a person, given what to call the two; `None` where nothing is.
    pub(crate) fn difference(&self, other: &Self, [first, second]: [&str; 2]) -> Option<String> {
        let only = |this: &Self, other: &Self, name: &str| -> String {
            let theirs = |key: &String| other.0.get(key).map_or(0, |quoted: &Quoted| quoted.times);
            let missing = this
                .0
                .iter()
                .filter(|(key, quoted)| quoted.times > theirs(key));
            let quoted = missing.map(|(_, quoted)| quote(&quoted.text));
            let quoted: String = quoted.collect();
            match quoted.as_str() {
                "" => quoted,
                _ => format!("pg_dump {name} only:\n{quoted}"),
            }
        };
        let mut text = only(self, other, first) + &only(other, self, second);
        text.truncate(text.trim_end().len());
        (!text.is_empty()).then_some(text)
    }
}

/// The columns of a table, or the attributes of a type, in one order.
fn normal(statement: &str) -> String {
    let is_table = [
        "CREATE TABLE",
        "CREATE UNLOGGED TABLE",
        "CREATE FOREIGN TABLE",
    ]
    .iter()
    .any(|begin| statement.starts_with(begin));
    let first = statement.lines().next().unwrap_or_default();
    let is_type = first.starts_with("CREATE TYPE ") && first.ends_with(" AS (");
    if !is_table && !is_type {
        return statement.to_owned();
    }
    let mut lines: Vec<_> = statement
        .lines()
        .map(|line| line.trim_end_matches(','))
        .collect();
    lines.sort_unstable();
    lines.join("\n")
}

/// A statement with its first lines, and without what may be a password.
fn quote(statement: &str) -> String {
    let secrets = [
        ("CREATE USER MAPPING", " OPTIONS ("),
        ("CREATE SERVER", " OPTIONS ("),
        ("CREATE SUBSCRIPTION", " CONNECTION '"),
    ];
    let secret = secrets
        .iter()
        .find(|(begin, _)| statement.starts_with(begin));
    let shown = secret.and_then(|(_, before)| {
        let (shown, _) = statement.split_once(before)?;
        Some(format!("{shown}{before}…"))
    });
    let shown = shown.unwrap_or_else(|| statement.to_owned());
    let mut lines: Vec<_> = shown.lines().take(LINES + 1).collect();
    if lines.len() > LINES {
        lines[LINES] = "…";
    }
    format!("    {}\n", lines.join("\n    "))
}

/// The statements of a script of `pg_dump`'s, without the comments around them, without psql's own commands, and without
/// what the server notes for itself.
pub(crate) fn statements_of(dump: &str) -> Vec<String> {
    // \restrict and \unrestrict have a random key.
    let key = dump
        .lines()
        .find_map(|line| line.strip_prefix("\\restrict "));
    let is_command = |line: &&str| {
        let command = line.strip_prefix("\\restrict ");
        let command = command.or_else(|| line.strip_prefix("\\unrestrict "));
        command.is_some() && command == key
    };
    let lines: Vec<_> = dump.lines().filter(|line| !is_command(line)).collect();
    let text = lines.join("\n");
    let statements = Script::of(&text).statements.into_iter();
    statements
        .filter_map(|statement| without_own_options(statement.sql))
        .map(|statement| format!("{statement};"))
        .collect()
}

/// A statement without options that the server sets and no migration can, whose names begin with `pg_`: a `pg_dump` that is
/// older than they are prints them. `None` where nothing is left.
pub(super) fn without_own_options(statement: &str) -> Option<String> {
    let options = statement.rsplit_once(" SET (");
    let options = options.and_then(|(head, options)| Some((head, options.strip_suffix(')')?)));
    match options {
        Some((head, options)) if head.starts_with("ALTER ") && options.contains("pg_") => {
            let kept = options.split(", ");
            let kept: Vec<_> = kept.filter(|option| !option.starts_with("pg_")).collect();
            (!kept.is_empty()).then(|| format!("{head} SET ({})", kept.join(", ")))
        }
        _ => Some(statement.to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_server_notes_for_itself_is_left_out() {
        let dump = "ALTER TABLE ONLY t ALTER COLUMN a SET (pg_attver=17);\n\
                    ALTER TABLE ONLY t ALTER COLUMN b SET (n_distinct=5, pg_attver=17);\n\
                    ALTER TABLE ONLY t ALTER COLUMN pg_c SET (n_distinct=5);";
        assert_eq!(
            statements_of(dump),
            [
                "ALTER TABLE ONLY t ALTER COLUMN b SET (n_distinct=5);",
                "ALTER TABLE ONLY t ALTER COLUMN pg_c SET (n_distinct=5);",
            ]
        );
    }

    #[test]
    fn the_order_of_columns_and_of_statements_says_nothing() {
        let names = [("db_1", "it"), ("db_2", "it")];
        let one = Dump::of(
            "-- Dumped from 15.1\n\\restrict a\nSELECT 1;\n\\unrestrict a\n\\connect db_1\n\\restrict a\nCREATE TABLE t (\n    a integer,\n    b text\n);\nALTER TABLE t OWNER TO db_1;\n-- x\n\n\\unrestrict a\n",
            &names,
        );
        let two = Dump::of(
            "-- Dumped from 15.2\nSELECT 1;\nALTER TABLE t OWNER TO db_2;\nCREATE TABLE t (\n    b text,\n    a integer\n);\n",
            &names,
        );
        assert_eq!(one.difference(&two, ["before", "after"]), None);
        assert_eq!(one, two);
    }

    #[test]
    fn the_order_of_attributes_says_nothing_and_that_of_labels_does() {
        let same = |one, two| Dump::of(one, &[]) == Dump::of(two, &[]);
        assert!(same(
            "CREATE TYPE public.p AS (\n\ta integer,\n\tb text\n);",
            "CREATE TYPE public.p AS (\n\tb text,\n\ta integer\n);"
        ));
        assert!(!same(
            "CREATE TYPE public.e AS ENUM (\n    'a',\n    'b'\n);",
            "CREATE TYPE public.e AS ENUM (\n    'b',\n    'a'\n);"
        ));
    }

    #[test]
    fn what_is_not_in_both_is_quoted_without_passwords() {
        let mapping = |password: &str| {
            format!("CREATE USER MAPPING FOR a SERVER s OPTIONS (\n    password '{password}'\n);")
        };
        let one = Dump::of(&format!("SELECT 1;\n{}", mapping("hush")), &[]);
        let two = Dump::of(&format!("SELECT 1;\nSELECT 1;\n{}", mapping("lull")), &[]);
        let shown = one.difference(&two, ["before", "after"]).unwrap();
        let masked = "CREATE USER MAPPING FOR a SERVER s OPTIONS (…";
        assert_eq!(
            shown,
            format!(
                "pg_dump before only:\n    {masked}\npg_dump after only:\n    {masked}\n    SELECT 1;"
            )
        );
        let long = Dump::of(&format!("SELECT '{}'", "x\n".repeat(20)), &[]);
        let shown = long.difference(&Dump::of("", &[]), ["a", "b"]).unwrap();
        assert_eq!(shown.lines().count(), LINES + 2);
    }
}
