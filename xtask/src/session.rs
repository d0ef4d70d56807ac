//! The only way to write: a session that holds the lock, on a database that every guard has let through.

use crate::context::{Context, Target};
use crate::database::State;
use crate::failure::Result;
use crate::lock::Lock;
use crate::pg::{Connection, SqlError};
use crate::progress::Step;
use crate::{guard, ledger};

/// A session that may write to a service's database. Locked until dropped.
pub(crate) struct Session<'a> {
    pub(crate) context: &'a Context,
    pub(crate) target: &'a Target<'a>,
    pub(crate) connection: Connection,
    /// As it is since the lock is held.
    pub(crate) state: State,
    _lock: Lock,
}

impl<'a> Session<'a> {
    /// Takes the lock, reads the state again, asks the guards, and claims the database if nobody owns it yet.
    ///
    /// # Errors
    /// Whatever stands in the way; then nothing was written.
    pub(crate) fn open(
        context: &'a Context,
        target: &'a Target<'a>,
        step: &Step<'_>,
    ) -> Result<Self> {
        let session = Self::open_unclaimed(context, target, step)?;
        guard::owned(
            &context.workspace,
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
        context: &'a Context,
        target: &'a Target<'a>,
        step: &Step<'_>,
    ) -> Result<Self> {
        let mut lock = Lock::acquire(target.service, &target.url, context.lock_timeout, step)?;
        let mut connection = target.url.connect(target.service)?;
        lock.guard_worker(
            &mut connection,
            target.service,
            &target.url,
            context.lock_timeout,
            step,
        )?;
        notice_lost_client(&mut connection).map_err(|error| target.failed("prepare", &error))?;
        let state = State::read(&mut connection)
            .map_err(|error| target.failed("read the state of", &error))?;
        Ok(Self {
            context,
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
        let Context {
            workspace,
            variables,
            ..
        } = self.context;
        let Target {
            service,
            url,
            migrations,
        } = self.target;
        let known = self.state.owner().is_some();
        if known && self.state.has_history && self.state.unrecorded().is_empty() {
            return Ok(self);
        }
        if !known {
            guard::unclaimed_by_others(workspace, variables, service, url, &self.state)?;
        }
        ledger::claim(&mut self.connection, &service.name, &self.state, migrations)
            .map_err(|error| self.target.failed("claim", &error))?;
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

    /// Undoes what a migration did to the session: `SET search_path`, `SET ROLE`. Inside or outside a transaction.
    ///
    /// # Errors
    /// The server's.
    pub(crate) fn reset(&mut self) -> Result<(), SqlError> {
        self.connection
            .execute("RESET SESSION AUTHORIZATION; RESET ALL")?;
        notice_lost_client(&mut self.connection)
    }
}

/// Has the server look every second whether we are still there, so that a killed run leaves no statement behind.
/// PostgreSQL 14 and later; absent on some platforms.
fn notice_lost_client(connection: &mut Connection) -> Result<(), SqlError> {
    connection
        .query("SELECT set_config(name, '1000', false) FROM pg_settings WHERE name = 'client_connection_check_interval'", &[])
        .map(drop)
}
