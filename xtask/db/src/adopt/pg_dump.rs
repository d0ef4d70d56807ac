//! `pg_dump`, which writes a database's schema as SQL.

use std::path::PathBuf;
use std::process::{Command, Stdio};

use anyhow::Context as _;

use crate::adopt::bookkeeping::Kept;
use crate::app::App;
use crate::database::target::Target;
use crate::pg::Ident;
use crate::scratch::local_postgres;
use crate::ui::failure::{Failure, Kind, Result};

/// Where packages put PostgreSQL's programs, beside the folders of PATH and the one that `pg_config` names.
const USUAL_FOLDERS: [&str; 6] = [
    "/usr/lib/postgresql/*/bin",
    "/usr/pgsql-*/bin",
    "/usr/libexec/postgresql*",
    "/opt/homebrew/opt/postgresql@*/bin",
    "/opt/homebrew/opt/libpq/bin",
    "/usr/local/opt/*/bin",
];

/// A `pg_dump` that can read a server.
pub(super) struct PgDump {
    program: PathBuf,
}

/// Whether the statements that drop everything come before those that create it.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Drops {
    Before,
    None,
}

impl PgDump {
    /// The one of the server's own release if it is installed, else the next newer one; of an older minor release only
    /// where there is no other. `server` is as libpq numbers versions: 150018.
    ///
    /// # Errors
    /// None is installed; a `pg_dump` of an older major version can't read the server.
    pub(super) fn find(server: i32) -> Result<Self> {
        let major = server / 10_000;
        let found = programs()
            .into_iter()
            .filter_map(|program| Some((version(&program)?, program)))
            .filter(|(version, _)| version / 10_000 >= major)
            .min_by_key(|(version, _)| (*version < server, *version));
        match found {
            Some((_, program)) => Ok(Self { program }),
            None => Err(Failure::usage(format!(
                "found no pg_dump of PostgreSQL {major} or later, which writes the first migration"
            ))
            .help(format!(
                "install it (Debian, Ubuntu: apt-get install postgresql-client-{major}; macOS: brew install postgresql@{major}), or let LOCAL_POSTGRES_BIN name the folder that it is in"
            ))),
        }
    }

    /// The schema of a service's database, without its data, without owners, without what holds passwords (subscriptions),
    /// and without any tool's bookkeeping: Diesel's, ours, and what is to be left out.
    ///
    /// # Errors
    /// `pg_dump`'s own message.
    pub(super) fn schema(
        &self,
        app: &App,
        target: &Target<'_>,
        history_schema: &str,
        kept: &[Kept],
        drops: Drops,
    ) -> Result<String> {
        let url = &target.url;
        let mut command = Command::new(&self.program);
        command
            .args([
                "--schema-only",
                "--no-owner",
                "--no-subscriptions",
                "--no-tablespaces",
            ])
            .args([
                "--no-password",
                "--encoding=UTF8",
                "--exclude-schema=db_ledger",
            ])
            .arg(format!(
                "--lock-wait-timeout={}",
                app.lock_timeout.as_millis().min(i32::MAX as u128)
            ))
            .arg(exclude(history_schema, "__diesel_schema_migrations"));
        command.args(kept.iter().map(|kept| exclude(&kept.schema, &kept.name)));
        if kept
            .iter()
            .any(|kept| kept.schema == super::bookkeeping::SCHEMA)
        {
            command.arg(format!("--exclude-schema={}", super::bookkeeping::SCHEMA));
        }
        if drops == Drops::Before {
            command.arg("--clean");
        }
        command
            .arg("--dbname")
            .arg(url.params.url_without_secrets());
        // Never among the arguments, which everybody on the machine can read.
        if let Some(password) = url.params.get("password") {
            command.env("PGPASSWORD", password);
        }
        let output = command
            .stdin(Stdio::null())
            .output()
            .with_context(|| format!("failed to run `{}`", self.program.display()))?;
        if !output.status.success() {
            let reason = String::from_utf8_lossy(&output.stderr);
            return Err(Failure::new(
                Kind::Migration,
                format!(
                    "failed to read the schema of database `{}` of service `{}` with `{}`:\n{}",
                    url.database,
                    target.service.name,
                    self.program.display(),
                    url.params.redact(reason.trim())
                ),
            )
            .help(url.place()));
        }
        let text = String::from_utf8(output.stdout);
        Ok(text.context("failed to read what pg_dump writes: it is not UTF-8")?)
    }
}

/// In quotes, a pattern of `pg_dump`'s is a name.
fn exclude(schema: &str, name: &str) -> String {
    format!("--exclude-table={}.{}", Ident(schema), Ident(name))
}

fn programs() -> Vec<PathBuf> {
    let configured = Command::new("pg_config")
        .arg("--bindir")
        .stdin(Stdio::null())
        .output()
        .ok()
        .map(|output| PathBuf::from(String::from_utf8_lossy(&output.stdout).trim()));
    let usual = USUAL_FOLDERS
        .iter()
        .filter_map(|pattern| glob::glob(pattern).ok())
        .flat_map(Iterator::flatten);
    let path = std::env::var_os("PATH").unwrap_or_default();
    let folders = std::env::split_paths(&path)
        .chain(local_postgres::bin_folders())
        .chain(configured)
        .chain(usual);
    let name = format!("pg_dump{}", std::env::consts::EXE_SUFFIX);
    folders
        .map(|folder| folder.join(&name))
        .filter(|program| program.is_file())
        .collect()
}

/// As libpq numbers versions.
fn version(program: &PathBuf) -> Option<i32> {
    let output = Command::new(program)
        .arg("--version")
        .stdin(Stdio::null())
        .output()
        .ok()?;
    number(&String::from_utf8_lossy(&output.stdout))
}

/// "`pg_dump` (PostgreSQL) 18.1 (Debian …)", "… 19beta1".
fn number(text: &str) -> Option<i32> {
    let mut numbers = text
        .split(") ")
        .nth(1)?
        .split(|c: char| !c.is_ascii_digit());
    let mut number = || numbers.next()?.parse::<i32>().ok();
    Some(number()? * 10_000 + number().unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_read_as_libpq_numbers_them() {
        assert_eq!(
            number("pg_dump (PostgreSQL) 15.18 (Debian 15.18-0+deb12u1)\n"),
            Some(150_018)
        );
        assert_eq!(number("pg_dump (PostgreSQL) 19beta1\n"), Some(190_000));
        assert_eq!(number("something else"), None);
    }
}
