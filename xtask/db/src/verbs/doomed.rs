//! Databases that `drop` and `reset` take away: all are confirmed before one goes, and each is backed up before it does.

use crate::app::App;
use crate::backup::dump;
use crate::database::guard::{self, Purpose};
use crate::database::identity::Identity;
use crate::database::session::Session;
use crate::database::state::State;
use crate::database::target::{Target, Visit};
use crate::pg::Ident;
use crate::ui::failure::{Failure, Kind, Result};
use crate::ui::progress::Step;
use crate::ui::report::{NOTE, count};
use crate::verbs::confirm::{Confirmation, Danger};
use crate::workspace::database_url::maintenance;

/// How databases are taken away.
#[derive(clap::Args)]
pub(crate) struct Way {
    /// Skip the backup
    #[arg(long)]
    no_backup: bool,
    #[command(flatten)]
    confirmation: Confirmation,
}

/// A database that is gone.
pub(crate) struct Gone {
    /// The backup that was made, in words.
    pub(crate) details: Vec<String>,
    pub(crate) was_protected: bool,
}

/// Looks at the databases, and has each confirmed that is there: `None` for one that is missing.
///
/// # Errors
/// A problem with one of them, or a missing confirmation: then none may be dropped.
pub(crate) fn confirmed<'t>(
    app: &'t App,
    targets: &'t [Target<'t>],
    way: &Way,
) -> Result<Vec<Option<Visit<'t>>>, Vec<Failure>> {
    let (mut visits, mut failures) = (Vec::new(), Vec::new());
    for (target, seen) in targets
        .iter()
        .zip(app.look(targets, State::read_identified))
    {
        let visit = seen.and_then(|seen| {
            let visit = seen.map(|seen| Visit::admitted(app, target, seen, Purpose::Destroy));
            visit.transpose()
        });
        match visit {
            Ok(visit) => visits.push(visit),
            Err(failure) => failures.push(failure),
        }
    }
    if !failures.is_empty() {
        return Err(failures);
    }
    let known = visits.iter().flatten().filter_map(|visit| {
        let Target { service, url, .. } = visit.target;
        Some((*service, url, visit.state.identity.clone()?))
    });
    guard::distinct(&known.collect::<Vec<_>>())?;
    for visit in visits.iter_mut().flatten() {
        let danger = Danger::to(visit, "the whole database, with its grants and settings")?;
        way.confirmation.of(
            &app.progress,
            &match way.no_backup {
                true => danger.and("no backup is made: its content can't be restored"),
                false => danger,
            },
        )?;
    }
    Ok(visits)
}

/// Backs a confirmed database up, where there are rows, and drops it; `is_made_again` if it is to be created afterwards.
///
/// # Errors
/// Any obstacle; then the database is still there.
pub(crate) fn drop_database(visit: Visit<'_>, way: &Way, is_made_again: bool) -> Result<Gone> {
    let Visit { app, target, .. } = visit;
    let was_protected = visit.state.is_protected();
    let step = app.progress.step(&target.service.name);
    let mut session = Session::open(visit, &step, [])?;
    if session.state.is_protected() != was_protected {
        return Err(Failure::new(
            Kind::NotConfirmed,
            format!(
                "refused: database `{}` was protected while the lock was waited for",
                target.url.database
            ),
        )
        .help("nothing was changed; decide again"));
    }
    if is_made_again {
        may_create(&mut session)?;
    }
    let details = match way.no_backup {
        true => Vec::new(),
        false => backed_up(&session, &step)?,
    };
    step.say("dropping");
    drop_under_lock(session).map_err(|failure| {
        let made = details.iter().fold(failure, Failure::help);
        made.help("the database was not dropped")
    })?;
    Ok(Gone {
        details,
        was_protected,
    })
}

fn backed_up(session: &Session<'_>, step: &Step<'_>) -> Result<Vec<String>> {
    let Session { app, target, .. } = session;
    let service = &target.service.name;
    let made = dump::before(session, step).map_err(|failure| {
        failure
            .help("nothing was dropped, because the backup failed")
            .help("to drop it with every row, and without a backup: --no-backup")
    })?;
    let Some(made) = made else {
        return Ok(Vec::new());
    };
    let name = made.folder.file_name().unwrap_or_default().display();
    let rows = usize::try_from(made.manifest.census.all_rows()).unwrap_or(usize::MAX);
    let mut details = vec![format!(
        "{} in {}  to restore it: cargo xtask db restore {service} {name}",
        count(rows, "row"),
        app.workspace.shown(&made.folder)
    )];
    let warnings = made.warnings.iter();
    details.extend(warnings.map(|warning| format!("{NOTE}{warning}{NOTE:#}")));
    Ok(details)
}

/// A role that could not create it again must not drop it.
fn may_create(session: &mut Session<'_>) -> Result<()> {
    let sql = "SELECT rolcreatedb OR rolsuper FROM pg_roles WHERE rolname = current_user";
    let target = session.target;
    let may = session.connection.query_bool(sql, &[]);
    if may.map_err(|error| target.failed("look at", &error))? {
        return Ok(());
    }
    let Target { service, url, .. } = target;
    let role = url.params.get("user").unwrap_or("ROLE");
    Err(Failure::new(
        Kind::Migration,
        format!(
            "failed to reset database `{}` of service `{}`: the role may not create databases",
            url.database, service.name
        ),
    )
    .help("nothing was changed: it could not be created again")
    .help(format!(
        "an administrator allows it: ALTER ROLE {} CREATEDB; or use the URL of another role",
        Ident(role)
    )))
}

/// Drops the very database that `session` has locked, and ends every session on it, ours as well.
fn drop_under_lock(mut session: Session<'_>) -> Result<()> {
    let target = session.target;
    let Target { service, url, .. } = target;
    let failed = |error| target.failed("drop", &error);
    let locked = Identity::read(&mut session.connection).map_err(failed)?;
    let mut server = maintenance(&session.connection.pinned())
        .map_err(|reason| url.unreachable(service, &reason))?;
    let is_it = server.query_bool(
        "SELECT EXISTS (SELECT FROM pg_database WHERE datname = $1 AND oid = $2::oid)",
        &[&url.database, &locked.database],
    );
    if !is_it.map_err(failed)? {
        return Err(Failure::new(
            Kind::WrongDatabase,
            format!("refused: database `{}` is another one by now", url.database),
        )
        .at(url.place()));
    }
    // Before PostgreSQL 13, no session may be connected.
    let (force, _session) = match server.server_version() >= 130_000 {
        true => (" WITH (FORCE)", Some(session)),
        false => ("", None),
    };
    let sql = format!("DROP DATABASE {}{force}", Ident(&url.database));
    server.execute(&sql).map_err(failed)
}
