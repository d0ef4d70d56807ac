//! Servers from installed binaries.

use std::collections::BTreeSet;
use std::fs::{self, File, OpenOptions};
use std::net::{Ipv4Addr, TcpListener};
use std::os::unix::fs::{OpenOptionsExt, chown};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow, bail};
use rustix::process::{Pid, Signal};
use uuid::Uuid;

use crate::provider::{self, Handle, Lifetime, Order, SCRIPT, Started};
use crate::settings::{Provider, Settings, SettingsError};
use crate::state;

/// Room for a data folder (40 MB), its log of changes and some hundred clones. A smaller /dev/shm, as in a
/// container of its own, is left alone.
const MEMORY_FOLDER_MIN: u64 = 1 << 30;
/// Longer than a busy machine takes from a folder to the script in it.
const LEFTOVER_AGE: Duration = Duration::from_secs(120);
/// As long as PostgreSQL may need to write everything to disk.
const STOP_TIMEOUT: Duration = Duration::from_secs(60);
/// Where packages put PostgreSQL; `*` is one path component, or a part of one.
const USUAL_FOLDERS: [&str; 8] = [
    "/usr/lib/postgresql/*/bin",
    "/usr/lib/postgresql*/bin",
    "/usr/pgsql-*/bin",
    "/usr/local/pgsql/bin",
    "/usr/libexec/postgresql*",
    "/opt/homebrew/opt/postgresql@*/bin",
    "/usr/local/opt/postgresql@*/bin",
    "/Applications/Postgres.app/Contents/Versions/*/bin",
];

/// Starts a server and waits for its first answer; tells its major version.
pub(crate) fn start(settings: &Settings, order: &Order) -> Result<(Started, u32)> {
    let user = ServerUser::find()?;
    let binaries = Binaries::find(settings, &user)?;
    provider::check_version(
        settings,
        binaries.major,
        &format!("the one in `{}`", binaries.folder.display()),
    )?;
    remove_leftovers();
    let folder = folder(order)?;
    state::private_folder(&folder, 0o700)?;
    user.own(&folder)?;

    // A port that is free now may be taken a moment later: then the server says so and the next one is tried.
    let mut attempt = 0;
    loop {
        attempt += 1;
        let port = match order.lifetime {
            Lifetime::Durable { port } => port,
            Lifetime::Idle(_) => free_port()?,
        };
        let mut server = Process::spawn(&binaries, &user, order, &folder, port)?;
        let url = provider::url(&order.password, port);
        match provider::wait_until_ready(&url, || server.check()) {
            Ok(_) => {
                let handle = Handle::Process {
                    pid: server.child.id(),
                    folder,
                };
                return Ok((
                    Started {
                        provider: Provider::Native,
                        url,
                        handle,
                    },
                    binaries.major,
                ));
            }
            Err(error) => {
                let log = fs::read_to_string(folder.join("log")).unwrap_or_default();
                server.end();
                let taken =
                    log.contains("could not bind") && matches!(order.lifetime, Lifetime::Idle(_));
                if taken && attempt < 5 {
                    state::private_folder(&folder, 0o700)?;
                    user.own(&folder)?;
                    continue;
                }
                return Err(
                    anyhow!("{error:#}; {}", provider::log_tail(&log)).context(format!(
                        "failed to start PostgreSQL of `{}`",
                        binaries.folder.display()
                    )),
                );
            }
        }
    }
}

/// A port of 127.0.0.1 that nobody listens at.
pub(crate) fn free_port() -> Result<u16> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))
        .context("failed to find a free port on 127.0.0.1")?;
    Ok(listener
        .local_addr()
        .context("failed to find a free port on 127.0.0.1")?
        .port())
}

/// The folder of a server: lasting beside the records, throw-away in memory if there is room.
fn folder(order: &Order) -> Result<PathBuf> {
    if let Lifetime::Durable { .. } = order.lifetime {
        return data_folder(&order.key);
    }
    let random = Uuid::new_v4().simple().to_string();
    let uid = rustix::process::geteuid().as_raw();
    Ok(throw_away_root().join(format!(
        "local-postgres-{uid}-{}-{}",
        &order.key[..8],
        &random[..12]
    )))
}

/// The folder of a durable server's data.
pub(crate) fn data_folder(key: &str) -> Result<PathBuf> {
    let parent = state::base()?.join("data");
    state::private_folder(&parent, if state::is_root() { 0o711 } else { 0o700 })?;
    Ok(parent.join(key))
}

/// Stops the server of a folder: sessions are ended, everything is written. Tells whether there was one.
pub(crate) fn stop(folder: &Path) -> Result<bool> {
    let Some(pid) = postmaster(folder) else {
        return Ok(false);
    };
    rustix::process::kill_process(pid, Signal::INT).context("failed to signal the server")?;
    let start = Instant::now();
    while postmaster(folder).is_some() {
        if start.elapsed() > STOP_TIMEOUT {
            bail!(
                "failed to stop the server of `{}` within {} seconds",
                folder.display(),
                STOP_TIMEOUT.as_secs()
            );
        }
        thread::sleep(Duration::from_millis(20));
    }
    Ok(true)
}

/// Removes the folder of a server that was stopped.
pub(crate) fn remove(folder: &Path) -> Result<()> {
    match fs::remove_dir_all(folder) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(error).with_context(|| format!("failed to remove folder `{}`", folder.display()))
        }
        _ => Ok(()),
    }
}

/// Ends a throw-away server at once. Tells whether there was one.
pub(crate) fn end_script(pid: u32, folder: &Path) -> Result<bool> {
    let pid = pid.cast_signed();
    let argument = script_name(folder);
    let Some(script) = Pid::from_raw(pid).filter(|_| runs_with(pid, &argument)) else {
        return Ok(false);
    };
    rustix::process::kill_process(script, Signal::TERM).context("failed to signal the server")?;
    let start = Instant::now();
    while runs_with(pid, &argument) {
        if start.elapsed() > STOP_TIMEOUT {
            bail!(
                "failed to stop process {pid} within {} seconds",
                STOP_TIMEOUT.as_secs()
            );
        }
        thread::sleep(Duration::from_millis(10));
    }
    Ok(true)
}

/// Removes throw-away folders of this user whose script is gone, and ends servers in them. Returns how many.
///
/// The script sees to its folder whatever happens to the tests; this is for what happens to the script.
pub(crate) fn remove_leftovers() -> usize {
    let prefix = format!("local-postgres-{}-", rustix::process::geteuid().as_raw());
    let folders = [
        Path::new("/dev/shm"),
        Path::new("/tmp"),
        &std::env::temp_dir(),
    ]
    .into_iter()
    .filter_map(|root| fs::read_dir(root).ok())
    .flat_map(Iterator::flatten)
    .filter(|entry| entry.file_name().to_string_lossy().starts_with(&prefix))
    .map(|entry| entry.path())
    .collect::<BTreeSet<_>>();
    if folders.is_empty() {
        return 0;
    }
    let commands = commands();
    let mut removed = 0;
    for folder in folders {
        // Between the making of a folder and the start of its script nothing runs yet.
        let age = fs::metadata(&folder)
            .and_then(|data| data.modified())
            .ok()
            .and_then(|time| time.elapsed().ok());
        let name = script_name(&folder);
        if age.is_none_or(|age| age < LEFTOVER_AGE)
            || commands.iter().any(|command| command.contains(&name))
        {
            continue;
        }
        if let Some(server) = postmaster(&folder) {
            let _ = rustix::process::kill_process(server, Signal::QUIT);
        }
        removed += usize::from(remove(&folder).is_ok());
    }
    removed
}

/// $0 of a server's script: tells it from others in a list of processes.
fn script_name(folder: &Path) -> String {
    format!("local-postgres:{}", folder.display())
}

/// The command lines of all processes.
fn commands() -> Vec<String> {
    if Path::new("/proc/self/cmdline").exists() {
        let processes = fs::read_dir("/proc").into_iter().flatten().flatten();
        processes
            .filter_map(|entry| fs::read(entry.path().join("cmdline")).ok())
            .map(|command| String::from_utf8_lossy(&command).into_owned())
            .collect()
    } else {
        let list = Command::new("ps")
            .args(["-axww", "-o", "command="])
            .output();
        let text = list.map(|output| output.stdout).unwrap_or_default();
        String::from_utf8_lossy(&text)
            .lines()
            .map(str::to_owned)
            .collect()
    }
}

/// The server process of a folder, if it lives. Its number alone would prove nothing: numbers are used again.
fn postmaster(folder: &Path) -> Option<Pid> {
    let data = folder.join("pgdata");
    let text = fs::read_to_string(data.join("postmaster.pid")).ok()?;
    let pid: i32 = text.lines().next()?.trim().parse().ok()?;
    runs_with(pid, &data.display().to_string())
        .then(|| Pid::from_raw(pid))
        .flatten()
}

/// Whether a process lives and has this in its command line.
fn runs_with(pid: i32, argument: &str) -> bool {
    let command = match fs::read(format!("/proc/{pid}/cmdline")) {
        Ok(text) => text,
        // Another system than Linux.
        Err(_) if !Path::new("/proc/self").exists() => {
            let list = Command::new("ps")
                .args(["-ww", "-o", "command=", "-p", &pid.to_string()])
                .output();
            list.map(|output| output.stdout).unwrap_or_default()
        }
        Err(_) => return false,
    };
    String::from_utf8_lossy(&command).contains(argument)
}

/// Where throw-away servers keep their data.
pub(crate) fn throw_away_root() -> PathBuf {
    let memory = Path::new("/dev/shm");
    match rustix::fs::statvfs(memory) {
        Ok(stat) if stat.f_bavail * stat.f_frsize >= MEMORY_FOLDER_MIN => memory.to_owned(),
        _ if state::is_root() => PathBuf::from("/tmp"),
        _ => std::env::temp_dir(),
    }
}

/// A server that is starting.
struct Process {
    child: Child,
}

impl Process {
    fn spawn(
        binaries: &Binaries,
        user: &ServerUser,
        order: &Order,
        folder: &Path,
        port: u16,
    ) -> Result<Self> {
        let log = log_file(&folder.join("log"))?;
        // Shared memory in the server's folder goes with it, even after a kill -9.
        let memory: &[&str] = match order.lifetime {
            Lifetime::Idle(_) => &["-c", "dynamic_shared_memory_type=mmap"],
            Lifetime::Durable { .. } => &[],
        };
        let mut command = user.command(Path::new("sh"));
        command
            .arg("-c")
            .arg(SCRIPT)
            .arg(script_name(folder))
            .args([
                "-c",
                "listen_addresses=127.0.0.1",
                "-c",
                "unix_socket_directories=",
            ])
            .args(memory)
            .args(
                order
                    .settings
                    .iter()
                    .flat_map(|(name, value)| ["-c".to_owned(), format!("{name}={value}")]),
            )
            .env("LP_FOLDER", folder)
            .env("LP_BIN", &binaries.folder)
            .env("LP_PORT", port.to_string())
            .env("LP_VERIFIER", order.verifier())
            .env("LP_IDLE", order.lifetime.idle_seconds().to_string())
            .stdin(Stdio::null())
            .stdout(
                log.try_clone()
                    .context("failed to share the server's log")?,
            )
            .stderr(log)
            // Ctrl-C ends the tests, not the server that the next run wants.
            .process_group(0);
        let child = command.spawn().context("failed to run `sh`")?;
        Ok(Self { child })
    }

    fn check(&mut self) -> Result<()> {
        match self
            .child
            .try_wait()
            .context("failed to watch the server")?
        {
            None => Ok(()),
            Some(status) => bail!("it ended at once, {status}"),
        }
    }

    fn end(mut self) {
        let pid = Pid::from_child(&self.child);
        let _ = rustix::process::kill_process(pid, Signal::TERM);
        let _ = self.child.wait();
    }
}

fn log_file(path: &Path) -> Result<File> {
    OpenOptions::new()
        .create(true)
        .append(true)
        .mode(0o600)
        .open(path)
        .with_context(|| format!("failed to open the server's log `{}`", path.display()))
}

/// PostgreSQL's programs.
#[derive(Debug)]
struct Binaries {
    folder: PathBuf,
    major: u32,
}

impl Binaries {
    /// The wanted version, or the one nearest to it.
    fn find(settings: &Settings, user: &ServerUser) -> Result<Self> {
        if let Some(folder) = &settings.bin {
            return Self::at(folder, user).map_err(|error| {
                SettingsError::error(format!(
                    "failed to use LOCAL_POSTGRES_BIN: {error:#}; set it to a folder with PostgreSQL's initdb and postgres"
                ))
            });
        }
        let wanted = settings.version.major;
        let candidates = candidates();
        let mut found = Vec::new();
        let mut unusable = Vec::new();
        for folder in &candidates {
            match Self::at(folder, user) {
                Ok(binaries) => found.push(binaries),
                Err(error) => unusable.push(format!("{error:#}")),
            }
        }
        if let Some(best) = found
            .into_iter()
            .min_by_key(|it| (it.major.abs_diff(wanted), it.major < wanted))
        {
            return Ok(best);
        }
        let mut message = format!(
            "failed to find a PostgreSQL to run: install Docker, or PostgreSQL {wanted} \
             (Debian, Ubuntu: apt-get install postgresql; macOS: brew install postgresql@{wanted}), \
             or set LOCAL_POSTGRES_BIN to the folder of its programs, or LOCAL_POSTGRES_URL to a running server"
        );
        for reason in unusable {
            message.push_str("; ");
            message.push_str(&reason);
        }
        Err(SettingsError::error(message))
    }

    fn at(folder: &Path, user: &ServerUser) -> Result<Self> {
        let program = folder.join("postgres");
        if !program.is_file() || !folder.join("initdb").is_file() {
            bail!("`{}` has no initdb and postgres", folder.display());
        }
        let output = user
            .command(&program)
            .arg("--version")
            .output()
            .with_context(|| {
                format!("failed to run `{}`{}", program.display(), user.described())
            })?;
        let text = String::from_utf8_lossy(&output.stdout);
        // postgres (PostgreSQL) 15.18 (Debian 15.18-0+deb12u1); before a release: 19beta1
        let major = text
            .split_whitespace()
            .nth(2)
            .and_then(|version| {
                version
                    .split(|c: char| !c.is_ascii_digit())
                    .next()?
                    .parse()
                    .ok()
            })
            .with_context(|| {
                format!(
                    "failed to understand `{} --version`: {}",
                    program.display(),
                    text.trim()
                )
            })?;
        Ok(Self {
            folder: folder.to_owned(),
            major,
        })
    }
}

/// Folders that have PostgreSQL's programs.
fn candidates() -> BTreeSet<PathBuf> {
    let mut folders = BTreeSet::new();
    if let Ok(output) = Command::new("pg_config")
        .arg("--bindir")
        .stdin(Stdio::null())
        .output()
    {
        folders.insert(PathBuf::from(
            String::from_utf8_lossy(&output.stdout).trim(),
        ));
    }
    for pattern in USUAL_FOLDERS {
        folders.extend(expand(pattern));
    }
    if let Some(path) = std::env::var_os("PATH") {
        folders.extend(std::env::split_paths(&path));
    }
    folders.retain(|folder| folder.join("postgres").is_file() && folder.join("initdb").is_file());
    folders
}

/// The folders of a pattern with one `*`.
fn expand(pattern: &str) -> Vec<PathBuf> {
    let Some((before, after)) = pattern.split_once('*') else {
        return vec![pattern.into()];
    };
    let (parent, prefix) = before.rsplit_once('/').expect("patterns are absolute");
    let Ok(entries) = fs::read_dir(parent) else {
        return Vec::new();
    };
    entries
        .flatten()
        .filter(|entry| entry.file_name().to_string_lossy().starts_with(prefix))
        .map(|entry| PathBuf::from(format!("{}{after}", entry.path().display())))
        .collect()
}

/// As whom the server runs: this user, or `postgres` or `nobody` instead of root.
#[derive(Debug)]
pub(crate) struct ServerUser(Option<(u32, u32)>);

impl ServerUser {
    pub(crate) fn find() -> Result<Self> {
        if !state::is_root() {
            return Ok(Self(None));
        }
        for name in ["postgres", "nobody"] {
            if let (Some(uid), Some(gid)) = (id("-u", name), id("-g", name)) {
                return Ok(Self(Some((uid, gid))));
            }
        }
        Err(SettingsError::error(
            "failed to find a user for PostgreSQL, which refuses to run as root: add a user `postgres`",
        ))
    }

    /// A command in this user's name, with nothing of our environment that could change a server.
    fn command(&self, program: &Path) -> Command {
        let mut command = Command::new(program);
        command.env_clear().current_dir("/");
        for name in ["PATH", "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH"] {
            if let Some(value) = std::env::var_os(name) {
                command.env(name, value);
            }
        }
        if let Some((uid, gid)) = self.0 {
            command.uid(uid).gid(gid);
        }
        command
    }

    fn own(&self, folder: &Path) -> Result<()> {
        let Some((uid, gid)) = self.0 else {
            return Ok(());
        };
        chown(folder, Some(uid), Some(gid))
            .with_context(|| format!("failed to hand over folder `{}`", folder.display()))
    }

    fn described(&self) -> String {
        self.0.map_or_else(String::new, |(uid, _)| {
            format!(" as user {uid}, who must be able to reach it")
        })
    }
}

fn id(option: &str, name: &str) -> Option<u32> {
    let output = Command::new("id")
        .args([option, name])
        .stderr(Stdio::null())
        .output()
        .ok()?;
    String::from_utf8_lossy(&output.stdout).trim().parse().ok()
}
