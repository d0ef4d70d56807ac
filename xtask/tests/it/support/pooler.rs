//! A transaction pooler in miniature: every client logs in for itself, and then all of them take turns on the sessions
//! of the first ones, one query at a time. That is what PgBouncer does in transaction mode. Or, in session mode, each has a
//! session of its own, with an invented process number all the same.

use std::collections::VecDeque;
use std::io::{Read as _, Result, Write as _};
use std::net::TcpStream;
use std::sync::{Arc, Mutex};

use super::proxy::in_front_of;

/// The pooler; its threads end with the test's process.
pub(crate) struct Pooler {
    /// The URL that leads through it.
    pub(crate) url: String,
}

impl Pooler {
    /// Starts one in transaction mode, in front of the server of `url`, with the sessions of the first clients: so many.
    /// Who asks for the number of its process is given the next one each time.
    pub(crate) fn start(url: &str, sessions: usize) -> Self {
        Self::with(url, Some(sessions))
    }

    /// Starts one in session mode.
    pub(crate) fn of_sessions(url: &str) -> Self {
        Self::with(url, None)
    }

    fn with(url: &str, sessions: Option<usize>) -> Self {
        let (listener, server, url) = in_front_of(url);
        std::thread::spawn(move || {
            let shared = Arc::default();
            for client in listener.incoming().flatten() {
                let (shared, most) = match sessions {
                    Some(most) => (Arc::clone(&shared), most),
                    None => (Arc::default(), 1),
                };
                let server = server.clone();
                // A client that leaves ends its thread with an error.
                std::thread::spawn(move || serve(client, &server, &shared, most));
            }
        });
        Self { url }
    }
}

fn serve(
    mut client: TcpStream,
    server: &str,
    shared: &Mutex<VecDeque<TcpStream>>,
    most: usize,
) -> Result<()> {
    let mut upstream = TcpStream::connect(server)?;
    loop {
        let (length, body) = untyped(&mut client)?;
        // SSLRequest and GSSENCRequest: 80877103 and 80877104.
        if body.starts_with(&80_877_103_u32.to_be_bytes())
            || body.starts_with(&80_877_104_u32.to_be_bytes())
        {
            client.write_all(b"N")?;
            continue;
        }
        upstream.write_all(&length)?;
        upstream.write_all(&body)?;
        break;
    }
    // The login: the server asks, the client answers, until the server is ready.
    loop {
        let mut message = typed(&mut upstream)?;
        if message[0] == b'K' {
            message[5..9].copy_from_slice(&7_u32.to_be_bytes());
        }
        client.write_all(&message)?;
        match message[0] {
            b'Z' => break,
            // Authentication steps that want an answer: all but "ok" (0) and "final" (12).
            b'R' if !matches!(message[8], 0 | 12) => {
                let answer = typed(&mut client)?;
                upstream.write_all(&answer)?;
            }
            _ => {}
        }
    }
    let mut sessions = shared.lock().unwrap();
    if sessions.len() < most {
        sessions.push_back(upstream);
    }
    drop(sessions);
    loop {
        let mut request = typed(&mut client)?;
        if request[0] == b'X' {
            return Ok(());
        }
        // A query with parameters is several messages, up to Sync.
        let mut last = request[0];
        while !matches!(last, b'Q' | b'S') {
            let next = typed(&mut client)?;
            last = next[0];
            request.extend(next);
        }
        let mut sessions = shared.lock().unwrap();
        let asks = b"pg_backend_pid";
        if request.windows(asks.len()).any(|part| part == asks) {
            sessions.rotate_left(1);
        }
        let session = &mut sessions[0];
        session.write_all(&request)?;
        loop {
            let answer = typed(session)?;
            client.write_all(&answer)?;
            if answer[0] == b'Z' {
                break;
            }
        }
    }
}

/// A message of the start-up: its length, and the rest.
pub(super) fn untyped(stream: &mut TcpStream) -> Result<([u8; 4], Vec<u8>)> {
    let mut length = [0; 4];
    stream.read_exact(&mut length)?;
    let mut body = vec![0; u32::from_be_bytes(length) as usize - 4];
    stream.read_exact(&mut body)?;
    Ok((length, body))
}

/// A message with its type in front, whole.
pub(super) fn typed(stream: &mut TcpStream) -> Result<Vec<u8>> {
    let mut kind = [0; 1];
    stream.read_exact(&mut kind)?;
    let (length, body) = untyped(stream)?;
    Ok([&kind[..], &length, &body].concat())
}
