//! A workspace with servers of its own, as if on a machine of its own.

use std::collections::BTreeSet;
use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::{Command, Output};
use std::time::{Duration, Instant};

use diesel::prelude::*;
use serde_json::Value;
use tempfile::TempDir;

/// Long enough for what takes 2 seconds on an idle machine.
pub(crate) const PATIENCE: Duration = Duration::from_secs(40);

pub(crate) struct Machine {
    root: TempDir,
}

impl Machine {
    pub(crate) fn new() -> Self {
        let root = TempDir::new().unwrap();
        // As root, the server's user has to reach its data.
        fs::set_permissions(root.path(), Permissions::from_mode(0o711)).unwrap();
        let machine = Self { root };
        fs::create_dir(machine.workspace()).unwrap();
        fs::write(machine.workspace().join("Cargo.toml"), "[workspace]\n").unwrap();
        machine
    }

    pub(crate) fn workspace(&self) -> PathBuf {
        self.root.path().join("workspace")
    }

    pub(crate) fn state(&self) -> PathBuf {
        self.root.path().join("servers/state")
    }

    /// Makes a package `shop` in the workspace, with the `up.sql` of these migrations. Returns its folder.
    pub(crate) fn package(&self, migrations: &[(&str, &str)]) -> PathBuf {
        let folder = self.workspace().join("shop");
        fs::create_dir_all(folder.join("migrations")).unwrap();
        fs::write(folder.join("Cargo.toml"), "[package]\nname = \"shop\"\n").unwrap();
        for (name, up) in migrations {
            let migration = folder.join("migrations").join(name);
            fs::create_dir_all(&migration).unwrap();
            fs::write(migration.join("up.sql"), up).unwrap();
            fs::write(migration.join("down.sql"), "SELECT 1;").unwrap();
        }
        folder
    }

    /// The binary, in the workspace; its servers stop after 6 idle seconds.
    pub(crate) fn command(&self) -> Command {
        self.in_machine(Command::new(env!("CARGO_BIN_EXE_local-postgres")))
    }

    /// The binary, which finds no programs by a variable of ours.
    pub(crate) fn command_without_programs(&self) -> Command {
        let mut command = self.command();
        let names = std::env::vars().map(|(name, _)| name);
        for name in names.filter(|name| name.starts_with("LOCAL_POSTGRES_BIN")) {
            command.env_remove(name);
        }
        command
    }

    pub(crate) fn in_machine(&self, mut command: Command) -> Command {
        command
            .current_dir(self.workspace())
            .env_remove("LOCAL_POSTGRES_URL")
            .env("LOCAL_POSTGRES_DIR", self.root.path().join("servers"))
            .env("LOCAL_POSTGRES_IDLE_MINUTES", "0.1");
        command
    }

    /// The test databases on a server, templates aside.
    pub(crate) fn databases(&self, server: &str) -> BTreeSet<String> {
        let url = self.run(&["url", server]);
        let list = text(
            &mut PgConnection::establish(&url).unwrap(),
            "SELECT coalesce(string_agg(datname, ' '), '') AS value FROM pg_database \
             WHERE datname LIKE 'lp\\_%' AND datname NOT LIKE 'lp\\_template\\_%'",
        );
        list.split_whitespace().map(str::to_owned).collect()
    }

    /// What the binary prints, which must succeed.
    pub(crate) fn run(&self, arguments: &[&str]) -> String {
        let output = self.command().args(arguments).output().unwrap();
        assert!(
            output.status.success(),
            "{arguments:?}: {}",
            stderr(&output)
        );
        String::from_utf8(output.stdout).unwrap().trim().to_owned()
    }

    /// A `dev` command on this workspace.
    pub(crate) fn dev(&self, arguments: &[&str]) -> Value {
        let workspace = self.workspace();
        let mut all = vec![
            "dev",
            arguments[0],
            "--workspace",
            workspace.to_str().unwrap(),
        ];
        all.extend(&arguments[1..]);
        serde_json::from_str(&self.run(&all)).unwrap()
    }

    /// What is remembered about the only server of a kind (`test` or `dev`).
    pub(crate) fn record(&self, kind: &str) -> Value {
        let files = fs::read_dir(self.state())
            .unwrap()
            .map(|entry| entry.unwrap().path());
        let mut records = files.filter(|file| {
            let name = file.file_name().unwrap().to_str().unwrap();
            name.starts_with(kind) && name.ends_with(".json")
        });
        let record = records.next().unwrap();
        assert_eq!(records.next(), None);
        serde_json::from_slice(&fs::read(record).unwrap()).unwrap()
    }
}

impl Drop for Machine {
    fn drop(&mut self) {
        let _ = self.command().arg("stop").output();
        let _ = self
            .command()
            .args(["dev", "down", "--wipe", "--workspace"])
            .arg(self.workspace())
            .output();
    }
}

/// Whether the place of a throw-away server still exists: its container or its folder.
pub(crate) fn exists(record: &Value) -> bool {
    let handle = &record["handle"];
    if let Some(id) = handle["container"].as_str() {
        Command::new("docker")
            .args(["inspect", id])
            .output()
            .unwrap()
            .status
            .success()
    } else {
        PathBuf::from(handle["process"]["folder"].as_str().unwrap()).exists()
    }
}

/// Kills a throw-away server, as a machine that is restarted does.
pub(crate) fn kill(record: &Value) {
    let handle = &record["handle"];
    let mut command;
    if let Some(id) = handle["container"].as_str() {
        command = Command::new("docker");
        command.args(["kill", id]);
    } else {
        let file = PathBuf::from(handle["process"]["folder"].as_str().unwrap())
            .join("pgdata/postmaster.pid");
        let text = fs::read_to_string(file).unwrap();
        command = Command::new("kill");
        command.args(["-9", text.lines().next().unwrap()]);
    }
    let output = command.output().unwrap();
    assert!(output.status.success(), "{}", stderr(&output));
}

pub(crate) fn wait_until(what: &str, mut done: impl FnMut() -> bool) {
    let start = Instant::now();
    while !done() {
        assert!(
            start.elapsed() < PATIENCE,
            "{what}: not within {PATIENCE:?}"
        );
        std::thread::sleep(Duration::from_millis(50));
    }
}

pub(crate) fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[derive(QueryableByName)]
struct Text {
    #[diesel(sql_type = diesel::sql_types::Text)]
    value: String,
}

/// The one text that a query calls `value`.
pub(crate) fn text(connection: &mut PgConnection, query: &str) -> String {
    diesel::sql_query(query)
        .get_result::<Text>(connection)
        .unwrap()
        .value
}
