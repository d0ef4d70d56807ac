//! The variables: what the user may say about servers.

use std::fmt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Result;
use url::Url;

use crate::variable::{SettingsError, variable};
use crate::workspace;

/// The major version when neither a variable nor the workspace names one.
const DEFAULT_VERSION: u32 = 18;
/// Long enough to read a failed test and open its database; short enough to free the memory soon after work.
const DEFAULT_IDLE: Duration = Duration::from_secs(10 * 60);

/// A way of running PostgreSQL.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Provider {
    /// A server that was there before: `LOCAL_POSTGRES_URL`.
    Url,
    /// A container.
    Docker,
    /// Installed binaries.
    Native,
}

impl fmt::Display for Provider {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Url => "url",
            Self::Docker => "docker",
            Self::Native => "native",
        })
    }
}

/// What the variables and the workspace say.
#[derive(Debug, Clone)]
pub(crate) struct Settings {
    /// `LOCAL_POSTGRES_URL`.
    pub(crate) url: Option<Url>,
    /// `LOCAL_POSTGRES_PROVIDER`.
    pub(crate) provider: Option<Provider>,
    /// `LOCAL_POSTGRES_IMAGE`.
    pub(crate) image: Option<String>,
    /// `LOCAL_POSTGRES_BIN_<MAJOR>` of the wanted version, or else `LOCAL_POSTGRES_BIN`.
    pub(crate) bin: Option<BinFolder>,
    /// `LOCAL_POSTGRES_IDLE_MINUTES`.
    pub(crate) idle: Duration,
    /// The wanted PostgreSQL.
    pub(crate) version: Version,
}

/// A folder of PostgreSQL's programs that a variable names.
#[derive(Debug, Clone)]
pub(crate) struct BinFolder {
    pub(crate) path: PathBuf,
    pub(crate) variable: String,
}

/// The wanted major version.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Version {
    pub(crate) major: u32,
    /// Asked for by a variable or an option: another version is an error, not a remark.
    pub(crate) explicit: bool,
}

impl Settings {
    /// Reads the variables; `version` is a command-line option, which comes first. `folder` may be a package's.
    pub(crate) fn read(workspace: &Path, folder: &Path, version: Option<&str>) -> Result<Self> {
        let url = variable("LOCAL_POSTGRES_URL")?
            .map(|text| match Url::parse(&text) {
                Ok(url) if matches!(url.scheme(), "postgres" | "postgresql") => Ok(url),
                // The text may hold a password: it is not repeated.
                _ => Err(SettingsError::error(
                    "failed to read LOCAL_POSTGRES_URL: not a URL; set it to postgres://user:password@host:port/postgres",
                )),
            })
            .transpose()?;
        let provider = variable("LOCAL_POSTGRES_PROVIDER")?
            .map(|text| match text.as_str() {
                "docker" => Ok(Provider::Docker),
                "native" => Ok(Provider::Native),
                _ => Err(SettingsError::error(format!(
                    "failed to read LOCAL_POSTGRES_PROVIDER: unknown provider `{text}`; use `docker` or `native`, or unset it"
                ))),
            })
            .transpose()?;
        let idle = variable("LOCAL_POSTGRES_IDLE_MINUTES")?
            .map(|text| match text.parse::<f64>() {
                Ok(minutes) if minutes > 0.0 && minutes < 1e6 => Ok(Duration::from_secs_f64((minutes * 60.0).ceil())),
                _ => Err(SettingsError::error(format!(
                    "failed to read LOCAL_POSTGRES_IDLE_MINUTES: `{text}` is not a number of minutes above 0"
                ))),
            })
            .transpose()?;
        let version = Version::read(workspace, folder, version)?;
        Ok(Self {
            url,
            provider,
            image: variable("LOCAL_POSTGRES_IMAGE")?,
            bin: BinFolder::read(version.major)?,
            idle: idle.unwrap_or(DEFAULT_IDLE),
            version,
        })
    }
}

impl BinFolder {
    fn read(major: u32) -> Result<Option<Self>> {
        for name in [
            format!("LOCAL_POSTGRES_BIN_{major}"),
            "LOCAL_POSTGRES_BIN".to_owned(),
        ] {
            if let Some(path) = variable(&name)? {
                let path = path.into();
                return Ok(Some(Self {
                    path,
                    variable: name,
                }));
            }
        }
        Ok(None)
    }
}

impl Version {
    fn read(workspace: &Path, folder: &Path, option: Option<&str>) -> Result<Self> {
        let (text, source, explicit) = if let Some(text) = option {
            (text.to_owned(), "--postgres".to_owned(), true)
        } else if let Some(text) = variable("LOCAL_POSTGRES_VERSION")? {
            (text, "LOCAL_POSTGRES_VERSION".to_owned(), true)
        } else if let Some(found) = workspace::default_version(workspace, folder)? {
            (found.text, found.source, false)
        } else {
            return Ok(Self {
                major: DEFAULT_VERSION,
                explicit: false,
            });
        };
        match text.parse() {
            Ok(major @ 13..) => Ok(Self { major, explicit }),
            _ => Err(SettingsError::error(format!(
                "failed to read {source}: `{text}` is not a major version of PostgreSQL from 13 up, such as 18"
            ))),
        }
    }
}
