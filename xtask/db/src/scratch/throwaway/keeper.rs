//! The session that makes a throw-away database and the role that owns it, and takes both away again, with whatever
//! migrations have left on the server.

use std::hash::{BuildHasher as _, Hasher as _, RandomState};
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::time::Duration;

use crate::pg::{Connection, Ident, Params, SqlError};

/// How the names of our databases and roles begin.
const PREFIX: &str = "throwaway_";

/// The first key of the advisory locks that say that a database is in use: "thrw" in ASCII.
const CLASS: i32 = 0x7468_7277;

/// The databases and roles whose session has ended without dropping them. The random number in the name is the key of a
/// lock that the session takes first, so that a run on another machine is told from a dead one.
const LEFT_BEHIND: &str = "
SELECT name FROM (SELECT datname AS name FROM pg_database UNION SELECT rolname FROM pg_roles) ours
WHERE CASE WHEN name ~ '^throwaway_[0-9a-f]{8}_' THEN NOT EXISTS (
    SELECT FROM pg_locks WHERE locktype = 'advisory' AND classid = $1::oid
      AND objid = ('x' || substr(name, 11, 8))::bit(32)::int::oid) ELSE false END";

/// What is on the server because of database `$1` and its role of that name: the role itself and those that it made,
/// their databases, and subscriptions, which no database is dropped with. The server may be a user's own, so of the
/// roles that nobody is known to have made, only one goes that was not there before (`$2`) and that a migration names
/// (`$3`). Whoever is no superuser has ADMIN OPTION of nothing but what it made.
const MADE: &str = "
WITH RECURSIVE made (oid, name, rolsuper) AS (
    SELECT oid, rolname, rolsuper FROM pg_roles WHERE rolname = $1
        OR (rolname NOT IN (SELECT json_array_elements_text($2::json)) AND strpos($3, rolname) > 0)
    UNION
    SELECT r.oid, r.rolname, r.rolsuper FROM made JOIN pg_auth_members m ON m.member = made.oid AND m.admin_option
    JOIN pg_roles r ON r.oid = m.roleid WHERE NOT made.rolsuper
)
SELECT 'subscription', subname FROM pg_subscription s JOIN pg_database d ON d.oid = s.subdbid WHERE d.datname = $1
UNION ALL SELECT 'database', datname FROM pg_database WHERE datdba IN (SELECT oid FROM made)
UNION ALL SELECT 'role', name FROM made";

/// Whether a process of the server was at one statement for longer than it may be, and was ended.
const END: &str = "
SELECT count(pg_terminate_backend(pid)) > 0 FROM pg_stat_activity
WHERE pid = $1::int AND state = 'active' AND clock_timestamp() - query_start > $2::int * interval '1 ms'";

/// What the role of a database may do.
#[derive(Clone, Copy)]
pub(super) struct Power {
    pub(super) is_superuser: bool,
    /// How long a statement may take.
    pub(super) timeout: Option<Duration>,
}

/// The session that holds the lock on the name of a database and of its owner.
pub(super) struct Keeper {
    session: Connection,
    server: Params,
    name: String,
    password: String,
    timeout: Option<Duration>,
    /// The server's roles before, and the texts that may have made more.
    roles: Vec<String>,
    texts: String,
}

impl Keeper {
    /// Makes a role and its database. From `template0`: nothing of the machine's own `template1` is in it, and nobody is
    /// ever connected to it.
    ///
    /// # Errors
    /// The server's.
    pub(super) fn new(
        mut session: Connection,
        server: &Params,
        service: &str,
        power: Power,
    ) -> Result<Self, SqlError> {
        let number = loop {
            let number = random();
            let locked = session.query_bool(
                "SELECT pg_try_advisory_lock($1::int, $2::int)",
                &[&CLASS.to_string(), &number.to_string()],
            );
            if locked? {
                break number;
            }
        };
        let rows = session.query("SELECT rolname FROM pg_roles", &[])?;
        let mut keeper = Self {
            session,
            server: server.clone(),
            name: name(number, service),
            password: [(); 4].map(|()| format!("{:08x}", random())).concat(),
            timeout: power.timeout,
            roles: rows.into_iter().flatten().flatten().collect(),
            texts: String::new(),
        };
        let create = keeper.create_role(power);
        keeper.session.execute(&create)?;
        let name = Ident(&keeper.name);
        // Copying files beats logging every page where nothing has to reach a disk.
        let strategy = match keeper.session.server_version() >= 150_000 {
            true => " STRATEGY file_copy",
            false => "",
        };
        keeper.session.execute(&format!(
            "CREATE DATABASE {name} OWNER {name} TEMPLATE template0{strategy}"
        ))?;
        Ok(keeper)
    }

    /// Before 16, who may create a role may also make itself a member of `pg_execute_server_program`.
    fn create_role(&self, power: Power) -> String {
        let name = Ident(&self.name);
        let makes_roles = self.session.server_version() >= 160_000;
        let mut sql = format!(
            "CREATE ROLE {name} LOGIN PASSWORD '{}'{};",
            self.password,
            match power.is_superuser {
                true => " SUPERUSER",
                false if makes_roles => " CREATEROLE",
                false => "",
            }
        );
        if makes_roles {
            // As for a superuser, what it makes is its own.
            sql += &format!("ALTER ROLE {name} SET createrole_self_grant = 'set, inherit';");
        }
        if let Some(timeout) = power.timeout {
            let timeout = timeout.as_millis();
            sql += &format!("ALTER ROLE {name} SET statement_timeout = {timeout};");
        }
        sql
    }

    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// How the role connects to its database.
    pub(super) fn params(&self) -> Params {
        let params = self.server.with("dbname", &self.name);
        params.with_role(&self.name, &self.password)
    }

    /// Notes what is going to run, if it may make roles: by CREATE ROLE, also in a string.
    pub(super) fn note(&mut self, sql: &str) {
        let words = sql.split(|c: char| !c.is_ascii_alphanumeric());
        let words: Vec<_> = words.filter(|word| !word.is_empty()).collect();
        let is = |word: &str, name: &str| word.eq_ignore_ascii_case(name);
        let makes_role = words.windows(2).any(|pair| {
            is(pair[0], "create")
                && ["role", "user", "group"]
                    .iter()
                    .any(|name| is(pair[1], name))
        });
        if makes_role && !self.texts.contains(sql) {
            self.texts.push_str(sql);
        }
    }

    /// Does something in the role's session `pid`, and ends that if a statement takes longer than it may, although the
    /// server was told to cancel it: a migration can switch that off. Gives the result, and whether it was ended.
    pub(super) fn watched<T>(&mut self, pid: i32, run: impl FnOnce() -> T) -> (T, bool) {
        let Some(timeout) = self.timeout else {
            return (run(), false);
        };
        // The server's own way comes first.
        let timeout = timeout + Duration::from_secs(1);
        let (pid, timeout) = (pid.to_string(), timeout.as_millis().to_string());
        let session = &mut self.session;
        std::thread::scope(|scope| {
            let (running, over) = channel::<()>();
            let watcher = scope.spawn(move || {
                while over.recv_timeout(Duration::from_secs(1)) == Err(RecvTimeoutError::Timeout) {
                    if session.query_bool(END, &[&pid, &timeout]).unwrap_or(true) {
                        return true;
                    }
                }
                false
            });
            let result = run();
            drop(running);
            (result, watcher.join().unwrap_or(false))
        })
    }
}

impl Drop for Keeper {
    fn drop(&mut self) {
        discard(
            &mut self.session,
            &self.server,
            &self.name,
            &self.roles,
            &self.texts,
        );
    }
}

/// Removes what dead runs left on the server. Whoever sweeps at the same time drops the same: that one of us fails is no
/// failure.
pub(super) fn sweep(session: &mut Connection, server: &Params) {
    let left = session.query(LEFT_BEHIND, &[&CLASS.to_string()]);
    for name in left.into_iter().flatten().flatten().flatten() {
        discard(session, server, &name, &[], "");
    }
}

/// If the server is gone, there is nothing to drop; what it may have kept, the next run sweeps. A role that another
/// throw-away database uses is dropped with that.
fn discard(session: &mut Connection, server: &Params, name: &str, roles: &[String], texts: &str) {
    let roles = serde_json::to_string(roles).unwrap_or_default();
    let made = session.query(MADE, &[name, &roles, texts]);
    let made = made.into_iter().flatten().filter_map(|row| {
        let mut row = row.into_iter().flatten();
        Some((row.next()?, row.next()?))
    });
    let made: Vec<_> = made.collect();
    let of = |kind: &'static str| {
        let its = made.iter().filter(move |(is, _)| is == kind);
        its.map(|(_, name)| name.as_str())
    };
    if of("subscription").next().is_some()
        && let Ok(mut inside) = Connection::open(&server.with("dbname", name))
    {
        for subscription in of("subscription").map(Ident) {
            // One statement at a time: with a slot on the publisher, it can't be dropped in a transaction.
            for sql in [
                format!("ALTER SUBSCRIPTION {subscription} DISABLE"),
                format!("ALTER SUBSCRIPTION {subscription} SET (slot_name = NONE)"),
                format!("DROP SUBSCRIPTION {subscription}"),
            ] {
                let _ = inside.execute(&sql);
            }
        }
    }
    let others = of("database").filter(|other| *other != name);
    for database in [name].into_iter().chain(others) {
        // FORCE: an orphan of ours may still be connected, and no one else should be.
        let _ = session.execute(&format!(
            "DROP DATABASE IF EXISTS {} WITH (FORCE)",
            Ident(database)
        ));
    }
    let others = of("role").filter(|other| *other != name);
    for role in others.chain([name]).map(Ident) {
        let _ = session.execute(&format!("DROP OWNED BY {role} CASCADE; DROP ROLE {role}"));
    }
}

/// The number is the key of the lock; the process and the service are for whoever looks at the server.
fn name(number: i32, service: &str) -> String {
    let service = service.replace(|c: char| !c.is_ascii_alphanumeric(), "_");
    let mut name = format!("{PREFIX}{number:08x}_{}_{service}", std::process::id());
    // The longest identifier that PostgreSQL does not cut by itself.
    name.truncate(63);
    name
}

/// Not negative, so that it reads the same as a lock's key and as an oid.
pub(crate) fn random() -> i32 {
    let [a, b, c, d, ..] = RandomState::new().build_hasher().finish().to_le_bytes();
    i32::from_le_bytes([a, b, c, d & 0x7f])
}
