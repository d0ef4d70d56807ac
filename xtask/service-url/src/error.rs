use std::fmt;
use std::path::PathBuf;

/// Why there is no URL. No message repeats a value: it may hold a password.
#[derive(Debug)]
#[non_exhaustive]
pub enum Error {
    /// Neither the service's own variable nor the fallback is set.
    Missing {
        /// The service.
        service: String,
        /// Its own variable.
        variable: String,
        /// The `.env` that was looked into, whether it is there or not.
        file: Option<PathBuf>,
    },
    /// A variable of the environment is not valid UTF-8.
    NotUnicode {
        /// The variable.
        variable: String,
    },
    /// A file could not be read.
    File {
        /// The file.
        path: PathBuf,
        /// The reason.
        source: std::io::Error,
    },
    /// A line of a `.env` is not `NAME=value`.
    Line {
        /// The file.
        path: PathBuf,
        /// The line, counted from 1, if it is known.
        line: Option<usize>,
    },
    /// A `Cargo.toml` is not TOML.
    Manifest {
        /// The file.
        path: PathBuf,
        /// The reason.
        source: Box<toml::de::Error>,
    },
}

/// A result with this crate's [`Error`].
pub type Result<T, E = Error> = std::result::Result<T, E>;

impl Error {
    /// What to do about it, where the message alone does not say it.
    #[must_use]
    pub fn help(&self) -> Option<String> {
        match self {
            Self::Missing { variable, file, .. } => Some(match file {
                Some(file) => format!("set {variable} in the environment or in {}", file.display()),
                None => format!("set {variable} in the environment"),
            }),
            Self::Line { .. } => Some(
                "put a value with spaces, quotes, $ or # in single quotes: NAME='value'".to_owned(),
            ),
            Self::NotUnicode { .. } | Self::File { .. } | Self::Manifest { .. } => None,
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Missing { service, .. } => write!(f, "service `{service}` has no database URL"),
            Self::NotUnicode { variable } => {
                write!(f, "{variable} in the environment is not valid UTF-8")
            }
            Self::File { path, source } => {
                write!(f, "failed to read `{}`: {source}", path.display())
            }
            Self::Line { path, line } => {
                write!(f, "failed to read `{}`: ", path.display())?;
                match line {
                    Some(line) => write!(f, "line {line} is not NAME=value"),
                    None => f.write_str("a line is not NAME=value"),
                }
            }
            Self::Manifest { path, source } => {
                write!(f, "failed to parse `{}`: {source}", path.display())
            }
        }
    }
}

// The message holds the cause already.
impl std::error::Error for Error {}
