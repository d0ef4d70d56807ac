//! What outlives a process: locks and records of servers, in a folder of this user's own.

use std::env;
use std::fs::{self, DirBuilder, File, OpenOptions, TryLockError};
use std::io::Write;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use serde::Serialize;
use serde::de::DeserializeOwned;
use sha2::{Digest, Sha256};

use crate::variable::{SettingsError, variable};

/// Longer than the slowest start, an image pulled within it included.
const LOCK_TIMEOUT: Duration = Duration::from_secs(600);

/// The folder of everything: `LOCAL_POSTGRES_DIR`, or the usual one of this user.
pub(crate) fn base() -> Result<PathBuf> {
    let base = if let Some(folder) = variable("LOCAL_POSTGRES_DIR")? {
        let folder = PathBuf::from(folder);
        if folder.is_relative() {
            return Err(SettingsError::error(
                "failed to read LOCAL_POSTGRES_DIR: not an absolute path",
            ));
        }
        folder
    } else if is_root() {
        // Not in /root: the server runs as another user, who has to reach its data.
        PathBuf::from("/var/lib/local-postgres")
    } else if let Some(folder) = variable("XDG_DATA_HOME")? {
        PathBuf::from(folder).join("local-postgres")
    } else if let Some(home) = env::home_dir().filter(|home| home.is_absolute()) {
        home.join(".local/share/local-postgres")
    } else {
        return Err(SettingsError::error(
            "failed to find a folder for servers: set HOME or LOCAL_POSTGRES_DIR",
        ));
    };
    // As root, the server's user passes through it, without seeing what is there.
    private_folder(&base, if is_root() { 0o711 } else { 0o700 })?;
    Ok(base)
}

/// The folder of the records, which hold passwords.
pub(crate) fn records() -> Result<PathBuf> {
    let folder = base()?.join("state");
    private_folder(&folder, 0o700)?;
    Ok(folder)
}

/// Makes a folder and its parents, with this mode if it is new.
pub(crate) fn private_folder(folder: &Path, mode: u32) -> Result<()> {
    DirBuilder::new()
        .recursive(true)
        .mode(mode)
        .create(folder)
        .with_context(|| format!("failed to create folder `{}`", folder.display()))
}

/// Whether this process is the superuser, as whom PostgreSQL refuses to run.
pub(crate) fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

/// Reads a record; none if it is missing.
pub(crate) fn read<T: DeserializeOwned>(file: &Path) -> Result<Option<T>> {
    match fs::read(file) {
        Ok(text) => Ok(Some(serde_json::from_slice(&text).with_context(|| {
            format!(
                "failed to understand `{}`: is it of another version of local-postgres?",
                file.display()
            )
        })?)),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error).with_context(|| format!("failed to read `{}`", file.display())),
    }
}

/// Writes a record in one step, for this user's eyes only.
pub(crate) fn write<T: Serialize>(file: &Path, record: &T) -> Result<()> {
    let new = file.with_extension("new");
    let written = (|| -> Result<()> {
        let mut out = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(true)
            .mode(0o600)
            .open(&new)?;
        out.write_all(&serde_json::to_vec_pretty(record)?)?;
        out.sync_all()?;
        fs::rename(&new, file)?;
        Ok(())
    })();
    written.with_context(|| format!("failed to write `{}`", file.display()))
}

/// The lock beside a record; the system gives it back when the process ends, however it ends.
#[derive(Debug)]
pub(crate) struct Lock {
    record: PathBuf,
    _file: File,
}

impl Lock {
    /// Waits for the lock of a record.
    pub(crate) fn take(record: &Path) -> Result<Self> {
        let start = Instant::now();
        loop {
            if let Some(lock) = Self::try_take(record)? {
                return Ok(lock);
            }
            if start.elapsed() > LOCK_TIMEOUT {
                bail!(
                    "failed to lock `{}`: another process has held it for {} minutes; end that one",
                    record.with_extension("lock").display(),
                    LOCK_TIMEOUT.as_secs() / 60
                );
            }
            thread::sleep(Duration::from_millis(20));
        }
    }

    /// The lock of a record, if it is free.
    pub(crate) fn try_take(record: &Path) -> Result<Option<Self>> {
        let path = record.with_extension("lock");
        let failed = || format!("failed to lock `{}`", path.display());
        let file = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .open(&path)
            .with_context(failed)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Ok(None),
            Err(TryLockError::Error(error)) => return Err(error).with_context(failed),
        }
        // Its last owner may have removed it after we opened it: then it locks nothing.
        let here = file.metadata().with_context(failed)?;
        if fs::metadata(&path).is_ok_and(|there| there.ino() == here.ino()) {
            Ok(Some(Self {
                record: record.to_owned(),
                _file: file,
            }))
        } else {
            Ok(None)
        }
    }

    /// Removes the record, and the lock with it.
    pub(crate) fn forget(self) -> Result<()> {
        // The lock last: who finds none of both finds nothing to lock.
        for extension in ["new", "json", "lock"] {
            let file = self.record.with_extension(extension);
            match fs::remove_file(&file) {
                Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                    return Err(error)
                        .with_context(|| format!("failed to remove `{}`", file.display()));
                }
                _ => {}
            }
        }
        Ok(())
    }
}

/// Half of a SHA-256, in hexadecimal, of parts that can't run into each other.
pub(crate) fn hash<'a>(parts: impl IntoIterator<Item = &'a [u8]>) -> String {
    let mut hasher = Sha256::new();
    for part in parts {
        hasher.update((part.len() as u64).to_le_bytes());
        hasher.update(part);
    }
    hasher.finalize()[..16]
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect()
}
