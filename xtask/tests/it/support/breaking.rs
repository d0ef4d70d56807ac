//! A link that breaks, falls silent or is slow at a message of the protocol.

use std::io::{Read as _, Result, Write as _};
use std::net::{Shutdown, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use super::pooler::{typed, untyped};
use super::proxy::in_front_of;

/// What a run is at, as its messages tell.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Phase {
    Login,
    /// It reads what is there.
    Look,
    Locks,
    /// Under the lock.
    Statements,
    Commit,
}

impl Phase {
    pub(crate) const ALL: [Self; 5] = [
        Self::Login,
        Self::Look,
        Self::Locks,
        Self::Statements,
        Self::Commit,
    ];
}

/// What happens to a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum How {
    /// The link is cut before it,
    CutBefore,
    /// in the middle of it,
    CutWithin,
    /// after it,
    CutAfter,
    /// or after the first byte of the answer.
    CutInAnswer,
    /// Nothing goes through from here on, either way; the link stays open until the client leaves.
    Silent,
    /// It takes that long.
    Slow(Duration),
}

/// What happens to the one message of that number, counted from 0 in its phase.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Fault {
    pub(crate) phase: Phase,
    pub(crate) number: usize,
    pub(crate) how: How,
}

/// The link; its threads end with the test's process.
pub(crate) struct Breaking {
    /// The URL that leads through it.
    pub(crate) url: String,
    plan: Arc<Mutex<Plan>>,
}

#[derive(Default)]
struct Plan {
    fault: Option<Fault>,
    /// How many messages there were of each phase.
    seen: [usize; Phase::ALL.len()],
    was_hit: bool,
}

impl Breaking {
    /// Starts one in front of the server of `url`, in which nothing breaks yet.
    pub(crate) fn start(url: &str) -> Self {
        let (listener, server, url) = in_front_of(url);
        let plan = Arc::new(Mutex::new(Plan::default()));
        let shared = Arc::clone(&plan);
        std::thread::spawn(move || {
            for client in listener.incoming().flatten() {
                let (server, plan) = (server.clone(), Arc::clone(&shared));
                // Who leaves ends the threads with an error.
                std::thread::spawn(move || serve(client, &server, &plan));
            }
        });
        Self { url, plan }
    }

    /// Has this happen, once; counts from now on.
    pub(crate) fn plan(&self, fault: Option<Fault>) {
        *self.plan.lock().unwrap() = Plan {
            fault,
            ..Plan::default()
        };
    }

    /// How many messages of a phase there were, and whether the fault was.
    pub(crate) fn seen(&self, phase: Phase) -> (usize, bool) {
        let plan = self.plan.lock().unwrap();
        (plan.seen[phase as usize], plan.was_hit)
    }
}

impl Plan {
    /// What happens to the next message of a phase.
    fn next(&mut self, phase: Phase) -> Option<How> {
        let number = self.seen[phase as usize];
        self.seen[phase as usize] += 1;
        let fault = self.fault?;
        let is_hit = !self.was_hit && fault.phase == phase && fault.number == number;
        self.was_hit |= is_hit;
        is_hit.then_some(fault.how)
    }
}

/// The two ends of one session; cut when dropped.
struct Ends {
    client: TcpStream,
    server: TcpStream,
}

impl Ends {
    fn of(client: &TcpStream, server: &TcpStream) -> Result<Self> {
        Ok(Self {
            client: client.try_clone()?,
            server: server.try_clone()?,
        })
    }
}

impl Drop for Ends {
    /// What was sent to the server arrives: it reads all of it before it sees the end. For that, its answers have to be
    /// read for as long as it gives any.
    fn drop(&mut self) {
        let _ = self.client.shutdown(Shutdown::Both);
        let _ = self.server.shutdown(Shutdown::Write);
    }
}

fn serve(mut client: TcpStream, server: &str, plan: &Mutex<Plan>) -> Result<()> {
    let mut server = TcpStream::connect(server)?;
    // Each message goes by itself.
    client.set_nodelay(true)?;
    server.set_nodelay(true)?;
    let _ends = Ends::of(&client, &server)?;
    let (cuts_answer, is_silent) = (Arc::new(AtomicBool::new(false)), Arc::default());
    let answers = Answers {
        ends: Ends::of(&client, &server)?,
        is_cut: Arc::clone(&cuts_answer),
        is_silent: Arc::clone(&is_silent),
    };
    std::thread::spawn(move || answers.pass());
    let (mut phase, mut is_started) = (Phase::Login, false);
    loop {
        let message = match is_started {
            true => typed(&mut client)?,
            false => {
                let (length, body) = untyped(&mut client)?;
                // SSLRequest and GSSENCRequest: 80877103 and 80877104.
                is_started = ![80_877_103_u32, 80_877_104]
                    .iter()
                    .any(|request| body.starts_with(&request.to_be_bytes()));
                [&length[..], &body].concat()
            }
        };
        // Its farewell, which it may not wait to see go.
        if is_started && message[0] == b'X' {
            return server.write_all(&message);
        }
        phase = after(phase, &message);
        let how = plan
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .next(phase);
        match how {
            Some(How::CutBefore) => return Ok(()),
            Some(How::CutWithin) => return server.write_all(&message[..message.len() / 2]),
            Some(How::CutInAnswer) => cuts_answer.store(true, Ordering::SeqCst),
            Some(How::Slow(time)) => std::thread::sleep(time),
            Some(How::Silent) => {
                is_silent.store(true, Ordering::SeqCst);
                // Until it leaves.
                return std::io::copy(&mut client, &mut std::io::sink()).map(drop);
            }
            Some(How::CutAfter) | None => {}
        }
        server.write_all(&message)?;
        if how == Some(How::CutAfter) {
            return Ok(());
        }
    }
}

/// What a session is at with this message, after `before`.
fn after(before: Phase, message: &[u8]) -> Phase {
    let has = |text: &str| {
        let mut parts = message.windows(text.len());
        parts.any(|part| part == text.as_bytes())
    };
    let is_statement = matches!(message[0], b'P' | b'Q');
    match before {
        _ if !is_statement => before,
        _ if has("pg_try_advisory_lock") => Phase::Locks,
        _ if has("COMMIT") => Phase::Commit,
        Phase::Login | Phase::Look => Phase::Look,
        _ => Phase::Statements,
    }
}

/// The way back.
struct Answers {
    ends: Ends,
    is_cut: Arc<AtomicBool>,
    is_silent: Arc<AtomicBool>,
}

impl Answers {
    fn pass(mut self) -> Result<()> {
        let mut bytes = vec![0; 64 * 1024];
        loop {
            let length = self.ends.server.read(&mut bytes)?;
            if length == 0 {
                return Ok(());
            }
            if self.is_silent.load(Ordering::SeqCst) {
                continue;
            }
            let is_cut = self.is_cut.load(Ordering::SeqCst);
            let passed = if is_cut { 1 } else { length };
            let is_gone = self.ends.client.write_all(&bytes[..passed]).is_err();
            if is_cut || is_gone {
                let _ = self.ends.client.shutdown(Shutdown::Both);
                self.is_silent.store(true, Ordering::SeqCst);
            }
        }
    }
}
