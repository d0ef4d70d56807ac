//! TLS in front of a server, whatever it was built with: the client says hello as libpq does, and `openssl s_server` does
//! the rest.

use std::io::{Read, Result, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use super::Run;
use super::proxy::in_front_of;

/// `SSLRequest`: a length of 8, and 80877103.
const SSL_REQUEST: [u8; 8] = [0, 0, 0, 8, 4, 210, 22, 47];

/// The front; its threads end with the test's process.
pub(crate) struct TlsFront {
    /// The URL that leads through it.
    pub(crate) url: String,
}

impl TlsFront {
    /// Starts one in front of the server of `url`, with a certificate for 127.0.0.1. The authority that has signed that is
    /// `right.pem` in the folder; `wrong.pem` has signed nothing.
    pub(crate) fn start(url: &str, folder: &Path) -> Self {
        certificates(folder);
        let (listener, server, url) = in_front_of(url);
        let folder: Arc<Path> = folder.into();
        std::thread::spawn(move || {
            for client in listener.incoming().flatten() {
                let (server, folder) = (server.clone(), Arc::clone(&folder));
                // A client that leaves ends its threads with an error.
                std::thread::spawn(move || serve(client, &server, &folder));
            }
        });
        Self { url }
    }
}

fn certificates(folder: &Path) {
    let openssl = |line: &str| {
        let mut command = Command::new("openssl");
        command.current_dir(folder).args(line.split(' '));
        Run::of(&mut command, line).exits(0);
    };
    for name in ["right", "wrong"] {
        openssl(&format!(
            "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN={name} -keyout {name}.key -out {name}.pem"
        ));
    }
    std::fs::write(folder.join("names"), "subjectAltName=IP:127.0.0.1\n").unwrap();
    openssl(
        "req -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -subj /CN=server -keyout server.key -out server.csr",
    );
    openssl(
        "x509 -req -in server.csr -CA right.pem -CAkey right.key -CAcreateserial -days 2 -extfile names -out server.pem",
    );
}

/// `openssl s_server` for one client; gone when dropped.
struct Terminator(Child);

impl Drop for Terminator {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl Terminator {
    /// Starts it, and connects to it.
    fn start(folder: &Path) -> Result<(Self, TcpStream)> {
        let own = TcpListener::bind("127.0.0.1:0")?.local_addr()?;
        let file = |name: &str| -> PathBuf { folder.join(name) };
        let mut command = Command::new("openssl");
        command.args(["s_server", "-quiet", "-naccept", "1", "-accept"]);
        command.arg(own.to_string());
        command.arg("-cert").arg(file("server.pem"));
        command.arg("-key").arg(file("server.key"));
        let pipes = command.stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = Self(pipes.stderr(Stdio::null()).spawn()?);
        loop {
            if let Ok(stream) = TcpStream::connect(own) {
                return Ok((child, stream));
            }
            if child.0.try_wait()?.is_some() {
                return Err(std::io::Error::other("openssl s_server has ended"));
            }
            std::thread::sleep(Duration::from_millis(5));
        }
    }
}

fn serve(mut client: TcpStream, server: &str, folder: &Path) -> Result<()> {
    let mut hello = [0; 8];
    client.read_exact(&mut hello)?;
    // GSSENCRequest comes first where the client can do both.
    while hello != SSL_REQUEST {
        client.write_all(b"N")?;
        client.read_exact(&mut hello)?;
    }
    let (mut terminator, inside) = Terminator::start(folder)?;
    client.write_all(b"S")?;
    let upstream = TcpStream::connect(server)?;
    let (plain, answers) = (terminator.0.stdout.take(), terminator.0.stdin.take());
    let (Some(plain), Some(answers)) = (plain, answers) else {
        return Err(std::io::Error::other("no pipes"));
    };
    let (client, inside, upstream) = (&client, &inside, &upstream);
    // Whoever leaves first, the others follow.
    std::thread::scope(|scope| {
        scope.spawn(move || pass(client, inside).and(inside.shutdown(Shutdown::Write)));
        scope.spawn(move || pass(inside, client).and(client.shutdown(Shutdown::Both)));
        scope.spawn(move || pass(plain, upstream).and(upstream.shutdown(Shutdown::Both)));
        let ended = pass(upstream, answers);
        drop(terminator);
        ended
    })
}

/// Copies until one of both has left, and flushes what it has after each read.
fn pass(mut from: impl Read, mut to: impl Write) -> Result<()> {
    let mut bytes = [0; 16 * 1024];
    while let Ok(length @ 1..) = from.read(&mut bytes) {
        if to.write_all(&bytes[..length]).and(to.flush()).is_err() {
            break;
        }
    }
    Ok(())
}
