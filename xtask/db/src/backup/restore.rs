//! Puts a backup back: verified, restored into a new database, checked, and only then swapped in.

use std::path::{Path, PathBuf};
use std::time::SystemTime;

use indicatif::HumanBytes;
use serde::Deserialize;

use super::census::PATIENT;
use super::database::{Beside, leftovers, named};
use super::folder;
use super::manifest::Manifest;
use super::swap::{Failed, Swap};
use crate::app::App;
use crate::database::session::Session;
use crate::database::target::Target;
use crate::migrations::version;
use crate::pg::{Connection, Ident, Params, Tool, major};
use crate::ui::failure::{Failure, Kind, Result};
use crate::ui::progress::Step;
use crate::workspace::Service;
use crate::workspace::database_url::maintenance;

/// A backup of which every byte is as it was written, and which is this service's.
pub(crate) struct Verified {
    pub(crate) folder: PathBuf,
    pub(crate) manifest: Manifest,
}

impl Verified {
    /// Finds and verifies the backup that a person names; connects to nothing.
    ///
    /// # Errors
    /// There is none, it is damaged, or another service's, or of a newer checkout.
    pub(crate) fn read(
        app: &App,
        target: &Target<'_>,
        name: &str,
        step: &Step<'_>,
    ) -> Result<Self> {
        let service = target.service;
        let list = format!("cargo xtask db backup {} --list", service.name);
        let folder = folder::find(&app.workspace.root, &service.name, name)
            .map_err(|error| Failure::from(error).help(format!("to see the backups: {list}")))?;
        step.say("verifying the backup");
        let progress = |read| step.detail(&format!("verifying the backup, {}", HumanBytes(read)));
        let manifest = folder::verified(&folder, progress).map_err(|error| {
            Failure::from(error.context(format!("refused backup `{}`", folder.display()))).help(
                format!("nothing was changed; to see the other backups: {list}"),
            )
        })?;
        belongs(service, &folder, &manifest)?;
        let plan = target.migrations.plan(&manifest.census.versions);
        if !plan.unknown.is_empty() {
            return Err(Failure::new(
                Kind::WrongDatabase,
                format!(
                    "refused: the backup has applied migrations that are not in the folder of service `{}`: {}",
                    service.name,
                    plan.unknown.join(", ")
                ),
            )
            .help("this checkout is older than the backup: update it, then restore"));
        }
        Ok(Self { folder, manifest })
    }
}

/// The backup was made of this service's database, and its ledger names no other.
fn belongs(service: &Service, folder: &Path, manifest: &Manifest) -> Result<()> {
    let owner = manifest.census.owner.as_ref().unwrap_or(&manifest.service);
    for whose in [&manifest.service, owner] {
        if *whose != service.name {
            return Err(Failure::new(
                Kind::WrongDatabase,
                format!(
                    "refused: `{}` is a backup of service `{whose}`, not of service `{}`",
                    folder.display(),
                    service.name
                ),
            ));
        }
    }
    Ok(())
}

/// How the time is spelled in the names of databases.
const COMPACT: &str = "20260131120000";

/// What became of a restore.
pub(crate) struct Restored {
    /// What the former database is called now.
    pub(crate) kept: Option<String>,
    /// Things that a person should know.
    pub(crate) notes: Vec<String>,
}

/// What the role may do on the server, and who owns the database that serves.
#[derive(Deserialize)]
struct Role {
    name: String,
    may_create: bool,
    /// Whether it has the rights of the role that the backup names as owner.
    may_own: bool,
    /// The owner of the database that serves, and whether the role has its rights.
    serves: Option<(String, bool)>,
}

const ROLE: &str = "
SELECT json_build_object('name', current_user,
  'may_create', (SELECT rolcreatedb OR rolsuper FROM pg_roles WHERE rolname = current_user),
  'may_own', EXISTS (SELECT FROM pg_roles WHERE rolname = $2 AND pg_has_role(current_user, oid, 'MEMBER')),
  'serves', (SELECT json_build_array(pg_get_userbyid(datdba), pg_has_role(current_user, datdba, 'USAGE'))
             FROM pg_database WHERE datname = $1))";

/// Restores a verified backup. `session` holds the lock on the database that serves, `None` where there is none.
///
/// # Errors
/// Any obstacle; then the current database is unchanged, and the new one is dropped.
pub(crate) fn restore(
    app: &App,
    target: &Target<'_>,
    backup: &Verified,
    mut session: Option<Session<'_>>,
    step: &Step<'_>,
) -> Result<Restored> {
    let Verified { folder, manifest } = backup;
    let work = Work { target, manifest };
    if let Some(session) = &mut session {
        let patient = session.connection.execute(PATIENT);
        patient.map_err(|error| target.failed("prepare", &error))?;
    }
    let mut server = work.server(session.as_ref())?;
    let tool = work.tool(&server)?;
    let owner = work.owner(&mut server)?;
    let mut notes = work.notes(&mut server, &owner)?;
    let maintenance = server.pinned();
    let time = work.stamp(&mut server)?;
    let name = named(&target.url.database, &format!("_restoring_{time}"));
    step.say(&format!("restoring into {name}"));
    let beside = Beside::create(server, name, &owner.name, manifest);
    let mut beside = beside.map_err(|error| target.failed("create a database beside", &error))?;
    let filled = work.fill(app, &tool, folder, &mut beside, &owner.name, step);
    let filled = filled.and_then(|found| {
        notes.extend(found);
        // It may have been protected since the backup was made.
        let is_protected = session.as_ref().is_some_and(|it| it.state.is_protected());
        match is_protected {
            true => work.keep_protected(&beside),
            false => Ok(()),
        }
    });
    if let Err(failure) = filled {
        return Err(work.discarded(beside, failure));
    }
    // Another run may be at work since.
    if let Some(session) = &mut session
        && let Err(error) = session.connection.execute("SELECT 1")
    {
        let failure = work.failure(&format!(
            "the session that holds the lock was lost: {error}"
        ));
        return Err(work.discarded(beside, failure));
    }
    step.say("swapping");
    let kept = session
        .is_some()
        .then(|| named(&target.url.database, &format!("_replaced_{time}")));
    work.swap(maintenance, beside, kept.as_deref(), session)?;
    Ok(Restored { kept, notes })
}

/// Who owns the new database, and who did, where that is another.
struct Owner {
    name: String,
    instead_of: Option<String>,
}

struct Work<'a> {
    target: &'a Target<'a>,
    manifest: &'a Manifest,
}

impl Work<'_> {
    fn failure(&self, reason: &str) -> Failure {
        let Target { service, url, .. } = self.target;
        Failure::new(
            Kind::Migration,
            format!(
                "failed to restore database `{}` of service `{}`: {reason}",
                url.database, service.name
            ),
        )
        .at(url.place())
    }

    /// A session on the maintenance database of the server on which the lock is held.
    fn server(&self, session: Option<&Session<'_>>) -> Result<Connection> {
        let Target { service, url, .. } = self.target;
        let unreachable = |reason: String| url.unreachable(service, &reason);
        match session {
            None => url.connect_server().map_err(unreachable),
            Some(session) => maintenance(&session.connection.pinned()).map_err(unreachable),
        }
    }

    /// What a person should know before anything is done.
    fn notes(&self, server: &mut Connection, owner: &Owner) -> Result<Vec<String>> {
        // However long the name is, it ends in the same way.
        let prefix = named(&self.target.url.database, &format!("_restoring_{COMPACT}"));
        let prefix = prefix.trim_end_matches(COMPACT);
        let left =
            leftovers(server, prefix).map_err(|error| self.target.failed("look beside", &error))?;
        let mut notes: Vec<_> = left
            .iter()
            .map(|left| {
                format!(
                    "an interrupted restore left database `{left}`; to drop it: DROP DATABASE {};",
                    Ident(left)
                )
            })
            .collect();
        if let Some(former) = &owner.instead_of {
            notes.push(format!(
                "the database is no longer owned by `{former}`: this role does not have its rights"
            ));
        }
        Ok(notes)
    }

    /// The time, as it ends the names of two databases that do not exist yet.
    fn stamp(&self, server: &mut Connection) -> Result<String> {
        let database = &self.target.url.database;
        let time = version::version(Some(COMPACT), SystemTime::now());
        let numbered = (2..100).map(|number| format!("{time}_{number}"));
        for stamp in std::iter::once(time.clone()).chain(numbered) {
            let names =
                ["restoring", "replaced"].map(|what| named(database, &format!("_{what}_{stamp}")));
            let sql = "SELECT EXISTS (SELECT FROM pg_database WHERE datname IN ($1, $2))";
            let taken = server
                .query_bool(sql, &[&names[0], &names[1]])
                .map_err(|error| self.target.failed("look beside", &error))?;
            if !taken {
                return Ok(stamp);
            }
        }
        Err(self.failure("found no name for the new database"))
    }

    fn tool(&self, server: &Connection) -> Result<Tool> {
        let (from, to) = (self.manifest.server_major(), major(server.server_version()));
        if to < from {
            return Err(Failure::usage(format!(
                "refused: the backup is of PostgreSQL {from}, and the server is PostgreSQL {to}, which is older"
            ))
            .help("restore it on a server that is at least as new"));
        }
        // Also at least the version that wrote the dump.
        let wanted = server.server_version().max(self.manifest.pg_dump_number);
        Tool::find("pg_restore", wanted, &server.pinned())
    }

    /// The owner of the new database.
    ///
    /// # Errors
    /// The role may not create databases, or not rename the one that serves.
    fn owner(&self, server: &mut Connection) -> Result<Owner> {
        let (database, owner) = (&self.target.url.database, &self.manifest.properties.owner);
        let role: Role = server
            .query_json(ROLE, &[database, owner])
            .map_err(|error| self.target.failed("look beside", &error))?;
        if !role.may_create {
            return Err(self
                .failure(&format!("role `{}` may not create databases", role.name))
                .help(format!(
                    "an administrator allows it: ALTER ROLE {} CREATEDB; or use the URL of another role",
                    Ident(&role.name)
                )));
        }
        if let Some((serves, false)) = &role.serves {
            return Err(self
                .failure(&format!(
                    "role `{}` may not rename the database, which `{serves}` owns",
                    role.name
                ))
                .help(format!(
                    "use a URL of role `{serves}`, or of one of its members"
                )));
        }
        Ok(match role.may_own {
            true => Owner {
                name: owner.clone(),
                instead_of: None,
            },
            false => Owner {
                name: role.name,
                instead_of: Some(owner.clone()),
            },
        })
    }

    /// Fills the new database, checks it, and gives it its grants and settings; gives what a person should know.
    fn fill(
        &self,
        app: &App,
        tool: &Tool,
        folder: &Path,
        beside: &mut Beside,
        owner: &str,
        step: &Step<'_>,
    ) -> Result<Vec<String>> {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        let tables = self.manifest.census.rows.len();
        let failed = |error: anyhow::Error| self.failure(&format!("{error:#}"));
        let mut notes = beside
            .fill(tool, folder, app.jobs.min(cores), tables, step)
            .map_err(failed)?;
        step.say("checking the restored database");
        let differences = beside.check(self.manifest, step).map_err(failed)?;
        if !differences.is_empty() {
            return Err(self.failure(&format!(
                "the restored database differs from the backup: {}",
                differences.join("; ")
            )));
        }
        let left = beside.adjust(self.manifest, owner).into_iter();
        notes.extend(left.map(|statement| format!("not carried over: {statement}")));
        Ok(notes)
    }

    fn keep_protected(&self, beside: &Beside) -> Result<()> {
        let kept = beside.protect(&self.target.service.name);
        kept.map_err(|error| {
            self.failure(&format!("failed to protect the new database: {error:#}"))
        })
    }

    /// Puts the new database in the place of the one that serves, if there is one, which is called `kept` then.
    fn swap(
        &self,
        server: Params,
        beside: Beside,
        kept: Option<&str>,
        session: Option<Session<'_>>,
    ) -> Result<()> {
        let name = &self.target.url.database;
        let swapped = Swap {
            server,
            name,
            beside: &beside.name,
            beside_oid: &beside.oid,
            kept,
            comment: self.manifest.properties.comment(&beside.name),
        }
        .run(session);
        match swapped {
            Ok(()) => {
                beside.hand_over();
                Ok(())
            }
            Err(Failed::Unchanged(reason)) => Err(self.discarded(beside, self.failure(&reason))),
            Err(Failed::Unknown(reason)) => {
                let failure = self.failure(&format!(
                    "{reason}; it is not known whether the databases were swapped"
                ));
                let failure = failure.help(format!(
                    "once the server answers, look for `{}`: where it is gone, `{name}` is the restored database",
                    beside.name
                ));
                beside.hand_over();
                Err(failure)
            }
        }
    }

    /// The failure, after the new database was dropped.
    fn discarded(&self, beside: Beside, failure: Failure) -> Failure {
        let name = beside.name.clone();
        match beside.discard() {
            Ok(()) => failure.help("nothing was changed: the new database was dropped"),
            Err(error) => failure.help(format!(
                "the current database was not changed; the new one remains; to drop it: DROP DATABASE {}; ({error})",
                Ident(&name)
            )),
        }
    }
}
