//! A safe, small face on libpq: connection settings, a connection, errors with every field.
//!
//! Why not Diesel: its errors leave out the SQLSTATE and its connection hides libpq's, and an error at
//! 2 a.m. without its SQLSTATE is half an error. The `libpq` crate can't be linked beside `pq-sys`.
//! It also builds in a fraction of the time, and everybody waits for this crate.
#![expect(unsafe_code, reason = "the one place that calls libpq")]

use std::cell::RefCell;
use std::ffi::{CStr, CString, c_char, c_int, c_void};
use std::fmt;
use std::ptr;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde::de::DeserializeOwned;

/// What may stand unencoded in the parts of a URL that we print.
const URL_PART: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'_')
    .remove(b'.')
    .remove(b'~');

/// Connection settings as libpq reads them. Neither `Debug` nor `Display` shows a password.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Params {
    settings: Vec<(String, String)>,
    secrets: Vec<String>,
}

impl Params {
    /// Parses a URL or a `key=value` string with libpq's own parser, so that whatever `psql` takes is taken.
    ///
    /// # Errors
    /// libpq's reason, without the parts that it quotes from the text: those may be a password.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let c_text = CString::new(text).map_err(|_| "it contains a NUL byte".to_owned())?;
        let mut error: *mut c_char = ptr::null_mut();
        // SAFETY: both pointers are valid for the call; the result is freed below.
        let options = unsafe { pq_sys::PQconninfoParse(c_text.as_ptr(), &raw mut error) };
        if options.is_null() {
            // SAFETY: libpq hands over a C string, or null when it is out of memory.
            let reason = unsafe { text_of(error) }.unwrap_or_else(|| "out of memory".to_owned());
            // SAFETY: allocated by libpq just now.
            unsafe { pq_sys::PQfreemem(error.cast()) };
            return Err(without_quoted(&reason));
        }
        let mut settings = Vec::new();
        let mut option = options;
        // SAFETY: libpq's array ends with an entry whose keyword is null.
        unsafe {
            while !(*option).keyword.is_null() {
                if let (Some(key), Some(value)) =
                    (text_of((*option).keyword), text_of((*option).val))
                {
                    settings.push((key, value));
                }
                option = option.add(1);
            }
            pq_sys::PQconninfoFree(options);
        }
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

impl fmt::Display for Params {
    /// A URL that `psql` would take, but for its password.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let part = |text| utf8_percent_encode(text, URL_PART);
        f.write_str("postgres://")?;
        if let Some(user) = self.get("user") {
            write!(f, "{}", part(user))?;
        }
        if !self.secrets.is_empty() {
            f.write_str(":***")?;
        }
        if self.get("user").is_some() || !self.secrets.is_empty() {
            f.write_str("@")?;
        }
        let hosts: Vec<_> = self.get("host").unwrap_or_default().split(',').collect();
        let ports: Vec<_> = self.get("port").unwrap_or_default().split(',').collect();
        for (index, host) in hosts.iter().enumerate() {
            if index > 0 {
                f.write_str(",")?;
            }
            match host.contains(':') {
                true => write!(f, "[{host}]")?,
                false => write!(f, "{}", part(host))?,
            }
            match ports.get(if ports.len() == 1 { 0 } else { index }) {
                Some(port) if !port.is_empty() => write!(f, ":{port}")?,
                _ => {}
            }
        }
        if let Some(database) = self.get("dbname") {
            write!(f, "/{}", part(database))?;
        }
        let shown = ["user", "host", "port", "dbname"];
        let rest = self
            .settings
            .iter()
            .filter(|(key, _)| !shown.contains(&key.as_str()) && !is_secret(key));
        for (index, (key, value)) in rest.enumerate() {
            write!(
                f,
                "{}{key}={}",
                if index == 0 { '?' } else { '&' },
                part(value)
            )?;
        }
        Ok(())
    }
}

impl fmt::Debug for Params {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Params({self})")
    }
}

/// Whether a setting is a password, or as good as one.
fn is_secret(key: &str) -> bool {
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

/// What the server said of a statement that it refused, each field as libpq gives it.
#[derive(Debug, Clone, Default)]
pub(crate) struct SqlError {
    /// `ERROR`, `FATAL`; empty when the connection itself broke.
    pub(crate) severity: String,
    /// Five characters; empty when the connection itself broke.
    pub(crate) sqlstate: String,
    /// The primary message.
    pub(crate) message: String,
    /// `DETAIL`.
    pub(crate) detail: Option<String>,
    /// `HINT`.
    pub(crate) hint: Option<String>,
    /// `CONTEXT`, such as the PL/pgSQL line.
    pub(crate) context: Option<String>,
    /// In characters from 1, in the text that was sent.
    pub(crate) position: Option<usize>,
    /// How many statements of the text had succeeded before.
    pub(crate) statements_done: usize,
}

impl fmt::Display for SqlError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)?;
        if !self.sqlstate.is_empty() {
            write!(f, " (SQLSTATE {})", self.sqlstate)?;
        }
        if let Some(detail) = &self.detail {
            write!(f, "; {detail}")?;
        }
        Ok(())
    }
}

impl std::error::Error for SqlError {}

/// The rows of a statement, each value as text.
type Rows = Vec<Vec<Option<String>>>;

/// The result of a statement.
type SqlResult<T> = Result<T, SqlError>;

/// An open session. Closed when dropped, and with it every lock and open transaction.
pub(crate) struct Connection {
    raw: *mut pq_sys::PGconn,
    // Boxed: libpq holds its address.
    notices: Box<RefCell<Vec<String>>>,
    params: Params,
}

// SAFETY: libpq lets any one thread at a time use a connection, and `&mut self` on what talks to the server sees to it;
// the notices are touched inside those calls only.
unsafe impl Send for Connection {}

impl Connection {
    /// Connects; waits `connect_timeout` of the URL for each address, or 5 seconds.
    ///
    /// # Errors
    /// libpq's message, with the password removed.
    pub(crate) fn open(params: &Params) -> Result<Self, String> {
        // Migrations are UTF-8 files, whatever the URL says.
        let mut settings = params.with("client_encoding", "UTF8").settings;
        for (key, value) in [
            ("connect_timeout", "5"),
            (
                "fallback_application_name",
                concat!("cargo xtask db ", env!("CARGO_PKG_VERSION")),
            ),
        ] {
            if params.get(key).is_none() {
                settings.push((key.to_owned(), value.to_owned()));
            }
        }
        let c_string =
            |text: &str| CString::new(text).map_err(|_| "a setting contains a NUL byte".to_owned());
        let keys = settings
            .iter()
            .map(|(key, _)| c_string(key))
            .collect::<Result<Vec<_>, _>>()?;
        let values = settings
            .iter()
            .map(|(_, value)| c_string(value))
            .collect::<Result<Vec<_>, _>>()?;
        let pointers = |strings: &[CString]| -> Vec<*const c_char> {
            strings
                .iter()
                .map(|string| string.as_ptr())
                .chain([ptr::null()])
                .collect()
        };
        let (key_pointers, value_pointers) = (pointers(&keys), pointers(&values));
        // SAFETY: two null-terminated arrays of the same length, alive during the call.
        let raw =
            unsafe { pq_sys::PQconnectdbParams(key_pointers.as_ptr(), value_pointers.as_ptr(), 0) };
        let connection = Self {
            raw,
            notices: Box::default(),
            params: params.clone(),
        };
        // SAFETY: `raw` is what libpq returned; null is an allowed argument.
        if unsafe { pq_sys::PQstatus(raw) } != pq_sys::ConnStatusType::CONNECTION_OK {
            return Err(connection.last_error());
        }
        let sink: *const RefCell<Vec<String>> = &raw const *connection.notices;
        // SAFETY: the sink lives as long as the connection, and is only touched from this thread, inside calls to libpq.
        unsafe { pq_sys::PQsetNoticeProcessor(raw, Some(collect_notice), sink.cast_mut().cast()) };
        Ok(connection)
    }

    /// Runs one or more statements as one text, without parameters.
    ///
    /// # Errors
    /// The first error; what PostgreSQL does not run after it was not run.
    pub(crate) fn execute(&mut self, sql: &str) -> SqlResult<()> {
        self.send(sql).map(drop)
    }

    /// Begins a transaction and runs the statements in it, in one round. Places in an error are those in `sql`.
    ///
    /// # Errors
    /// As for [`execute`](Self::execute); the transaction stays open, failed.
    pub(crate) fn begin_and_execute(&mut self, sql: &str) -> SqlResult<()> {
        const BEGIN: &str = "BEGIN;";
        self.send(&format!("{BEGIN}{sql}"))
            .map(drop)
            .map_err(|error| SqlError {
                position: error
                    .position
                    .map(|position| position.saturating_sub(BEGIN.len())),
                statements_done: error.statements_done.saturating_sub(1),
                ..error
            })
    }

    /// Runs statements as one text, the last with rows of which gives one JSON value, and reads it.
    ///
    /// # Errors
    /// The server's, or JSON that does not fit `T`.
    pub(crate) fn execute_json<T: DeserializeOwned>(&mut self, sql: &str) -> SqlResult<T> {
        let rows = self.send(sql)?;
        let first = rows.first().and_then(|row| row.first());
        read_json(first.and_then(Option::as_deref))
    }

    /// Runs one statement with text parameters and gives its rows.
    ///
    /// # Errors
    /// The server's.
    pub(crate) fn query(
        &mut self,
        sql: &str,
        parameters: &[&str],
    ) -> SqlResult<Vec<Vec<Option<String>>>> {
        let c_string = |text: &str| CString::new(text).map_err(|_| nul_byte());
        let sql = c_string(sql)?;
        let values = parameters
            .iter()
            .map(|value| c_string(value))
            .collect::<Result<Vec<_>, _>>()?;
        let pointers: Vec<_> = values.iter().map(|value| value.as_ptr()).collect();
        let count = c_int::try_from(pointers.len()).map_err(|_| nul_byte())?;
        // SAFETY: `count` pointers to C strings that outlive the call; text format everywhere.
        let result = RawResult(unsafe {
            pq_sys::PQexecParams(
                self.raw,
                sql.as_ptr(),
                count,
                ptr::null(),
                pointers.as_ptr(),
                ptr::null(),
                ptr::null(),
                0,
            )
        });
        self.check(&result, 0)?;
        Ok(result.rows())
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
        let text = self
            .query_text(sql, parameters)?
            .unwrap_or_else(|| "null".to_owned());
        serde_json::from_str(&text).map_err(|error| SqlError {
            message: format!("unexpected answer from the server: {error}"),
            ..SqlError::default()
        })
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
        // SAFETY: `raw` is a live connection.
        unsafe { pq_sys::PQbackendPID(self.raw) }
    }

    /// The server's version as a number: 150018 is 15.18.
    pub(crate) fn server_version(&self) -> i32 {
        // SAFETY: `raw` is a live connection.
        unsafe { pq_sys::PQserverVersion(self.raw) }
    }

    /// Whether a transaction is open, in good or in failed state.
    pub(crate) fn in_transaction(&self) -> bool {
        use pq_sys::PGTransactionStatusType as Status;
        // SAFETY: `raw` is a live connection.
        let status = unsafe { pq_sys::PQtransactionStatus(self.raw) };
        !matches!(status, Status::PQTRANS_IDLE | Status::PQTRANS_UNKNOWN)
    }

    /// Whether the server is gone.
    pub(crate) fn is_lost(&self) -> bool {
        // SAFETY: `raw` is a connection, live or broken.
        unsafe { pq_sys::PQstatus(self.raw) != pq_sys::ConnStatusType::CONNECTION_OK }
    }

    /// The notices that came since the last call.
    pub(crate) fn take_notices(&mut self) -> Vec<String> {
        let notices = self.notices.take();
        notices
            .iter()
            .map(|notice| self.params.redact(notice.trim()))
            .collect()
    }

    /// Sends one text and reads all its results; gives the rows of the last that had any.
    fn send(&mut self, sql: &str) -> SqlResult<Rows> {
        use pq_sys::ExecStatusType as Status;
        let sql = CString::new(sql).map_err(|_| nul_byte())?;
        // SAFETY: a live connection and a C string.
        if unsafe { pq_sys::PQsendQuery(self.raw, sql.as_ptr()) } != 1 {
            return Err(self.broken());
        }
        let (mut rows, mut done, mut failed) = (Rows::new(), 0, None);
        loop {
            // SAFETY: called until it returns null, as libpq asks.
            let result = RawResult(unsafe { pq_sys::PQgetResult(self.raw) });
            if result.0.is_null() {
                return failed.map_or(Ok(rows), Err);
            }
            match result.status() {
                Status::PGRES_COPY_IN => {
                    // Nobody will send the rows: say so, or both sides wait for ever.
                    let reason = c"COPY FROM STDIN has no data here: use INSERT, or COPY FROM a file on the server";
                    // SAFETY: a live connection in COPY IN state and a C string.
                    unsafe { pq_sys::PQputCopyEnd(self.raw, reason.as_ptr()) };
                }
                Status::PGRES_COPY_OUT => self.discard_copy(),
                status => {
                    if let Err(error) = self.check(&result, done) {
                        failed = failed.or(Some(error));
                    }
                    if status == Status::PGRES_TUPLES_OK {
                        rows = result.rows();
                    }
                    done += 1;
                }
            }
        }
    }

    /// Reads and forgets what `COPY … TO STDOUT` sends.
    fn discard_copy(&mut self) {
        loop {
            let mut buffer: *mut c_char = ptr::null_mut();
            // SAFETY: a live connection in COPY OUT state; the buffer is libpq's and freed here.
            let length = unsafe { pq_sys::PQgetCopyData(self.raw, &raw mut buffer, 0) };
            if length < 0 {
                return;
            }
            // SAFETY: as above.
            unsafe { pq_sys::PQfreemem(buffer.cast()) };
        }
    }

    fn check(&self, result: &RawResult, statements_done: usize) -> SqlResult<()> {
        use pq_sys::ExecStatusType as Status;
        let status = result.status();
        if !matches!(
            status,
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
            return Err(self.broken());
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

    fn broken(&self) -> SqlError {
        SqlError {
            message: self.last_error(),
            ..SqlError::default()
        }
    }

    fn last_error(&self) -> String {
        // SAFETY: libpq gives a valid C string for any connection, null included.
        let text = unsafe { text_of(pq_sys::PQerrorMessage(self.raw)) }.unwrap_or_default();
        self.params.redact(text.trim())
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        // SAFETY: closed once; null is allowed.
        unsafe { pq_sys::PQfinish(self.raw) };
    }
}

/// A result that frees itself.
struct RawResult(*mut pq_sys::PGresult);

impl RawResult {
    fn status(&self) -> pq_sys::ExecStatusType {
        // SAFETY: null is allowed and reads as a fatal error.
        unsafe { pq_sys::PQresultStatus(self.0) }
    }

    /// A field of an error by its code in the protocol ("Error and Notice Message Fields" in PostgreSQL's manual).
    fn error_field(&self, code: u8) -> Option<String> {
        // SAFETY: null is allowed; the C string lives as long as the result.
        unsafe { text_of(pq_sys::PQresultErrorField(self.0, c_int::from(code))) }
    }

    fn rows(&self) -> Rows {
        // SAFETY: indexes stay below the counts that libpq gives.
        unsafe {
            let (rows, columns) = (pq_sys::PQntuples(self.0), pq_sys::PQnfields(self.0));
            (0..rows)
                .map(|row| {
                    (0..columns)
                        .map(|column| match pq_sys::PQgetisnull(self.0, row, column) {
                            1 => None,
                            _ => text_of(pq_sys::PQgetvalue(self.0, row, column)),
                        })
                        .collect()
                })
                .collect()
        }
    }
}

impl Drop for RawResult {
    fn drop(&mut self) {
        // SAFETY: freed once; null is allowed.
        unsafe { pq_sys::PQclear(self.0) };
    }
}

/// # Safety
/// Null, or a C string.
unsafe fn text_of(text: *const c_char) -> Option<String> {
    // SAFETY: the caller's.
    (!text.is_null()).then(|| {
        unsafe { CStr::from_ptr(text) }
            .to_string_lossy()
            .into_owned()
    })
}

unsafe extern "C" fn collect_notice(sink: *mut c_void, message: *const c_char) {
    // SAFETY: `sink` is the `RefCell` that `open` registered; libpq calls this on the connection's own thread.
    let (sink, message) = unsafe { (&*sink.cast::<RefCell<Vec<String>>>(), text_of(message)) };
    sink.borrow_mut().extend(message);
}

fn read_json<T: DeserializeOwned>(text: Option<&str>) -> SqlResult<T> {
    serde_json::from_str(text.unwrap_or("null")).map_err(|error| SqlError {
        message: format!("unexpected answer from the server: {error}"),
        ..SqlError::default()
    })
}

fn nul_byte() -> SqlError {
    SqlError {
        message: "the text contains a NUL byte, which PostgreSQL can't take".to_owned(),
        ..SqlError::default()
    }
}

/// A name in SQL, quoted by construction: `order` and `weird "name` are names like any other.
#[derive(Clone, Copy)]
pub(crate) struct Ident<'a>(pub(crate) &'a str);

impl fmt::Display for Ident<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "\"{}\"", self.0.replace('"', "\"\""))
    }
}

/// A text value in a script that is printed; what we run ourselves takes parameters.
#[derive(Clone, Copy)]
pub(crate) struct Literal<'a>(pub(crate) &'a str);

impl fmt::Display for Literal<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let quoted = self.0.replace('\'', "''");
        match quoted.contains('\\') {
            true => write!(f, "E'{}'", quoted.replace('\\', "\\\\")),
            false => write!(f, "'{quoted}'"),
        }
    }
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

    #[test]
    fn names_and_values_are_quoted() {
        assert_eq!(Ident("weird \"name").to_string(), "\"weird \"\"name\"");
        assert_eq!(Literal("it's").to_string(), "'it''s'");
        assert_eq!(Literal(r"a\'").to_string(), r"E'a\\'''");
    }
}
