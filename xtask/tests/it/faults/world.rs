//! Services whose databases are made anew from templates for every round, and what has to hold after it.

use std::collections::BTreeMap;
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use diesel::PgConnection;
use diesel::connection::{Connection as _, SimpleConnection as _};

use crate::support::{PgPrograms, Run, Workspace, quoted, value, variable};

pub(super) const SERVICES: [&str; 2] = ["arc", "cv"];

/// A migration: what it is called, both ways, and whether it runs in a transaction. `{s}` is the service.
struct Migration {
    name: &'static str,
    up: &'static str,
    down: &'static str,
    in_transaction: bool,
}

/// All but the index say so when they run: `ran` is no migration's table. The last one goes as one string.
const MIGRATIONS: [Migration; 5] = [
    Migration {
        name: "2026-01-01-000000_create",
        up: "CREATE TABLE {s}_items (id bigint PRIMARY KEY, body text NOT NULL);
             INSERT INTO {s}_items SELECT n, md5(n::text) FROM generate_series(1, 500) n;
             INSERT INTO ran (version, way) VALUES ('20260101000000', 'up');",
        down: "DROP TABLE {s}_items; INSERT INTO ran (version, way) VALUES ('20260101000000', 'down');",
        in_transaction: true,
    },
    Migration {
        name: "2026-01-02-000000_note",
        up: "ALTER TABLE {s}_items ADD COLUMN note text;
             INSERT INTO ran (version, way) VALUES ('20260102000000', 'up');
             UPDATE {s}_items SET note = left(body, 5);",
        down: "ALTER TABLE {s}_items DROP COLUMN note; INSERT INTO ran (version, way) VALUES ('20260102000000', 'down');",
        in_transaction: true,
    },
    Migration {
        name: "2026-01-03-000000_index",
        up: "CREATE INDEX CONCURRENTLY {s}_by_note ON {s}_items (note);",
        down: "DROP INDEX CONCURRENTLY {s}_by_note;",
        in_transaction: false,
    },
    Migration {
        name: "2026-01-04-000000_audit",
        up: "CREATE TABLE {s}_audit (at timestamptz); INSERT INTO ran (version, way) VALUES ('20260104000000', 'up');",
        down: "DROP TABLE {s}_audit; INSERT INTO ran (version, way) VALUES ('20260104000000', 'down');",
        in_transaction: false,
    },
    Migration {
        name: "2026-01-05-000000_view",
        up: "SELECT 'standard_conforming_strings'; CREATE VIEW {s}_seen AS SELECT id, note FROM {s}_items;
             INSERT INTO ran (version, way) VALUES ('20260105000000', 'up');",
        down: "SELECT 'standard_conforming_strings'; DROP VIEW {s}_seen;
             INSERT INTO ran (version, way) VALUES ('20260105000000', 'down');",
        in_transaction: true,
    },
];

/// How many migrations a service has.
pub(super) const ALL: usize = MIGRATIONS.len();

/// The version of the migration of that number, from 1.
pub(super) fn version(number: usize) -> String {
    let name = MIGRATIONS[number - 1].name;
    name.split('_').next().unwrap().replace('-', "")
}

/// What is wrong with a database, in words. An interrupted run of a migration without a transaction is known, and
/// nothing is said of it.
const WRONG: &str = "
WITH last AS (SELECT DISTINCT ON (version) version, direction, outcome, run_on FROM db_ledger.run ORDER BY version, id DESC),
  known AS (SELECT version, outcome, run_on, CASE outcome WHEN 'done' THEN direction <> 'down' ELSE direction = 'down' END AS applied FROM last),
  net AS (SELECT version, sum(CASE way WHEN 'up' THEN 1 ELSE -1 END) AS times FROM ran GROUP BY version),
  twice AS (SELECT version, way, lag(way, 1, 'down') OVER (PARTITION BY version ORDER BY id) AS before FROM ran)
SELECT string_agg(fault, '; ') FROM (
  SELECT format('%s is in one of Diesel''s table and the ledger only', v.version) AS fault
    FROM unnest($versions) v (version) LEFT JOIN __diesel_schema_migrations d USING (version) LEFT JOIN known USING (version)
    WHERE (d.version IS NOT NULL) <> coalesce(applied, false) AND outcome IS DISTINCT FROM 'started'
       OR d.run_on <> known.run_on
  UNION ALL
  SELECT format('%s is applied or not, and did the other', v.version)
    FROM unnest($marked) v (version) LEFT JOIN __diesel_schema_migrations d USING (version) LEFT JOIN known USING (version)
      LEFT JOIN net USING (version)
    WHERE coalesce(times, 0) <> (d.version IS NOT NULL)::int AND outcome IS DISTINCT FROM 'started'
  UNION ALL
  SELECT format('%s ran twice', version) FROM twice WHERE way = before
  UNION ALL
  SELECT format('%s is unknown', version) FROM __diesel_schema_migrations WHERE version <> ALL ($versions)
) faults";

/// What is left when nothing is at work any more.
const LEFT: &str = "
SELECT string_agg(rest, '; ') FROM (
  SELECT format('index %s is INVALID', indexrelid::regclass) AS rest FROM pg_index WHERE NOT indisvalid
  UNION ALL SELECT format('%s is not done', version) FROM (SELECT DISTINCT ON (version) version, outcome FROM db_ledger.run
    ORDER BY version, id DESC) last WHERE outcome = 'started'
  UNION ALL SELECT format('process %s holds an advisory lock', pid) FROM pg_locks WHERE locktype = 'advisory'
    AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
) rests";

/// The services, and the server on which their databases are.
pub(super) struct World {
    pub(super) workspace: Workspace,
    pub(super) programs: PgPrograms,
    /// The URL of a database.
    url: Box<dyn Fn(&str) -> String>,
    /// What `pg_dump` says of each service with all migrations applied.
    built: BTreeMap<&'static str, String>,
    /// How long `migrate` took.
    pub(super) time: Duration,
}

/// How a database begins a round.
#[derive(Clone, Copy)]
pub(super) enum With {
    Nothing,
    Everything,
}

impl With {
    fn template(self) -> &'static str {
        match self {
            Self::Nothing => "nothing",
            Self::Everything => "everything",
        }
    }
}

impl World {
    /// On the shared test server.
    pub(super) fn new() -> Self {
        let workspace = Workspace::empty();
        let admin = workspace.admin_url();
        let (server, _) = admin.rsplit_once('/').unwrap();
        let server = server.to_owned();
        Self::on(
            workspace,
            Box::new(move |database| format!("{server}/{database}")),
        )
    }

    /// On the server with these URLs.
    pub(super) fn on(mut workspace: Workspace, url: Box<dyn Fn(&str) -> String>) -> Self {
        let programs = PgPrograms::new(&workspace);
        workspace.set("PATH", &programs.path());
        for service in SERVICES {
            let database = workspace.database(service);
            workspace.add(service, &database);
            workspace.set(&variable(service), &url(&database));
            for migration in &MIGRATIONS {
                let [up, down] =
                    [migration.up, migration.down].map(|sql| sql.replace("{s}", service));
                if migration.in_transaction {
                    workspace.migration(service, migration.name, &up, &down);
                } else {
                    workspace.migration_without_transaction(service, migration.name, &up, &down);
                }
            }
        }
        let mut world = Self {
            workspace,
            programs,
            url,
            built: BTreeMap::new(),
            time: Duration::ZERO,
        };
        world.build();
        world
    }

    /// Makes the templates.
    fn build(&mut self) {
        self.workspace.db("create").exits(0);
        for service in SERVICES {
            self.session(service)
                .batch_execute(
                    "CREATE TABLE ran (id bigserial PRIMARY KEY, version text, way text)",
                )
                .unwrap();
            self.keep(service, With::Nothing);
        }
        let begin = Instant::now();
        self.workspace.db("migrate").exits(0);
        self.time = begin.elapsed();
        for service in SERVICES {
            self.keep(service, With::Everything);
            let dump = self.dump(service);
            self.built.insert(service, dump);
        }
    }

    pub(super) fn session(&self, service: &str) -> PgConnection {
        let url = (self.url)(&self.workspace.database(service));
        // The server may be at the two renames of a restore that was killed: in one transaction, which it ends.
        for _ in 0..100 {
            match PgConnection::establish(&url) {
                Err(error) if error.to_string().contains("just been dropped or renamed") => {
                    std::thread::sleep(Duration::from_millis(50));
                }
                session => return session.unwrap(),
            }
        }
        PgConnection::establish(&url).unwrap()
    }

    pub(super) fn admin(&self) -> PgConnection {
        PgConnection::establish(&(self.url)("postgres")).unwrap()
    }

    fn template(&self, service: &str, with: With) -> String {
        format!("{}_{}", self.workspace.database(service), with.template())
    }

    fn keep(&self, service: &str, with: With) {
        let (from, to) = (
            self.workspace.database(service),
            self.template(service, with),
        );
        self.workspace.url(&to);
        self.copy(&from, &to);
    }

    fn copy(&self, from: &str, to: &str) {
        let mut admin = self.admin();
        let (from, to) = (quoted(from), quoted(to));
        let copy = format!("CREATE DATABASE {to} TEMPLATE {from}");
        admin
            .batch_execute(&format!("DROP DATABASE IF EXISTS {to} WITH (FORCE)"))
            .unwrap();
        admin.batch_execute(&copy).unwrap();
    }

    /// Makes the databases of all services anew.
    pub(super) fn begin(&self, with: With) {
        for service in SERVICES {
            self.copy(
                &self.template(service, with),
                &self.workspace.database(service),
            );
        }
    }

    fn dump(&self, service: &str) -> String {
        let url = (self.url)(&self.workspace.database(service));
        self.programs.dump(&url, &["--schema-only"])
    }

    /// Starts `cargo xtask db …` with its output in a file, so that nobody has to read it.
    pub(super) fn start(&self, line: &str) -> Child {
        self.command(line).spawn().unwrap()
    }

    pub(super) fn command(&self, line: &str) -> Command {
        use std::os::unix::process::CommandExt as _;
        let mut arguments = vec!["db"];
        arguments.extend(line.split_whitespace());
        let mut command = self.workspace.command(&arguments);
        let said = std::fs::File::create(self.workspace.path("said")).unwrap();
        command.stdout(said.try_clone().unwrap()).stderr(said);
        // With the programs that it starts, for who kills them together.
        command.process_group(0).stdin(Stdio::null());
        command
    }

    /// What the last run that was [started](Self::start) said.
    pub(super) fn said(&self) -> String {
        self.workspace.read("said")
    }

    /// Runs a command after a fault, and follows the advice that it gives, word for word, until it has done its work.
    pub(super) fn go_on(&self, line: &str) {
        for _ in 0..6 {
            let run = self.workspace.db(line);
            if run.code == 0 {
                return;
            }
            let advised = |before: &str| {
                let (_, rest) = run.stderr.split_once(before)?;
                let advice = rest.lines().next()?.trim().to_owned();
                Some(advice.strip_prefix("cargo xtask db ")?.to_owned())
            };
            if let Some(resolve) = advised("look at the database, then: ") {
                self.looked_at(&resolve);
                self.workspace.db(&resolve).exits(0);
            } else if let Some(advice) = advised("to apply it: ") {
                self.go_on(&advice);
                return self.resolve_interrupted();
            } else {
                run.exits(0);
            }
        }
        panic!("`{line}` gives advice without end");
    }

    /// Whether what `resolve SERVICE VERSION --applied` or `--reverted` says is so.
    fn looked_at(&self, resolve: &str) {
        let words: Vec<_> = resolve.split(' ').collect();
        let ["resolve", service, version, flag] = words[..] else {
            panic!("{resolve}");
        };
        assert_eq!(flag, self.what_is_so(service, version), "{resolve}");
    }

    /// How `resolve` is told of a migration without a transaction what is in the database.
    fn what_is_so(&self, service: &str, version: &str) -> &'static str {
        let name = match version {
            "20260103000000" => format!("{service}_by_note"),
            "20260104000000" => format!("{service}_audit"),
            _ => panic!("{version} is in a transaction"),
        };
        let is_there = format!("to_regclass('{name}') IS NOT NULL");
        match value(&mut self.session(service), &is_there) == "true" {
            true => "--applied",
            false => "--reverted",
        }
    }

    /// Of what `status` says that it was interrupted, says what became of it.
    fn resolve_interrupted(&self) {
        let run = self.workspace.db("status --json").exits(0);
        let status: serde_json::Value = serde_json::from_str(&run.stdout).unwrap();
        for of_one in status["services"].as_array().unwrap() {
            let service = of_one["service"].as_str().unwrap();
            for problem in of_one["problems"].as_array().unwrap() {
                let problem = problem.as_str().unwrap();
                let (name, _) = problem.split_once(" was interrupted").unwrap();
                let version = name.split('_').next().unwrap().replace('-', "");
                let so = self.what_is_so(service, &version);
                let line = format!("resolve {service} {version} {so}");
                self.workspace.db(&line).exits(0);
            }
        }
        self.go_on("migrate");
    }

    /// The books of all services are right as far as they go, whatever was interrupted.
    #[track_caller]
    pub(super) fn is_consistent(&self) {
        for service in SERVICES {
            self.has_right_books(service, &mut self.session(service));
        }
    }

    #[track_caller]
    fn has_right_books(&self, service: &str, session: &mut PgConnection) {
        let list = |numbers: &[usize]| {
            let versions = numbers.iter().map(|number| version(*number));
            format!("'{{{}}}'::text[]", versions.collect::<Vec<_>>().join(","))
        };
        let wrong = WRONG
            .replace("$versions", &list(&[1, 2, 3, 4, 5]))
            .replace("$marked", &list(&[1, 2, 4, 5]));
        assert_eq!(value(session, &wrong), "NULL", "{service}\n{}", self.said());
    }

    /// All services are as their migrations make them, and nothing is left of what was interrupted.
    #[track_caller]
    pub(super) fn holds(&self) {
        for service in SERVICES {
            self.one_holds(service);
        }
        self.workspace.db("status --exit-code").exits(0);
    }

    #[track_caller]
    fn one_holds(&self, service: &str) {
        let mut session = self.session(service);
        self.has_right_books(service, &mut session);
        let number = value(
            &mut session,
            "SELECT count(*) FROM __diesel_schema_migrations",
        );
        assert_eq!(number, ALL.to_string(), "{service}");
        // A session that has ended takes a moment to go.
        let mut left = String::new();
        let is_clear = (0..500).any(|_| {
            left = value(&mut session, LEFT);
            left == "NULL" || {
                std::thread::sleep(Duration::from_millis(10));
                false
            }
        });
        assert!(is_clear, "{service}: {left}");
        let (dump, built) = (self.dump(service), &self.built[service]);
        assert!(
            dump == *built,
            "{service} differs:\n{}",
            difference(built, &dump)
        );
    }
}

/// The lines that only one of two texts has.
fn difference(one: &str, other: &str) -> String {
    let only = |mark: &str, a: &str, b: &str| {
        let lines = a.lines().filter(|line| !b.lines().any(|it| it == *line));
        lines
            .map(|line| format!("{mark}{line}\n"))
            .collect::<String>()
    };
    only("-", one, other) + &only("+", other, one)
}

/// Ends a started run that must come to its end by itself.
pub(super) fn ended(child: &mut Child, said: impl FnOnce() -> String) -> Run {
    let begin = Instant::now();
    loop {
        if let Some(status) = child.try_wait().unwrap() {
            let output = Output {
                status,
                stdout: Vec::new(),
                stderr: said().into_bytes(),
            };
            return Run::from(output, "run");
        }
        assert!(
            begin.elapsed() < Duration::from_secs(120),
            "it does not end"
        );
        std::thread::sleep(Duration::from_millis(1));
    }
}
