//! Starts a server with the programs of this machine.

use anyhow::Result;

use crate::order::{self, Order, Started};
use crate::settings::{Provider, Settings};
use crate::variable::SettingsError;
use crate::{docker, native};

/// Starts a server: the forced provider, or Docker, or else installed binaries.
pub(crate) fn start(settings: &Settings, order: &Order) -> Result<Started> {
    let fallback = match settings.provider {
        Some(Provider::Native) => None,
        Some(_) => return docker::start(settings, order),
        None => match docker::start(settings, order) {
            Ok(started) => return Ok(started),
            Err(reason) => Some(one_line(&match reason.downcast_ref::<SettingsError>() {
                Some(reason) => reason.cause().to_owned(),
                None => format!("{reason:#}"),
            })),
        },
    };
    match native::start(settings, order) {
        Ok((started, release)) => {
            let wanted = settings.version.major;
            if fallback.is_some() || release.major() != wanted {
                let version = if release.major() == wanted {
                    String::new()
                } else {
                    format!(" ({wanted} is not installed)")
                };
                let docker = fallback
                    .map(|reason| format!(", not Docker: {reason}"))
                    .unwrap_or_default();
                order::note(&format!(
                    "using installed PostgreSQL {release}{version} for `{}`{docker}",
                    order.name
                ));
            }
            Ok(started)
        }
        Err(error) => Err(match fallback {
            Some(reason) => error.context(format!("failed to use Docker: {reason}")),
            None => error,
        }),
    }
}

fn one_line(text: &str) -> String {
    text.lines()
        .map(str::trim)
        .filter(|line| !line.is_empty())
        .collect::<Vec<_>>()
        .join(" ")
}
