//! Where a service's database URL comes from: one rule for the services and for the tool.
//!
//! A service has a variable of its own, such as `ARC_DATABASE_URL`. The first of these that is set and
//! not blank gives the URL:
//!
//! 1. the service's own variable in the environment,
//! 2. the same in the `.env` beside the workspace's `Cargo.toml`, never one in another folder,
//! 3. `DATABASE_URL` in the environment,
//! 4. the same in that `.env`.
//!
//! The last two are a fallback that several services may share by accident, so its use comes with a
//! [warning](ServiceUrl::warning) that is meant to be printed always. A `.env` that can't be read is an
//! error, also where the environment has the URL: what it was meant to say is not known.
//!
//! A deployed service has no workspace around it, and so no `.env`.
//!
//! ```
//! # fn main() -> Result<(), service_url::Error> {
//! # let environment = |name: &str| match name {
//! #     "DATABASE_URL" => Ok("postgres://me:secret@db.example.org/arc_db".to_owned()),
//! #     _ => Err(std::env::VarError::NotPresent),
//! # };
//! // In a service: `|name| std::env::var(name)`, and the root from `service_url::workspace_root`.
//! let url = service_url::find("arc", "ARC_DATABASE_URL", None, environment)?;
//! assert_eq!(url.text, "postgres://me:secret@db.example.org/arc_db");
//! assert_eq!(url.origin.to_string(), "DATABASE_URL in the environment");
//! assert_eq!(
//!     url.warning().as_deref(),
//!     Some("WARNING: Using generic DATABASE_URL for service 'arc'; set ARC_DATABASE_URL"),
//! );
//! # Ok(())
//! # }
//! ```

mod error;
mod variables;
mod workspace;

use std::env::VarError;
use std::fmt;
use std::path::{Path, PathBuf};

pub use error::{Error, Result};
pub use variables::{Value, Variables, faulty_line};
pub use workspace::workspace_root;

/// The variable that every service falls back to.
pub const FALLBACK: &str = "DATABASE_URL";

/// The URL of one service's database, and where it came from. `Debug` does not show the URL: it may
/// hold a password.
#[derive(Clone, PartialEq, Eq)]
pub struct ServiceUrl {
    /// The URL, or another connection string of libpq, without space around it. Not checked.
    pub text: String,
    /// Where it was found.
    pub origin: Origin,
    service: String,
    variable: String,
}

impl ServiceUrl {
    /// Whether the URL is the fallback that every service shares.
    #[must_use]
    pub fn is_fallback(&self) -> bool {
        self.origin.is_fallback()
    }

    /// The line to print where the URL is the fallback.
    #[must_use]
    pub fn warning(&self) -> Option<String> {
        self.origin.warning(&self.service, &self.variable)
    }
}

impl fmt::Debug for ServiceUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ServiceUrl")
            .field("service", &self.service)
            .field("origin", &self.origin)
            .finish_non_exhaustive()
    }
}

/// The variable that gave a value, shown as `ARC_DATABASE_URL in the environment`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Origin {
    /// The variable.
    pub variable: String,
    /// The `.env` it is in; `None` when it is in the environment.
    pub file: Option<PathBuf>,
}

impl Origin {
    /// Whether this is the variable that every service shares.
    #[must_use]
    pub fn is_fallback(&self) -> bool {
        self.variable == FALLBACK
    }

    /// The line to print where a URL of `service`, whose own variable is `variable`, is the fallback.
    #[must_use]
    pub fn warning(&self, service: &str, variable: &str) -> Option<String> {
        self.is_fallback().then(|| {
            format!("WARNING: Using generic {FALLBACK} for service '{service}'; set {variable}")
        })
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

/// The URL of `service`, whose own variable is `variable`. `root` is the folder of the workspace in
/// development, and `None` where there is none; `environment` is [`std::env::var`].
///
/// # Errors
/// No variable is set, one is not valid UTF-8, or the `.env` can't be read.
pub fn find(
    service: &str,
    variable: &str,
    root: Option<&Path>,
    environment: impl Fn(&str) -> Result<String, VarError>,
) -> Result<ServiceUrl> {
    Variables::read(root)?.find(service, variable, environment)
}
