//! An open session, and what its statements give.
#![expect(unsafe_code, reason = "libpq is called")]

use std::cell::RefCell;
use std::ffi::{CString, c_char, c_int, c_void};
use std::ptr;

use serde::de::DeserializeOwned;

use super::{Params, SqlError, text_of};

/// The rows of a statement, each value as text.
type Rows = Vec<Vec<Option<String>>>;

/// The result of a statement.
type SqlResult<T> = Result<T, SqlError>;

/// An open session. Closed when dropped, and with it every lock and open transaction.
pub(crate) struct Connection {
    pub(super) raw: *mut pq_sys::PGconn,
    // Boxed: libpq holds its address.
    notices: Box<RefCell<Vec<String>>>,
    pub(super) params: Params,
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
