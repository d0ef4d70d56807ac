//! Reading a variable, and the error of one that is wrong.

use std::env;
use std::fmt;

use anyhow::Result;

/// An environment variable; an empty one counts as unset.
pub(crate) fn variable(name: &str) -> Result<Option<String>> {
    match env::var(name) {
        Ok(text) if text.is_empty() => Ok(None),
        Ok(text) => Ok(Some(text)),
        Err(env::VarError::NotPresent) => Ok(None),
        Err(env::VarError::NotUnicode(_)) => Err(SettingsError::error(format!(
            "failed to read {name}: not UTF-8"
        ))),
    }
}

/// The user has to change a setting or install something: exit code 2 of the command line.
#[derive(Debug)]
pub struct SettingsError {
    cause: String,
    remedy: Option<String>,
}

impl SettingsError {
    pub(crate) fn error(message: impl Into<String>) -> anyhow::Error {
        Self {
            cause: message.into(),
            remedy: None,
        }
        .into()
    }

    /// With what to do kept apart, for when something else is done instead.
    pub(crate) fn with_remedy(cause: String, remedy: &str) -> anyhow::Error {
        Self {
            cause,
            remedy: Some(remedy.to_owned()),
        }
        .into()
    }

    /// Why something can't be used, without what to do about it.
    pub(crate) fn cause(&self) -> &str {
        &self.cause
    }
}

impl fmt::Display for SettingsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.cause)?;
        self.remedy
            .iter()
            .try_for_each(|remedy| write!(f, "; {remedy}"))
    }
}

impl std::error::Error for SettingsError {}
