//! A service's `diesel.toml`, read so that every fault in it is known.

use std::ops::Range;
use std::path::{Component, Path, PathBuf};

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::Finding;
use crate::sql::statements::place_of;
use crate::workspace::{Service, Workspace};

/// Where Diesel looks when nothing is said.
const DEFAULT_MIGRATIONS: &str = "migrations";
const DEFAULT_SCHEMA: &str = "src/schema.rs";

/// What `diesel.toml` says, as far as it can be read.
pub(crate) struct DieselToml {
    /// The migrations folder, if there is one.
    pub(crate) migrations: Option<PathBuf>,
    /// What is written as the migrations folder.
    pub(crate) said: Option<String>,
    pub(crate) faults: Vec<Fault>,
}

pub(crate) enum Fault {
    Missing,
    Malformed {
        line: usize,
        message: String,
    },
    /// A path that leads nowhere, or out of the service.
    Path {
        line: Option<usize>,
        /// The bytes of the value, with its quotes.
        span: Option<Range<usize>>,
        message: String,
        /// The path that is meant, if that can be known.
        meant: Option<String>,
    },
}

impl DieselToml {
    pub(crate) fn path(service: &Service) -> PathBuf {
        service.folder.join("diesel.toml")
    }

    pub(crate) fn read(service: &Service) -> Self {
        let mut found = Self {
            migrations: None,
            said: None,
            faults: Vec::new(),
        };
        let text = match std::fs::read_to_string(Self::path(service)) {
            Ok(text) => text,
            Err(error) => {
                found.faults.push(match error.kind() {
                    std::io::ErrorKind::NotFound => Fault::Missing,
                    _ => Fault::Malformed {
                        line: 1,
                        message: error.to_string(),
                    },
                });
                let default = service.folder.join(DEFAULT_MIGRATIONS);
                found.migrations = default.is_dir().then_some(default);
                return found;
            }
        };
        match DeTable::parse(&text) {
            Ok(table) => found.understand(service, &text, table.get_ref()),
            Err(error) => {
                let offset = error.span().map_or(0, |span| span.start);
                found.faults.push(Fault::Malformed {
                    line: place_of(&text, offset.min(text.len())).line,
                    message: error.message().to_owned(),
                });
            }
        }
        found
    }

    fn understand(&mut self, service: &Service, text: &str, table: &DeTable<'_>) {
        let section = |name: &str| match table.get(name).map(Spanned::get_ref) {
            Some(DeValue::Table(table)) => Some(table),
            _ => None,
        };
        let dir = section("migrations_directory").and_then(|section| section.get("dir"));
        self.said = dir.and_then(|dir| Some(dir.get_ref().as_str()?.to_owned()));
        self.migrations = self.understand_dir(service, text, dir);
        let Some(print_schema) = section("print_schema") else {
            return;
        };
        // Either one section, or several with names.
        let named = print_schema
            .values()
            .filter_map(|value| match value.get_ref() {
                DeValue::Table(table) => table.get("file"),
                _ => None,
            });
        let files: Vec<_> = print_schema.get("file").into_iter().chain(named).collect();
        for file in &files {
            let Some(value) = file.get_ref().as_str() else {
                continue;
            };
            let exists = |path: &Path| path.parent().is_some_and(Path::is_dir);
            if let Some(why) = wrong(&service.folder, value, exists) {
                let only = files.len() == 1;
                let meant = inside(&service.folder, value)
                    .or_else(|| only.then(|| DEFAULT_SCHEMA.to_owned()))
                    .filter(|meant| exists(&service.folder.join(meant)));
                self.add("`[print_schema] file`", text, file, &why, meant);
            }
        }
    }

    /// The migrations folder.
    fn understand_dir(
        &mut self,
        service: &Service,
        text: &str,
        dir: Option<&Spanned<DeValue<'_>>>,
    ) -> Option<PathBuf> {
        let said = dir.and_then(|dir| dir.get_ref().as_str());
        let value = said.unwrap_or(DEFAULT_MIGRATIONS);
        let Some(why) = wrong(&service.folder, value, Path::is_dir) else {
            return Some(service.folder.join(value));
        };
        let meant = inside(&service.folder, value)
            .or_else(|| Some(DEFAULT_MIGRATIONS.to_owned()))
            .filter(|meant| service.folder.join(meant).is_dir());
        let folder = meant.as_ref().map(|meant| service.folder.join(meant));
        match dir {
            Some(dir) => self.add("`[migrations_directory] dir`", text, dir, &why, meant),
            None => self.faults.push(Fault::Path {
                line: None,
                span: None,
                message: format!(
                    "service `{}` has no migrations folder: `{value}` {why}",
                    service.name
                ),
                meant: None,
            }),
        }
        folder
    }

    fn add(
        &mut self,
        key: &str,
        text: &str,
        value: &Spanned<DeValue<'_>>,
        why: &str,
        meant: Option<String>,
    ) {
        let shown = value.get_ref().as_str().unwrap_or_default();
        self.faults.push(Fault::Path {
            line: Some(place_of(text, value.span().start).line),
            span: Some(value.span()),
            message: format!("{key} is `{shown}`, which {why}"),
            meant,
        });
    }

    pub(crate) fn findings(&self, workspace: &Workspace, service: &Service) -> Vec<Finding> {
        let file = workspace.shown(&Self::path(service));
        let finding = |fault: &Fault| match fault {
            Fault::Missing => {
                let message = format!(
                    "service `{}` has a database but no diesel.toml",
                    service.name
                );
                Finding::new("diesel-toml", message)
                    .file(&file)
                    .help("`cargo xtask db fix` writes it, so that plain `diesel` works in that folder too")
                    .fixable(true)
            }
            Fault::Malformed { line, message } => Finding::new(
                "diesel-toml",
                format!("failed to parse diesel.toml: {message}"),
            )
            .at(&file, *line)
            .help("mend it: `diesel` can't read it either"),
            Fault::Path {
                line,
                message,
                meant,
                ..
            } => {
                let finding = Finding::new("diesel-toml", message)
                    .file(&file)
                    .fixable(meant.is_some())
                    .help(match meant {
                    Some(meant) => format!("`cargo xtask db fix` sets it to \"{meant}\""),
                    None => {
                        "create the folder, or set the path: it is relative to the service's folder"
                            .to_owned()
                    }
                });
                Finding {
                    line: *line,
                    ..finding
                }
            }
        };
        let of = |finding: Finding| finding.of(&service.name);
        self.faults.iter().map(finding).map(of).collect()
    }
}

/// Why a path is not one for this service, if so.
fn wrong(folder: &Path, value: &str, exists: impl Fn(&Path) -> bool) -> Option<String> {
    let path = Path::new(value);
    if path.is_absolute() {
        return Some("is absolute: it is right on one machine only".to_owned());
    }
    let mut depth = 0_i32;
    for component in path.components() {
        match component {
            Component::ParentDir => depth -= 1,
            Component::Normal(_) => depth += 1,
            _ => {}
        }
        if depth < 0 {
            return Some("lies outside the service: another one could own it".to_owned());
        }
    }
    (!exists(&folder.join(path))).then(|| "does not exist".to_owned())
}

/// An absolute path into the service's folder, relative to it.
fn inside(folder: &Path, value: &str) -> Option<String> {
    let relative = Path::new(value).strip_prefix(folder).ok()?;
    Some(relative.to_str()?.to_owned()).filter(|relative| !relative.is_empty())
}
