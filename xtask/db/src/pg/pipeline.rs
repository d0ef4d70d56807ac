//! Flights: statements that are sent without waiting for the answers to those before them.

use std::collections::VecDeque;
use std::ffi::CString;

use super::connection::{SqlResult, c_string};
use super::raw::Status;
use super::{Connection, SqlError};
use crate::ui::trace;

/// How much is sent ahead in a flight, in bytes: enough to fill a round, and the answers to it fit into memory.
const AHEAD: usize = 64 * 1024;

impl Connection {
    /// Runs each statement by itself, all in one round: they are sent without waiting for answers, and the first error
    /// ends the flight. Rows are not kept.
    ///
    /// Outside of a transaction block, the flight is a transaction of its own, which a COMMIT among the statements ends.
    ///
    /// # Errors
    /// The first error, with the number of the statement in `statements_done` and the position in that statement.
    pub(crate) fn pipeline(&mut self, statements: &[&str]) -> SqlResult<()> {
        self.pipeline_told(statements, 0, |_| {})
    }

    /// As [`pipeline`](Self::pipeline); of the first `told` statements, `done` hears at once when each is complete: how
    /// many are by then. That costs a packet each.
    ///
    /// # Errors
    /// As for `pipeline`.
    pub(crate) fn pipeline_told(
        &mut self,
        statements: &[&str],
        told: usize,
        mut done: impl FnMut(usize),
    ) -> SqlResult<()> {
        let strings = statements.iter().map(|sql| c_string(sql));
        let strings = strings.collect::<SqlResult<Vec<_>>>()?;
        if !self.raw.enter_pipeline() {
            return Err(self.broken());
        }
        let flight = || {
            let shown = statements.iter().map(|sql| trace::statement(sql));
            self.params
                .redact(&shown.collect::<Vec<_>>().join("\n          "))
        };
        let flown = trace::timed(flight, || self.fly(&strings, told, &mut done));
        // Fails only where the connection is lost, which `flown` says.
        self.raw.exit_pipeline();
        flown
    }

    fn fly(
        &self,
        statements: &[CString],
        told: usize,
        done: &mut dyn FnMut(usize),
    ) -> SqlResult<()> {
        let mut to_send = statements.iter();
        let (mut ahead, mut bytes_ahead) = (VecDeque::new(), 0);
        let (mut complete, mut failed) = (0, None);
        loop {
            while failed.is_none() && (ahead.is_empty() || bytes_ahead < AHEAD) {
                let Some(sql) = to_send.next() else { break };
                let sent = complete + ahead.len();
                bytes_ahead += sql.count_bytes();
                // The server keeps its answers until it is asked for them; without one, we would not send on.
                let is_sent = self.raw.send_statement(sql, &[])
                    && match to_send.len() {
                        0 => self.raw.sync(),
                        _ if sent < told || bytes_ahead >= AHEAD => self.raw.request_flush(),
                        _ => true,
                    };
                if !is_sent {
                    return Err(self.broken());
                }
                ahead.push_back(sql.count_bytes());
            }
            let Some(bytes) = ahead.pop_front() else {
                break;
            };
            bytes_ahead -= bytes;
            self.raw.row_by_row();
            while let Some(result) = self.next()? {
                if let Err(error) = self.check(&result, complete) {
                    failed = failed.or(Some(error));
                }
                if result.is_copy() {
                    // libpq can't continue from here: a COPY in a pipeline is a mistake of the caller.
                    return Err(SqlError {
                        message: "COPY from or to the client is not possible in a pipeline"
                            .to_owned(),
                        statements_done: complete,
                        ..SqlError::default()
                    });
                }
            }
            if !self.raw.is_ok() {
                return Err(failed.unwrap_or_else(|| self.broken()));
            }
            complete += 1;
            if failed.is_none() {
                done(complete);
            }
        }
        if to_send.len() > 0 && !self.raw.sync() {
            return Err(failed.unwrap_or_else(|| self.broken()));
        }
        // The answer to the sync. At the COMMIT of a flight without a block, an error may come before it.
        while let Some(result) = self.next()? {
            if result.status() == Status::PGRES_PIPELINE_SYNC {
                return failed.map_or(Ok(()), Err);
            }
            if let Err(error) = self.check(&result, complete) {
                failed = failed.or(Some(error));
            }
        }
        Err(failed.unwrap_or_else(|| self.broken()))
    }
}
