//! Where a service's URL comes from, and a type that can't show its password.

use std::path::Path;

use service_url::Origin;

use crate::pg::{Connection, Params};
use crate::ui::failure::{Failure, Kind, Result};
use crate::workspace::dotenv::Dotenv;
use crate::workspace::fault::Fault;
use crate::workspace::{Service, Workspace};

/// How libpq ends its message about an address that did not answer in time.
const TIMED_OUT: &str = "timeout expired";

/// The URL of one service's database, and where it came from.
#[derive(Debug, Clone)]
pub(crate) struct DatabaseUrl {
    pub(crate) params: Params,
    pub(crate) origin: Origin,
    /// The database it names.
    pub(crate) database: String,
}

/// The variables that URLs are taken from: the environment, then the `.env` at the workspace's root. The rule is that of
/// the crate `service-url`, by which the services find their URLs.
pub(crate) struct Variables(service_url::Variables);

impl Variables {
    /// Reads the root `.env` if there is one.
    ///
    /// # Errors
    /// A line that can't be read, by its number: its text may hold a password.
    pub(crate) fn read(root: &Path) -> Result<Self, Fault> {
        let file = Dotenv::of(root);
        let variables = file.variables()?;
        Ok(Self(service_url::Variables::of(variables, file.path)))
    }

    /// Only those of the environment.
    pub(crate) fn none(root: &Path) -> Self {
        Self(service_url::Variables::without_file(Some(root)))
    }

    /// The value that the root `.env` gives a variable, if it is not empty.
    pub(crate) fn in_file(&self, name: &str) -> Option<&str> {
        self.0.in_file(name)
    }

    /// The value of a variable that is set and not empty, and where.
    pub(crate) fn get(&self, name: &str) -> Result<Option<(String, Origin)>> {
        let found = self.0.get(name, |name| std::env::var(name));
        found.map_err(|error| Failure::usage(error.to_string()))
    }

    /// The URL of `service`: its own variable, else `DATABASE_URL`.
    ///
    /// # Errors
    /// No variable, or one that is no URL of a database.
    pub(crate) fn resolve(&self, service: &Service) -> Result<DatabaseUrl> {
        let Service {
            name,
            variable,
            database,
            ..
        } = service;
        let found = self.0.find(name, variable, |name| std::env::var(name));
        let url = found.map_err(|error| {
            let failure = Failure::usage(error.to_string());
            match (&error, error.help()) {
                (service_url::Error::Missing { .. }, Some(help)) => failure
                    .help(format!(
                        "{help}, for instance {variable}=postgres://user:password@localhost:5432/{database}"
                    ))
                    .help("or run `cargo xtask db up`: it starts a local server and writes .env"),
                _ => failure,
            }
        })?;
        DatabaseUrl::parse(&url.text, url.origin)
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
        let params = params.completed().map_err(|reason| {
            Failure::usage(format!("{origin} can't be used: {reason}")).at(params.to_string())
        })?;
        let Some(database) = params.get("dbname").map(str::to_owned) else {
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
        self.origin.warning(&service.name, &service.variable)
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
        let reason = match Connection::open(&self.params) {
            Ok(connection) => return Ok(Some(connection)),
            Err(reason) => reason,
        };
        // Where the last address did not answer, nothing is asked again. A slow answer is an answer.
        if reason.ends_with(TIMED_OUT) {
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
        let sql = "SELECT EXISTS (SELECT FROM pg_database WHERE datname = $1)";
        server
            .soon(|server| server.query_bool(sql, &[&self.database]))
            .map_err(|error| error.to_string())
    }

    /// Connects to the server's maintenance database, to ask about databases or create one.
    ///
    /// # Errors
    /// The reason for the first that was tried.
    pub(crate) fn connect_server(&self) -> Result<Connection, String> {
        maintenance(&self.params)
    }

    pub(crate) fn missing(&self, service: &Service) -> Failure {
        Failure::new(
            Kind::Connect,
            format!(
                "database `{}` of service `{}` does not exist",
                self.database, service.name
            ),
        )
        .at(self.place())
        .help(format!("run `cargo xtask db create {}`", service.name))
    }

    /// How a role gets all the rights that it lacks.
    pub(crate) fn rights(&self, service: &Service) -> String {
        format!(
            "an administrator gives the role all that it lacks by running what `cargo xtask db create {} --sql` prints, with psql",
            service.name
        )
    }

    pub(crate) fn unreachable(&self, service: &Service, reason: &str) -> Failure {
        let rights = self.rights(service);
        Failure::new(
            Kind::Connect,
            format!(
                "failed to connect to database `{}` of service `{}`: {reason}",
                self.database, service.name
            ),
        )
        .at(self.place())
        .help(match self.params.is_local() {
            _ if reason.contains("permission denied for database") => &rights,
            true if Connection::answers(&self.params) => {
                "the server answers, and refuses: check the role, the password and the database in that URL"
            }
            true => "if the server is not running: `cargo xtask db up` starts the local one",
            false => "check the host, the role and the password in that URL, and whether the server may be reached from here",
        })
    }
}

/// Connects to the maintenance database of the server that `params` lead to.
///
/// # Errors
/// The reason for the first that was tried.
pub(crate) fn maintenance(params: &Params) -> Result<Connection, String> {
    Connection::open(&params.with("dbname", "postgres"))
        .or_else(|reason| Connection::open(&params.with("dbname", "template1")).map_err(|_| reason))
}

impl Workspace {
    /// The services other than `service` whose declared database is `database`.
    pub(crate) fn owner_by_name(&self, service: &Service, database: &str) -> Option<&Service> {
        self.services
            .iter()
            .find(|other| other.name != service.name && other.database == database)
    }
}
