//! The `schema.rs` files of a service: what they say, and what Diesel prints from a migrated database.

use std::path::{Path, PathBuf};

use anyhow::Context as _;
use fs_err as fs;
use toml::{Table, Value};

use crate::app::App;
use crate::scratch::diesel_cli::{self, Bench, Diesel};
use crate::scratch::throwaway::ThrowawayDatabase;
use crate::ui::failure::Result;
use crate::ui::replace::replace;
use crate::workspace::Service;
use crate::workspace::diesel_toml::DieselToml;

/// One `[print_schema]` section of a `diesel.toml` that names a file.
#[derive(Debug)]
pub(crate) struct Section {
    /// `default`, or the part after the point in `[print_schema.name]`.
    pub(crate) key: String,
    pub(crate) path: PathBuf,
    /// A `diesel.toml` with this section alone; `None` where the service's own has no other.
    settings: Option<String>,
}

/// A `schema.rs`, or another file that is made from the migrations, beside what it should be.
#[derive(Debug)]
pub(crate) struct SchemaFile {
    pub(crate) path: PathBuf,
    /// `None` where there is no such file.
    pub(crate) found: Option<String>,
    pub(crate) printed: String,
    /// What Diesel had to say while printing.
    pub(crate) notes: String,
}

impl Section {
    /// The sections of a service's `diesel.toml` that name a file, as Diesel reads them.
    pub(crate) fn read(service: &Service) -> Result<Vec<Self>> {
        let diesel = DieselToml::read(service);
        diesel.sound()?;
        let table: Table = diesel.text().parse().unwrap_or_default();
        let empty = Table::new();
        let root = table
            .get("print_schema")
            .and_then(Value::as_table)
            .unwrap_or(&empty);
        // `filter` is the one key of a section that is a table itself.
        let (named, default): (Vec<_>, Vec<_>) = root
            .iter()
            .partition(|(key, value)| value.is_table() && *key != "filter");
        let alone = named.is_empty();
        let mut sections: Vec<(String, Table)> = named
            .into_iter()
            .filter_map(|(key, value)| Some((key.clone(), value.as_table()?.clone())))
            .collect();
        if !sections.iter().any(|(key, _)| key == "default") {
            let default = default.into_iter().map(|(k, v)| (k.clone(), v.clone()));
            sections.push(("default".to_owned(), default.collect()));
        }
        let section = |(key, mut section): (String, Table)| {
            let path = service.folder.join(section.get("file")?.as_str()?);
            if let Some(Value::String(patch)) = section.get_mut("patch_file") {
                *patch = service.folder.join(&*patch).display().to_string();
            }
            let mut settings = table.clone();
            settings.insert("print_schema".to_owned(), Value::Table(section));
            Some(Self {
                key,
                path,
                settings: (!alone).then(|| settings.to_string()),
            })
        };
        Ok(sections.into_iter().filter_map(section).collect())
    }

    /// The `--config-file` with this section as the only one. `print-schema` prints them all, one after the other, and
    /// has no option to print one.
    pub(crate) fn config_file(&self, service: &Service, bench: &Bench) -> Result<PathBuf> {
        let Some(settings) = &self.settings else {
            return Ok(service.folder.join("diesel.toml"));
        };
        let path = bench.path(&format!("diesel-{}.toml", self.key));
        fs::write(&path, settings)?;
        Ok(path)
    }

    /// What Diesel prints for this section, and what it has to say about it.
    pub(crate) fn print(
        &self,
        diesel: &Diesel,
        bench: &Bench,
        service: &Service,
        database: &ThrowawayDatabase<'_>,
    ) -> Result<(String, String)> {
        let mut command = diesel.command(bench, &database.url_with_password());
        command
            .args(["print-schema", "--config-file"])
            .arg(self.config_file(service, bench)?);
        let what = format!(
            "print `{}` of service `{}`",
            database.shown(&self.path),
            service.name
        );
        let output = diesel_cli::output(&mut command, &what, |text| database.clean(text))?;
        let notes = database.clean(String::from_utf8_lossy(&output.stderr).trim());
        let printed = String::from_utf8(output.stdout)
            .with_context(|| format!("failed to {what}: it is not UTF-8"))?;
        Ok((printed, notes))
    }
}

/// Every `schema.rs` of a service beside what Diesel prints from `database`, which is at head.
///
/// # Errors
/// Diesel's, or a file that can't be read.
pub(crate) fn print(
    app: &App,
    diesel: &Diesel,
    service: &Service,
    database: &ThrowawayDatabase<'_>,
) -> Result<Vec<SchemaFile>> {
    let each = print_each(app, diesel, service, database)?;
    each.into_iter().map(|(_, printed)| printed).collect()
}

/// As [`print`], but what keeps one file from being compared is told beside its path.
///
/// # Errors
/// Those that are about no file.
pub(crate) fn print_each(
    app: &App,
    diesel: &Diesel,
    service: &Service,
    database: &ThrowawayDatabase<'_>,
) -> Result<Vec<(PathBuf, Result<SchemaFile>)>> {
    let bench = Bench::for_workspace(app)?;
    bench.format_as_in(&service.folder)?;
    let sections = Section::read(service)?.into_iter();
    let printed = sections.map(|section| {
        let printed = SchemaFile::read(&section, diesel, &bench, service, database);
        (section.path, printed)
    });
    Ok(printed.collect())
}

impl SchemaFile {
    pub(crate) fn read(
        section: &Section,
        diesel: &Diesel,
        bench: &Bench,
        service: &Service,
        database: &ThrowawayDatabase<'_>,
    ) -> Result<Self> {
        let (printed, notes) = section.print(diesel, bench, service, database)?;
        Ok(Self {
            path: section.path.clone(),
            found: read(&section.path)?,
            printed,
            notes,
        })
    }

    /// The first difference in words, with its place.
    pub(crate) fn difference(&self, app: &App) -> Option<String> {
        let (line, is, should) = self.first_difference()?;
        Some(format!(
            "{}:{line} is {}, Diesel generates {}",
            app.workspace.shown(&self.path),
            quoted(is),
            quoted(should)
        ))
    }

    /// Line endings aside: a checkout on Windows changes nothing.
    pub(crate) fn is_current(&self) -> bool {
        self.first_difference().is_none()
    }

    /// The first line that is not what is printed, from 1: as it is and as it should be.
    pub(crate) fn first_difference(&self) -> Option<(usize, Option<&str>, Option<&str>)> {
        let (mut found, mut printed) =
            (self.found.as_deref().map(str::lines), self.printed.lines());
        for number in 1.. {
            let pair = (found.as_mut().and_then(Iterator::next), printed.next());
            match pair {
                (None, None) => return None,
                (is, should) if is != should => return Some((number, is, should)),
                _ => {}
            }
        }
        None
    }

    /// Writes the output as a whole or not at all.
    pub(crate) fn write(&self) -> Result<()> {
        // A link stays one.
        let path = std::fs::canonicalize(&self.path).unwrap_or_else(|_| self.path.clone());
        let folder = path.parent().unwrap_or(Path::new("."));
        fs::create_dir_all(folder)?;
        Ok(replace(&path, self.printed.as_bytes(), None)?)
    }
}

/// A line of a file in a sentence.
pub(crate) fn quoted(line: Option<&str>) -> String {
    line.map_or_else(|| "the end".to_owned(), |line| format!("`{}`", line.trim()))
}

/// The text of a file that may be missing.
///
/// # Errors
/// It can't be read.
pub(crate) fn read(path: &Path) -> Result<Option<String>> {
    match fs::read_to_string(path) {
        Ok(text) => Ok(Some(text)),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error.into()),
    }
}
