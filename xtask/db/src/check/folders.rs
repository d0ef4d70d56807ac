//! A migration's folder: its version, its two files, and what `metadata.toml` says.

use super::finding::Finding;
use super::scope::{Scope, Subject};
use crate::migrations::folder::{Folder, Metadata, Sql};
use crate::repair::change::Change;
use crate::sql::statements::{has_statement, place_of};
use crate::workspace::edit::Edit;

pub(super) fn check(scope: &Scope<'_>, subject: &Subject<'_>, folder: &Folder) -> Vec<Finding> {
    let shown = scope.shown(&folder.path);
    let mut findings: Vec<_> = version(&shown, &subject.folders, folder)
        .into_iter()
        .collect();
    findings.extend(texts(&shown, folder));
    findings.extend(metadata(&shown, folder));
    findings
}

fn version(shown: &str, folders: &[Folder], folder: &Folder) -> Option<Finding> {
    let version = &folder.version;
    if version.is_empty() {
        let message = format!("the migration folder `{}` has no version", folder.name);
        return Some(
            Finding::new("migration-without-version", message)
                .file(shown)
                .help("name it <version>_<name>, for instance 2026-01-31-120000_add_users"),
        );
    }
    let other = folders.iter().find(|other| other.version == *version)?;
    let message = format!(
        "version {version} is also the version of `{}`: Diesel silently ignores one of them",
        other.name
    );
    (other.name != folder.name).then(|| {
        Finding::new("duplicate-version", message)
            .file(shown)
            .help("give the newer one, which is applied nowhere yet, a version of its own")
    })
}

/// Texts that are missing, can't be read, or hold no statement.
fn texts(shown: &str, folder: &Folder) -> Vec<Finding> {
    let sides = [
        (
            "up.sql",
            &folder.up,
            ["missing-up", "empty-up"],
            "write the migration, or remove its folder",
        ),
        (
            "down.sql",
            folder.down(),
            ["missing-down", "empty-down"],
            "write the statements that undo the migration; if that is impossible, raise an error there that says why",
        ),
    ];
    let find = |(name, sql, [missing, empty], help): (_, &Sql, [_; 2], &str)| {
        let file = format!("{shown}/{name}");
        let of = &folder.name;
        Some(match sql {
            Sql::Unreadable(error) if error.kind() == std::io::ErrorKind::NotFound => {
                let message = format!("the migration `{of}` has no {name}");
                Finding::new(missing, message).file(file).help(help)
            }
            Sql::Unreadable(error) => {
                let message = format!("failed to read the {name} of `{of}`: {error}");
                Finding::new(missing, message)
                    .file(file)
                    .help("make it readable")
            }
            Sql::Lossy(text) => {
                let offset = text.find(char::REPLACEMENT_CHARACTER).unwrap_or(0);
                let message = format!("the {name} of `{of}` is not valid UTF-8");
                Finding::new(missing, message)
                    .at(file, place_of(text, offset).line)
                    .help("save it as UTF-8: PostgreSQL and Diesel read nothing else")
            }
            Sql::Text(text) if !has_statement(text) => {
                let message = format!("the {name} of `{of}` holds no statement");
                Finding::new(empty, message).at(file, 1).help(help)
            }
            Sql::Text(_) => return None,
        })
    };
    sides.into_iter().filter_map(find).collect()
}

fn metadata(shown: &str, folder: &Folder) -> Option<Finding> {
    let file = format!("{shown}/metadata.toml");
    let (first, misspelt) = match &folder.metadata {
        Metadata::Absent | Metadata::Said(_) => return None,
        Metadata::Unsaid { first, misspelt } => (first, misspelt),
        Metadata::Malformed(error) => {
            let message = format!(
                "failed to parse metadata.toml, which Diesel then ignores silently: {}",
                error.reason
            );
            return Some(
                Finding::new("malformed-metadata", message)
                    .at(file, error.line.unwrap_or(1))
                    .help("write `run_in_transaction = false`, or remove the file"),
            );
        }
    };
    let message = "metadata.toml does not say `run_in_transaction`: Diesel then runs the migration without a transaction";
    let finding = Finding::new("metadata-without-transaction", message);
    if let Some((key, line)) = misspelt {
        return Some(finding.at(file, *line).help(format!(
            "Diesel has no key `{key}`: did you mean `run_in_transaction`?"
        )));
    }
    let why = "Diesel already runs it without a transaction, and the file now says so; if the migration needs a transaction, remove the file";
    const LINE: &str = "run_in_transaction = false";
    let edit = match first {
        true => Edit::Replace(0..0, format!("{LINE}\n")),
        false => Edit::Append(LINE.to_owned()),
    };
    let fix = Change::edit(&file, why, vec![edit]);
    Some(finding.at(file, 1).fix(fix).help(
        "write `run_in_transaction = false` if you intended that, as `cargo xtask db fix` does; otherwise remove the file",
    ))
}
