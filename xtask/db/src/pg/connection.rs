//! An open session, and what its statements give.

use std::ffi::{CStr, CString};
use std::time::Duration;

use serde::de::DeserializeOwned;

use super::raw::{Cancel, Raw, RawResult, Rows, Status};
use super::{Params, SqlError};
use crate::ui::trace;

/// The result of a statement.
pub(super) type SqlResult<T> = Result<T, SqlError>;

/// An open session. Closed when dropped, and with it every lock and open transaction.
pub(crate) struct Connection {
    pub(super) raw: Raw,
    pub(super) params: Params,
    /// How long an answer is waited for; `None`: for ever, as for users' migrations.
    patience: Option<Duration>,
}

impl Connection {
    /// Connects; waits `connect_timeout` of the URL for each address, or 5 seconds.
    ///
    /// # Errors
    /// libpq's message, with the password removed.
    pub(crate) fn open(params: &Params) -> Result<Self, String> {
        let settings = settings(params)?;
        let connection = Self {
            raw: Raw::connect(&settings),
            params: params.clone(),
            patience: None,
        };
        match connection.raw.is_ok() {
            true => Ok(connection),
            false => Err(connection.last_error()),
        }
    }

    /// Whether a server is there that takes sessions: it may refuse this one.
    pub(crate) fn answers(params: &Params) -> bool {
        settings(params).is_ok_and(|settings| Raw::answers(&settings))
    }

    /// Runs one or more statements as one string, without parameters; rows are not kept.
    ///
    /// # Errors
    /// The first error; what PostgreSQL does not run after it was not run.
    pub(crate) fn execute(&mut self, sql: &str) -> SqlResult<()> {
        self.send(sql, false).map(drop)
    }

    /// As [`execute`](Self::execute), of a file; also whether the transaction around it was ended meanwhile, as far as the
    /// server's answers tell: a new one may be open by the end.
    pub(crate) fn execute_whole(&mut self, sql: &str) -> (SqlResult<()>, bool) {
        let mut ends = Ends::default();
        let sent = self.send_told(sql, false, |tag| ends.see(tag));
        (sent.map(drop), ends.any)
    }

    /// Runs statements as one string, and gives the rows of each that has any columns.
    ///
    /// # Errors
    /// The first error; what PostgreSQL does not run after it was not run.
    pub(crate) fn execute_rows(&mut self, sql: &str) -> SqlResult<Vec<Rows>> {
        self.send(sql, true)
    }

    /// Runs statements as one string, the last with rows of which gives one JSON value, and reads it.
    ///
    /// # Errors
    /// The server's, or JSON that does not fit `T`.
    pub(crate) fn execute_json<T: DeserializeOwned>(&mut self, sql: &str) -> SqlResult<T> {
        let rows = self.send(sql, true)?;
        let last = rows.last().and_then(|rows| rows.first());
        let first = last.and_then(|row| row.first());
        read_json(first.and_then(Option::as_deref))
    }

    /// Runs one statement with text parameters and gives its rows.
    ///
    /// # Errors
    /// The server's.
    pub(crate) fn query(&mut self, sql: &str, parameters: &[&str]) -> SqlResult<Rows> {
        trace::timed(
            || self.params.redact(&trace::statement(sql)),
            || self.query_untold(sql, parameters),
        )
    }

    fn query_untold(&self, sql: &str, parameters: &[&str]) -> SqlResult<Rows> {
        let values = parameters.iter().map(|value| c_string(value));
        let values = values.collect::<SqlResult<Vec<_>>>()?;
        if !self.raw.send_statement(&c_string(sql)?, &values) {
            return Err(self.broken());
        }
        let (mut rows, mut failed) = (Vec::new(), None);
        while let Some(result) = self.next()? {
            match self.check(&result, 0) {
                Ok(()) => rows = result.rows(),
                Err(error) => failed = failed.or(Some(error)),
            }
        }
        failed.map_or(Ok(rows), Err)
    }

    /// Runs one statement whose only row is one JSON value, and reads it.
    ///
    /// # Errors
    /// The server's, or JSON that does not fit `T`.
    pub(crate) fn query_json<T: DeserializeOwned>(
        &mut self,
        sql: &str,
        parameters: &[&str],
    ) -> SqlResult<T> {
        read_json(self.query_text(sql, parameters)?.as_deref())
    }

    /// The first column of the first row.
    ///
    /// # Errors
    /// The server's.
    pub(crate) fn query_text(
        &mut self,
        sql: &str,
        parameters: &[&str],
    ) -> SqlResult<Option<String>> {
        Ok(self
            .query(sql, parameters)?
            .into_iter()
            .next()
            .and_then(|row| row.into_iter().next())
            .flatten())
    }

    /// Whether the one boolean that a statement gives is true.
    ///
    /// # Errors
    /// The server's.
    pub(crate) fn query_bool(&mut self, sql: &str, parameters: &[&str]) -> SqlResult<bool> {
        Ok(self.query_text(sql, parameters)?.as_deref() == Some("t"))
    }

    /// The process that the server announced when we connected. A pooler announces an invented one.
    pub(crate) fn announced_pid(&self) -> i32 {
        self.raw.backend_pid()
    }

    /// The server's version as a number: 150018 is 15.18.
    pub(crate) fn server_version(&self) -> i32 {
        self.raw.server_version()
    }

    /// Whether a backslash in plain quotes is a character like any other, by the session's settings at the moment.
    pub(crate) fn has_standard_strings(&self) -> bool {
        let setting = self.raw.parameter(c"standard_conforming_strings");
        setting.as_deref() == Some("on")
    }

    /// Asks something that a server answers in no time: what takes longer than [`answer_timeout`] is an error.
    ///
    /// # Errors
    /// The server's, or that it did not answer.
    pub(crate) fn soon<T>(&mut self, ask: impl FnOnce(&mut Self) -> SqlResult<T>) -> SqlResult<T> {
        let before = self.patience.replace(patience());
        let answer = ask(self);
        self.patience = before;
        answer
    }

    /// Why the session can write nothing, as servers say from PostgreSQL 14 on: on a standby, or by a setting.
    pub(crate) fn is_read_only(&self) -> Option<&'static str> {
        let is_on = |name| self.raw.parameter(name).as_deref() == Some("on");
        if is_on(c"in_hot_standby") {
            return Some("it is a standby");
        }
        is_on(c"default_transaction_read_only").then_some("default_transaction_read_only is on")
    }

    /// What cancels the statements of this session.
    pub(crate) fn cancel(&self) -> Cancel {
        self.raw.cancel()
    }

    /// Whether a transaction is open, in good or in failed state.
    pub(crate) fn in_transaction(&self) -> bool {
        self.raw.in_transaction()
    }

    /// Whether the server is gone.
    pub(crate) fn is_lost(&self) -> bool {
        !self.raw.is_ok()
    }

    /// The notices that came since the last call.
    pub(crate) fn take_notices(&mut self) -> Vec<String> {
        let notices = self.raw.take_notices();
        notices
            .iter()
            .map(|notice| self.params.redact(notice.trim()))
            .collect()
    }

    /// Sends one string and reads all its results; gives the rows of each statement that has any, if they are wanted.
    fn send(&mut self, sql: &str, with_rows: bool) -> SqlResult<Vec<Rows>> {
        self.send_told(sql, with_rows, |_| {})
    }

    /// As [`send`](Self::send); `complete` hears the command of each statement that is.
    fn send_told(
        &mut self,
        sql: &str,
        with_rows: bool,
        complete: impl FnMut(&str),
    ) -> SqlResult<Vec<Rows>> {
        trace::timed(
            || self.params.redact(&trace::statement(sql)),
            || self.send_untold(sql, with_rows, complete),
        )
    }

    fn send_untold(
        &self,
        sql: &str,
        with_rows: bool,
        mut complete: impl FnMut(&str),
    ) -> SqlResult<Vec<Rows>> {
        const NO_DATA: &CStr =
            c"COPY FROM STDIN has no data here: use INSERT, or COPY FROM a file on the server";
        if !self.raw.send_string(&c_string(sql)?) {
            return Err(self.broken());
        }
        if !with_rows {
            self.raw.row_by_row();
        }
        let (mut rows, mut done, mut failed) = (Vec::new(), 0, None);
        while let Some(result) = self.next()? {
            match result.status() {
                // No rows will be sent: say so, or both sides wait for ever.
                Status::PGRES_COPY_IN => self.raw.refuse_copy(NO_DATA),
                Status::PGRES_COPY_OUT => self.raw.discard_copy(),
                status => {
                    if let Err(error) = self.check(&result, done) {
                        failed = failed.or(Some(error));
                    }
                    if status == Status::PGRES_TUPLES_OK && with_rows {
                        rows.push(result.rows());
                    }
                    if let Some(command) = result.command() {
                        complete(&command);
                        done += 1;
                    }
                }
            }
        }
        failed.map_or(Ok(rows), Err)
    }

    pub(super) fn next(&self) -> SqlResult<Option<RawResult>> {
        match self.patience {
            Some(patience) if !self.raw.wait(patience) => Err(SqlError {
                message: format!(
                    "no answer from the server within {} s ({ANSWER_TIMEOUT} allows more)",
                    patience.as_secs()
                ),
                ..SqlError::default()
            }),
            _ => Ok(self.raw.next()),
        }
    }

    pub(super) fn check(&self, result: &RawResult, statements_done: usize) -> SqlResult<()> {
        if !matches!(
            result.status(),
            Status::PGRES_FATAL_ERROR | Status::PGRES_BAD_RESPONSE
        ) {
            return Ok(());
        }
        let field = |code: u8| {
            result
                .error_field(code)
                .map(|text| self.params.redact(&text))
        };
        let Some(message) = field(b'M') else {
            return Err(SqlError {
                statements_done,
                ..self.broken()
            });
        };
        Err(SqlError {
            severity: field(b'V').or_else(|| field(b'S')).unwrap_or_default(),
            sqlstate: field(b'C').unwrap_or_default(),
            message,
            detail: field(b'D'),
            hint: field(b'H'),
            context: field(b'W'),
            position: field(b'P').and_then(|text| text.parse().ok()),
            statements_done,
        })
    }

    pub(super) fn broken(&self) -> SqlError {
        SqlError {
            message: self.last_error(),
            ..SqlError::default()
        }
    }

    fn last_error(&self) -> String {
        self.params.redact(self.raw.error().trim())
    }
}

/// The variable that says how many seconds [`answer_timeout`] is.
const ANSWER_TIMEOUT: &str = "DB_ANSWER_TIMEOUT";

/// How long an answer to a question of ours is waited for; half a minute, unless the environment says something else.
/// Migrations take the time that they take.
///
/// # Errors
/// The variable holds no number of seconds.
pub(crate) fn answer_timeout() -> Result<Duration, String> {
    let Ok(text) = std::env::var(ANSWER_TIMEOUT) else {
        return Ok(PATIENCE);
    };
    let seconds = text.parse().ok().filter(|seconds: &u32| *seconds > 0);
    let seconds =
        seconds.ok_or_else(|| format!("{ANSWER_TIMEOUT} is `{text}`, not a number of seconds"))?;
    Ok(Duration::from_secs(seconds.into()))
}

const PATIENCE: Duration = Duration::from_secs(30);

/// As [`answer_timeout`], where it is known to be one.
fn patience() -> Duration {
    answer_timeout().unwrap_or(PATIENCE)
}

/// What libpq is given: the settings, and what they leave open.
fn settings(params: &Params) -> Result<Vec<(CString, CString)>, String> {
    let connect_timeout = std::env::var("PGCONNECT_TIMEOUT").unwrap_or_else(|_| "5".to_owned());
    // Migrations are UTF-8 files, even if the URL names another encoding.
    let mut settings = params.with("client_encoding", "UTF8").settings;
    for (key, value) in [
        ("connect_timeout", connect_timeout.as_str()),
        // A link that is cut is noticed: by probes while we wait, by what is not acknowledged while we send.
        ("keepalives_idle", "30"),
        ("keepalives_interval", "10"),
        ("keepalives_count", "3"),
        ("tcp_user_timeout", "60000"),
        (
            "fallback_application_name",
            concat!("cargo xtask db ", env!("CARGO_PKG_VERSION")),
        ),
    ] {
        if params.get(key).is_none() {
            settings.push((key.to_owned(), value.to_owned()));
        }
    }
    c_strings(settings)
}

/// The settings as libpq takes them.
pub(super) fn c_strings(
    settings: Vec<(String, String)>,
) -> Result<Vec<(CString, CString)>, String> {
    let c_string = |text: String| CString::new(text).map_err(|_| "a setting contains a NUL byte");
    let settings = settings
        .into_iter()
        .map(|(key, value)| Ok((c_string(key)?, c_string(value)?)))
        .collect::<Result<Vec<_>, &str>>();
    Ok(settings?)
}

/// What the commands of a string that were run say of the transaction around it.
#[derive(Default)]
struct Ends {
    any: bool,
    has_savepoint: bool,
}

impl Ends {
    fn see(&mut self, command: &str) {
        match command {
            "COMMIT" | "PREPARE TRANSACTION" => self.any = true,
            // Also what goes back to a savepoint.
            "ROLLBACK" if !self.has_savepoint => self.any = true,
            "SAVEPOINT" => self.has_savepoint = true,
            _ => {}
        }
    }
}

pub(super) fn c_string(text: &str) -> SqlResult<CString> {
    CString::new(text).map_err(|_| SqlError {
        message: "the text contains a NUL byte, which PostgreSQL can't take".to_owned(),
        ..SqlError::default()
    })
}

fn read_json<T: DeserializeOwned>(text: Option<&str>) -> SqlResult<T> {
    serde_json::from_str(text.unwrap_or("null")).map_err(|error| SqlError {
        message: format!("unexpected answer from the server: {error}"),
        ..SqlError::default()
    })
}
