//! PostgreSQL's own programs, found in the version that is needed.

mod run;

use std::path::PathBuf;
use std::process::{Command, Stdio};

pub(crate) use run::Work;

use super::Params;
use crate::scratch::local_postgres;
use crate::ui::failure::{Failure, Result};
use crate::ui::trace;

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

/// `pg_dump`, `pg_restore` or `psql`.
#[derive(Debug, Clone)]
pub(crate) struct Tool {
    place: Place,
    name: &'static str,
    /// As libpq numbers servers: 150018 is 15.18.
    pub(crate) number: i32,
    /// As it says it: `15.18`.
    pub(crate) version: String,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Place {
    Folder(PathBuf),
    /// The server's own container, which publishes the port that we connect to.
    Container {
        id: String,
        port: String,
    },
}

impl Tool {
    /// The program of that name in version `wanted`, or the nearest newer one. An older minor version is too old, too: a
    /// newer server may keep in its catalog what only its own `pg_dump` knows to leave out. Where none is installed, the
    /// one in the container of the server itself.
    ///
    /// # Errors
    /// There is only an older one, or none; with what to install.
    pub(crate) fn find(name: &'static str, wanted: i32, params: &Params) -> Result<Self> {
        let found: Vec<_> = folders()
            .into_iter()
            .filter_map(|folder| Self::in_folder(folder, name))
            .collect();
        Self::choose(&found, name, wanted).or_else(|failure| {
            let contained = Self::in_container(name, params);
            contained
                .filter(|tool| tool.number >= wanted)
                .ok_or(failure)
        })
    }

    /// The `pg_dump` that reads the schema of a server: as [`find`](Self::find), but where there is no other, one of an older
    /// minor version.
    ///
    /// # Errors
    /// There is only one of an older major version, which can't read the server, or none; with what to install.
    pub(crate) fn for_schema(server: i32, params: &Params) -> Result<Self> {
        Self::find("pg_dump", server, params).or_else(|_| {
            let major = server / 10_000 * 10_000;
            Self::find("pg_dump", major, params)
        })
    }

    /// A program that a person sits at: of the server's major version or the nearest newer one, or else the newest that there
    /// is, which knows less than the server but works.
    ///
    /// # Errors
    /// There is none; with what to install.
    pub(crate) fn for_person(name: &'static str, server: i32, params: &Params) -> Result<Self> {
        let major = server / 10_000 * 10_000;
        Self::find(name, major, params).or_else(|failure| {
            let found = folders().into_iter();
            let found = found.filter_map(|folder| Self::in_folder(folder, name));
            found.max_by_key(|tool| tool.number).ok_or(failure)
        })
    }

    fn choose(found: &[Self], name: &str, wanted: i32) -> Result<Self> {
        let best = found.iter().filter(|tool| tool.number >= wanted);
        // Of equal ones the first: PATH is a choice, the usual folders are guesses.
        if let Some(best) = best.min_by_key(|tool| tool.number) {
            return Ok(best.clone());
        }
        let (major, minor) = (wanted / 10_000, wanted % 10_000);
        let version = match minor {
            0 => major.to_string(),
            minor => format!("{major}.{minor}"),
        };
        let failure = match found.iter().max_by_key(|tool| tool.number) {
            Some(newest) => {
                let folder = match &newest.place {
                    Place::Folder(folder) => format!(" in `{}`", folder.display()),
                    Place::Container { .. } => String::new(),
                };
                Failure::usage(format!(
                    "{name} {}{folder} is older than PostgreSQL {version}",
                    newest.version
                ))
            }
            None => Failure::usage(format!(
                "failed to find {name} of PostgreSQL {version} or later"
            )),
        };
        Err(failure
            .help(format!(
                "install it: `apt-get install postgresql-client-{major}` (Debian, Ubuntu; from apt.postgresql.org where the \
                 distribution has none as new), `dnf install postgresql{major}` (Fedora, from yum.postgresql.org), \
                 `brew install postgresql@{major}` (macOS)"
            ))
            .help(format!("or set LOCAL_POSTGRES_BIN to the folder of a {name} {version}")))
    }

    fn in_folder(folder: PathBuf, name: &'static str) -> Option<Self> {
        let path = folder.join(name);
        // Debian's `/usr/bin/pg_dump` is a script that chooses a version by itself.
        if path.canonicalize().ok()?.file_name()? == "pg_wrapper" {
            return None;
        }
        Self::asked(Command::new(path), Place::Folder(folder), name)
    }

    fn in_container(name: &'static str, params: &Params) -> Option<Self> {
        let address: std::net::IpAddr = params.get("hostaddr")?.parse().ok()?;
        if !address.is_loopback() {
            return None;
        }
        let published = params.get("port")?;
        let mut docker = Command::new("docker");
        docker
            .args(["ps", "--format", "{{.ID}} {{.Ports}}"])
            .arg("--filter")
            .arg(format!("publish={published}"))
            .stdin(Stdio::null());
        let output = trace::output(&mut docker).ok()?;
        let text = String::from_utf8(output.stdout).ok()?;
        let (id, ports) = text.lines().next()?.split_once(' ')?;
        // 127.0.0.1:32805->5432/tcp
        let (_, inside) = ports.split_once(&format!(":{published}->"))?;
        let place = Place::Container {
            id: id.to_owned(),
            port: inside.split('/').next()?.to_owned(),
        };
        let mut command = Command::new("docker");
        command.args(["exec", id, name]);
        Self::asked(command, place, name)
    }

    /// Asks a program for its version.
    fn asked(mut command: Command, place: Place, name: &'static str) -> Option<Self> {
        command.arg("--version").stdin(Stdio::null());
        let output = trace::output(&mut command).ok()?;
        // pg_dump (PostgreSQL) 15.18 (Debian 15.18-0+deb12u1)
        let text = String::from_utf8_lossy(&output.stdout);
        let version = text.split_once(") ")?.1.split_whitespace().next()?;
        let mut numbers = version.split(|c: char| !c.is_ascii_digit());
        let major: i32 = numbers.next()?.parse().ok()?;
        let minor: i32 = numbers.next().and_then(|it| it.parse().ok()).unwrap_or(0);
        Some(Self {
            place,
            name,
            number: major * 10_000 + minor,
            version: version.to_owned(),
        })
    }
}

/// Folders that may have PostgreSQL's programs, each once: PATH, where `pg_config` says, `LOCAL_POSTGRES_BIN`, the usual.
fn folders() -> Vec<PathBuf> {
    let mut folders: Vec<PathBuf> = std::env::var_os("PATH")
        .map(|path| std::env::split_paths(&path).collect())
        .unwrap_or_default();
    let mut config = Command::new("pg_config");
    config.arg("--bindir").stdin(Stdio::null());
    if let Ok(output) = trace::output(&mut config) {
        folders.push(String::from_utf8_lossy(&output.stdout).trim().into());
    }
    folders.extend(local_postgres::bin_folders());
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
        let tool = |number: i32, folder: &str| Tool {
            place: Place::Folder(folder.into()),
            name: "pg_dump",
            number,
            version: format!("{}.{}", number / 10_000, number % 10_000),
        };
        let found = [
            tool(180_006, "/a"),
            tool(160_003, "/b"),
            tool(160_003, "/c"),
            tool(150_018, "/d"),
        ];
        let chosen = |wanted| Tool::choose(&found, "pg_dump", wanted);
        for (wanted, folder) in [
            (150_017, "/d"),
            (150_018, "/d"),
            (150_020, "/b"),
            (160_000, "/b"),
            (170_001, "/a"),
        ] {
            let place = Place::Folder(folder.into());
            assert_eq!(chosen(wanted).unwrap().place, place, "{wanted}");
        }
        let older = chosen(180_007).unwrap_err();
        let message = "pg_dump 18.6 in `/a` is older than PostgreSQL 18.7";
        assert_eq!(older.message, message);
        assert!(
            older.help[0].contains("postgresql-client-18`"),
            "{:?}",
            older.help
        );
        let none = Tool::choose(&[], "pg_dump", 180_000).unwrap_err();
        assert!(
            none.message
                .contains("failed to find pg_dump of PostgreSQL 18 or later")
        );
    }
}
