//! The SQL that leads from the migrations to an edited `schema.rs`: Diesel's diff, less what it gets wrong.
//!
//! Diesel compares types by name, and takes a custom type, `CvTaskStatus` in Rust and `cv_task_status` in SQL, for
//! another one: it would drop such a column, with its data, in every diff (seen in 2.3.14). So the diff is made twice:
//! from the edited file, and from the one that Diesel itself prints. What is in both is no edit.

use std::collections::HashMap;
use std::path::Path;

use fs_err as fs;
use squawk_lexer::{TokenKind, tokenize};

use crate::app::App;
use crate::pg::Ident;
use crate::scratch::diesel_cli::{self, Bench, Diesel};
use crate::scratch::schema_rs::{SchemaFile, Section};
use crate::scratch::throwaway::ThrowawayDatabase;
use crate::sql::statements::starts;
use crate::ui::failure::{Failure, Kind, Result};
use crate::workspace::Service;

/// What `up.sql` and `down.sql` are to say.
#[derive(Debug, Default)]
pub(crate) struct Script {
    pub(crate) up: String,
    pub(crate) down: String,
}

/// Writes the SQL for everything in which the edited files differ from `database`, which is at head.
/// `None` where they don't.
///
/// # Errors
/// They differ only in what Diesel's diff can't see; or Diesel's own.
pub(crate) fn write(
    app: &App,
    diesel: &Diesel,
    service: &Service,
    database: &ThrowawayDatabase<'_>,
) -> Result<Option<Script>> {
    let bench = Bench::for_workspace(app)?;
    bench.format_as_in(&service.folder)?;
    let sections = Section::read(service)?;
    if sections.is_empty() {
        return Err(Failure::usage(format!(
            "service `{}` has no schema.rs to compare with: its diesel.toml has no `file` in `[print_schema]`",
            service.name
        )));
    }
    let (mut script, mut unseen) = (Script::default(), None);
    for section in sections {
        let file = section.file(diesel, &bench, service, database)?;
        let Some(difference) = file.difference(app) else {
            continue;
        };
        unseen = unseen.or(Some(difference));
        let printed = bench.path("printed.rs");
        fs::write(&printed, &file.printed)?;
        let generate = |schema: &Path| section.generate(diesel, &bench, service, database, schema);
        let (edited, unedited) = (generate(&section.path)?, generate(&printed)?);
        let types = custom_types(&file);
        let keep = |edited: &str, unedited: &str| -> String {
            let kept = subtract(&split(edited), &split(unedited));
            kept.iter()
                .map(|statement| with_types(statement, &types) + "\n")
                .collect()
        };
        script.up += &keep(&edited.up, &unedited.up);
        script.down += &keep(&edited.down, &unedited.down);
    }
    match unseen {
        Some(difference) if script.up.is_empty() => Err(Failure::new(
            Kind::Findings,
            format!(
                "the schema.rs of service `{}` differs from its migrations, but Diesel's diff sees only tables, columns and types: {difference}",
                service.name
            ),
        )
        .help(format!(
            "write the migration yourself: `cargo xtask db new {} NAME`",
            service.name
        ))
        .help("or undo the edit")),
        Some(_) => Ok(Some(script)),
        None => Ok(None),
    }
}

impl Section {
    fn file(
        &self,
        diesel: &Diesel,
        bench: &Bench,
        service: &Service,
        database: &ThrowawayDatabase<'_>,
    ) -> Result<SchemaFile> {
        let file = SchemaFile::read(self, diesel, bench, service, database)?;
        match file.found {
            Some(_) => Ok(file),
            None => Err(Failure::usage(format!(
                "failed to read `{}`: there is no such file",
                database.shown(&self.path)
            ))
            .help(format!("run `cargo xtask db schema {}`", service.name))),
        }
    }

    /// Diesel's diff from the database to `schema`.
    fn generate(
        &self,
        diesel: &Diesel,
        bench: &Bench,
        service: &Service,
        database: &ThrowawayDatabase<'_>,
        schema: &Path,
    ) -> Result<Script> {
        let folder = bench.path("migrations");
        fs::create_dir(&folder)?;
        let mut diff = std::ffi::OsString::from("--diff-schema=");
        diff.push(schema);
        let mut command = diesel.command(bench, &database.url_with_password());
        command
            .args(["migration", "generate", "diff", "--version", "1"])
            .arg(diff)
            .arg("--migration-dir")
            .arg(&folder)
            .arg("--config-file")
            .arg(self.config_file(service, bench)?);
        let what = format!(
            "compare `{}` with the migrations",
            database.shown(&self.path)
        );
        diesel_cli::output(&mut command, &what, |text| database.clean(text))?;
        let read = |name| fs::read_to_string(folder.join("1_diff").join(name));
        let script = Script {
            up: read("up.sql")?,
            down: read("down.sql")?,
        };
        fs::remove_dir_all(&folder)?;
        Ok(script)
    }
}

/// The statements of a text, without comments around them.
fn split(sql: &str) -> Vec<&str> {
    let starts = starts(sql);
    let ends = starts.iter().skip(1).copied().chain([sql.len()]);
    starts
        .iter()
        .zip(ends)
        .map(|(start, end)| sql[*start..end].trim())
        .collect()
}

/// The statements of `edited`, without those on a table's column that `unedited` has just the same.
///
/// Column by column and not statement by statement: of a change, which is a DROP and an ADD, both stay or neither.
fn subtract<'s>(edited: &[&'s str], unedited: &[&str]) -> Vec<&'s str> {
    let about = |all: &[&str], subject: &str| -> Vec<String> {
        let same = all
            .iter()
            .filter(|statement| self::subject(statement) == subject);
        same.map(ToString::to_string).collect()
    };
    let is_edit = |statement: &&&str| {
        let subject = subject(statement);
        about(edited, &subject) != about(unedited, &subject)
    };
    edited.iter().filter(is_edit).copied().collect()
}

/// The table and column that an `ALTER TABLE` is about; any other statement is its own subject.
fn subject(statement: &str) -> String {
    let words: Vec<_> = statement.split('"').collect();
    match words.as_slice() {
        [
            "ALTER TABLE ",
            table,
            " DROP COLUMN " | " ADD COLUMN ",
            column,
            ..,
        ] => {
            format!("\"{table}\" \"{column}\"")
        }
        _ => statement.to_owned(),
    }
}

/// The SQL name of each custom type, by the name that Diesel writes: in capitals, as in Rust or as in SQL.
fn custom_types(file: &SchemaFile) -> HashMap<String, String> {
    let mut types = HashMap::new();
    for text in [Some(&file.printed), file.found.as_ref()]
        .into_iter()
        .flatten()
    {
        for declared in text.split("postgres_type(").skip(1) {
            let Some((attribute, rest)) = declared.split_once(")]") else {
                continue;
            };
            let value = |key: &str| {
                let (_, after) = attribute.split_once(&format!("{key} = \""))?;
                after.split_once('"').map(|(value, _)| value)
            };
            let rust = rest.split_once("pub struct ").and_then(|(_, rest)| {
                rest.split(|c: char| !c.is_alphanumeric() && c != '_')
                    .next()
            });
            let (Some(name), Some(rust)) = (value("name"), rust) else {
                continue;
            };
            let quoted = match value("schema") {
                Some(schema) => format!("{}.{}", Ident(schema), Ident(name)),
                None => Ident(name).to_string(),
            };
            types.insert(name.to_uppercase(), quoted.clone());
            types.insert(rust.to_uppercase(), quoted);
        }
    }
    types
}

/// `statement` with the SQL names of custom types: a type is the word after a column's quoted name.
fn with_types(statement: &str, types: &HashMap<String, String>) -> String {
    let (mut out, mut offset, mut after_name) = (String::new(), 0, false);
    for token in tokenize(statement) {
        let text = &statement[offset..offset + token.len as usize];
        offset += token.len as usize;
        match (token.kind, types.get(text)) {
            (TokenKind::Ident, Some(name)) if after_name && !["ADD", "DROP"].contains(&text) => {
                out.push_str(name);
            }
            _ => out.push_str(text),
        }
        after_name = text.starts_with('"') || (after_name && text.trim().is_empty());
    }
    out
}

/// The columns and joins in the text `edited` that are not in `printed`, however they are sorted and set out.
pub(crate) fn missing(edited: &str, printed: &str) -> Vec<String> {
    let printed = facts(printed);
    let mut missing = facts(edited);
    missing.retain(|fact| !printed.contains(fact));
    missing
}

/// Each column with its attributes and its table's name before it, and each join.
fn facts(text: &str) -> Vec<String> {
    let (mut facts, mut table, mut attributes) = (Vec::new(), String::new(), String::new());
    for line in text.lines() {
        let line = line.split_whitespace().collect::<Vec<_>>().join(" ");
        let line = line.trim_end_matches([',', ';']);
        if line.starts_with("//") {
            continue;
        }
        if let Some((name, _)) = line.split_once(" (").filter(|_| line.ends_with('{')) {
            name.clone_into(&mut table);
        } else if line.starts_with("#[") {
            attributes.push_str(line);
            attributes.push(' ');
            continue;
        } else if line.contains("joinable!") {
            facts.push(line.to_owned());
        } else if line.contains(" -> ") {
            facts.push(format!("{table}: {attributes}{line}"));
        }
        attributes.clear();
    }
    facts
}

#[cfg(test)]
mod tests {
    use super::*;

    const UNEDITED: &str = "-- x\nALTER TABLE \"t\" DROP COLUMN \"s\";\nALTER TABLE \"t\" ADD COLUMN \"s\" ST NOT NULL;\n";

    #[test]
    fn what_diesel_would_do_anyway_is_no_edit() {
        let edited = format!("{UNEDITED}ALTER TABLE \"t\" ADD COLUMN \"n\" TEXT;\n");
        assert_eq!(
            subtract(&split(&edited), &split(UNEDITED)),
            ["ALTER TABLE \"t\" ADD COLUMN \"n\" TEXT;"]
        );
        // Made nullable: an edit, of which the DROP looks the same.
        let edited = UNEDITED.replace(" NOT NULL", "");
        assert_eq!(subtract(&split(&edited), &split(UNEDITED)).len(), 2);
    }

    #[test]
    fn what_the_diff_leaves_out_is_named() {
        let printed = "diesel::table! {\n    /// A\n    a (id) {\n        id -> Int8,\n        #[max_length = 9]\n        n -> Varchar,\n    }\n}\n";
        let edited = printed
            .replace("        id -> Int8,\n", "")
            .replace("    }", "        id ->  Int8,\n    }");
        assert!(missing(&edited, printed).is_empty());
        let edited = edited.replace("9]", "10]") + "diesel::joinable!(a -> b (id));\n";
        assert_eq!(
            missing(&edited, printed),
            [
                "a: #[max_length = 10] n -> Varchar",
                "diesel::joinable!(a -> b (id))"
            ]
        );
    }

    #[test]
    fn custom_types_get_their_sql_names() {
        let file = SchemaFile {
            path: "schema.rs".into(),
            found: None,
            printed: "#[diesel(postgres_type(name = \"task_Status\", schema = \"x\"))]\n    pub struct TaskStatus;".into(),
            notes: String::new(),
        };
        let types = custom_types(&file);
        assert_eq!(
            with_types(
                "ALTER TABLE \"TASKSTATUS\" ADD COLUMN \"TASKSTATUS\" TASKSTATUS[] NOT NULL;",
                &types
            ),
            "ALTER TABLE \"TASKSTATUS\" ADD COLUMN \"TASKSTATUS\" \"x\".\"task_Status\"[] NOT NULL;"
        );
        assert_eq!(
            with_types("\"a\" TASK_STATUS", &types),
            "\"a\" \"x\".\"task_Status\""
        );
    }
}
