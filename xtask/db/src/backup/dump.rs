//! Makes a backup: a dump, and the counts of the very snapshot that is dumped.

use std::cell::Cell;
use std::path::PathBuf;
use std::time::SystemTime;

use indicatif::HumanBytes;

use super::census::{Census, PATIENT};
use super::folder::Writing;
use super::manifest::{FORMAT, Manifest};
use super::properties::Properties;
use crate::app::App;
use crate::database::session::Session;
use crate::database::state::State;
use crate::database::target::Target;
use crate::migrations::version;
use crate::pg::{Connection, SqlError, Tool, Work};
use crate::ui::failure::{Failure, Kind, Result};
use crate::ui::progress::Step;

/// A finished backup.
pub(crate) struct Backup {
    pub(crate) folder: PathBuf,
    pub(crate) manifest: Manifest,
    /// `pg_dump`'s.
    pub(crate) warnings: Vec<String>,
}

/// Backs up the database of a service that every guard let in. `connection` is a session on it, which is used up.
///
/// # Errors
/// There is no `pg_dump` for this server, it fails, or the files can't be written; then no backup is left.
pub(crate) fn dump(
    app: &App,
    target: &Target<'_>,
    state: &State,
    mut connection: Connection,
    step: &Step<'_>,
) -> Result<Backup> {
    let tool = Tool::find("pg_dump", connection.server_version(), &connection.pinned())?;
    let (snapshot, manifest) = snapshot(app, target, state, &mut connection, step)?;
    write(app, target, &connection, step, &tool, &snapshot, manifest)
}

/// Backs up what another verb is about to destroy, where there are rows; that verb has the lock.
///
/// # Errors
/// As for [`dump`]: then the verb must not go on.
pub(crate) fn before(session: &Session<'_>, step: &Step<'_>) -> Result<Option<Backup>> {
    let Session {
        app, target, state, ..
    } = session;
    let mut connection = target.url.connect(target.service)?;
    let (snapshot, manifest) = snapshot(app, target, state, &mut connection, step)?;
    if manifest.census.own_rows() == 0 && manifest.census.large_objects == 0 {
        return Ok(None);
    }
    let tool = Tool::find("pg_dump", connection.server_version(), &connection.pinned())?;
    write(app, target, &connection, step, &tool, &snapshot, manifest).map(Some)
}

/// Exports a snapshot, which is held until the session ends, and counts in it.
fn snapshot(
    app: &App,
    target: &Target<'_>,
    state: &State,
    connection: &mut Connection,
    step: &Step<'_>,
) -> Result<(String, Manifest)> {
    let history_schema = state.has_history.then(|| state.history_schema.clone());
    step.say("counting rows");
    let read = (|| -> Result<_, SqlError> {
        connection.execute(PATIENT)?;
        connection.execute(&format!("SET lock_timeout = {}", lock_timeout(app)))?;
        connection.execute("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")?;
        let snapshot = connection.query_text("SELECT pg_export_snapshot()", &[])?;
        let properties = Properties::read(connection)?;
        // Before the dump, not after: a session that is idle for hours may be cut off, and by then it is not needed.
        let census = Census::take(connection, history_schema.as_deref(), step)?;
        Ok((snapshot.unwrap_or_default(), properties, census))
    })();
    let (snapshot, properties, census) = read.map_err(|error| {
        let failure = target.failed("count the rows of", &error);
        match error.sqlstate.as_str() {
            // A table that another session has locked.
            "55P03" => Failure {
                kind: Kind::Lock,
                ..failure.help("wait, or give more time with `--lock-timeout SECONDS`")
            },
            _ => failure,
        }
    })?;
    let manifest = Manifest {
        format: FORMAT,
        service: target.service.name.clone(),
        database: target.url.database.clone(),
        time: version::dashed(SystemTime::now()),
        tool: format!("cargo xtask db {}", env!("CARGO_PKG_VERSION")),
        server_version: connection.server_version(),
        pg_dump: String::new(),
        pg_dump_number: 0,
        bytes: 0,
        history_schema,
        census,
        properties,
    };
    Ok((snapshot, manifest))
}

/// Dumps the snapshot that `connection` holds.
fn write(
    app: &App,
    target: &Target<'_>,
    connection: &Connection,
    step: &Step<'_>,
    tool: &Tool,
    snapshot: &str,
    mut manifest: Manifest,
) -> Result<Backup> {
    (manifest.pg_dump, manifest.pg_dump_number) = (tool.version.clone(), tool.number);
    let failed = |error: &anyhow::Error| {
        Failure::new(
            Kind::Migration,
            format!(
                "failed to back up database `{}` of service `{}`: {error:#}",
                target.url.database, target.service.name
            ),
        )
        .at(target.url.place())
        .help("no backup was kept, and nothing was changed")
    };
    let writing = Writing::begin(&app.workspace.root, &target.service.name, &manifest.time)
        .map_err(|error| failed(&error))?;
    step.say("dumping");
    let tables = manifest.census.rows.len();
    let begun = Cell::new(0);
    let said = |line: &str| {
        if let Some((_, table)) = line.split_once("dumping contents of table ") {
            begun.set(begun.get() + 1);
            let size = HumanBytes(writing.length());
            let place = begun.get();
            step.detail(&format!("dumping {table} ({place}/{tables}), {size}"));
        }
    };
    let wait = format!("--lock-wait-timeout={}", lock_timeout(app));
    let work = |output| Work {
        arguments: vec![
            "--format=custom".to_owned(),
            format!("--snapshot={snapshot}"),
            wait.clone(),
        ],
        output: Some(output),
        ..Work::default()
    };
    let warnings = writing
        .dump()
        .map_err(anyhow::Error::from)
        .and_then(|file| tool.run(&connection.pinned(), work(file), said))
        .map_err(|error| failed(&error))?;
    step.say("checking the backup");
    let bytes = writing.length();
    let progress = |read| {
        step.detail(&format!(
            "checking {} of {}",
            HumanBytes(read),
            HumanBytes(bytes)
        ));
    };
    let folder = writing
        .finish(&mut manifest, progress)
        .map_err(|error| failed(&error))?;
    Ok(Backup {
        folder,
        manifest,
        warnings,
    })
}

/// How long to wait for a table that another session has locked, in milliseconds; 0 would mean for ever.
fn lock_timeout(app: &App) -> i32 {
    i32::try_from(app.lock_timeout.as_millis())
        .unwrap_or(i32::MAX)
        .max(1)
}
