//! Connection settings as libpq reads them, with passwords that can't be shown.

use std::ffi::CString;
use std::fmt;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use super::raw::parse_settings;

/// What may stand unencoded in the parts of a URL that we print.
const URL_PART: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'_')
    .remove(b'.')
    .remove(b'~');

/// Connection settings as libpq reads them. Neither `Debug` nor `Display` shows a password.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Params {
    pub(super) settings: Vec<(String, String)>,
    secrets: Vec<String>,
}

impl Params {
    /// Parses a URL or a `key=value` string with libpq's own parser, so that every string that `psql` accepts is accepted.
    ///
    /// # Errors
    /// libpq's reason, without the parts that it quotes from the text: those may be a password.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let c_text = CString::new(text).map_err(|_| "it contains a NUL byte".to_owned())?;
        match text.split_once("://") {
            Some(("postgres" | "postgresql", _)) => {}
            Some((scheme, _))
                if scheme
                    .chars()
                    .all(|c| c.is_ascii_alphanumeric() || c == '+') =>
            {
                return Err(format!("it starts with {scheme}://, not with postgres://"));
            }
            _ if !text.contains('=') => {
                return Err("it does not start with postgres://".to_owned());
            }
            _ => {}
        }
        let settings = parse_settings(&c_text).map_err(|reason| without_quoted(&reason))?;
        let ports = settings.iter().filter(|(key, _)| key == "port");
        let mut ports = ports.flat_map(|(_, value)| value.split(','));
        // libpq would take what follows a stray `@` or `/` for a host or a database, and print it.
        if stray_separator(text)
            || ports.any(|port| port.parse::<u16>().is_err() && !port.is_empty())
        {
            return Err("its password, host or port can't be told apart".to_owned());
        }
        let mut secrets = Vec::new();
        for (_, value) in settings
            .iter()
            .filter(|(key, value)| is_secret(key) && !value.is_empty())
        {
            secrets.push(value.clone());
            secrets.push(utf8_percent_encode(value, URL_PART).to_string());
        }
        // The spelling in the text itself, which may be encoded in another way than ours.
        if let Some(spelled) = password_in_url(text) {
            secrets.push(spelled.to_owned());
        }
        secrets.sort_by_key(|secret| std::cmp::Reverse(secret.len()));
        secrets.dedup();
        Ok(Self { settings, secrets })
    }

    /// The value of one setting, if the text gave it.
    pub(crate) fn get(&self, key: &str) -> Option<&str> {
        self.settings
            .iter()
            .find(|(name, _)| name == key)
            .map(|(_, value)| value.as_str())
    }

    /// The same settings with one of them changed.
    #[must_use]
    pub(crate) fn with(&self, key: &str, value: &str) -> Self {
        let mut params = self.clone();
        params.settings.retain(|(name, _)| name != key);
        params.settings.push((key.to_owned(), value.to_owned()));
        params
    }

    /// The same settings with another user, whose password is as secret.
    pub(crate) fn with_role(&self, user: &str, password: &str) -> Self {
        let mut params = self.with("user", user).with("password", password);
        params.secrets.push(password.to_owned());
        params
    }

    /// A URL with everything in it, the password too: only for the environment of a child process.
    pub(crate) fn url_with_password(&self) -> String {
        let part = |text| utf8_percent_encode(text, URL_PART);
        let settings: Vec<_> = self
            .settings
            .iter()
            .map(|(key, value)| format!("{key}={}", part(value)))
            .collect();
        format!("postgres:///?{}", settings.join("&"))
    }

    /// `text` with every spelling of the password replaced by `***`.
    pub(crate) fn redact(&self, text: &str) -> String {
        let mut text = text.to_owned();
        for secret in &self.secrets {
            text = replace_word(&text, secret);
        }
        text
    }

    /// Whether every host is this machine: a loopback address, a Unix socket, or none given. What the text leaves open,
    /// libpq takes from the environment; of a service file nothing is known.
    pub(crate) fn is_local(&self) -> bool {
        let setting = |key: &str, variable: &str| {
            let given = self.get(key).map(str::to_owned);
            given
                .or_else(|| std::env::var(variable).ok())
                .filter(|value| !value.is_empty())
        };
        let hosts = setting("hostaddr", "PGHOSTADDR").or_else(|| setting("host", "PGHOST"));
        setting("service", "PGSERVICE").is_none()
            && hosts.unwrap_or_default().split(',').all(|host| {
                host.is_empty()
                    || host.starts_with(['/', '@'])
                    || host == "localhost"
                    || host
                        .parse::<std::net::IpAddr>()
                        .is_ok_and(|address| address.is_loopback())
            })
    }
}

impl Params {
    /// A URL that `psql` and most other tools take, password included: for standard output only.
    pub(crate) fn revealed(&self) -> String {
        let password = self.get("password").filter(|text| !text.is_empty());
        self.rendered(
            password.map(|text| utf8_percent_encode(text, URL_PART).to_string()),
            |_| true,
        )
    }

    /// A URL with `password` as it is to be shown, and with those of the other settings that are `shown`.
    fn rendered(&self, password: Option<String>, shown: impl Fn(&str) -> bool) -> String {
        let part = |text| utf8_percent_encode(text, URL_PART).to_string();
        let mut url = "postgres://".to_owned();
        let user = self.get("user").map(part);
        let login = (user.is_some() || password.is_some()).then(|| {
            let password = password.map(|password| format!(":{password}"));
            user.unwrap_or_default() + &password.unwrap_or_default() + "@"
        });
        url.extend(login);
        let hosts: Vec<_> = self.get("host").unwrap_or_default().split(',').collect();
        let ports: Vec<_> = self.get("port").unwrap_or_default().split(',').collect();
        for (index, host) in hosts.iter().enumerate() {
            if index > 0 {
                url.push(',');
            }
            url.push_str(&match host.contains(':') {
                true => format!("[{host}]"),
                false => part(host),
            });
            match ports.get(if ports.len() == 1 { 0 } else { index }) {
                Some(port) if !port.is_empty() => url.push_str(&format!(":{port}")),
                _ => {}
            }
        }
        if let Some(database) = self.get("dbname") {
            url.push_str(&format!("/{}", part(database)));
        }
        let inside = ["user", "password", "host", "port", "dbname"];
        let rest = self
            .settings
            .iter()
            .filter(|(key, _)| !inside.contains(&key.as_str()) && shown(key));
        for (index, (key, value)) in rest.enumerate() {
            let separator = if index == 0 { '?' } else { '&' };
            url.push_str(&format!("{separator}{key}={}", part(value)));
        }
        url
    }
}

impl fmt::Display for Params {
    /// A URL that `psql` would take, but for its password.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let password = (!self.secrets.is_empty()).then(|| "***".to_owned());
        f.write_str(&self.rendered(password, |key| !is_secret(key)))
    }
}

impl fmt::Debug for Params {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Params({self})")
    }
}

/// Whether a setting is a password, or as good as one.
pub(super) fn is_secret(key: &str) -> bool {
    matches!(
        key,
        "password"
            | "sslpassword"
            | "oauth_client_secret"
            | "scram_client_key"
            | "scram_server_key"
    )
}

/// Whether a URL has an `@` or a `/` too many before its parameters, as an unencoded password makes them.
fn stray_separator(text: &str) -> bool {
    let Some((_, rest)) = text.split_once("://") else {
        return false;
    };
    let place = rest.split('?').next().unwrap_or_default();
    let database = place.split_once('/').map_or("", |(_, database)| database);
    place.matches('@').count() > 1 || database.contains(['@', '/'])
}

/// The password as it is spelled in a URL, also in one that libpq can't parse.
fn password_in_url(text: &str) -> Option<&str> {
    let rest = text.split_once("://")?.1;
    let authority = rest.rsplit_once('@')?.0;
    let password = authority.split_once(':')?.1;
    (!password.is_empty()).then_some(password)
}

/// libpq's parse errors quote the piece they can't read; a badly encoded password ends up there.
fn without_quoted(reason: &str) -> String {
    let pieces: Vec<_> = reason.trim().split('"').collect();
    match (pieces.first(), pieces.last()) {
        (Some(first), Some(last)) if pieces.len() > 2 => format!("{first}…{last}"),
        _ => reason.trim().to_owned(),
    }
}

/// Replaces `secret` where it stands as a word of its own: the password `arc` must not turn `arc_db` into `***_db`.
fn replace_word(text: &str, secret: &str) -> String {
    let is_word = |c: Option<char>| c.is_some_and(|c| c.is_alphanumeric() || c == '_');
    let (starts, ends) = (
        is_word(secret.chars().next()),
        is_word(secret.chars().last()),
    );
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find(secret) {
        let (before, after) = (&rest[..at], &rest[at + secret.len()..]);
        let inside =
            (starts && is_word(before.chars().last())) || (ends && is_word(after.chars().next()));
        out.push_str(before);
        out.push_str(if inside { secret } else { "***" });
        rest = after;
    }
    out.push_str(rest);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    const PASSWORD: &str = "@:/%#? '\"";

    #[test]
    fn a_password_is_in_no_rendering() {
        let encoded = "%40%3A%2F%25%23%3F%20%27%22";
        for text in [
            format!("postgres://me:{encoded}@h:5433/d?sslmode=require"),
            r#"user=me password='@:/%#? \'"' host=h port=5433 dbname=d sslmode=require"#.to_owned(),
        ] {
            let params = Params::parse(&text).unwrap();
            assert_eq!(params.get("password"), Some(PASSWORD));
            assert_eq!(
                params.to_string(),
                "postgres://me:***@h:5433/d?sslmode=require"
            );
            assert_eq!(
                format!("{params:?}"),
                "Params(postgres://me:***@h:5433/d?sslmode=require)"
            );
            assert_eq!(
                params.redact(&format!("a {PASSWORD} b {encoded} c")),
                "a *** b *** c"
            );
        }
    }

    #[test]
    fn a_url_that_cannot_be_parsed_gives_a_reason_without_its_parts() {
        let reason = Params::parse("postgres://me:se[cret@h/d?x=%zz").unwrap_err();
        assert!(
            !reason.contains("cret") && !reason.contains("zz"),
            "{reason}"
        );
        for text in [
            "postgres://me:p@s3cr3t@h/d",
            "postgres://me:p/s3cr3t@h/d",
            "postgres://me:12/s3cr3t@h:5/d",
        ] {
            let reason = Params::parse(text).unwrap_err();
            assert!(!reason.contains("s3cr3t"), "{reason}");
        }
        let reason = Params::parse("postgres://me:s3cr3t@h/d?nope=s3cr3t").unwrap_err();
        assert!(!reason.contains("s3cr3t"), "{reason}");
    }

    #[test]
    fn what_is_as_good_as_a_password_is_hidden() {
        let params =
            Params::parse("postgres://me@h/d?scram_client_key=s3cr3t&sslpassword=s3cr3u").unwrap();
        let shown = format!("{params} {params:?}");
        assert!(!shown.contains("s3cr3"), "{shown}");
    }

    #[test]
    fn a_password_that_is_part_of_a_name_leaves_the_name_alone() {
        let params = Params::parse("postgres://arc:arc@h/arc_db").unwrap();
        assert_eq!(
            params.redact("arc_db: password arc refused"),
            "arc_db: password *** refused"
        );
    }

    #[test]
    fn hosts_sockets_and_odd_names_are_shown() {
        for (text, shown) in [
            ("postgresql://a,b:5/d", "postgres://a,b:5/d"),
            ("postgres://[::1]:5/d", "postgres://[::1]:5/d"),
            (
                "host=/run/pg dbname='weird \"name'",
                "postgres://%2Frun%2Fpg/weird%20%22name",
            ),
        ] {
            assert_eq!(Params::parse(text).unwrap().to_string(), shown);
        }
    }

    #[test]
    fn only_this_machine_is_local() {
        for (text, local) in [
            ("postgres://localhost/d", true),
            ("postgres://127.0.0.1/d", true),
            ("postgres://[::1]/d", true),
            ("postgres:///d?host=/run/postgresql", true),
            ("postgres://localhost,db.example/d", false),
            ("postgres://10.0.0.1/d", false),
        ] {
            assert_eq!(Params::parse(text).unwrap().is_local(), local, "{text}");
        }
    }
}
