//! Programs that we run: the Diesel CLI, pinned, and a place to run it where nothing of the surroundings leaks in.

use std::fs::{File, TryLockError};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use anyhow::Context as _;

use crate::app::App;
use crate::ui::failure::{Failure, Kind, Result};
use crate::ui::trace;

/// The Diesel CLI that is installed where no other fits: the one of the workspace's `diesel`.
const PINNED: Version = Version(2, 3, 14);

/// A Diesel CLI of the user's own choice, in any version.
const OVERRIDE: &str = "DIESEL_CLI";

/// Major, minor, patch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Version(u32, u32, u32);

/// A Diesel CLI that fits.
#[derive(Debug)]
pub(crate) struct Diesel {
    program: PathBuf,
}

impl Diesel {
    /// The one that `DIESEL_CLI` names, else one on the PATH that fits, else the pinned one, installed if need be.
    ///
    /// # Errors
    /// `DIESEL_CLI` is no Diesel CLI; or cargo could not install the pinned one.
    pub(crate) fn find(app: &App) -> Result<Self> {
        let cache = cache(&app.workspace.root)?;
        let bench = Bench::new(&cache)?;
        if let Some(program) = std::env::var_os(OVERRIDE).filter(|value| !value.is_empty()) {
            // Relative to where the user stands: it is run from elsewhere.
            let program = std::path::absolute(&program).map_or(PathBuf::from(program), |path| path);
            return match version(&program, &bench) {
                Some(_) => Ok(Self { program }),
                None => Err(Failure::usage(format!(
                    "`{}`, which {OVERRIDE} names, is not a Diesel CLI for PostgreSQL",
                    program.display()
                ))
                .help(format!(
                    "unset {OVERRIDE} to have Diesel CLI {PINNED} found or installed"
                ))),
            };
        }
        let on_path = PathBuf::from("diesel");
        if version(&on_path, &bench).is_some_and(fits) {
            return Ok(Self { program: on_path });
        }
        let folder = cache.join(format!("diesel_cli-{PINNED}"));
        let program = folder
            .join("bin")
            .join(format!("diesel{}", std::env::consts::EXE_SUFFIX));
        if !program.is_file() {
            install(app, &cache, &folder)?;
        }
        Ok(Self { program })
    }

    /// A command that runs on `bench` with this URL, and without what the user's environment says to Diesel and libpq.
    pub(crate) fn command(&self, bench: &Bench, url: &str) -> Command {
        let mut command = bench.command(&self.program);
        command.env("DATABASE_URL", url);
        command
    }
}

/// A folder of its own in which the Diesel CLI runs; it goes when this is dropped.
///
/// Diesel reads the `.env` of the working directory or of the nearest parent that has one, and fails on one that it
/// can't parse. There is an empty one here, so that none further up is read.
#[derive(Debug)]
pub(crate) struct Bench {
    folder: PathBuf,
}

impl Bench {
    /// # Errors
    /// The folder can't be made.
    pub(crate) fn for_workspace(app: &App) -> Result<Self> {
        Self::new(&cache(&app.workspace.root)?)
    }

    fn new(cache: &Path) -> Result<Self> {
        let folder = cache.join("run").join(format!(
            "{}-{:08x}",
            std::process::id(),
            crate::scratch::throwaway::random()
        ));
        let made = || {
            std::fs::create_dir_all(&folder)?;
            std::fs::write(folder.join(".env"), "")?;
            // Some commands look for it to find the root of the project, although they are told where everything is.
            std::fs::write(folder.join("diesel.toml"), "")
        };
        made().with_context(|| format!("failed to create `{}`", folder.display()))?;
        Ok(Self { folder })
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    /// Makes `rustfmt`, which Diesel runs, find the settings that it would find in `folder`.
    ///
    /// # Errors
    /// The settings can't be copied.
    pub(crate) fn format_as_in(&self, folder: &Path) -> Result<()> {
        let names = [".rustfmt.toml", "rustfmt.toml"];
        let settings = folder
            .ancestors()
            .flat_map(|folder| names.map(|name| folder.join(name)))
            .find(|path| path.is_file());
        if let Some(settings) = settings {
            std::fs::copy(&settings, self.path("rustfmt.toml"))
                .with_context(|| format!("failed to copy `{}`", settings.display()))?;
        }
        Ok(())
    }

    fn command(&self, program: &Path) -> Command {
        let mut command = Command::new(program);
        command.current_dir(&self.folder).stdin(Stdio::null());
        for name in [
            "DATABASE_URL",
            "DIESEL_CONFIG_FILE",
            "MIGRATION_DIRECTORY",
            // Diesel would write its log among its output.
            "DIESEL_LOG",
            "PGOPTIONS",
        ] {
            command.env_remove(name);
        }
        command
    }
}

impl Drop for Bench {
    fn drop(&mut self) {
        // It is below target/: what can't be removed does no harm.
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

/// Runs a command and gives what it wrote, if it succeeded; `clean` takes secrets out of what is shown.
///
/// # Errors
/// The program's own words.
pub(crate) fn output(
    command: &mut Command,
    what: &str,
    clean: impl Fn(&str) -> String,
) -> Result<Output> {
    let output = trace::output(command)
        .with_context(|| format!("failed to run `{}`", command.get_program().display()))?;
    if output.status.success() {
        return Ok(output);
    }
    let said = String::from_utf8_lossy(&output.stderr);
    let said = match said.trim() {
        "" => output.status.to_string(),
        text => clean(text),
    };
    Err(Failure::new(
        Kind::Usage,
        format!("failed to {what}: {said}"),
    ))
}

/// The same minor version, because another one prints another `schema.rs`; and not an older patch, because Diesel mends
/// what `print-schema` gets wrong in patches, and does not otherwise change its output in them.
fn fits(version: Version) -> bool {
    (version.0, version.1) == (PINNED.0, PINNED.1) && version >= PINNED
}

/// The version of a Diesel CLI that knows PostgreSQL.
fn version(program: &Path, bench: &Bench) -> Option<Version> {
    let output = trace::output(bench.command(program).arg("--version")).ok()?;
    parse_version(&String::from_utf8_lossy(&output.stdout))
}

fn parse_version(text: &str) -> Option<Version> {
    // Before 2.3 it named no backends, and had none but those it was built for: such a one is told by its version.
    if !text.contains("postgres") {
        return None;
    }
    text.split_whitespace().find_map(|word| {
        let mut numbers = word.splitn(3, '.').map(str::parse::<u32>);
        let mut next = || numbers.next()?.ok();
        Some(Version(next()?, next()?, next()?))
    })
}

/// `target/xtask-tools`: kept between runs, never committed, gone with `cargo clean`.
fn cache(root: &Path) -> Result<PathBuf> {
    let target = std::env::var_os("CARGO_TARGET_DIR").filter(|value| !value.is_empty());
    let target = target.map_or_else(|| root.join("target"), PathBuf::from);
    let cache = target.join("xtask-tools");
    Ok(std::path::absolute(&cache)
        .with_context(|| format!("failed to find `{}`", cache.display()))?)
}

/// Installs the pinned Diesel CLI into `folder`, which appears only when it is complete.
fn install(app: &App, cache: &Path, folder: &Path) -> Result<()> {
    let _lock = lock(app, cache)?;
    if folder.is_dir() {
        // Another process has installed it while we waited.
        return Ok(());
    }
    app.progress.line(&format!(
        "installing Diesel CLI {PINNED} into {} (once; cargo builds it, which takes a minute or two)",
        folder.display()
    ));
    let partial = folder.with_extension("partial");
    let _ = std::fs::remove_dir_all(&partial);
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    // With libpq built in, as in the workspace: a machine with Rust and a C compiler needs nothing else.
    let status = Command::new(&cargo)
        .args(["install", "diesel_cli", "--version"])
        .arg(format!("={PINNED}"))
        .args([
            "--locked",
            "--no-default-features",
            "--features",
            "postgres-bundled",
            "--no-track",
            "--root",
        ])
        .arg(&partial)
        .current_dir(&app.workspace.root)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .status()
        .with_context(|| format!("failed to run `{}`", cargo.display()))?;
    if !status.success() {
        let _ = std::fs::remove_dir_all(&partial);
        return Err(Failure::usage(format!(
            "failed to install Diesel CLI {PINNED}; cargo says why above"
        ))
        .help(format!(
            "or install it yourself, `cargo install diesel_cli --version ={PINNED} --no-default-features --features postgres`, \
             and have it on the PATH or named by {OVERRIDE}"
        )));
    }
    Ok(std::fs::rename(&partial, folder)
        .with_context(|| format!("failed to create `{}`", folder.display()))?)
}

/// One installation at a time; the lock goes with the process, however that ends.
fn lock(app: &App, cache: &Path) -> Result<File> {
    let path = cache.join("lock");
    let failed = || format!("failed to lock `{}`", path.display());
    std::fs::create_dir_all(cache).with_context(failed)?;
    let file = File::create(&path).with_context(failed)?;
    match file.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => {
            app.progress
                .line("waiting for another run that installs the Diesel CLI");
            file.lock().with_context(failed)?;
        }
        Err(TryLockError::Error(error)) => {
            return Err(Failure::from(anyhow::Error::new(error).context(failed())));
        }
    }
    Ok(file)
}

impl std::fmt::Display for Version {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}.{}.{}", self.0, self.1, self.2)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_minor_version_and_no_older_patch_fits() {
        let fits = |text: &str| {
            parse_version(&format!(
                "diesel \n Version: {text}\n Supported Backends: sqlite postgres\n"
            ))
            .is_some_and(fits)
        };
        assert!(fits("2.3.14") && fits("2.3.15"));
        assert!(!fits("2.3.13") && !fits("2.2.99") && !fits("2.4.0") && !fits("3.3.14"));
        assert!(
            parse_version("diesel \n Version: 2.3.14\n Supported Backends: sqlite mysql").is_none()
        );
        assert!(parse_version("").is_none());
    }
}
