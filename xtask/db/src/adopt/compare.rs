//! A running database beside a throw-away one that the migrations made.

use std::collections::BTreeSet;

use crate::adopt::bookkeeping;
use crate::app::App;
use crate::catalog::{Difference, Key, Snapshot, render};
use crate::database::target::Target;
use crate::migrations::Migration;
use crate::pg::{Connection, SqlError, major};
use crate::scratch::throwaway::{ThrowawayServer, Trust};
use crate::ui::failure::{Failure, Kind, Result};

/// What the database has, and what it would have if the migrations had made it.
pub(crate) struct Comparison {
    /// The database's catalog.
    pub(crate) live: Snapshot,
    differences: Vec<Difference>,
    /// The newest of the migrations after which there is no difference, where that is not the last one.
    fits: Option<String>,
    /// Nothing of what they make is in the database.
    nothing_made: bool,
    /// Where the two servers are not of one major version.
    versions: Option<String>,
}

/// The catalog of the service's database.
///
/// # Errors
/// The server's.
pub(crate) fn snapshot(target: &Target<'_>, connection: &mut Connection) -> Result<Snapshot> {
    Snapshot::read(connection)
        .map_err(|error: SqlError| target.failed("read the catalog of", &error))
}

/// What `live` has and `built` has not, or the other way round. The order of columns does not count: a column that was
/// added later comes last. Other tools' bookkeeping does not either.
pub(crate) fn differences(built: &Snapshot, live: &Snapshot) -> Vec<Difference> {
    let all = built.diff(live).into_iter();
    all.filter(|difference| !difference.is_order() && !bookkeeping::is_kept(difference))
        .collect()
}

/// Builds `applied` and `marked` on a throw-away server, in the order of their versions, and compares catalogs.
///
/// # Errors
/// No throw-away server to be had, or a migration that fails there.
pub(crate) fn compare(
    app: &App,
    target: &Target<'_>,
    connection: &mut Connection,
    applied: &[String],
    marked: &[&Migration],
) -> Result<Comparison> {
    let server = ThrowawayServer::find(app, Trust::Full, target.service).map_err(|failure| {
        failure
            .help("baseline compares the database with its migrations on a throw-away server: install Docker or PostgreSQL, or set LOCAL_POSTGRES_URL to a server on which databases may be created and dropped")
            .help("--accept-difference marks them without a comparison")
    })?;
    let live = snapshot(target, connection)?;
    let mut database = server.database(target.service)?;
    let known = applied
        .iter()
        .filter_map(|version| target.migrations.get(version));
    let mut all: Vec<_> = known.chain(marked.iter().copied()).collect();
    all.sort_by(|a, b| a.version.cmp(&b.version));
    let newest = applied.iter().max();
    let last = all.last().map(|migration| migration.version.clone());
    let (mut fits, mut found, mut nothing_made) = (None, Vec::new(), false);
    for migration in all {
        database.up(migration)?;
        let is_last = last.as_ref() == Some(&migration.version);
        // What is applied has to be in what is suggested.
        if newest > Some(&migration.version) && !is_last {
            continue;
        }
        let built = snapshot(target, database.connection())?;
        found = differences(&built, &live);
        nothing_made = has_none(&live, &built);
        if found.is_empty() {
            fits = Some(migration.version.clone());
        }
    }
    Ok(Comparison {
        versions: versions(connection, database.connection()),
        live,
        differences: found,
        fits,
        nothing_made,
    })
}

/// What to say where the two servers are not of one major version.
pub(super) fn versions(live: &Connection, built: &Connection) -> Option<String> {
    let [live, built] = [live, built].map(|connection| major(connection.server_version()));
    (live != built).then(|| {
        format!(
            "the database is on PostgreSQL {live}, but was compared on PostgreSQL {built}, which may print definitions differently: set LOCAL_POSTGRES_VERSION={live} to be sure"
        )
    })
}

/// Whether one database has tables, and the other has none of them.
fn has_none(live: &Snapshot, built: &Snapshot) -> bool {
    let tables = |snapshot: &Snapshot| -> BTreeSet<Key> {
        let keys = snapshot.keys().filter(|key| key.kind == "table");
        keys.cloned().collect()
    };
    let made = tables(built);
    !made.is_empty() && made.is_disjoint(&tables(live))
}

impl Comparison {
    /// The differences for a person; `None` where there are none.
    pub(crate) fn shown(&self) -> Option<String> {
        let text = render(&self.differences, "in the migrations", "in the database");
        (!self.differences.is_empty()).then_some(text)
    }

    /// Refuses to mark what the database does not have; `to` is the version that was asked for.
    ///
    /// # Errors
    /// There is a difference.
    pub(crate) fn agrees(&self, target: &Target<'_>, to: Option<&str>) -> Result<()> {
        let Some(shown) = self.shown() else {
            return Ok(());
        };
        let service = &target.service.name;
        let mut failure = Failure::new(
            Kind::WrongDatabase,
            format!(
                "refused: database `{}` of service `{service}` differs from its migrations:\n{shown}",
                target.url.database
            ),
        )
        .at(target.url.place());
        if let Some(migration) = self
            .fits
            .as_ref()
            .and_then(|fits| target.migrations.get(fits))
        {
            failure = failure.help(format!(
                "it matches the migrations up to `{}`: cargo xtask db baseline {service} --to {}",
                migration.name, migration.version
            ));
        }
        if self.nothing_made {
            failure = failure.help(format!(
                "it has none of the migrations' tables; if its other objects may stay: cargo xtask db baseline {service} --claim-only, then cargo xtask db migrate {service}"
            ));
        }
        let to = to.map_or_else(String::new, |to| format!(" --to {to}"));
        if let Some(versions) = &self.versions {
            failure = failure.help(versions);
        }
        Err(failure.help(format!(
            "change the migrations or the database until they agree, or mark them anyway: cargo xtask db baseline {service}{to} --accept-difference"
        )))
    }
}
