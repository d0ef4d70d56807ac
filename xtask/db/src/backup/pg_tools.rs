//! PostgreSQL's own programs: found in the version that is needed, run without a password on their command line.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};

use anyhow::Context as _;

use crate::pg::Params;
use crate::ui::failure::{Failure, Result};

/// Where packages put PostgreSQL's programs.
const USUAL: [&str; 8] = [
    "/usr/lib/postgresql/*/bin",
    "/usr/pgsql-*/bin",
    "/usr/local/pgsql/bin",
    "/opt/homebrew/opt/postgresql@*/bin",
    "/opt/homebrew/opt/libpq/bin",
    "/usr/local/opt/postgresql@*/bin",
    "/usr/local/opt/libpq/bin",
    "/Applications/Postgres.app/Contents/Versions/*/bin",
];

/// How many lines of a failure are kept.
const LINES: usize = 12;

/// `pg_dump` or `pg_restore`.
#[derive(Debug, Clone)]
pub(super) struct Tool {
    path: PathBuf,
    name: &'static str,
    pub(super) major: u32,
    /// As it says it: `15.18`.
    pub(super) version: String,
}

impl Tool {
    /// The program of that name whose major version is `wanted`, or the nearest newer one.
    ///
    /// # Errors
    /// There is only an older one, or none; with what to install.
    pub(super) fn find(name: &'static str, wanted: u32) -> Result<Self> {
        let found: Vec<_> = folders()
            .iter()
            .filter_map(|folder| Self::at(folder, name))
            .collect();
        Self::choose(&found, name, wanted)
    }

    fn choose(found: &[Self], name: &str, wanted: u32) -> Result<Self> {
        let best = found.iter().filter(|tool| tool.major >= wanted);
        // Of equal ones the first: PATH is a choice, the usual folders are guesses.
        if let Some(best) = best.min_by_key(|tool| tool.major) {
            return Ok(best.clone());
        }
        let failure = match found.iter().max_by_key(|tool| tool.major) {
            Some(newest) => Failure::usage(format!(
                "{name} {} in `{}` is older than PostgreSQL {wanted}",
                newest.version,
                newest.path.parent().unwrap_or(&newest.path).display()
            )),
            None => Failure::usage(format!(
                "failed to find {name} of PostgreSQL {wanted} or later"
            )),
        };
        Err(failure
            .help(format!(
                "install it: `apt-get install postgresql-client-{wanted}` (Debian, Ubuntu; from apt.postgresql.org where \
                 the distribution has none), `dnf install postgresql{wanted}` (Fedora, from yum.postgresql.org), \
                 `brew install postgresql@{wanted}` (macOS)"
            ))
            .help(format!("or set LOCAL_POSTGRES_BIN to the folder of a {name} {wanted}")))
    }

    fn at(folder: &Path, name: &'static str) -> Option<Self> {
        let path = folder.join(name);
        // Debian's `/usr/bin/pg_dump` is a script that chooses a version by itself.
        if path.canonicalize().ok()?.file_name()? == "pg_wrapper" {
            return None;
        }
        let output = Command::new(&path)
            .arg("--version")
            .stdin(Stdio::null())
            .output()
            .ok()?;
        // pg_dump (PostgreSQL) 15.18 (Debian 15.18-0+deb12u1)
        let text = String::from_utf8_lossy(&output.stdout);
        let version = text.split_once(") ")?.1.split_whitespace().next()?;
        let digits = version.split(|c: char| !c.is_ascii_digit()).next()?;
        Some(Self {
            name,
            major: digits.parse().ok()?,
            version: version.to_owned(),
            path,
        })
    }

    /// Runs it on a database and waits; `said` is told every line that it says. Gives its warnings.
    ///
    /// What it says goes through a pipe of ours: when we are killed, so is it, by its next line.
    ///
    /// # Errors
    /// It can't be run, or fails; the error is what it said, without the password.
    pub(super) fn run(
        &self,
        params: &Params,
        arguments: &[&str],
        output: Stdio,
        mut said: impl FnMut(&str),
    ) -> anyhow::Result<Vec<String>> {
        let mut command = Command::new(&self.path);
        let secrets = connect(&mut command, params)?;
        command
            .args(["--no-password", "--verbose"])
            .args(arguments)
            .stdin(Stdio::null())
            .stdout(output)
            .stderr(Stdio::piped());
        let mut child = command
            .spawn()
            .with_context(|| format!("failed to run `{}`", self.path.display()))?;
        // Its copy of the output, or the file would stay open for as long as the command lives.
        drop(command);
        let (mut warnings, mut errors, mut last) = (Vec::new(), Vec::new(), None);
        if let Some(stderr) = child.stderr.take() {
            for line in lines(stderr) {
                let line = params.redact(&line);
                if line.contains(": warning: ") {
                    warnings.push(line);
                    warnings.truncate(LINES);
                } else if line.contains(": error: ") || !errors.is_empty() {
                    errors.push(line);
                    errors.truncate(LINES);
                } else {
                    said(&line);
                    last = Some(line);
                }
            }
        }
        let status = child
            .wait()
            .with_context(|| format!("failed to wait for {}", self.name))?;
        drop(secrets);
        if status.success() {
            return Ok(warnings);
        }
        if errors.is_empty() {
            errors.push(format!("{} ended with {status}", self.name));
            errors.extend(last);
        }
        anyhow::bail!("{}", errors.join("\n"))
    }
}

/// The lines of a stream, whatever their encoding; long ones in pieces.
fn lines(stream: impl std::io::Read) -> impl Iterator<Item = String> {
    let mut reader = BufReader::new(stream);
    std::iter::from_fn(move || {
        let mut line = Vec::new();
        let read = reader
            .by_ref()
            .take(8192)
            .read_until(b'\n', &mut line)
            .ok()?;
        (read > 0).then(|| String::from_utf8_lossy(&line).trim_end().to_owned())
    })
}

/// Has a command connect as `params` say. The file that is given must outlive the run.
fn connect(command: &mut Command, params: &Params) -> anyhow::Result<Option<SecretFile>> {
    let child = params.for_child().map_err(anyhow::Error::msg)?;
    command.arg("--dbname").arg(child.conninfo.trim_end());
    if let Some(password) = &child.password {
        command.env("PGPASSWORD", password);
    }
    // A dump is in the encoding of its database; messages are read by us.
    command
        .env_remove("PGCLIENTENCODING")
        .env("LC_ALL", "C")
        .env("PG_COLOR", "never");
    if child.service.is_empty() {
        return Ok(None);
    }
    if std::env::var_os("PGSERVICE").is_some() {
        anyhow::bail!(
            "PGSERVICE and a secret such as `sslpassword` in the URL can't be passed on together: move the secret into the service file"
        );
    }
    let file = SecretFile::write(&format!("[secrets]\n{}\n", child.service.join("\n")))?;
    command
        .env("PGSERVICEFILE", &file.0)
        .env("PGSERVICE", "secrets");
    Ok(Some(file))
}

/// A file that only its owner can read, and that goes when this is dropped.
struct SecretFile(PathBuf);

impl SecretFile {
    fn write(text: &str) -> anyhow::Result<Self> {
        static NUMBER: AtomicUsize = AtomicUsize::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let name = format!(".cargo-xtask-db-{}-{number}", std::process::id());
        let path = std::env::temp_dir().join(name);
        let mut options = std::fs::OpenOptions::new();
        options.write(true).create_new(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let failed = || format!("failed to write `{}`", path.display());
        let mut file = options.open(&path).with_context(failed)?;
        let secret = Self(path.clone());
        file.write_all(text.as_bytes()).with_context(failed)?;
        Ok(secret)
    }
}

impl Drop for SecretFile {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}

/// Folders that may have PostgreSQL's programs, each once: PATH, where `pg_config` says, `LOCAL_POSTGRES_BIN`, the usual.
fn folders() -> Vec<PathBuf> {
    let mut folders: Vec<PathBuf> = std::env::var_os("PATH")
        .map(|path| std::env::split_paths(&path).collect())
        .unwrap_or_default();
    let config = Command::new("pg_config")
        .arg("--bindir")
        .stdin(Stdio::null())
        .output();
    if let Ok(output) = config {
        folders.push(String::from_utf8_lossy(&output.stdout).trim().into());
    }
    folders.extend(std::env::var_os("LOCAL_POSTGRES_BIN").map(PathBuf::from));
    for pattern in USUAL {
        folders.extend(glob::glob(pattern).into_iter().flatten().flatten());
    }
    let mut seen = Vec::new();
    folders.retain(|folder| {
        let new = folder.is_absolute() && !seen.contains(folder);
        seen.push(folder.clone());
        new
    });
    folders
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_version_is_the_servers_or_the_nearest_newer_one() {
        let tool = |major: u32, folder: &str| Tool {
            path: Path::new(folder).join("pg_dump"),
            name: "pg_dump",
            major,
            version: format!("{major}.1"),
        };
        let found = [
            tool(18, "/a"),
            tool(16, "/b"),
            tool(16, "/c"),
            tool(15, "/d"),
        ];
        let chosen = |wanted| Tool::choose(&found, "pg_dump", wanted).map(|tool| tool.path);
        assert_eq!(chosen(15).unwrap(), Path::new("/d/pg_dump"));
        assert_eq!(chosen(16).unwrap(), Path::new("/b/pg_dump"));
        assert_eq!(chosen(17).unwrap(), Path::new("/a/pg_dump"));
        let older = chosen(19).unwrap_err();
        assert_eq!(
            older.message,
            "pg_dump 18.1 in `/a` is older than PostgreSQL 19"
        );
        assert!(
            older.help[0].contains("postgresql-client-19"),
            "{:?}",
            older.help
        );
        let none = Tool::choose(&[], "pg_dump", 18).unwrap_err();
        assert!(
            none.message
                .contains("failed to find pg_dump of PostgreSQL 18")
        );
    }
}
