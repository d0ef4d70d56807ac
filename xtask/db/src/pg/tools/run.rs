//! Runs one of PostgreSQL's programs, without a password on its command line.

use std::io::{BufRead as _, BufReader, IsTerminal as _, Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use anyhow::Context as _;

use super::super::Params;
use super::{Place, Tool};
use crate::ui::trace;

/// How many lines of a failure are kept.
const LINES: usize = 12;

/// What a program is run for.
#[derive(Default)]
pub(crate) struct Work<'a> {
    pub(crate) arguments: Vec<String>,
    /// For `pg_restore`: the dump, and how many tables at once.
    pub(crate) restores: Option<(&'a Path, usize)>,
    pub(crate) output: Option<std::fs::File>,
}

impl Tool {
    /// Runs it on a database and waits; `said` is told every line that it says. Gives its warnings.
    ///
    /// What it says goes through a pipe of ours: when we are killed, so is it, by its next line.
    ///
    /// # Errors
    /// It can't be run, or fails; the error is what it said, without the password.
    pub(crate) fn run(
        &self,
        params: &Params,
        work: Work<'_>,
        said: impl FnMut(&str),
    ) -> anyhow::Result<Vec<String>> {
        let (mut command, secrets) = self.command(params, &work)?;
        command.arg("--verbose");
        let (begin, shown) = (Instant::now(), trace::program(&command));
        let mut child = command
            .stdout(work.output.map_or_else(Stdio::null, Stdio::from))
            .stderr(Stdio::piped())
            .spawn()
            .with_context(|| format!("failed to run {}", self.name))?;
        // Its copy of the output, or the file would stay open for as long as the command lives.
        drop(command);
        let heard = child
            .stderr
            .take()
            .map_or_else(Heard::default, |stderr| Heard::listen(stderr, params, said));
        let status = child
            .wait()
            .with_context(|| format!("failed to wait for {}", self.name))?;
        drop(secrets);
        trace::show(|| shown, begin);
        if status.success() {
            return Ok(heard.warnings);
        }
        let mut errors = heard.errors;
        if errors.is_empty() {
            errors.push(format!("{} ended with {status}", self.name));
            errors.extend(heard.last);
        }
        anyhow::bail!("{}", errors.join("\n"))
    }

    /// Runs it on a database and gives what it writes, as text.
    ///
    /// # Errors
    /// As for [`run`](Self::run); also what is not UTF-8.
    pub(crate) fn read(&self, params: &Params, arguments: Vec<String>) -> anyhow::Result<String> {
        let work = Work {
            arguments,
            ..Work::default()
        };
        let (mut command, _secrets) = self.command(params, &work)?;
        let output =
            trace::output(&mut command).with_context(|| format!("failed to run {}", self.name))?;
        if !output.status.success() {
            let said = String::from_utf8_lossy(&output.stderr);
            anyhow::bail!("{}", params.redact(said.trim()));
        }
        String::from_utf8(output.stdout)
            .with_context(|| format!("failed to read what {} writes: it is not UTF-8", self.name))
    }

    /// Runs it on a database with our own input and output, and waits for it to end; gives its exit code. Ctrl-C is its
    /// affair: psql cancels a statement by it.
    ///
    /// # Errors
    /// It can't be run.
    pub(crate) fn run_for_person(
        &self,
        params: &Params,
        arguments: &[String],
    ) -> anyhow::Result<u8> {
        let at_terminal = std::io::stdin().is_terminal() && std::io::stdout().is_terminal();
        let tty: &[_] = if at_terminal { &["--tty"] } else { &[] };
        let (mut command, secrets) = self.on_database(params, tty)?;
        command.args(arguments);
        #[cfg(unix)]
        signal_hook::flag::register(signal_hook::consts::SIGINT, Arc::default())
            .context("failed to leave Ctrl-C to the program")?;
        let status =
            trace::status(&mut command).with_context(|| format!("failed to run {}", self.name))?;
        drop(secrets);
        #[cfg(unix)]
        if let Some(signal) = std::os::unix::process::ExitStatusExt::signal(&status) {
            // As shells say it.
            return Ok(u8::try_from(128 + signal).unwrap_or(u8::MAX));
        }
        Ok(u8::try_from(status.code().unwrap_or(1)).unwrap_or(u8::MAX))
    }

    /// Its command line for work of ours. The file that is given must outlive the run.
    fn command(
        &self,
        params: &Params,
        work: &Work<'_>,
    ) -> anyhow::Result<(Command, Option<SecretFile>)> {
        let in_english = ["--env", "LC_ALL=C", "--env", "PG_COLOR=never"];
        let (mut command, secrets) = self.on_database(params, &in_english)?;
        command.args(&work.arguments).stdin(Stdio::null());
        // A dump is in the encoding of its database; messages are read by us.
        command
            .env_remove("PGCLIENTENCODING")
            .env("LC_ALL", "C")
            .env("PG_COLOR", "never");
        match (&self.place, work.restores) {
            (_, None) => {}
            (Place::Folder(_), Some((dump, jobs))) => {
                command.arg(format!("--jobs={jobs}")).arg(dump);
            }
            // What comes by stdin can't be read at several places at once.
            (Place::Container { .. }, Some((dump, _))) => {
                let dump = std::fs::File::open(dump)
                    .with_context(|| format!("failed to read `{}`", dump.display()))?;
                command.stdin(dump);
            }
        }
        Ok((command, secrets))
    }

    /// The program on a database, the password in the environment; `options` are those of `docker exec`.
    fn on_database(
        &self,
        params: &Params,
        options: &[&str],
    ) -> anyhow::Result<(Command, Option<SecretFile>)> {
        let (mut command, child) = match &self.place {
            Place::Folder(folder) => (Command::new(folder.join(self.name)), params.for_child()),
            Place::Container { id, port } => {
                let mut command = Command::new("docker");
                command.args(["exec", "--interactive", "--env", "PGPASSWORD"]);
                command.args(options).args([id, self.name]);
                let inside = params.without("service");
                let inside = inside.with("hostaddr", "127.0.0.1").with("port", port);
                (command, inside.for_child())
            }
        };
        let child = child.map_err(anyhow::Error::msg)?;
        command.arg("--no-password");
        command.arg("--dbname").arg(child.conninfo.trim_end());
        command.envs(
            child
                .password
                .iter()
                .map(|password| ("PGPASSWORD", password)),
        );
        if child.service.is_empty() {
            return Ok((command, None));
        }
        let contained = matches!(self.place, Place::Container { .. });
        if contained || std::env::var_os("PGSERVICE").is_some() {
            anyhow::bail!(
                "a secret such as `sslpassword` in the URL can't be passed on to {}: move it into a service file",
                self.name
            );
        }
        let file = SecretFile::write(&format!("[secrets]\n{}\n", child.service.join("\n")))?;
        command
            .env("PGSERVICEFILE", &file.0)
            .env("PGSERVICE", "secrets");
        Ok((command, Some(file)))
    }
}

/// What a program said.
#[derive(Default)]
struct Heard {
    warnings: Vec<String>,
    errors: Vec<String>,
    last: Option<String>,
}

impl Heard {
    fn listen(stream: impl std::io::Read, params: &Params, mut said: impl FnMut(&str)) -> Self {
        let mut heard = Self::default();
        for line in lines(stream) {
            let line = params.redact(&line);
            if line.contains(": warning: ") {
                heard.warnings.push(line);
                heard.warnings.truncate(LINES);
            } else if line.contains(": error: ") || !heard.errors.is_empty() {
                heard.errors.push(line);
                heard.errors.truncate(LINES);
            } else {
                said(&line);
                heard.last = Some(line);
            }
        }
        heard
    }
}

/// The lines of a stream, in any encoding; long ones in pieces.
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
