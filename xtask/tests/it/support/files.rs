//! A workspace of files alone, for what needs no server.

use std::collections::BTreeMap;
use std::ops::Deref;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use super::run::at_terminal;
use super::{Folder, PRINT, Run, variable};

/// A workspace in a temporary folder.
pub(crate) struct Files {
    folder: Folder,
    variables: Vec<(String, String)>,
}

/// What `db check --json` says of one fault: check, service, file, line.
pub(crate) type Place = (String, Option<String>, Option<String>, Option<u64>);

impl Deref for Files {
    type Target = Folder;

    fn deref(&self) -> &Folder {
        &self.folder
    }
}

impl Files {
    /// One in which nothing is wrong: these services, each with a database and a migration.
    pub(crate) fn with(services: &[&str]) -> Self {
        let files = Self {
            folder: Folder::new(),
            variables: Vec::new(),
        };
        files.write(
            "Cargo.toml",
            "[workspace]\nmembers = [\"services/*\"]\n\n[workspace.dependencies]\ndb = { package = \"diesel\", version = \"2\" }\n",
        );
        let mut template = String::new();
        for service in services {
            files.manifest(
                service,
                &format!("\n[package.metadata.db]\nname = \"{service}_db\"\n"),
            );
            files.write(&format!("services/{service}/diesel.toml"), PRINT);
            files.write(&format!("services/{service}/src/schema.rs"), "");
            files.migration(
                service,
                "2026-01-01-000000_create",
                &format!("CREATE TABLE {service}_items (id bigint PRIMARY KEY);\n"),
                &format!("DROP TABLE {service}_items;\n"),
            );
            template += &format!(
                "{}=postgres://user:password@localhost:5432/{service}_db\n",
                variable(service)
            );
        }
        files.write(".env.template", &template);
        files.write(".gitignore", ".env\n/backups/\n/migration_backups/\n");
        files
    }

    /// Migrations of the root, and what configures them: Alembic's and Diesel's.
    pub(crate) fn share_migrations(&self) {
        self.write("migrations/env.py", "from arc.models import Base\r\n");
        self.write(
            "alembic.ini",
            "[alembic]\nsqlalchemy.url = %(DATABASE_URL)s\n",
        );
        self.write(
            "diesel.toml",
            "[migrations_directory]\ndir = \"migrations\"\n",
        );
    }

    /// The layout that this project exists for.
    pub(crate) fn accident() -> Self {
        let files = Self::with(&["arc", "cv"]);
        files.share_migrations();
        files.write("migrations/versions/0001_create.py", "revision = '0001'\n");
        std::os::unix::fs::symlink("versions/0001_create.py", files.path("migrations/latest"))
            .unwrap();
        files.add_stateless("ai", "");
        files.write("services/ai/migrations/1_x/up.sql", "CREATE TABLE x ();\n");
        files.write("services/ai/diesel.toml", "");
        files.write(".env", "# mine\nDATABASE_URL='postgres://u:geheim@localhost:5432/all?sslmode=prefer'\nRUST_LOG=info");
        files.write(".env.template", "DATABASE_URL=\n");
        std::fs::remove_file(files.path(".gitignore")).unwrap();
        for (path, mode) in [
            ("services/ai/migrations/1_x/up.sql", 0o640),
            ("services/ai/migrations/1_x", 0o750),
            ("migrations/env.py", 0o755),
            (".env", 0o640),
        ] {
            let permissions = std::fs::Permissions::from_mode(mode);
            std::fs::set_permissions(files.path(path), permissions).unwrap();
        }
        files
    }

    /// Adds a service that says `db = false`.
    pub(crate) fn add_stateless(&self, service: &str, dependencies: &str) {
        self.manifest(
            service,
            &format!("\n[package.metadata]\ndb = false\n{dependencies}"),
        );
    }

    pub(crate) fn set(&mut self, variable: &str, value: &str) {
        self.variables.push((variable.to_owned(), value.to_owned()));
    }

    pub(crate) fn command(&self, line: &str) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_xtask"));
        command.arg("db").args(line.split_whitespace());
        command.current_dir(self.root()).env_clear();
        command.envs(self.variables.iter().cloned());
        command
    }

    /// Runs `cargo xtask db …` at a terminal of 80 columns and 24 lines.
    pub(crate) fn db_at_terminal(&self, line: &str) -> Run {
        let mut command = at_terminal(line);
        command.current_dir(self.root()).env_remove("TERM");
        Run::of(command.stdin(Stdio::null()), line)
    }

    /// Runs `cargo xtask db …`.
    pub(crate) fn db(&self, line: &str) -> Run {
        Run::of(&mut self.command(line), line)
    }

    /// Everything that `db check --offline` finds.
    pub(crate) fn findings(&self) -> Vec<serde_json::Value> {
        let run = self.db("check --offline --json");
        let json: serde_json::Value = serde_json::from_str(&run.stdout)
            .unwrap_or_else(|error| panic!("{error}: {}{}", run.stdout, run.stderr));
        let findings = json["findings"].as_array().unwrap().clone();
        let code = i32::from(!findings.is_empty());
        run.exits(code);
        findings
    }

    pub(crate) fn places(&self) -> Vec<Place> {
        let text = |value: &serde_json::Value| value.as_str().map(str::to_owned);
        let place = |finding: &serde_json::Value| {
            (
                text(&finding["check"]).unwrap(),
                text(&finding["service"]),
                text(&finding["file"]),
                finding["line"].as_u64(),
            )
        };
        self.findings().iter().map(place).collect()
    }

    /// `db check` finds exactly this, in this order: check, service, file, line; `""` and `0` for none.
    #[track_caller]
    pub(crate) fn finds(&self, expected: &[(&str, &str, &str, u64)]) {
        let some = |text: &str| (!text.is_empty()).then(|| text.to_owned());
        let expected: Vec<Place> = expected
            .iter()
            .map(|(check, service, file, line)| {
                let line = (*line > 0).then_some(*line);
                ((*check).to_owned(), some(service), some(file), line)
            })
            .collect();
        assert_eq!(self.places(), expected, "{:#?}", self.findings());
    }

    /// Every path but those of backups: what it is, its mode, and its bytes or its target.
    pub(crate) fn everything(&self) -> BTreeMap<PathBuf, (u32, Vec<u8>)> {
        let mut found = BTreeMap::new();
        walk(self.root(), &mut found);
        found.retain(|path, _| !path.starts_with(self.path("migration_backups")));
        found
    }

    /// The names of the backups.
    pub(crate) fn backups(&self) -> Vec<String> {
        self.list("migration_backups")
    }
}

fn walk(folder: &Path, found: &mut BTreeMap<PathBuf, (u32, Vec<u8>)>) {
    use std::os::unix::ffi::OsStrExt as _;
    use std::os::unix::fs::MetadataExt as _;
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let metadata = path.symlink_metadata().unwrap();
        let bytes = if metadata.is_symlink() {
            let target = std::fs::read_link(&path).unwrap();
            target.as_os_str().as_bytes().to_vec()
        } else if metadata.is_dir() {
            walk(&path, found);
            Vec::new()
        } else {
            std::fs::read(&path).unwrap()
        };
        found.insert(path, (metadata.mode(), bytes));
    }
}
