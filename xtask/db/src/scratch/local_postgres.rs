//! The program `local-postgres`, which runs PostgreSQL on this machine. It is heavy to build, so it is not linked:
//! cargo builds and runs it when it is needed.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::Context as _;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use xshell::{Shell, cmd};

use crate::ui::failure::{Failure, Kind, Result};
use crate::ui::trace;
use crate::workspace::Workspace;
use crate::workspace::server::ServerSettings;

/// The development server as `dev up` reports it.
#[derive(Deserialize)]
pub(crate) struct Server {
    /// Of its maintenance database, with the password.
    pub(crate) url: String,
    pub(crate) provider: String,
    pub(crate) version: String,
    pub(crate) started: bool,
    pub(crate) data: String,
}

/// What `dev status` reports.
#[derive(Deserialize)]
pub(crate) struct Running {
    /// As in [`Server`]; only while it is running.
    pub(crate) url: Option<String>,
}

/// What `dev down` did.
#[derive(Deserialize)]
pub(crate) struct Stopped {
    pub(crate) stopped: bool,
    pub(crate) wiped: bool,
    /// The URL of what was removed, with its password.
    pub(crate) url: Option<String>,
}

/// The folders of PostgreSQL's programs that variables name: `LOCAL_POSTGRES_BIN`, and `LOCAL_POSTGRES_BIN_<MAJOR>` for
/// one version.
pub(crate) fn bin_folders() -> impl Iterator<Item = PathBuf> {
    let is_bin = |name: &str| {
        name.strip_prefix("LOCAL_POSTGRES_BIN").is_some_and(|rest| {
            let major = rest.strip_prefix('_').unwrap_or("0");
            !major.is_empty() && major.bytes().all(|byte| byte.is_ascii_digit())
        })
    };
    std::env::vars_os()
        .filter(move |(name, _)| name.to_str().is_some_and(is_bin))
        .map(|(_, folder)| PathBuf::from(folder))
}

/// Starts or finds the development server of the workspace.
///
/// # Errors
/// Nothing to run PostgreSQL with, or a server that does not start; its own message says which.
pub(crate) fn up(workspace: &Workspace) -> Result<Server> {
    run_dev(workspace, &["up"])
}

/// Whether the development server is running; starts nothing.
///
/// # Errors
/// As for [`up`].
pub(crate) fn status(workspace: &Workspace) -> Result<Running> {
    run_dev(workspace, &["status"])
}

/// Stops the development server, and with `wipe` removes its data.
///
/// # Errors
/// As for [`up`].
pub(crate) fn down(workspace: &Workspace, wipe: bool) -> Result<Stopped> {
    run_dev(
        workspace,
        if wipe { &["down", "--wipe"] } else { &["down"] },
    )
}

/// The URL of the throw-away server called `name`, as its superuser, with the password. Started with `settings` if none
/// is running with them; it stops automatically after a while without a connection.
///
/// # Errors
/// As for [`up`].
pub(crate) fn url(workspace: &Workspace, name: &str, settings: &ServerSettings) -> Result<String> {
    let mut arguments = ["url", name].map(str::to_owned).to_vec();
    arguments.extend(
        settings
            .image
            .iter()
            .map(|image| format!("--image={image}")),
    );
    let conf = settings.conf.iter();
    arguments.extend(conf.map(|(name, value)| format!("--set={name}={value}")));
    let arguments: Vec<_> = arguments.iter().map(OsStr::new).collect();
    let answer = answer(workspace, &arguments)?;
    String::from_utf8(answer)
        .map(|text| text.trim().to_owned())
        .map_err(|_| unreadable())
}

fn run_dev<T: DeserializeOwned>(workspace: &Workspace, arguments: &[&str]) -> Result<T> {
    let root = workspace.root.as_os_str();
    let mut all = vec![OsStr::new("dev")];
    all.extend(arguments.iter().map(OsStr::new));
    all.extend([OsStr::new("--workspace"), root]);
    serde_json::from_slice(&answer(workspace, &all)?).map_err(|_| unreadable())
}

/// An answer that can't be read is not shown: it may hold the password.
fn unreadable() -> Failure {
    Failure::usage("failed to read what local-postgres answers: are both of one version?")
}

fn answer(workspace: &Workspace, arguments: &[&OsStr]) -> Result<Vec<u8>> {
    let manifest = manifest(&workspace.root)?;
    let shell = Shell::new().context("failed to find the working directory")?;
    // The first build takes minutes: then cargo shows its progress.
    let quiet = is_built(&manifest).then_some("--quiet");
    let command = cmd!(
        shell,
        "cargo run {quiet...} --manifest-path {manifest} -- {arguments...}"
    );
    let mut command = Command::from(command);
    command
        .current_dir(&workspace.root)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::inherit());
    let output = trace::output(&mut command)
        .with_context(|| format!("failed to run cargo for `{}`", manifest.display()))?;
    if !output.status.success() {
        let kind = if output.status.code() == Some(3) {
            Kind::Connect
        } else {
            Kind::Usage
        };
        return Err(Failure::new(
            kind,
            "failed to run the local PostgreSQL server; the reason is above",
        ));
    }
    Ok(output.stdout)
}

fn is_built(manifest: &Path) -> bool {
    let target = std::env::var_os("CARGO_TARGET_DIR").map(PathBuf::from);
    let target = target.or_else(|| {
        manifest
            .ancestors()
            .map(|folder| folder.join("target"))
            .find(|path| path.is_dir())
    });
    target.is_some_and(|target| target.join("debug/local-postgres").is_file())
}

/// The workspace's own copy; else, as a last resort, the one beside the sources of this program.
fn manifest(root: &Path) -> Result<PathBuf> {
    let candidates = [
        root.join("xtask/local-postgres"),
        Path::new(env!("CARGO_MANIFEST_DIR")).with_file_name("local-postgres"),
    ];
    let found = candidates
        .iter()
        .map(|folder| folder.join("Cargo.toml"))
        .find(|path| path.is_file());
    found.ok_or_else(|| {
        Failure::usage("found no `local-postgres` crate, which runs PostgreSQL on this machine")
            .help(format!(
                "copy it to {}",
                root.join("xtask/local-postgres").display()
            ))
    })
}
