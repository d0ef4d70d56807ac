//! Servers from installed binaries.

use std::collections::BTreeSet;
use std::fs::{self, File, OpenOptions};
use std::io::{Read, Seek};
use std::net::{Ipv4Addr, TcpListener};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow, bail};
use rustix::process::{Pid, Signal};
use uuid::Uuid;

use crate::binaries::{Binaries, ServerUser};
use crate::order::{self, Handle, Lifetime, Order, Started};
use crate::release::Release;
use crate::settings::{Provider, Settings};
use crate::state;

/// Room for a data folder (40 MB), its log of changes and some hundred clones. A smaller /dev/shm, as in a
/// container of its own, is left alone.
const MEMORY_FOLDER_MIN: u64 = 1 << 30;
/// Longer than a busy machine takes from a folder to the script in it.
const LEFTOVER_AGE: Duration = Duration::from_secs(120);
/// As long as PostgreSQL may need to write everything to disk.
const STOP_TIMEOUT: Duration = Duration::from_secs(60);

/// Starts a server and waits for its first answer; tells its release.
pub(crate) fn start(settings: &Settings, order: &Order) -> Result<(Started, Release)> {
    let user = ServerUser::find()?;
    let binaries = Binaries::find(settings, &user)?;
    order::check_version(
        settings,
        &binaries.release,
        &format!("the one in `{}`", binaries.folder.display()),
    )?;
    remove_leftovers();
    let folder = folder(order)?;
    make_folder(&folder, &user)?;

    // A port that is free now may be taken a moment later: then the server says so and the next one is tried.
    let mut attempt = 0;
    loop {
        attempt += 1;
        let port = match order.lifetime {
            Lifetime::Durable { port } => port,
            Lifetime::Idle(_) => free_port()?,
        };
        let mut server = Process::spawn(&binaries, &user, order, &folder, port)?;
        let url = order::url(&order.password, port);
        let Err(error) = order::wait_until_ready(&url, || server.check()) else {
            let pid = server.child.id();
            let started = Started {
                provider: Provider::Native,
                url,
                handle: Handle::Process { pid, folder },
            };
            return Ok((started, binaries.release));
        };
        let log = server.log();
        server.end();
        if let Lifetime::Idle(_) = order.lifetime {
            let _ = remove(&folder);
            if log.contains("could not bind") && attempt < 5 {
                make_folder(&folder, &user)?;
                continue;
            }
        }
        return Err(
            anyhow!("{error:#}; {}", order::log_tail(&log)).context(format!(
                "failed to start PostgreSQL of `{}`",
                binaries.folder.display()
            )),
        );
    }
}

fn make_folder(folder: &Path, user: &ServerUser) -> Result<()> {
    state::private_folder(folder, 0o700)?;
    user.own(folder)
}

/// A free port of 127.0.0.1.
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

/// What the server of a folder has logged; nothing once the folder is gone.
pub(crate) fn log(folder: &Path) -> Result<String> {
    let file = folder.join("log");
    match fs::read(&file) {
        Ok(text) => Ok(String::from_utf8_lossy(&text).into_owned()),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(String::new()),
        Err(error) => Err(error).with_context(|| format!("failed to read `{}`", file.display())),
    }
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
/// The script removes its folder even if the tests are killed; this is for the case that the script is killed.
pub(crate) fn remove_leftovers() -> usize {
    let Ok(user) = ServerUser::find() else {
        return 0;
    };
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
    // These folders are everybody's: what another user put there under such a name is left alone.
    .filter(|entry| {
        entry
            .metadata()
            .is_ok_and(|data| data.is_dir() && user.is_owner(data.uid()))
    })
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
    /// A throw-away server that ends removes its folder; what it has logged is still there to those who have it open.
    log: File,
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
        let mut arguments = order.command(&script_name(folder), "127.0.0.1");
        if let Lifetime::Idle(_) = order.lifetime {
            // Shared memory in the server's folder goes with it, even after a kill -9.
            arguments.extend(["-c", "dynamic_shared_memory_type=mmap"].map(str::to_owned));
        }
        let mut command = user.command(Path::new(&arguments[0]));
        command
            .args(&arguments[1..])
            .envs(order.variables(port))
            .env("LP_FOLDER", folder)
            .env("LP_BIN", &binaries.folder)
            .stdin(Stdio::null())
            .stdout(
                log.try_clone()
                    .context("failed to share the server's log")?,
            )
            .stderr(
                log.try_clone()
                    .context("failed to share the server's log")?,
            )
            // Ctrl-C ends the tests, not the server that the next run needs.
            .process_group(0);
        let child = command.spawn().context("failed to run `sh`")?;
        Ok(Self { child, log })
    }

    fn check(&mut self) -> Result<()> {
        match self
            .child
            .try_wait()
            .context("failed to watch the server")?
        {
            None => Ok(()),
            Some(status) => bail!("{}, {status}", order::ENDED_AT_ONCE),
        }
    }

    /// What it has logged.
    fn log(&mut self) -> String {
        let mut bytes = Vec::new();
        // The server's messages are appended, wherever this leaves off. A log that can't be read is an empty one.
        let _ = self.log.rewind();
        let _ = self.log.read_to_end(&mut bytes);
        String::from_utf8_lossy(&bytes).into_owned()
    }

    /// Ends what was started, initdb included.
    fn end(mut self) {
        let pid = Pid::from_child(&self.child);
        let _ = rustix::process::kill_process_group(pid, Signal::TERM);
        let _ = self.child.wait();
    }
}

fn log_file(path: &Path) -> Result<File> {
    OpenOptions::new()
        .create(true)
        .read(true)
        .append(true)
        .mode(0o600)
        .open(path)
        .with_context(|| format!("failed to open the server's log `{}`", path.display()))
}
