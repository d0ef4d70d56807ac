//! The only way to write: a session that holds the lock, on a database that every guard has let through.

use std::time::Instant;

use crate::app::App;
use crate::database::claim;
use crate::database::guard;
use crate::database::lock::Lock;
use crate::database::state::State;
use crate::database::target::Target;
use crate::pg::Connection;
use crate::ui::failure::Result;
use crate::ui::progress::Step;

/// A session that may write to a service's database. Locked until dropped.
pub(crate) struct Session<'a> {
    pub(crate) app: &'a App,
    pub(crate) target: &'a Target<'a>,
    pub(crate) connection: Connection,
    /// As it is since the lock is held.
    pub(crate) state: State,
    _lock: Lock,
}

impl<'a> Session<'a> {
    /// Takes the lock, reads the state again, asks the guards, and claims the database if nobody owns it yet.
    /// `idle` is a session that was open already: logging in is a good part of a short run.
    ///
    /// # Errors
    /// Whatever stands in the way; then nothing was written.
    pub(crate) fn open(
        app: &'a App,
        target: &'a Target<'a>,
        step: &Step<'_>,
        idle: Option<Connection>,
    ) -> Result<Self> {
        let session = Self::open_unclaimed(app, target, step, idle)?;
        guard::owned(
            &app.workspace,
            target.service,
            &target.url,
            &target.migrations,
            &session.state,
        )?;
        session.claim()
    }

    /// As [`open`](Self::open), for the one verb that may take over a database with tables: `baseline`.
    ///
    /// # Errors
    /// As for `open`, but without the guards on ownership.
    pub(crate) fn open_unclaimed(
        app: &'a App,
        target: &'a Target<'a>,
        step: &Step<'_>,
        idle: Option<Connection>,
    ) -> Result<Self> {
        let Target { service, url, .. } = target;
        let holder = match idle {
            Some(idle) => idle,
            None => url.connect(service)?,
        };
        let deadline = Instant::now() + app.lock_timeout;
        let lock = Lock::acquire(holder, service, url, deadline, step)?;
        let mut connection = url.connect(service)?;
        lock.hold_worker(&mut connection, service, deadline, step)?;
        connection
            .execute(RESET)
            .map_err(|error| target.failed("prepare", &error))?;
        let state = State::read(&mut connection)
            .map_err(|error| target.failed("read the state of", &error))?;
        Ok(Self {
            app,
            target,
            connection,
            state,
            _lock: lock,
        })
    }

    /// Makes the service the owner where nobody is yet; else only notes what others applied.
    ///
    /// # Errors
    /// Another service's variable leads here, too; or the server's.
    pub(crate) fn claim(mut self) -> Result<Self> {
        let App {
            workspace,
            variables,
            ..
        } = self.app;
        let Target {
            service,
            url,
            migrations,
        } = self.target;
        let known = self.state.owner().is_some();
        if claim::is_settled(&self.state) && !claim::is_outdated(&self.state) {
            return Ok(self);
        }
        if !known {
            guard::unclaimed_by_others(workspace, variables, service, url, &self.state)?;
        }
        let owner = claim::claim(&mut self.connection, &service.name, &self.state, migrations)
            .map_err(|error| self.target.failed("claim", &error))?;
        if owner != service.name {
            return Err(guard::owned_by_another(service, url, &owner));
        }
        self.read_again()?;
        Ok(self)
    }

    /// Reads the state again after a write.
    ///
    /// # Errors
    /// The server's.
    pub(crate) fn read_again(&mut self) -> Result<()> {
        self.state = State::read(&mut self.connection)
            .map_err(|error| self.target.failed("read the state of", &error))?;
        Ok(())
    }
}

/// Undoes what a migration did to its session (`SET search_path`, `SET ROLE`), inside or outside of a transaction; and has
/// the server look every second whether we are still there, so that a killed run leaves no statement behind. That setting
/// came with PostgreSQL 14.
pub(crate) const RESET: &str = "RESET SESSION AUTHORIZATION; RESET ALL;
    SELECT CASE WHEN current_setting('client_connection_check_interval', true) IS NOT NULL
           THEN set_config('client_connection_check_interval', '1000', false) END";
