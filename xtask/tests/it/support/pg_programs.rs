//! PostgreSQL's own `pg_dump` and `pg_restore`, and stand-ins for them that stop half way.

use std::path::{Path, PathBuf};
use std::process::Command;

use super::{Run, Workspace, value};

/// A folder with both programs, in a version that can read the test server.
pub(crate) struct PgPrograms {
    folder: PathBuf,
}

impl PgPrograms {
    /// Scripts that run the installed programs, or those in the test server's own container.
    pub(crate) fn new(workspace: &Workspace) -> Self {
        let programs = Self {
            folder: workspace.path("real-programs"),
        };
        let version = value(
            &mut workspace.admin(),
            "current_setting('server_version_num')",
        );
        let version = version.parse().unwrap();
        for name in ["pg_dump", "pg_restore"] {
            let text = match installed(name, version) {
                Some(path) => format!("exec '{}' \"$@\"", path.display()),
                None => in_container(name, &workspace.admin_url()),
            };
            script(&programs.folder, name, &text);
        }
        programs
    }

    /// What `pg_dump` with these arguments prints of a database, but for what is new in every run of it.
    pub(crate) fn dump(&self, url: &str, arguments: &[&str]) -> String {
        let mut command = Command::new(self.folder.join("pg_dump"));
        command.arg("--dbname").arg(url).args(arguments);
        let run = Run::of(&mut command, "pg_dump").exits(0);
        let kept =
            |line: &&str| !line.starts_with("\\restrict ") && !line.starts_with("\\unrestrict ");
        run.stdout
            .lines()
            .filter(kept)
            .map(|line| format!("{line}\n"))
            .collect()
    }

    /// PATH with these programs first.
    pub(crate) fn path(&self) -> String {
        let path = std::env::var("PATH").unwrap_or_default();
        format!("{}:{path}", self.folder.display())
    }

    /// A folder, to be put into PATH, whose program of that name runs `text`: `$real` is the real one. `--version` is
    /// answered as by the real one.
    pub(crate) fn instead_of(&self, name: &str, text: &str) -> PathBuf {
        let folder = self.folder.with_file_name(format!("instead-of-{name}"));
        let real = self.folder.join(name);
        script(
            &folder,
            name,
            &format!(
                "real='{}'\nif [ \"$1\" = --version ]; then exec \"$real\" --version; fi\n{text}",
                real.display()
            ),
        );
        folder
    }
}

fn script(folder: &Path, name: &str, text: &str) {
    use std::os::unix::fs::PermissionsExt as _;
    std::fs::create_dir_all(folder).unwrap();
    let path = folder.join(name);
    std::fs::write(&path, format!("#!/bin/bash\n{text}\n")).unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
}

/// The installed program whose version is the nearest that is not older than the server's.
fn installed(name: &str, server: u32) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let usual = std::fs::read_dir("/usr/lib/postgresql")
        .into_iter()
        .flatten();
    std::env::vars()
        .filter(|(name, _)| name.starts_with("LOCAL_POSTGRES_BIN"))
        .map(|(_, folder)| PathBuf::from(folder))
        .chain(usual.flatten().map(|entry| entry.path().join("bin")))
        .chain(std::env::split_paths(&path))
        .map(|folder| folder.join(name))
        .filter_map(|program| {
            let output = Command::new(&program).arg("--version").output().ok()?;
            let text = String::from_utf8_lossy(&output.stdout).into_owned();
            let version = text.split_once(") ")?.1;
            let mut numbers = version.split(|c: char| !c.is_ascii_digit());
            let mut number = || numbers.next()?.parse::<u32>().ok();
            Some((number()? * 10_000 + number()?, program))
        })
        .filter(|(version, _)| *version >= server)
        .min_by_key(|(version, _)| *version)
        .map(|(_, program)| program)
}

/// The program in the container that publishes the server's port; a file comes by stdin, which it can't read in parallel.
fn in_container(name: &str, url: &str) -> String {
    let port = url.rsplit_once(':').unwrap().1.split('/').next().unwrap();
    let filter = format!("publish={port}");
    let mut docker = Command::new("docker");
    docker.args(["ps", "--quiet", "--filter", &filter]);
    let container = Run::of(&mut docker, "docker ps").exits(0).stdout;
    let container = container.trim();
    assert!(
        !container.is_empty(),
        "found no {name} that can read the test server: install postgresql-client, or let LOCAL_POSTGRES_BIN name its folder"
    );
    format!(
        "arguments=() input=/dev/null\n\
         for argument in \"$@\"; do\n\
         case $argument in --jobs=*) ;; /*) input=$argument ;; *) arguments+=(\"${{argument//{port}/5432}}\") ;; esac\n\
         done\n\
         exec docker exec --interactive --env PGPASSWORD {container} {name} \"${{arguments[@]}}\" <\"$input\""
    )
}
