//! A server to start, and what Docker and installed binaries share in starting it.

use std::io::Write;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::Result;
use diesel::PgConnection;
use serde::{Deserialize, Serialize};
use url::Url;

use crate::release::Release;
use crate::settings::{Provider, Settings};
use crate::variable::SettingsError;
use crate::{scram, sql};

/// The script that runs a server, in a container or as a process.
pub(crate) const SCRIPT: &str = include_str!("server.sh");
/// From the start of a server to its first answer. On 2 busy cores a first start takes 3 seconds.
pub(crate) const READY_TIMEOUT: Duration = Duration::from_secs(60);

/// The error of a server that ended before its first answer.
pub(crate) const ENDED_AT_ONCE: &str = "it ended at once";

/// A server to start.
#[derive(Debug)]
pub(crate) struct Order {
    /// Names its folder, container and volume: unique among the servers of this machine.
    pub(crate) key: String,
    /// What it was asked for as.
    pub(crate) name: String,
    /// The checkout it serves.
    pub(crate) workspace: PathBuf,
    pub(crate) password: String,
    pub(crate) lifetime: Lifetime,
    /// PostgreSQL's settings.
    pub(crate) settings: Vec<(String, String)>,
}

impl Order {
    /// The command that runs the script, with `listen` for the server to listen at; `name` tells it from others in a
    /// list of processes.
    pub(crate) fn command(&self, name: &str, listen: &str) -> Vec<String> {
        let addresses = ("listen_addresses", listen);
        let ours = [addresses, ("unix_socket_directories", "")];
        let theirs = self.settings.iter();
        let settings = ours
            .into_iter()
            .chain(theirs.map(|(name, value)| (name.as_str(), value.as_str())));
        ["sh", "-c", "eval \"$LP_SCRIPT\"", name]
            .map(str::to_owned)
            .into_iter()
            .chain(settings.flat_map(|(name, value)| ["-c".to_owned(), format!("{name}={value}")]))
            .collect()
    }

    /// The variables of the script that do not depend on where it runs. The server gets a verifier instead of the password.
    pub(crate) fn variables(&self, port: u16) -> [(&'static str, String); 4] {
        let verifier = scram::verifier(&self.password, self.lifetime.scram_iterations());
        [
            ("LP_SCRIPT", SCRIPT.to_owned()),
            ("LP_PORT", port.to_string()),
            ("LP_VERIFIER", verifier),
            ("LP_IDLE", self.lifetime.idle_seconds().to_string()),
        ]
    }
}

/// Settings of our own among those that a person has chosen.
pub(crate) fn owned<const N: usize>(settings: [(&str, &str); N]) -> Vec<(String, String)> {
    settings
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .into()
}

/// How long a server and its data live.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Lifetime {
    /// Until it has had no connection for so long.
    Idle(Duration),
    /// Until it is stopped; its data until it is wiped. The port stays the same.
    Durable { port: u16 },
}

impl Lifetime {
    /// For [`scram::verifier`]: PostgreSQL's default for a password that a person may come to share.
    fn scram_iterations(self) -> u32 {
        match self {
            Self::Idle(_) => 1,
            Self::Durable { .. } => 4096,
        }
    }

    /// For the script.
    fn idle_seconds(self) -> u64 {
        match self {
            Self::Idle(time) => time.as_secs().max(1),
            Self::Durable { .. } => 0,
        }
    }
}

/// Where a server runs.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Handle {
    /// The container's id.
    Container(String),
    /// The process, and the folder that tells it from another one with its number.
    Process { pid: u32, folder: PathBuf },
}

/// A server that has answered a query.
#[derive(Debug)]
pub(crate) struct Started {
    pub(crate) provider: Provider,
    /// The superuser's URL of database `postgres`.
    pub(crate) url: Url,
    pub(crate) handle: Handle,
}

/// Waits for the first answer of a server that is starting; `alive` ends it early with an error of its own.
pub(crate) fn wait_until_ready(
    url: &Url,
    mut alive: impl FnMut() -> Result<()>,
) -> Result<PgConnection> {
    let start = Instant::now();
    loop {
        alive()?;
        match sql::connect(url) {
            Ok(connection) => return Ok(connection),
            Err(error) if is_final(&error, start) => return Err(error),
            Err(_) => std::thread::sleep(Duration::from_millis(15)),
        }
    }
}

/// Whether more attempts to connect to a server that was started then would end the same.
pub(crate) fn is_final(error: &anyhow::Error, start: Instant) -> bool {
    let text = error.to_string();
    let refused = ["password authentication failed", "no pg_hba.conf entry"]
        .iter()
        .any(|it| text.contains(it));
    refused || start.elapsed() > READY_TIMEOUT
}

/// The URL of a server on this machine.
pub(crate) fn url(password: &str, port: u16) -> Url {
    format!("postgres://postgres:{password}@127.0.0.1:{port}/postgres")
        .parse()
        .expect("letters, digits and a port make a URL")
}

/// Refuses a server of another version than the one that was asked for by a variable or an option.
pub(crate) fn check_version(settings: &Settings, release: &Release, what: &str) -> Result<()> {
    let (wanted, major) = (settings.version.major, release.major());
    if settings.version.explicit && wanted != major {
        return Err(SettingsError::error(format!(
            "failed to get PostgreSQL {wanted}: {what} is version {release}; install version {wanted} \
             (Debian, Ubuntu: apt-get install postgresql-{wanted}; macOS: brew install postgresql@{wanted}) or set \
             LOCAL_POSTGRES_BIN_{wanted} to the folder of its programs, start Docker, or ask for {major}"
        )));
    }
    Ok(())
}

/// Says something to the user: not through `eprintln!`, which a test harness hides while tests pass.
pub(crate) fn note(message: &str) {
    // A missing reader is not a reason to fail.
    let _ = writeln!(std::io::stderr(), "local-postgres: {message}");
}

/// The last lines of a server's log, to follow an error message.
pub(crate) fn log_tail(log: &str) -> String {
    let lines: Vec<_> = log
        .lines()
        .map(str::trim_end)
        .filter(|line| !line.is_empty())
        .collect();
    let last = &lines[lines.len().saturating_sub(12)..];
    if last.is_empty() {
        "its log is empty".to_owned()
    } else {
        format!("its log ends with:\n  {}", last.join("\n  "))
    }
}
