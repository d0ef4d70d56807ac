//! The `erDiagram`. Its lexer knows no escapes, so a name that it can't take is drawn with `_` in the place of what it
//! can't, and stands as it is in the tables below.

use std::collections::{BTreeMap, BTreeSet};

use crate::catalog::diagram::{Column, Reference, Table};

/// How many characters a diagram may have: the default of Mermaid's `maxTextSize`, which GitHub has, too.
/// <https://mermaid.js.org/config/schema-docs/config.html#maxtextsize>
const LIMIT: usize = 50_000;

/// What is drawn of the columns.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Detail {
    All,
    Keys,
    None,
}

/// The diagram in its fence, with as much of the columns as there is room for.
pub(super) fn diagram(tables: &[Table]) -> String {
    let names = names(tables);
    let all = source(tables, &names, Detail::All);
    let keys = || {
        (
            source(tables, &names, Detail::Keys),
            "Only the columns of keys are drawn",
        )
    };
    let (source, note) = match all.len() {
        ..LIMIT => (all, ""),
        _ => match keys() {
            keys if keys.0.len() < LIMIT => keys,
            _ => (
                source(tables, &names, Detail::None),
                "Only the names of tables are drawn",
            ),
        },
    };
    let note = match note {
        "" => String::new(),
        note => format!("\n{note}: Mermaid takes {LIMIT} characters.\n"),
    };
    format!("{note}\n```mermaid\n{source}```\n")
}

/// The keys that a column is in.
pub(super) fn marks(column: &Column) -> Vec<&'static str> {
    let marks = [
        (column.is_primary, "PK"),
        (column.is_foreign, "FK"),
        (column.is_unique, "UK"),
    ];
    let marks = marks.into_iter().filter(|(is_so, _)| *is_so);
    marks.map(|(_, mark)| mark).collect()
}

fn source(tables: &[Table], names: &BTreeMap<&str, String>, detail: Detail) -> String {
    let mut out = "erDiagram\n".to_owned();
    for table in tables {
        let columns = table.columns.iter().filter(|column| match detail {
            Detail::All => true,
            Detail::Keys => !marks(column).is_empty(),
            Detail::None => false,
        });
        let attributes: String = columns.map(attribute).collect();
        out += &match attributes.is_empty() {
            true => format!("    \"{}\"\n", names[&*table.name]),
            false => format!("    \"{}\" {{\n{attributes}    }}\n", names[&*table.name]),
        };
    }
    for table in tables {
        let name = &names[&*table.name];
        let (own, others): (Vec<_>, Vec<_>) = table
            .references
            .iter()
            .partition(|reference| reference.to == table.name);
        // Of several from a table to itself, Mermaid 11 draws the last: they are one line.
        if !own.is_empty() {
            out += &relationship(name, name, &own);
        }
        let lines = others.iter().filter_map(|reference| {
            // The table of an extension, or a partition, is not drawn.
            let to = names.get(&*reference.to)?;
            Some(relationship(to, name, &[reference]))
        });
        out.extend(lines);
    }
    out
}

fn attribute(column: &Column) -> String {
    let short = column.short_type.replace(" without time zone", "");
    let short = short
        .replace(" with time zone", "tz")
        .replace("character varying", "varchar");
    let name = word(&column.name);
    let mut line = format!("        {} {name}", word(&short));
    let marks = marks(column);
    if !marks.is_empty() {
        line += &format!(" {}", marks.join(", "));
    }
    if name != column.name {
        line += &format!(" \"{}\"", quotable(&column.name));
    }
    line + "\n"
}

fn relationship(to: &str, from: &str, references: &[&Reference]) -> String {
    let is_optional = references.iter().any(|it| it.is_optional);
    let is_unique = references.iter().all(|it| it.is_unique);
    let one = if is_optional { "|o" } else { "||" };
    let many = if is_unique { "o|" } else { "o{" };
    let columns = |it: &&Reference| {
        let columns: Vec<_> = it.columns.iter().map(|it| quotable(it)).collect();
        columns.join(", ")
    };
    let columns: Vec<_> = references.iter().map(columns).collect();
    let columns = columns.join("; ");
    format!("    \"{to}\" {one}--{many} \"{from}\" : \"{columns}\"\n")
}

/// What each table is called in the diagram: no two the same.
fn names(tables: &[Table]) -> BTreeMap<&str, String> {
    let (mut names, mut taken) = (BTreeMap::new(), BTreeSet::new());
    for table in tables {
        let name = quotable(&table.name.replace('"', ""));
        let numbered = (2..).map(|number| format!("{name}_{number}"));
        let free = std::iter::once(name.clone())
            .chain(numbered)
            .find(|name| taken.insert(name.clone()));
        names.insert(&*table.name, free.unwrap_or(name));
    }
    names
}

/// A text that can stand in quotation marks. Spaces can't: `direction TB` is a command there, too.
fn quotable(text: &str) -> String {
    let good = |c: char| c.is_alphanumeric() || matches!(c, '_' | '-' | '.');
    text.chars()
        .map(|c| if good(c) { c } else { '_' })
        .collect()
}

/// A type or the name of a column, which can't be quoted: it begins with a letter, and not with the word of a key.
fn word(text: &str) -> String {
    let good = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '[' | ']');
    let word: String = text
        .chars()
        .map(|c| if good(c) { c } else { '_' })
        .collect();
    let first = word.split(['[', ']']).next().unwrap_or_default();
    let is_key = ["pk", "fk", "uk"]
        .iter()
        .any(|key| first.eq_ignore_ascii_case(key));
    match word.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_') && !is_key {
        true => word,
        false => format!("_{word}"),
    }
}
