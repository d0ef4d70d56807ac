//! Databases that are migrated once and copied for every test.

use std::collections::HashMap;
use std::fmt;
use std::fs;
use std::path::Path;
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow, bail};
use diesel::PgConnection;
use diesel::connection::SimpleConnection;
use diesel::migration::Migration;
use diesel::pg::Pg;
use diesel_migrations::{FileBasedMigrations, MigrationHarness};

use crate::server::Server;
use crate::sql::{self, literal, quote};
use crate::workspace::Package;
use crate::{clones, state};

/// Templates of one package and version that stay: two, so that changing branches back and forth builds nothing.
const TEMPLATES_KEPT: u32 = 2;
/// The longest that one process waits while another one builds the template.
const BUILD_TIMEOUT: Duration = Duration::from_secs(600);

/// The templates this process has made sure of, by version.
static KNOWN: Mutex<Option<HashMap<Option<String>, String>>> = Mutex::new(None);

/// Nothing is wrong with the server, but with the migrations of this package.
#[derive(Debug)]
pub(crate) struct Unmigrated(String);

impl fmt::Display for Unmigrated {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "failed to migrate a database for the tests of `{}`",
            self.0
        )
    }
}

/// Finds or builds the template of a package's migrations up to a version, or of all.
pub(crate) fn ensure(server: &Server, package: &Package, upto: Option<&str>) -> Result<String> {
    // Held while building, so that the threads of one process don't wait for each other in sessions of the server.
    let mut known = KNOWN.lock().unwrap_or_else(PoisonError::into_inner);
    let known = known.get_or_insert_default();
    let upto = upto.map(plain_version);
    if let Some(name) = known.get(&upto) {
        return Ok(name.clone());
    }
    let folder = package.migrations()?;
    let name = template_name(&folder, upto.as_deref())?;
    server.with_session(|session| {
        let start = Instant::now();
        let lock = format!("hashtextextended({}, 0)", literal(&name));
        while !exists(session, &name)? {
            // Polled: a session that waits inside the server for a lock holds up some of the server's own work.
            if sql::texts(
                session,
                &format!("SELECT pg_try_advisory_lock({lock})::text AS value"),
            )? == ["true"]
            {
                let built = if exists(session, &name)? {
                    Ok(())
                } else {
                    build(server, session, package, &folder, upto.as_deref(), &name)
                };
                session.batch_execute(&format!("SELECT pg_advisory_unlock({lock})"))?;
                built?;
            } else if start.elapsed() > BUILD_TIMEOUT {
                bail!(
                    "failed to wait for another process to migrate a template of `{}`",
                    package.name
                );
            } else {
                thread::sleep(Duration::from_millis(10));
            }
        }
        Ok(())
    })?;
    known.insert(upto, name.clone());
    Ok(name)
}

/// Forgets what this process knows, since the server turned out to be another one.
pub(crate) fn forget() {
    *KNOWN.lock().unwrap_or_else(PoisonError::into_inner) = None;
}

/// A template under its final name is complete: it gets that name last.
fn build(
    server: &Server,
    session: &mut PgConnection,
    package: &Package,
    folder: &Path,
    upto: Option<&str>,
    name: &str,
) -> Result<()> {
    let private = clones::name(server.run(), "template");
    session.batch_execute(&format!(
        "CREATE DATABASE {} TEMPLATE template0",
        quote(&private)
    ))?;
    let url = server
        .url(&private)
        .parse()
        .context("failed to name a template")?;
    let migrated = migrate(&mut sql::connect(&url)?, folder, upto);
    // Fails with the server: then it is not the migrations' fault.
    clones::end_sessions(session, &private)?;
    let migrated = migrated.and_then(|()| {
        let now = template_name(folder, upto)?;
        anyhow::ensure!(
            now == name,
            "the files were edited at the same time; run the tests again"
        );
        Ok(())
    });
    if let Err(error) = migrated {
        session.batch_execute(&format!("DROP DATABASE {} WITH (FORCE)", quote(&private)))?;
        return Err(error.context(Unmigrated(package.name.clone())));
    }
    let mark = format!("template of {} {}", package.name, upto.unwrap_or("at head"));
    let (old, new, mark) = (quote(&private), quote(name), literal(&mark));
    session.batch_execute(&format!("COMMENT ON DATABASE {old} IS {mark}"))?;
    session.batch_execute(&format!(
        "ALTER DATABASE {old} WITH IS_TEMPLATE true ALLOW_CONNECTIONS false"
    ))?;
    session.batch_execute(&format!("ALTER DATABASE {old} RENAME TO {new}"))?;

    let outdated = sql::texts(
        session,
        &format!(
            "SELECT datname::text AS value FROM pg_database WHERE shobj_description(oid, 'pg_database') = {mark} \
             AND datname LIKE 'lp\\_template\\_%' ORDER BY oid DESC OFFSET {TEMPLATES_KEPT}"
        ),
    )?;
    for name in outdated {
        // In use by another run at this moment: the next new template replaces it.
        let _ = clones::drop_template(session, &name);
    }
    Ok(())
}

/// Runs the migrations as Diesel does.
fn migrate(connection: &mut PgConnection, folder: &Path, upto: Option<&str>) -> Result<()> {
    let source = FileBasedMigrations::from_path(folder).map_err(|error| anyhow!("{error}"))?;
    let mut migrations: Vec<Box<dyn Migration<Pg>>> = connection
        .pending_migrations(source)
        .map_err(|error| anyhow!("{error}"))?;
    if let Some(upto) = upto {
        migrations.retain(|migration| migration.name().version().to_string().as_str() <= upto);
    }
    connection
        .run_migrations(&migrations)
        .map_err(|error| anyhow!("{error}"))?;
    Ok(())
}

fn exists(session: &mut PgConnection, name: &str) -> Result<bool> {
    let query = format!(
        "SELECT datname::text AS value FROM pg_database WHERE datname = {}",
        literal(name)
    );
    Ok(!sql::texts(session, &query)?.is_empty())
}

/// Diesel's own form of a version: without the dashes of the folder's name.
fn plain_version(version: &str) -> String {
    version.replace('-', "")
}

/// With a hash of all that decides what the migrations make. Their down.sql doesn't.
fn template_name(folder: &Path, upto: Option<&str>) -> Result<String> {
    let read = || format!("failed to read the migrations in `{}`", folder.display());
    let mut names = Vec::new();
    for entry in fs::read_dir(folder).with_context(read)? {
        let name = entry
            .with_context(read)?
            .file_name()
            .into_string()
            .map_err(|_| anyhow!(read()))?;
        // Diesel passes over hidden folders, and knows a migration by its up.sql.
        if !name.starts_with('.') && folder.join(&name).join("up.sql").exists() {
            names.push(name);
        }
    }
    names.sort();
    if let Some(upto) = upto {
        let version = |name: &str| plain_version(name.split('_').next().unwrap_or(name));
        if !names.iter().any(|name| version(name) == upto) {
            let last = names.last().map_or("none", String::as_str);
            bail!(
                "failed to find version `{upto}` in `{}`; the last one is `{last}`",
                folder.display()
            );
        }
        names.retain(|name| version(name).as_str() <= upto);
    }
    let mut parts = Vec::new();
    for name in names {
        let migration = folder.join(&name);
        parts.push(name.into_bytes());
        parts.push(fs::read(migration.join("up.sql")).with_context(read)?);
        parts.push(fs::read(migration.join("metadata.toml")).unwrap_or_default());
    }
    let hash = state::hash(parts.iter().map(Vec::as_slice));
    Ok(format!("lp_template_{hash}"))
}
