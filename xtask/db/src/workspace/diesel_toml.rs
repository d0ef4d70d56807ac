//! A service's `diesel.toml`: strictly for running, which stops at a fault; and leniently for checks, which know them all.

use std::ops::Range;
use std::path::{Component, Path, PathBuf};

use super::Service;
use super::toml_file::{Node, TomlError, TomlFile};
use crate::ui::failure::{Failure, Result};

/// Where Diesel looks when nothing is said.
const DEFAULT_MIGRATIONS: &str = "migrations";
const DEFAULT_SCHEMA: &str = "src/schema.rs";

/// The `diesel.toml` of a service, as far as it can be read.
pub(crate) struct DieselToml<'s> {
    service: &'s Service,
    file: Result<TomlFile, TomlError>,
}

/// A path in the file, which belongs to the service's folder and leads into it.
pub(crate) struct NamedPath {
    pub(crate) key: &'static str,
    pub(crate) said: String,
    /// The line of the key and the bytes of the value; `None` where the default is meant.
    pub(crate) place: Option<(usize, Range<usize>)>,
    /// Why it is not right.
    pub(crate) wrong: Option<String>,
    /// The path that is meant, where that can be known.
    pub(crate) meant: Option<String>,
}

impl<'s> DieselToml<'s> {
    pub(crate) fn path(service: &Service) -> PathBuf {
        service.folder.join("diesel.toml")
    }

    pub(crate) fn read(service: &'s Service) -> Self {
        let file = TomlFile::read(&Self::path(service)).and_then(|file| {
            let section = file.get(&["migrations_directory"]);
            match section.map(|section| section.get("dir").unwrap_or(section)) {
                Some(node) if node.as_str().is_none() => {
                    let line = node.line;
                    let reason = "`[migrations_directory]` needs `dir`, a string";
                    Err(file.fault(line, reason.to_owned()))
                }
                _ => Ok(file),
            }
        });
        Self { service, file }
    }

    /// The text of one that says what Diesel does anyway.
    pub(crate) fn default_text() -> String {
        format!(
            "[print_schema]\nfile = \"{DEFAULT_SCHEMA}\"\n\n[migrations_directory]\ndir = \"{DEFAULT_MIGRATIONS}\"\n"
        )
    }

    pub(crate) fn error(&self) -> Option<&TomlError> {
        self.file.as_ref().err()
    }

    /// Whether it can be parsed or not.
    pub(crate) fn text(&self) -> &str {
        match &self.file {
            Ok(file) => &file.text,
            Err(error) => &error.text,
        }
    }

    fn get(&self, path: &[&str]) -> Option<&Node> {
        self.file.as_ref().ok()?.get(path)
    }

    /// Refuses a missing or malformed file.
    pub(crate) fn sound(&self) -> Result<()> {
        match &self.file {
            Ok(_) => Ok(()),
            Err(error) if error.is_missing => Err(Failure::usage(format!(
                "service `{}` has no `{}`",
                self.service.name,
                Self::path(self.service).display()
            ))
            .help(format!(
                "create it, so that plain `diesel` works in that folder too:\n\n    {}",
                Self::default_text()
                    .replace('\n', "\n    ")
                    .replace("    \n", "\n")
            ))),
            Err(error) => Err(Failure::usage(&error.message)),
        }
    }

    /// The migrations folder that the file names, which may not be there yet.
    pub(crate) fn declared_folder(&self) -> Result<PathBuf> {
        self.sound()?;
        Ok(self.service.folder.join(self.said_folder()))
    }

    fn said_folder(&self) -> &str {
        let dir = self.get(&["migrations_directory", "dir"]);
        dir.and_then(Node::as_str).unwrap_or(DEFAULT_MIGRATIONS)
    }

    /// The migrations folder that the file names, which is there.
    ///
    /// # Errors
    /// A missing or malformed file, or no such folder.
    pub(crate) fn folder(&self) -> Result<PathBuf> {
        let folder = self.declared_folder()?;
        if folder.is_dir() {
            return Ok(folder);
        }
        Err(Failure::usage(format!(
            "the migrations folder `{}` of service `{}` does not exist",
            folder.display(),
            self.service.name
        ))
        .help(format!(
            "create it, or fix `[migrations_directory] dir` in {}",
            Self::path(self.service).display()
        ))
        .help(format!(
            "`cargo xtask db new {} NAME` makes it with its first migration",
            self.service.name
        )))
    }

    /// The migrations folder whose files can be looked at: the one that is meant, where another is named.
    pub(crate) fn folder_to_check(&self) -> Option<PathBuf> {
        if self.error().is_some_and(|error| !error.is_missing) {
            return None;
        }
        let path = self.migrations();
        let folder = match path.wrong {
            None => path.said,
            Some(_) => path.meant?,
        };
        Some(self.service.folder.join(folder))
    }

    /// The folder that the file names in so many words.
    pub(crate) fn named_folder(&self) -> Option<PathBuf> {
        let dir = self.get(&["migrations_directory", "dir"])?.as_str()?;
        Some(self.service.folder.join(dir))
    }

    /// The path of the migrations.
    pub(crate) fn migrations(&self) -> NamedPath {
        let folder = &self.service.folder;
        let said = self.said_folder();
        let meant = inside(folder, said).unwrap_or_else(|| DEFAULT_MIGRATIONS.to_owned());
        NamedPath {
            key: "[migrations_directory] dir",
            said: said.to_owned(),
            place: self.get(&["migrations_directory", "dir"]).map(place),
            wrong: wrong(folder, said, Path::is_dir),
            meant: Some(meant).filter(|meant| folder.join(meant).is_dir()),
        }
    }

    /// The paths of the `schema.rs` files.
    pub(crate) fn schemas(&self) -> Vec<NamedPath> {
        let folder = &self.service.folder;
        let Some(section) = self.get(&["print_schema"]) else {
            return Vec::new();
        };
        // Either one section, or several with names.
        let named = section
            .entries()
            .values()
            .filter_map(|node| node.get("file"));
        let files: Vec<_> = section.get("file").into_iter().chain(named).collect();
        let exists = |path: &Path| path.parent().is_some_and(Path::is_dir);
        let path = |file: &&Node| {
            let said = file.as_str()?;
            let meant = inside(folder, said)
                .or_else(|| (files.len() == 1).then(|| DEFAULT_SCHEMA.to_owned()))
                .filter(|meant| exists(&folder.join(meant)));
            Some(NamedPath {
                key: "[print_schema] file",
                said: said.to_owned(),
                place: Some(place(file)),
                wrong: wrong(folder, said, exists),
                meant,
            })
        };
        files.iter().filter_map(path).collect()
    }
}

fn place(node: &Node) -> (usize, Range<usize>) {
    (node.line, node.span.clone())
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
