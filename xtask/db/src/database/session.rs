//! The only way to write: a session that holds the lock, on a database that every guard has let through.

use std::time::Instant;

use crate::app::App;
use crate::database::claim;
use crate::database::guard::{self, Permit};
use crate::database::interrupt::{self, Writing};
use crate::database::ledger::Ledger;
use crate::database::lock::Lock;
use crate::database::state::State;
use crate::database::target::{Target, Visit};
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
    _permit: Permit,
    _lock: Lock,
    // Dropped last: until then, Ctrl-C lets the session end in order.
    _writing: Writing,
}

impl<'a> Session<'a> {
    /// Takes the lock, reads the state again, asks the guards again, and claims the database if it has no owner yet.
    ///
    /// `texts` is what is going to run. One that could let go of the lock gets it held by a second session; otherwise
    /// one does for both: logging in is a good part of a short run.
    ///
    /// # Errors
    /// Any obstacle; then nothing was written.
    pub(crate) fn open<'s>(
        mut visit: Visit<'a>,
        step: &Step<'_>,
        texts: impl IntoIterator<Item = &'s str>,
    ) -> Result<Self> {
        let begun = || format!("work on service `{}` began", visit.target.service.name);
        interrupt::check(begun)?;
        let mut connection = visit.connection()?;
        if let Some(reason) = connection.is_read_only() {
            return Err(visit.target.takes_no_writes(reason));
        }
        let Visit {
            app,
            target,
            purpose,
            permit,
            ..
        } = visit;
        let deadline = Instant::now() + app.lock_timeout;
        let apart = texts.into_iter().any(may_unlock);
        let lock = Lock::acquire(&mut connection, target, &permit, deadline, step, apart)?;
        let writing = Writing::begin();
        connection
            .soon(|connection| connection.execute(RESET))
            .map_err(|error| target.failed("prepare", &error))?;
        let state = State::read(&mut connection)
            .map_err(|error| target.failed("read the state of", &error))?;
        let mut session = Self {
            app,
            target,
            connection,
            _permit: target.admit(app, &state, purpose)?,
            state,
            _lock: lock,
            _writing: writing,
        };
        session.claim()?;
        Ok(session)
    }

    /// Makes the service the owner if there is none yet; otherwise only records migrations that others applied.
    fn claim(&mut self) -> Result<()> {
        let Target {
            service,
            url,
            migrations,
        } = self.target;
        if claim::is_settled(&self.state) && !claim::is_outdated(&self.state) {
            return Ok(());
        }
        let state = &self.state;
        let owner = self
            .connection
            .soon(|connection| claim::claim(connection, &service.name, state, migrations))
            .map_err(|error| self.target.failed("claim", &error))?;
        if owner != service.name {
            return Err(guard::owned_by_another(service, url, &owner));
        }
        if !self.state.unrecorded().is_empty() {
            // What was recorded is by now the last run of its version.
            self.state = State::read(&mut self.connection)
                .map_err(|error| self.target.failed("read the state of", &error))?;
            return Ok(());
        }
        self.state.has_history = true;
        let ledger = Ledger::claimed(&service.name, self.state.ledger.take());
        self.state.ledger = Some(ledger);
        Ok(())
    }
}

/// Whether a text may release advisory locks of its session: by DISCARD ALL, or by a function whose name says so. What a
/// function does inside is not seen.
fn may_unlock(text: &str) -> bool {
    let words = ["discard", "advisory_unlock"];
    let text = text.as_bytes();
    words.iter().any(|word| {
        text.windows(word.len())
            .any(|part| part.eq_ignore_ascii_case(word.as_bytes()))
    })
}

/// Undoes what a migration did to its session (`SET search_path`, `SET ROLE`), inside or outside of a transaction; and has
/// the server look every second whether we are still there, so that a killed run leaves no statement behind. That setting
/// came with PostgreSQL 14.
pub(crate) const RESET: &str = "RESET SESSION AUTHORIZATION; RESET ALL;
    SELECT CASE WHEN current_setting('client_connection_check_interval', true) IS NOT NULL
           THEN set_config('client_connection_check_interval', '1000', false) END";
