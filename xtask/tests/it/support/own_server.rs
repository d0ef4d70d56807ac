//! A server of a test's own, started by the test server where that is, which the test may end at any moment.

use std::fs::File;
use std::io::Write as _;
use std::net::TcpListener;
use std::path::PathBuf;
use std::time::Duration;

use diesel::connection::SimpleConnection as _;
use diesel::{Connection as _, PgConnection, QueryResult};

use super::{SmallDisk, Workspace, value};

/// The server; gone when dropped, and by itself after an hour.
pub(crate) struct OwnServer {
    admin: PgConnection,
    host: String,
    port: u16,
    folder: String,
    // Dropped last, when the server is gone.
    disk: Option<SmallDisk>,
}

/// What is committed is on the disk when the server says so, as with a real one. `{…}` are filled in.
const INIT: &str = "set -e
umask 077
mkdir '{folder}'
'{bin}/initdb' -D '{folder}/data' -U postgres -A trust -E UTF8 --no-sync --wal-segsize=1 >'{folder}/log' 2>&1
echo 'host all all all trust' >>'{folder}/data/pg_hba.conf'
cat >>'{folder}/data/postgresql.conf' <<END
listen_addresses = '*'
unix_socket_directories = ''
fsync = off
shared_buffers = 16MB
max_wal_size = 8MB
min_wal_size = 2MB
autovacuum = off
END
";

/// As a standby, with what the primary has by now.
const FOLLOW: &str = "set -e
umask 077
mkdir '{folder}'
'{bin}/pg_basebackup' -h 127.0.0.1 -p {primary} -U postgres -D '{folder}/data' -R -c fast --no-sync >'{folder}/log' 2>&1
";

const START: &str =
    "timeout 3600 '{bin}/postgres' -D '{folder}/data' -p {port} </dev/null >>'{folder}/log' 2>&1 &
";

/// Without a checkpoint and without a word to anybody, as if the machine had lost its power.
const CRASH: &str = "kill -QUIT $(head -n 1 '{folder}/data/postmaster.pid') || true
while [ -e '{folder}/data/postmaster.pid' ]; do sleep 0.01; done
";

const REMOVE: &str = "rm -rf '{folder}'
";

/// Has the test server run a script as the user that it runs as. `{bin}` is the folder of its programs.
fn run_there(admin: &mut PgConnection, script: &str) -> QueryResult<()> {
    let bin = value(admin, "SELECT setting FROM pg_config WHERE name = 'BINDIR'");
    let script = script.replace("{bin}", &bin);
    let lines = format!("string_to_table($script${script}$script$, chr(10))");
    admin.batch_execute(&format!(
        "COPY (SELECT line FROM {lines} line) TO PROGRAM 'sh'"
    ))
}

impl OwnServer {
    /// Starts one, with its data on `disk` if that is given.
    ///
    /// # Errors
    /// The test server can't make a folder there.
    pub(crate) fn start(workspace: &Workspace, disk: Option<SmallDisk>) -> QueryResult<Self> {
        Self::made_by(INIT, workspace, "own", disk)
    }

    /// Starts a standby that has what this one has by now, and follows it.
    pub(crate) fn standby(&self, workspace: &Workspace) -> Self {
        let follow = FOLLOW.replace("{primary}", &self.port.to_string());
        Self::made_by(&follow, workspace, "standby", None).unwrap()
    }

    fn made_by(
        init: &str,
        workspace: &Workspace,
        name: &str,
        disk: Option<SmallDisk>,
    ) -> QueryResult<Self> {
        let mut admin = workspace.admin();
        // Of the test server itself: in a container, not what is published of it.
        let host = value(&mut admin, "host(inet_server_addr())");
        let free = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = free.local_addr().unwrap().port();
        let parent = disk.as_ref().map_or("/tmp".as_ref(), SmallDisk::path);
        let folder = parent.join(workspace.database(name));
        let mut server = Self {
            admin,
            host,
            port,
            folder: folder.to_str().unwrap().to_owned(),
            disk,
        };
        server.run(init)?;
        drop(free);
        server.start_again();
        Ok(server)
    }

    /// Its host and port.
    pub(crate) fn place(&self) -> String {
        format!("{}:{}", self.host, self.port)
    }

    /// The superuser's URL of one of its databases.
    pub(crate) fn url(&self, database: &str) -> String {
        format!("postgres://postgres@{}/{database}", self.place())
    }

    /// Leaves no more than so many bytes on its disk, until the file that is given is removed.
    pub(crate) fn fill_disk(&self, bytes: usize) -> PathBuf {
        let rest = self.disk.as_ref().unwrap().path().join("rest");
        let mut file = File::create(&rest).unwrap();
        let block = vec![0; 1024 * 1024];
        while file.write_all(&block).is_ok() {}
        let length = file.metadata().unwrap().len();
        file.set_len(length.saturating_sub(bytes as u64)).unwrap();
        rest
    }

    /// Ends it at once.
    pub(crate) fn crash(&mut self) {
        self.run(CRASH).unwrap();
    }

    /// Starts it, and waits until it takes sessions.
    pub(crate) fn start_again(&mut self) {
        self.run(START).unwrap();
        let is_there = (0..3000).any(|_| {
            std::thread::sleep(Duration::from_millis(10));
            self.answers()
        });
        assert!(is_there, "{}", self.log());
    }

    /// Whether it takes sessions.
    pub(crate) fn answers(&self) -> bool {
        PgConnection::establish(&self.url("postgres")).is_ok()
    }

    /// Whether its process is there.
    pub(crate) fn runs(&mut self) -> bool {
        let runs = "kill -0 $(head -n 1 '{folder}/data/postmaster.pid')";
        self.run(runs).is_ok()
    }

    fn log(&mut self) -> String {
        let log = format!("pg_read_file('{}/log')", self.folder);
        value(&mut self.admin, &log)
    }

    fn run(&mut self, script: &str) -> QueryResult<()> {
        let script = script
            .replace("{folder}", &self.folder)
            .replace("{port}", &self.port.to_string());
        run_there(&mut self.admin, &script)
    }
}

impl Drop for OwnServer {
    fn drop(&mut self) {
        // The folder may never have been made.
        let _ = self.run(&format!("{CRASH}{REMOVE}"));
    }
}
