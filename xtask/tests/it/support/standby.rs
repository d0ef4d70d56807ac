//! A server with a standby that follows it, both started by the test server where that is: beside it, or in its container.

use std::net::TcpListener;

use diesel::PgConnection;
use diesel::connection::Connection as _;

use super::own_server::run_there;
use super::{Workspace, value};

/// Both servers; ended when dropped, and by themselves after five minutes.
pub(crate) struct Pair {
    admin: PgConnection,
    host: String,
    folder: String,
    ports: [u16; 2],
}

/// Initialises the primary and starts it. `{…}` are filled in.
const PRIMARY: &str = "set -e
umask 077
mkdir '{folder}'
'{bin}/initdb' -D '{folder}/primary' -U postgres -A trust -E UTF8 --no-sync --wal-segsize=1 >'{folder}/log' 2>&1
echo 'host all all all trust' >>'{folder}/primary/pg_hba.conf'
cat >>'{folder}/primary/postgresql.conf' <<END
listen_addresses = '*'
unix_socket_directories = ''
fsync = off
shared_buffers = 8MB
END
timeout 300 '{bin}/postgres' -D '{folder}/primary' -p {primary} </dev/null >>'{folder}/log' 2>&1 &
";

const STANDBY: &str = "set -e
umask 077
'{bin}/pg_basebackup' -h 127.0.0.1 -p {primary} -U postgres -D '{folder}/standby' -R -c fast --no-sync >>'{folder}/log' 2>&1
timeout 300 '{bin}/postgres' -D '{folder}/standby' -p {standby} </dev/null >>'{folder}/log' 2>&1 &
";

const END: &str = "for name in standby primary; do
kill -QUIT $(head -n 1 '{folder}'/$name/postmaster.pid)
while [ -e '{folder}'/$name/postmaster.pid ]; do sleep 0.05; done
done
rm -rf '{folder}'
";

impl Pair {
    /// Starts the primary.
    pub(crate) fn primary(workspace: &Workspace) -> Self {
        let mut admin = workspace.admin();
        // Of the test server itself: in a container, not what is published of it.
        let host = value(&mut admin, "host(inet_server_addr())");
        let free = || TcpListener::bind("127.0.0.1:0").unwrap();
        let (one, two) = (free(), free());
        let ports = [&one, &two].map(|free| free.local_addr().unwrap().port());
        let folder = format!("/tmp/{}", workspace.database("pair"));
        let mut pair = Self {
            admin,
            host,
            folder,
            ports,
        };
        drop((one, two));
        pair.run(PRIMARY);
        pair.wait(0);
        pair
    }

    /// Starts a standby that has what the primary has by now, and follows it.
    pub(crate) fn follow(&mut self) {
        self.run(STANDBY);
        self.wait(1);
    }

    /// The hosts with their ports, primary first.
    pub(crate) fn places(&self) -> [String; 2] {
        self.ports.map(|port| format!("{}:{port}", self.host))
    }

    /// Waits until the server takes sessions.
    fn wait(&mut self, which: usize) {
        let url = format!("postgres://postgres@{}/postgres", self.places()[which]);
        let is_there = (0..600).any(|_| {
            std::thread::sleep(std::time::Duration::from_millis(50));
            PgConnection::establish(&url).is_ok()
        });
        let log = format!("pg_read_file('{}/log')", self.folder);
        assert!(is_there, "{}", value(&mut self.admin, &log));
    }

    fn run(&mut self, script: &str) {
        let script = script
            .replace("{folder}", &self.folder)
            .replace("{primary}", &self.ports[0].to_string())
            .replace("{standby}", &self.ports[1].to_string());
        run_there(&mut self.admin, &script).unwrap();
    }
}

impl Drop for Pair {
    fn drop(&mut self) {
        self.run(END);
    }
}
