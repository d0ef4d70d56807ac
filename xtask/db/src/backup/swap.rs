//! Puts a restored database in the place of the one that serves: two renames in one transaction.
//!
//! If this program or the server ends in the middle, the server has made both renames or none.

use std::thread;
use std::time::Duration;

use serde::Deserialize;

use crate::database::session::Session;
use crate::pg::{Connection, Ident, Params, SqlError};

/// How often we look who is still connected.
const POLL: Duration = Duration::from_millis(20);

/// Two databases that take a name over.
pub(super) struct Swap<'a> {
    /// The server's maintenance database.
    pub(super) server: Params,
    /// The name that the restored database gets.
    pub(super) name: &'a str,
    pub(super) beside: &'a str,
    pub(super) beside_oid: &'a str,
    /// What the database that serves is called afterwards; `None` where there is none.
    pub(super) kept: Option<&'a str>,
    /// The statement that replaces the comment of an unfinished restore.
    pub(super) comment: String,
}

/// What became of a swap that the server did not confirm.
pub(super) enum Failed {
    /// Both databases have their old names.
    Unchanged(String),
    /// The server can't be asked.
    Unknown(String),
}

/// Who is connected to the database that goes, and whether the rename has begun to keep others out.
#[derive(Deserialize)]
struct Others {
    closed: bool,
    /// The session that holds the run's lock is not one of them.
    sessions: Vec<(i32, String)>,
}

impl Swap<'_> {
    /// Renames. `session` holds the run's lock on the database that serves; it ends when nobody else is connected any more
    /// and nobody can connect, so no other run gets the lock in between.
    ///
    /// # Errors
    /// Sessions that can't be ended, or the server's refusal: then both databases have their old names.
    pub(super) fn run(&self, session: Option<Session<'_>>) -> Result<(), Failed> {
        let unchanged = |error: String| Failed::Unchanged(error);
        let mut mover = Connection::open(&self.server).map_err(unchanged)?;
        let mut other = Connection::open(&self.server).map_err(unchanged)?;
        let mut stuck = Vec::new();
        let renames = self.renames();
        let mover_pid = mover.announced_pid();
        let result = thread::scope(|scope| {
            let moving = scope.spawn(|| {
                let result = mover.execute(&renames);
                if result.is_err() && !mover.is_lost() {
                    let _ = mover.execute("ROLLBACK");
                }
                result
            });
            let mut session = session;
            while !moving.is_finished() {
                stuck = self.end_others(&mut other, mover_pid, &mut session);
                thread::sleep(POLL);
            }
            moving.join()
        });
        match result {
            Ok(Ok(())) => Ok(()),
            Ok(Err(error)) => self.after(&error, &stuck),
            Err(_) => Err(Failed::Unknown("the renaming thread panicked".to_owned())),
        }
    }

    /// The rename first waits up to five seconds for other sessions to end, while new ones have to wait for it.
    fn renames(&self) -> String {
        let name = Ident(self.name);
        let away = self
            .kept
            .map(|kept| format!("ALTER DATABASE {name} RENAME TO {};", Ident(kept)));
        format!(
            "BEGIN; SET LOCAL statement_timeout = 0; SET LOCAL lock_timeout = '30s'; {}; {}
             ALTER DATABASE {} RENAME TO {name}; COMMIT",
            self.comment,
            away.unwrap_or_default(),
            Ident(self.beside)
        )
    }

    /// Ends the sessions on the database that goes, ours as the last; gives the users of those that are left.
    fn end_others(
        &self,
        other: &mut Connection,
        mover: i32,
        session: &mut Option<Session<'_>>,
    ) -> Vec<String> {
        let own = session
            .as_ref()
            .map_or(0, |it| it.connection.announced_pid());
        let found: Result<Others, SqlError> = other.query_json(
            "SELECT json_build_object(
               'closed', EXISTS (SELECT FROM pg_locks l WHERE l.pid = $2::int AND l.locktype = 'object' AND l.granted
                                 AND l.classid = 'pg_database'::regclass AND l.mode = 'AccessExclusiveLock'),
               'sessions', (SELECT coalesce(json_agg(json_build_array(a.pid, coalesce(a.usename, a.backend_type, 'another role'))), '[]')
                            FROM pg_stat_activity a WHERE a.pid <> $3::int AND a.backend_type IS DISTINCT FROM 'autovacuum worker'
                            AND a.datid = (SELECT oid FROM pg_database WHERE datname = $1)))",
            &[self.name, &mover.to_string(), &own.to_string()],
        );
        let Ok(found) = found else {
            return Vec::new();
        };
        if found.closed && found.sessions.is_empty() {
            session.take();
        }
        let mut users = Vec::new();
        for (pid, user) in found.sessions {
            // Those of a superuser are not ours to end; the rename says so then.
            let _ = other.query("SELECT pg_terminate_backend($1::int)", &[&pid.to_string()]);
            users.push(user);
        }
        users.sort();
        users.dedup();
        users
    }

    /// A connection that broke says nothing about the transaction: the server is asked what the database is called.
    fn after(&self, error: &SqlError, stuck: &[String]) -> Result<(), Failed> {
        let mut text = error.to_string();
        if error.sqlstate == "55006" && !stuck.is_empty() {
            text.push_str(&format!(
                "; sessions of {} can't be ended by this role",
                stuck.join(", ")
            ));
        }
        let asked = Connection::open(&self.server)
            .map_err(Some)
            .and_then(|mut server| {
                let sql = "SELECT datname FROM pg_database WHERE oid = $1::oid";
                server.query_text(sql, &[self.beside_oid]).map_err(|_| None)
            });
        match asked {
            Ok(Some(name)) if name == self.name => Ok(()),
            Ok(_) => Err(Failed::Unchanged(text)),
            Err(_) => Err(Failed::Unknown(text)),
        }
    }
}
