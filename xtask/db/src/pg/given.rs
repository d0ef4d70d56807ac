//! What libpq takes from the environment and from service files, of that which we have to know or would set ourselves.

use super::Params;
use super::connection::c_strings;
use super::raw::effective;
use super::roots::{Roots, roots};

/// Settings that we set if no one else does, and the database, which we always set.
const KNOWN: [&str; 6] = [
    "dbname",
    "connect_timeout",
    "keepalives_idle",
    "keepalives_interval",
    "keepalives_count",
    "tcp_user_timeout",
];

/// What no user, database or setting is called.
const NOTHING: &str = "\u{1}";

impl Params {
    /// These settings, completed by what libpq finds elsewhere: in a service file, then in the environment. The store of
    /// authorities that `sslrootcert=system` means is named.
    ///
    /// # Errors
    /// The service is not to be found, or there is no such store; libpq's reason, or ours.
    pub(crate) fn completed(&self) -> Result<Self, String> {
        // libpq reads everything, and connects to nothing, since it refuses the last value. Without a database it would
        // take the user's name for one.
        let asked = self.with("user", NOTHING);
        let asked = asked.with("target_session_attrs", NOTHING);
        let (found, reason) = effective(&c_strings(asked.settings)?);
        if !reason.contains("target_session_attrs") && self.names_service() {
            return Err(self.redact(reason.trim()));
        }
        let value = |key: &str| {
            let found = found.iter().find(|(name, _)| name == key);
            found.map_or("", |(_, value)| value.as_str())
        };
        let mut completed = self.clone();
        for key in KNOWN {
            let found = value(key);
            if !found.is_empty() && found != NOTHING && self.get(key).is_none() {
                completed = completed.with(key, found);
            }
        }
        // A weaker mode is for libpq to refuse.
        if value("sslrootcert") != "system" || value("sslmode") != "verify-full" {
            return Ok(completed);
        }
        Ok(match roots()? {
            Roots::File(path) => completed
                .with("sslmode", "verify-full")
                .with("sslrootcert", &path),
            Roots::Default => completed,
        })
    }

    fn names_service(&self) -> bool {
        self.get("service").is_some() || std::env::var_os("PGSERVICE").is_some()
    }
}
