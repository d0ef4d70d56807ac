//! A link to a server that is slow, or goes silent.

use std::io::{Read as _, Result, Write as _};
use std::net::{TcpListener, TcpStream};
use std::time::Duration;

/// What a link does to what goes through it.
#[derive(Clone, Copy)]
pub(crate) enum Link {
    /// The server's first answer takes that long.
    SlowLogin(Duration),
    /// Nothing of the server comes through after its first `ReadyForQuery`; the link stays open.
    SilentAfterLogin,
    /// What the client sends does not arrive from the first request on that has this text; the link stays open.
    SilentFrom(&'static str),
    /// The client loses the link as soon as a request that has this text has arrived; the server does not notice.
    LostFrom(&'static str),
}

/// The link; its threads end with the test's process.
pub(crate) struct Proxy {
    /// The URL that leads through it.
    pub(crate) url: String,
}

impl Proxy {
    /// Starts one in front of the server of `url`.
    pub(crate) fn start(url: &str, link: Link) -> Self {
        let (listener, server, url) = in_front_of(url);
        std::thread::spawn(move || {
            for client in listener.incoming().flatten() {
                let upstream = TcpStream::connect(&server).unwrap();
                let (back, forth) = (upstream.try_clone().unwrap(), client.try_clone().unwrap());
                // Who leaves ends the threads with an error.
                std::thread::spawn(move || pass(client, upstream, link, false));
                std::thread::spawn(move || pass(back, forth, link, true));
            }
        });
        Self { url }
    }
}

/// A listener, the address of the server of `url`, and the URL that leads to the listener instead.
pub(super) fn in_front_of(url: &str) -> (TcpListener, String, String) {
    let (front, rest) = url.rsplit_once('@').unwrap();
    let (server, database) = rest.split_once('/').unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let own = listener.local_addr().unwrap();
    let url = format!("{front}@{own}/{database}");
    (listener, server.to_owned(), url)
}

fn pass(mut from: TcpStream, mut to: TcpStream, link: Link, is_answer: bool) -> Result<()> {
    let mut bytes = vec![0; 64 * 1024];
    let mut is_first = true;
    loop {
        let length = from.read(&mut bytes)?;
        if length == 0 {
            return to.shutdown(std::net::Shutdown::Write);
        }
        let has = |text: &str| {
            let mut parts = bytes[..length].windows(text.len());
            parts.any(|part| part == text.as_bytes())
        };
        match link {
            Link::SlowLogin(delay) if is_answer && is_first => std::thread::sleep(delay),
            Link::SilentFrom(text) if !is_answer && has(text) => silent(),
            _ => {}
        }
        is_first = false;
        to.write_all(&bytes[..length])?;
        if let Link::LostFrom(text) = link
            && !is_answer
            && has(text)
        {
            from.shutdown(std::net::Shutdown::Both)?;
            silent();
        }
        let is_ready = bytes[..length].ends_with(b"Z\0\0\0\x05I");
        if matches!(link, Link::SilentAfterLogin) && is_answer && is_ready {
            silent();
        }
    }
}

/// Keeps both streams of the caller open for longer than any test.
fn silent() {
    std::thread::sleep(Duration::from_secs(600));
}
