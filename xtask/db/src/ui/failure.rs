//! What can go wrong, each kind with its exit code, and the help that goes with it.

use std::fmt;

/// The kinds of failure. The number is the exit code; of several, the highest wins.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Kind {
    /// Something to look at: pending migrations, an edited one, a missing database.
    Findings = 1,
    /// The command line or the settings.
    Usage = 2,
    /// The server or the database can't be reached.
    Connect = 3,
    /// A migration, or another statement, failed.
    Migration = 4,
    /// Another run holds the lock.
    Lock = 5,
    /// This is not the service's own database.
    WrongDatabase = 6,
    /// Destructive, and not confirmed.
    NotConfirmed = 7,
    /// Ctrl-C: as shells say it, 128 and the number of SIGINT.
    Interrupted = 130,
}

/// One failure as a person reads it: what failed and why, where, then what to do.
#[derive(Debug, Clone)]
pub(crate) struct Failure {
    pub(crate) kind: Kind,
    pub(crate) message: String,
    /// The URLs concerned, and where each comes from.
    pub(crate) places: Vec<String>,
    pub(crate) help: Vec<String>,
}

/// What nearly everything here returns.
pub(crate) type Result<T, E = Failure> = std::result::Result<T, E>;

impl Failure {
    pub(crate) fn new(kind: Kind, message: impl Into<String>) -> Self {
        Self {
            kind,
            message: message.into(),
            places: Vec::new(),
            help: Vec::new(),
        }
    }

    /// A mistake on the command line or in the settings.
    pub(crate) fn usage(message: impl Into<String>) -> Self {
        Self::new(Kind::Usage, message)
    }

    /// Adds a URL that is concerned.
    #[must_use]
    pub(crate) fn at(mut self, place: impl Into<String>) -> Self {
        self.places.push(place.into());
        self
    }

    /// Adds a line that says what to do.
    #[must_use]
    pub(crate) fn help(mut self, help: impl Into<String>) -> Self {
        self.help.push(help.into());
        self
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl From<Failure> for Vec<Failure> {
    fn from(failure: Failure) -> Self {
        vec![failure]
    }
}

/// Files that can't be read or written, programs that can't be run: the machine or the workspace is not as it should be,
/// which is told apart from settings by the message alone.
impl From<anyhow::Error> for Failure {
    fn from(error: anyhow::Error) -> Self {
        Self::usage(format!("{error:#}"))
    }
}

/// As for [`anyhow::Error`]; `fs_err` puts the path into it.
impl From<std::io::Error> for Failure {
    fn from(error: std::io::Error) -> Self {
        Self::usage(error.to_string())
    }
}

/// The entry of `names` that `name` was probably meant to be.
pub(crate) fn nearest<'a>(name: &str, names: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    names
        .into_iter()
        .map(|candidate| (strsim::jaro_winkler(name, candidate), candidate))
        .filter(|(similarity, _)| *similarity > 0.7)
        .max_by(|a, b| a.0.total_cmp(&b.0))
        .map(|(_, candidate)| candidate)
}
