//! Installed PostgreSQL, and the user that may run it.

use std::collections::BTreeSet;
use std::os::unix::fs::chown;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};

use crate::release::Release;
use crate::settings::Settings;
use crate::state;
use crate::variable::SettingsError;

/// Where packages put PostgreSQL, as patterns.
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

/// PostgreSQL's programs.
#[derive(Debug)]
pub(crate) struct Binaries {
    pub(crate) folder: PathBuf,
    pub(crate) release: Release,
}

impl Binaries {
    /// The wanted version, or the one nearest to it.
    pub(crate) fn find(settings: &Settings, user: &ServerUser) -> Result<Self> {
        if let Some(folder) = &settings.bin {
            return Self::at(&folder.path, user).map_err(|error| {
                SettingsError::error(format!(
                    "failed to use {}: {error:#}; set it to a folder with PostgreSQL's initdb and postgres",
                    folder.variable
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
            .min_by_key(|it| it.release.distance(wanted))
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
        // postgres (PostgreSQL) 15.18 (Debian 15.18-0+deb12u1)
        let release = text
            .split_once(") ")
            .and_then(|(_, version)| Release::parse(version))
            .with_context(|| {
                format!(
                    "failed to understand `{} --version`: {}",
                    program.display(),
                    text.trim()
                )
            })?;
        Ok(Self {
            folder: folder.to_owned(),
            release,
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
        let found = glob::glob(pattern).expect("the patterns above are valid");
        folders.extend(found.flatten());
    }
    if let Some(path) = std::env::var_os("PATH") {
        folders.extend(std::env::split_paths(&path));
    }
    folders.retain(|folder| folder.join("postgres").is_file() && folder.join("initdb").is_file());
    folders
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
    pub(crate) fn command(&self, program: &Path) -> Command {
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

    pub(crate) fn own(&self, folder: &Path) -> Result<()> {
        let Some((uid, gid)) = self.0 else {
            return Ok(());
        };
        chown(folder, Some(uid), Some(gid))
            .with_context(|| format!("failed to hand over folder `{}`", folder.display()))
    }

    /// Whether a server's folder may be this user's: [`own`](Self::own) comes a moment after it is made.
    pub(crate) fn is_owner(&self, uid: u32) -> bool {
        uid == rustix::process::geteuid().as_raw()
            || self.0.is_some_and(|(server, _)| uid == server)
    }

    pub(crate) fn described(&self) -> String {
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
