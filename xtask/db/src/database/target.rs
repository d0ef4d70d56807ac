//! A service's database as far as it is known before anything is written to it.

use crate::app::App;
use crate::database::denied;
use crate::database::guard::{Permit, Purpose};
use crate::database::identity::Identity;
use crate::database::state::State;
use crate::migrations::Migrations;
use crate::pg::{Connection, SqlError};
use crate::ui;
use crate::ui::failure::{Failure, Kind};
use crate::workspace::Service;
use crate::workspace::database_url::DatabaseUrl;

/// A service with the URL of its database and its migrations: all that is known before connecting.
pub(crate) struct Target<'w> {
    pub(crate) service: &'w Service,
    pub(crate) url: DatabaseUrl,
    pub(crate) migrations: Migrations,
}

/// What a first look at a database gave.
pub(crate) struct Seen {
    pub(crate) state: State,
    /// The session that looked, for the caller: logging in is a good part of a short run. Where there are many more
    /// databases than jobs, none is kept open.
    pub(crate) idle: Option<Connection>,
}

/// [`State::read`], or [`State::inspect`] where all of it is shown.
pub(crate) type Reader = fn(&mut Connection) -> Result<State, SqlError>;

/// A look at a service's database after which every guard let the service in. The start of everything that writes.
pub(crate) struct Visit<'a> {
    pub(crate) app: &'a App,
    pub(crate) target: &'a Target<'a>,
    pub(crate) state: State,
    pub(crate) idle: Option<Connection>,
    pub(crate) purpose: Purpose,
    pub(crate) permit: Permit,
}

impl<'a> Visit<'a> {
    /// The session that looked, or another one.
    ///
    /// # Errors
    /// The server can't be reached any more.
    pub(crate) fn connection(&mut self) -> ui::failure::Result<Connection> {
        match self.idle.take() {
            Some(idle) => Ok(idle),
            None => self.target.url.connect(self.target.service),
        }
    }

    /// Which database it is, asked where the look did not need it.
    ///
    /// # Errors
    /// The server's, or it can't be reached any more.
    pub(crate) fn identity(&mut self) -> ui::failure::Result<Identity> {
        if let Some(identity) = &self.state.identity {
            return Ok(identity.clone());
        }
        let mut connection = self.connection()?;
        Identity::read(&mut connection)
            .map_err(|error| self.target.failed("read the identity of", &error))
    }

    /// Asks the guards about what was seen.
    ///
    /// # Errors
    /// The first refusal.
    pub(crate) fn admitted(
        app: &'a App,
        target: &'a Target<'a>,
        seen: Seen,
        purpose: Purpose,
    ) -> ui::failure::Result<Self> {
        let permit = target.admit(app, &seen.state, purpose)?;
        Ok(Self {
            app,
            target,
            state: seen.state,
            idle: seen.idle,
            purpose,
            permit,
        })
    }
}

impl Target<'_> {
    /// Reads the state of the database with `read`, writing nothing; `None` where it is missing.
    ///
    /// # Errors
    /// The server can't be reached, or refuses.
    pub(crate) fn look(&self, read: Reader) -> ui::failure::Result<Option<Seen>> {
        let opened = self.url.open();
        let opened = opened.map_err(|reason| self.url.unreachable(self.service, &reason))?;
        let Some(mut connection) = opened else {
            return Ok(None);
        };
        let state =
            read(&mut connection).map_err(|error| self.failed("read the state of", &error))?;
        let idle = Some(connection);
        Ok(Some(Seen { state, idle }))
    }

    /// As [`look`](Self::look) with [`State::read`], at a database that must be there.
    ///
    /// # Errors
    /// Also that it is missing.
    pub(crate) fn see(&self) -> ui::failure::Result<Seen> {
        self.look(State::read)?
            .ok_or_else(|| self.url.missing(self.service))
    }

    pub(super) fn takes_no_writes(&self, reason: &str) -> Failure {
        let Self { service, url, .. } = self;
        Failure::new(
            Kind::Connect,
            format!(
                "database `{}` of service `{}` takes no writes: {reason}",
                url.database, service.name
            ),
        )
        .at(url.place())
        .help("use the URL of the primary; of several hosts in a URL, `target_session_attrs=read-write` finds it")
    }

    /// A statement of ours that the server refused.
    pub(crate) fn failed(&self, verb: &str, error: &SqlError) -> Failure {
        // Without one, it was not the server that spoke.
        let kind = match error.sqlstate.as_str() {
            "" => Kind::Connect,
            _ => Kind::Migration,
        };
        let failure = Failure::new(
            kind,
            format!(
                "failed to {verb} database `{}` of service `{}`: {error}",
                self.url.database, self.service.name
            ),
        )
        .at(self.url.place());
        match (
            &error.hint,
            denied::remedy(error, self.url.params.get("user")),
        ) {
            (_, Some(remedy)) => failure.help(remedy).help(self.url.rights(self.service)),
            (Some(hint), None) => failure.help(hint),
            (None, None) => failure,
        }
    }
}
