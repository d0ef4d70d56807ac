//! Every call of libpq, each behind a safe method: the only unsafe code of this crate.
#![expect(unsafe_code, reason = "libpq is called")]

use std::cell::{Cell, RefCell};
use std::ffi::{CStr, CString, c_char, c_int, c_void};
use std::ptr;
use std::time::Duration;

pub(super) use pq_sys::ExecStatusType as Status;

/// The rows of a statement, each value as text.
pub(crate) type Rows = Vec<Vec<Option<String>>>;

/// A connection, open or broken. Closed when dropped.
pub(super) struct Raw {
    conn: *mut pq_sys::PGconn,
    // Boxed: libpq holds its address.
    notices: Box<RefCell<Vec<String>>>,
    /// The server did not answer in time: as good as gone.
    is_silent: Cell<bool>,
}

// SAFETY: libpq lets any one thread at a time use a connection, and there is no `Sync`; the notices are touched inside
// calls of libpq only.
unsafe impl Send for Raw {}

impl Raw {
    /// Connects, or fails to: see [`is_ok`](Self::is_ok).
    pub(super) fn connect(settings: &[(CString, CString)]) -> Self {
        let (keys, values) = arrays(settings);
        // SAFETY: two null-terminated arrays of the same length, alive during the call.
        let conn = unsafe { pq_sys::PQconnectdbParams(keys.as_ptr(), values.as_ptr(), 0) };
        let raw = Self {
            conn,
            notices: Box::default(),
            is_silent: Cell::new(false),
        };
        let sink: *const RefCell<Vec<String>> = &raw const *raw.notices;
        // SAFETY: the sink lives as long as the connection, and is only touched from this thread, inside calls to libpq;
        // null is allowed for the connection.
        unsafe { pq_sys::PQsetNoticeProcessor(conn, Some(collect_notice), sink.cast_mut().cast()) };
        raw
    }

    /// Whether the server accepts sessions, of any role.
    pub(super) fn answers(settings: &[(CString, CString)]) -> bool {
        let (keys, values) = arrays(settings);
        // SAFETY: as for `connect`.
        let answer = unsafe { pq_sys::PQpingParams(keys.as_ptr(), values.as_ptr(), 0) };
        answer == pq_sys::PGPing::PQPING_OK
    }

    pub(super) fn is_ok(&self) -> bool {
        // SAFETY: a connection, live or broken; null is allowed.
        !self.is_silent.get()
            && unsafe { pq_sys::PQstatus(self.conn) == pq_sys::ConnStatusType::CONNECTION_OK }
    }

    pub(super) fn error(&self) -> String {
        // SAFETY: libpq gives a valid C string for any connection, null included.
        unsafe { text_of(pq_sys::PQerrorMessage(self.conn)) }.unwrap_or_default()
    }

    pub(super) fn take_notices(&self) -> Vec<String> {
        self.notices.take()
    }

    pub(super) fn backend_pid(&self) -> i32 {
        // SAFETY: a live connection.
        unsafe { pq_sys::PQbackendPID(self.conn) }
    }

    /// Where the connection leads, by the names of libpq's settings.
    pub(super) fn endpoint(&self) -> [(&'static str, Option<String>); 5] {
        // SAFETY: a live connection; the strings are the connection's.
        unsafe {
            [
                ("host", text_of(pq_sys::PQhost(self.conn))),
                ("hostaddr", text_of(pq_sys::PQhostaddr(self.conn))),
                ("port", text_of(pq_sys::PQport(self.conn))),
                // From a service file or the environment, which do not reach into a container.
                ("user", text_of(pq_sys::PQuser(self.conn))),
                ("password", text_of(pq_sys::PQpass(self.conn))),
            ]
        }
    }

    pub(super) fn server_version(&self) -> i32 {
        // SAFETY: a live connection.
        unsafe { pq_sys::PQserverVersion(self.conn) }
    }

    /// A setting that the server reports without being asked.
    pub(super) fn parameter(&self, name: &CStr) -> Option<String> {
        // SAFETY: a live connection and a C string.
        unsafe { text_of(pq_sys::PQparameterStatus(self.conn, name.as_ptr())) }
    }

    pub(super) fn in_transaction(&self) -> bool {
        use pq_sys::PGTransactionStatusType as Status;
        // SAFETY: a connection, live or broken.
        let status = unsafe { pq_sys::PQtransactionStatus(self.conn) };
        !matches!(status, Status::PQTRANS_IDLE | Status::PQTRANS_UNKNOWN)
    }

    /// Sends one statement with text parameters, by the extended protocol; `false` where the connection is broken.
    pub(super) fn send_statement(&self, sql: &CStr, values: &[CString]) -> bool {
        let pointers: Vec<_> = values.iter().map(|value| value.as_ptr()).collect();
        // SAFETY: as many pointers to C strings as said, which outlive the call; text format everywhere.
        unsafe {
            pq_sys::PQsendQueryParams(
                self.conn,
                sql.as_ptr(),
                // More than 65535 are refused by libpq.
                c_int::try_from(pointers.len()).unwrap_or(c_int::MAX),
                ptr::null(),
                pointers.as_ptr(),
                ptr::null(),
                ptr::null(),
                0,
            ) == 1
        }
    }

    /// Sends a string of any number of statements, by the simple protocol; `false` where the connection is broken.
    pub(super) fn send_string(&self, sql: &CStr) -> bool {
        // SAFETY: a live connection and a C string.
        unsafe { pq_sys::PQsendQuery(self.conn, sql.as_ptr()) == 1 }
    }

    /// Waits until a result is there, `patience` at most; whether there is one, or an error to read.
    pub(super) fn wait(&self, patience: Duration) -> bool {
        // SAFETY: a live connection; the descriptor is its own.
        unsafe {
            let micros = i64::try_from(patience.as_micros()).unwrap_or(i64::MAX / 2);
            let end = pq_sys::PQgetCurrentTimeUSec().saturating_add(micros);
            loop {
                let unsent = pq_sys::PQflush(self.conn);
                if unsent < 0 || pq_sys::PQisBusy(self.conn) == 0 {
                    return true;
                }
                let socket = pq_sys::PQsocket(self.conn);
                match pq_sys::PQsocketPoll(socket, 1, unsent, end) {
                    0 => {
                        self.is_silent.set(true);
                        return false;
                    }
                    1.. if pq_sys::PQconsumeInput(self.conn) == 1 => {}
                    _ => return true,
                }
            }
        }
    }

    /// The next result; `None` after the last one of a statement, or of a string.
    pub(super) fn next(&self) -> Option<RawResult> {
        // SAFETY: a connection, live or broken.
        let result = RawResult(unsafe { pq_sys::PQgetResult(self.conn) });
        (!result.0.is_null()).then_some(result)
    }

    /// Has each row of the statement at hand come as a result of its own, so that they are not collected in memory.
    pub(super) fn row_by_row(&self) {
        // SAFETY: a live connection.
        unsafe { pq_sys::PQsetSingleRowMode(self.conn) };
    }

    pub(super) fn enter_pipeline(&self) -> bool {
        // SAFETY: a live connection.
        unsafe { pq_sys::PQenterPipelineMode(self.conn) == 1 }
    }

    pub(super) fn exit_pipeline(&self) -> bool {
        // SAFETY: a live connection.
        unsafe { pq_sys::PQexitPipelineMode(self.conn) == 1 }
    }

    /// Ends the flight: the server skips to here after an error, and says what became of the transaction.
    pub(super) fn sync(&self) -> bool {
        // SAFETY: a live connection in pipeline mode.
        unsafe { pq_sys::PQpipelineSync(self.conn) == 1 }
    }

    /// Has the server give what it has, instead of waiting for the end of the flight.
    pub(super) fn request_flush(&self) -> bool {
        // SAFETY: a live connection in pipeline mode.
        unsafe { pq_sys::PQsendFlushRequest(self.conn) == 1 }
    }

    /// Fails the COPY that asks for data.
    pub(super) fn refuse_copy(&self, reason: &CStr) {
        // SAFETY: a live connection in COPY IN state and a C string.
        unsafe { pq_sys::PQputCopyEnd(self.conn, reason.as_ptr()) };
    }

    /// Reads and forgets what `COPY … TO STDOUT` sends.
    pub(super) fn discard_copy(&self) {
        loop {
            let mut buffer: *mut c_char = ptr::null_mut();
            // SAFETY: a live connection in COPY OUT state; the buffer is libpq's and freed here.
            let length = unsafe { pq_sys::PQgetCopyData(self.conn, &raw mut buffer, 0) };
            if length < 0 {
                return;
            }
            // SAFETY: as above.
            unsafe { pq_sys::PQfreemem(buffer.cast()) };
        }
    }
}

/// Cancels what a session is at, from any thread and by a connection of its own.
pub(crate) struct Cancel(*mut pq_sys::PGcancel);

// SAFETY: libpq makes it for use from other threads; it is only read after it is made.
unsafe impl Send for Cancel {}
// SAFETY: as above.
unsafe impl Sync for Cancel {}

impl Cancel {
    /// Asks the server to cancel the statement at hand, if there is one. Whether it was is for the session to hear.
    pub(crate) fn send(&self) {
        let mut error = [0; 256];
        // SAFETY: a handle or null, and a buffer of the length that is said.
        unsafe { pq_sys::PQcancel(self.0, error.as_mut_ptr(), 256) };
    }
}

impl Drop for Cancel {
    fn drop(&mut self) {
        // SAFETY: freed once; null is allowed.
        unsafe { pq_sys::PQfreeCancel(self.0) };
    }
}

impl Raw {
    pub(super) fn cancel(&self) -> Cancel {
        // SAFETY: a connection, live or broken; null comes of the latter, and is allowed.
        Cancel(unsafe { pq_sys::PQgetCancel(self.conn) })
    }
}

impl Drop for Raw {
    fn drop(&mut self) {
        // SAFETY: closed once; null is allowed.
        unsafe { pq_sys::PQfinish(self.conn) };
    }
}

/// A result that frees itself.
pub(super) struct RawResult(*mut pq_sys::PGresult);

impl RawResult {
    pub(super) fn status(&self) -> Status {
        // SAFETY: null is allowed and reads as a fatal error.
        unsafe { pq_sys::PQresultStatus(self.0) }
    }

    pub(super) fn is_copy(&self) -> bool {
        matches!(
            self.status(),
            Status::PGRES_COPY_IN | Status::PGRES_COPY_OUT | Status::PGRES_COPY_BOTH
        )
    }

    /// The command that the server said is complete: a rule may give several results before that.
    pub(super) fn command(&self) -> Option<String> {
        // SAFETY: null is allowed; the C string lives as long as the result.
        unsafe { text_of(pq_sys::PQcmdStatus(self.0)) }.filter(|tag| !tag.is_empty())
    }

    /// A field of an error by its code in the protocol ("Error and Notice Message Fields" in PostgreSQL's manual).
    pub(super) fn error_field(&self, code: u8) -> Option<String> {
        // SAFETY: null is allowed; the C string lives as long as the result.
        unsafe { text_of(pq_sys::PQresultErrorField(self.0, c_int::from(code))) }
    }

    pub(super) fn rows(&self) -> Rows {
        // SAFETY: indexes stay below the counts that libpq gives.
        unsafe {
            let (rows, columns) = (pq_sys::PQntuples(self.0), pq_sys::PQnfields(self.0));
            let value = |row, column| match pq_sys::PQgetisnull(self.0, row, column) {
                1 => None,
                _ => text_of(pq_sys::PQgetvalue(self.0, row, column)),
            };
            (0..rows)
                .map(|row| (0..columns).map(|column| value(row, column)).collect())
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

/// The keys and the values, as null-terminated arrays of pointers into `settings`.
fn arrays(settings: &[(CString, CString)]) -> (Vec<*const c_char>, Vec<*const c_char>) {
    let keys = settings.iter().map(|(key, _)| key.as_ptr());
    let values = settings.iter().map(|(_, value)| value.as_ptr());
    (
        keys.chain([ptr::null()]).collect(),
        values.chain([ptr::null()]).collect(),
    )
}

/// The settings in a connection string, by libpq's own parser.
///
/// # Errors
/// libpq's message, which quotes from the string.
pub(super) fn parse_settings(text: &CStr) -> Result<Vec<(String, String)>, String> {
    let mut error: *mut c_char = ptr::null_mut();
    // SAFETY: both pointers are valid for the call; what comes back is freed below.
    let options = unsafe { pq_sys::PQconninfoParse(text.as_ptr(), &raw mut error) };
    if options.is_null() {
        // SAFETY: libpq hands over a C string, or null when it is out of memory.
        let reason = unsafe { text_of(error) }.unwrap_or_else(|| "out of memory".to_owned());
        // SAFETY: allocated by libpq just now.
        unsafe { pq_sys::PQfreemem(error.cast()) };
        return Err(reason);
    }
    // SAFETY: what libpq has just made, freed nowhere else.
    Ok(unsafe { taken(options) })
}

/// What libpq makes of settings, the environment and a service file, without connecting; and why it would not connect.
pub(super) fn effective(settings: &[(CString, CString)]) -> (Vec<(String, String)>, String) {
    let raw = Raw::connect(settings);
    // SAFETY: a connection, broken or not; what comes back is freed by `taken`.
    let options = unsafe { taken(pq_sys::PQconninfo(raw.conn)) };
    (options, raw.error())
}

/// # Safety
/// Null, or options that libpq has made and that only this frees.
unsafe fn taken(options: *mut pq_sys::PQconninfoOption) -> Vec<(String, String)> {
    let mut settings = Vec::new();
    if options.is_null() {
        return settings;
    }
    let mut option = options;
    // SAFETY: libpq's array ends with an entry whose keyword is null.
    unsafe {
        while !(*option).keyword.is_null() {
            if let (Some(key), Some(value)) = (text_of((*option).keyword), text_of((*option).val)) {
                settings.push((key, value));
            }
            option = option.add(1);
        }
        pq_sys::PQconninfoFree(options);
    }
    settings
}

/// The file and the folder in which the OpenSSL that is built in looks for the authorities that it trusts.
pub(super) fn default_roots() -> [Option<String>; 2] {
    // SAFETY: C strings that OpenSSL keeps for ever.
    unsafe {
        [
            text_of(openssl_sys::X509_get_default_cert_file()),
            text_of(openssl_sys::X509_get_default_cert_dir()),
        ]
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
    // SAFETY: `sink` is the `RefCell` that `connect` registered; libpq calls this on the connection's own thread.
    let (sink, message) = unsafe { (&*sink.cast::<RefCell<Vec<String>>>(), text_of(message)) };
    sink.borrow_mut().extend(message);
}
