//! Connection settings for a program that is run: no password on its command line.

use std::fmt::Write as _;

use super::params::is_secret;
use super::{Connection, Params};

/// Connection settings as another program takes them.
pub(crate) struct ForChild {
    /// `key='value'` pairs for the command line, which every user of the machine can read: without passwords.
    pub(crate) conninfo: String,
    /// The password, for `PGPASSWORD` in the environment.
    pub(crate) password: Option<String>,
    /// Lines for a service file: secrets that have no variable of their own, such as the passphrase of a key.
    pub(crate) service: Vec<String>,
}

impl Params {
    /// The same settings without one of them.
    pub(crate) fn without(&self, key: &str) -> Self {
        let mut params = self.clone();
        params.settings.retain(|(name, _)| name != key);
        params
    }

    /// These settings for a program that is run.
    ///
    /// # Errors
    /// A secret that no program can be given beside the service file that the settings name.
    pub(crate) fn for_child(&self) -> Result<ForChild, String> {
        let mut child = ForChild {
            conninfo: String::new(),
            password: None,
            service: Vec::new(),
        };
        for (key, value) in &self.settings {
            match key.as_str() {
                "password" => child.password = Some(value.clone()),
                // A dump is in the encoding of its database.
                "client_encoding" => {}
                _ if is_secret(key) => child.service.push(format!("{key}={value}")),
                _ => {
                    let value = value.replace('\\', "\\\\").replace('\'', "\\'");
                    // Writing to memory does not fail.
                    let _ = write!(child.conninfo, "{key}='{value}' ");
                }
            }
        }
        if self.get("connect_timeout").is_none() {
            child.conninfo.push_str("connect_timeout='5' ");
        }
        match (child.service.first(), self.get("service")) {
            (Some(secret), Some(_)) => Err(format!(
                "`{}` and `service` in one URL can't be passed on: move the secret into the service file",
                secret.split('=').next().unwrap_or_default()
            )),
            _ => Ok(child),
        }
    }
}

impl Connection {
    /// The settings of this session, of several servers only the one that it reached: another session that is opened with
    /// them is on the same server.
    pub(crate) fn pinned(&self) -> Params {
        let found = self.raw.endpoint();
        let found = found.into_iter().filter_map(|(key, value)| {
            let value = value.filter(|value| !value.is_empty())?;
            Some((key, value))
        });
        found.fold(self.params.clone(), |params, (key, value)| {
            params.with(key, &value)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_secret_is_on_the_command_line() {
        let params = Params::parse(
            "host=h user=me password=hush dbname='a \\'b\\\\' sslpassword=hush2 client_encoding=LATIN1",
        )
        .unwrap();
        let child = params.for_child().unwrap();
        assert!(
            child.conninfo.contains("dbname='a \\'b\\\\'"),
            "{}",
            child.conninfo
        );
        assert!(!child.conninfo.contains("hush"), "{}", child.conninfo);
        assert!(!child.conninfo.contains("client_encoding"));
        assert_eq!(child.service, ["sslpassword=hush2"]);
        assert_eq!(child.password.as_deref(), Some("hush"));
        assert!(params.with("service", "s").for_child().is_err());
    }
}
