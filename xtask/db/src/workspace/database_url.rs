//! Where a service's URL comes from, and a type that can't show its password.

use std::collections::HashMap;
use std::fmt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use crate::pg::{Connection, Params};
use crate::ui::failure::{Failure, Kind, Result};
use crate::workspace::dotenv::Dotenv;
use crate::workspace::fault::Fault;
use crate::workspace::{Service, Workspace};

/// The fallback of every service.
const GENERIC: &str = "DATABASE_URL";

/// The URL of one service's database, and where it came from.
#[derive(Debug, Clone)]
pub(crate) struct DatabaseUrl {
    pub(crate) params: Params,
    pub(crate) origin: Origin,
    /// The database it names.
    pub(crate) database: String,
}

/// The variable that gave a URL.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Origin {
    pub(crate) variable: String,
    /// `None` when it is in the environment.
    pub(crate) file: Option<PathBuf>,
}

impl Origin {
    /// Whether the URL is the fallback that every service shares.
    pub(crate) fn is_generic(&self) -> bool {
        self.variable == GENERIC
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.file {
            None => write!(f, "{} in the environment", self.variable),
            Some(file) => write!(f, "{} in {}", self.variable, file.display()),
        }
    }
}

/// The variables that URLs are taken from: the environment, then the `.env` at the workspace's root.
pub(crate) struct Variables {
    dotenv: HashMap<String, String>,
    dotenv_path: PathBuf,
}

impl Variables {
    /// Reads the root `.env` if there is one.
    ///
    /// # Errors
    /// A line that can't be read, by its number: its text may hold a password.
    pub(crate) fn read(root: &Path) -> Result<Self, Fault> {
        let file = Dotenv::of(root);
        Ok(Self {
            dotenv: file.variables()?,
            dotenv_path: file.path,
        })
    }

    /// Only those of the environment.
    pub(crate) fn none(root: &Path) -> Self {
        Self {
            dotenv: HashMap::new(),
            dotenv_path: root.join(".env"),
        }
    }

    /// The value that the root `.env` gives a variable, if it is not empty.
    pub(crate) fn in_file(&self, name: &str) -> Option<&str> {
        let value = self.dotenv.get(name)?.trim();
        (!value.is_empty()).then_some(value)
    }

    /// The value of a variable that is set and not empty, and where.
    pub(crate) fn get(&self, name: &str) -> Result<Option<(String, Origin)>> {
        let origin = |file| Origin {
            variable: name.to_owned(),
            file,
        };
        match std::env::var(name) {
            Ok(value) if !value.trim().is_empty() => return Ok(Some((value, origin(None)))),
            Err(std::env::VarError::NotUnicode(_)) => {
                return Err(Failure::usage(format!(
                    "{name} in the environment is not valid UTF-8"
                )));
            }
            _ => {}
        }
        let in_file = self
            .dotenv
            .get(name)
            .filter(|value| !value.trim().is_empty());
        Ok(in_file.map(|value| (value.clone(), origin(Some(self.dotenv_path.clone())))))
    }

    /// The URL of `service`: its own variable, else `DATABASE_URL`.
    ///
    /// # Errors
    /// No variable, or one that is no URL of a database.
    pub(crate) fn resolve(&self, service: &Service) -> Result<DatabaseUrl> {
        let found = match self.get(&service.variable)? {
            Some(own) => Some(own),
            None => self.get(GENERIC)?,
        };
        let Some((text, origin)) = found else {
            return Err(Failure::usage(format!("service `{}` has no database URL", service.name))
                .help(format!(
                    "set {} in the environment or in {}, for instance {}=postgres://user:password@localhost:5432/{}",
                    service.variable,
                    self.dotenv_path.display(),
                    service.variable,
                    service.database
                ))
                .help("or run `cargo xtask db up`: it starts a local server and writes .env"));
        };
        DatabaseUrl::parse(&text, origin)
    }

    /// The URL in the service's own variable, if that is set and readable.
    pub(crate) fn own(&self, service: &Service) -> Option<DatabaseUrl> {
        let (text, origin) = self.get(&service.variable).ok().flatten()?;
        DatabaseUrl::parse(&text, origin).ok()
    }
}

impl DatabaseUrl {
    pub(crate) fn parse(text: &str, origin: Origin) -> Result<Self> {
        let params = Params::parse(text.trim()).map_err(|reason| {
            Failure::usage(format!("{origin} is not a PostgreSQL URL: {reason}"))
                .help(format!("the form is {}=postgres://user:password@host:5432/database", origin.variable))
                .help("in a password, write @ as %40, : as %3A, / as %2F, % as %25, # as %23, ? as %3F, a space as %20")
        })?;
        let Some(database) = params
            .get("dbname")
            .filter(|name| !name.is_empty())
            .map(str::to_owned)
        else {
            return Err(
                Failure::usage(format!("{origin} names no database: {params}")).help(
                    "end the URL with the name of the database: postgres://user@host:5432/database",
                ),
            );
        };
        Ok(Self {
            params,
            origin,
            database,
        })
    }

    /// Where the URL came from, and the URL itself: shown below every refusal.
    pub(crate) fn place(&self) -> String {
        format!("{}: {}", self.origin, self.params)
    }

    /// The line that a use of the fallback always prints.
    pub(crate) fn warning(&self, service: &Service) -> Option<String> {
        self.origin.is_generic().then(|| {
            format!(
                "WARNING: Using generic DATABASE_URL for service '{}'; set {}",
                service.name, service.variable
            )
        })
    }

    /// Connects to the database.
    ///
    /// # Errors
    /// It is missing, or the server can't be reached.
    pub(crate) fn connect(&self, service: &Service) -> Result<Connection> {
        match self.open() {
            Ok(Some(connection)) => Ok(connection),
            Ok(None) => Err(self.missing(service)),
            Err(reason) => Err(self.unreachable(service, &reason)),
        }
    }

    /// Connects to the database; `None` if the server says that it does not have it. That is asked for: the text of a
    /// failed login proves nothing.
    ///
    /// # Errors
    /// libpq's reason.
    pub(crate) fn open(&self) -> Result<Option<Connection>, String> {
        let begin = Instant::now();
        let reason = match Connection::open(&self.params) {
            Ok(connection) => return Ok(Some(connection)),
            Err(reason) => reason,
        };
        // A server that let us wait is not asked again: it would let us wait again.
        if begin.elapsed() > Duration::from_secs(1) {
            return Err(reason);
        }
        match self.exists() {
            Ok(false) => Ok(None),
            // Perhaps it was created just now.
            Ok(true) => Connection::open(&self.params).map(Some),
            Err(_) => Err(reason),
        }
    }

    /// The same URL, with so many seconds for each address, if it says nothing itself. libpq takes less than 2 for 2.
    pub(crate) fn within(&self, seconds: u64) -> Self {
        match self.params.get("connect_timeout") {
            Some(_) => self.clone(),
            None => Self {
                params: self.params.with("connect_timeout", &seconds.to_string()),
                ..self.clone()
            },
        }
    }

    /// Whether the server has the database.
    ///
    /// # Errors
    /// Nothing on the server answers.
    pub(crate) fn exists(&self) -> Result<bool, String> {
        let mut server = self.connect_server()?;
        server
            .query_bool(
                "SELECT EXISTS (SELECT FROM pg_database WHERE datname = $1)",
                &[&self.database],
            )
            .map_err(|error| error.to_string())
    }

    /// Connects to the server's maintenance database, to ask about databases or create one.
    ///
    /// # Errors
    /// The reason for the first that was tried.
    pub(crate) fn connect_server(&self) -> Result<Connection, String> {
        Connection::open(&self.params.with("dbname", "postgres")).or_else(|reason| {
            Connection::open(&self.params.with("dbname", "template1")).map_err(|_| reason)
        })
    }

    pub(crate) fn missing(&self, service: &Service) -> Failure {
        Failure::new(
            Kind::Connect,
            format!(
                "database `{}` of service `{}` does not exist",
                self.database, service.name
            ),
        )
        .help(self.place())
        .help(format!("run `cargo xtask db create {}`", service.name))
    }

    pub(crate) fn unreachable(&self, service: &Service, reason: &str) -> Failure {
        Failure::new(
            Kind::Connect,
            format!(
                "failed to connect to database `{}` of service `{}`: {reason}",
                self.database, service.name
            ),
        )
        .help(self.place())
        .help(match self.params.is_local() {
            true => "if the server is not running: `cargo xtask db up` starts the local one",
            false => "check the host, the role and the password in that URL, and whether the server may be reached from here",
        })
    }
}

impl Workspace {
    /// The services other than `service` whose declared database is `database`.
    pub(crate) fn owner_by_name(&self, service: &Service, database: &str) -> Option<&Service> {
        self.services
            .iter()
            .find(|other| other.name != service.name && other.database == database)
    }
}
