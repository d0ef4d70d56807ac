//! The few statements that everything here is made of.

use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Result, anyhow};
use diesel::connection::SimpleConnection;
use diesel::{Connection, PgConnection, QueryableByName, RunQueryDsl, sql_query, sql_types};
use url::Url;

use crate::release::Release;

/// As long as a busy server may take to have a place for one more session.
const FULL_TIMEOUT: Duration = Duration::from_secs(60);

/// Opens a session, and makes sure that a query is answered.
pub(crate) fn connect(url: &Url) -> Result<PgConnection> {
    let mut bounded = url.clone();
    if !bounded
        .query_pairs()
        .any(|(name, _)| name == "connect_timeout")
    {
        bounded
            .query_pairs_mut()
            .append_pair("connect_timeout", "5");
    }
    let start = Instant::now();
    loop {
        match PgConnection::establish(bounded.as_str()) {
            Ok(mut connection) => {
                connection.batch_execute("SELECT 1")?;
                return Ok(connection);
            }
            // Too many sessions say that the server lives.
            Err(error)
                if error.to_string().contains("too many clients")
                    && start.elapsed() < FULL_TIMEOUT =>
            {
                thread::sleep(Duration::from_millis(20));
            }
            Err(error) => {
                return Err(anyhow!(
                    "failed to connect to {}: {}",
                    shown(url),
                    hide(url, &error.to_string())
                ));
            }
        }
    }
}

/// A URL without its password.
pub(crate) fn shown(url: &Url) -> String {
    let mut url = url.clone();
    if url.password().is_some() {
        let _ = url.set_password(Some("***"));
    }
    url.to_string()
}

fn hide(url: &Url, text: &str) -> String {
    let text = text.trim();
    match url.password() {
        Some(password) if !password.is_empty() => text.replace(password, "***"),
        _ => text.to_owned(),
    }
}

/// An identifier in SQL.
pub(crate) fn quote(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// A string in SQL.
pub(crate) fn literal(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}

/// A row of one text.
#[derive(QueryableByName)]
pub(crate) struct Text {
    #[diesel(sql_type = sql_types::Text)]
    pub(crate) value: String,
}

/// The texts that a query calls `value`.
pub(crate) fn texts(connection: &mut PgConnection, query: &str) -> Result<Vec<String>> {
    let rows: Vec<Text> = sql_query(query).load(connection)?;
    Ok(rows.into_iter().map(|row| row.value).collect())
}

/// The server's release.
pub(crate) fn release(connection: &mut PgConnection) -> Result<Release> {
    let texts = texts(
        connection,
        "SELECT current_setting('server_version') AS value",
    )?;
    let release = texts.first().and_then(|text| Release::parse(text));
    release.ok_or_else(|| anyhow!("failed to understand the server's version {texts:?}"))
}
