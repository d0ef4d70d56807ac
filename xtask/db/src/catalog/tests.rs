//! The snapshot against `pg_dump --schema-only`, the oracle: what it tells apart, the snapshot tells apart.

mod watch;

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::dump::without_own_options;
use super::*;
use crate::pg::{Ident, Params};
use crate::ui::parallel;

const BASE: &str = include_str!("base.sql");

/// More of the base, on a server of 18 or later.
const BASE_18: &str = include_str!("base_18.sql");

/// What is done to the base, one change per paragraph, each under the objects that are then not the same. Every pair is
/// told apart by `pg_dump`, too. One that not every server understands says `--if` and the condition; an object
/// that is not the same from 18 on only is under `--18`.
const CHANGES: &str = include_str!("changes.sql");

/// What is done to the base and changes nothing that we or `pg_dump` compare.
const SAME: &[&str] = &[
    "INSERT INTO parent (id) VALUES (1); INSERT INTO t (parent_id) VALUES (1); SELECT nextval('s')",
    "CREATE TABLE x (a int); DROP TABLE x",
    "ALTER TABLE t ADD x int; ALTER TABLE t DROP x",
    "GRANT INSERT ON t TO catalog_reader; REVOKE INSERT ON t FROM catalog_reader",
    "DROP INDEX t_two; CREATE INDEX t_two ON t (price, at)",
    "SET search_path = app; CREATE TABLE x (a int); DROP TABLE x",
    // Leaves a shell of its negator.
    "CREATE OPERATOR ~~| (FUNCTION = near, LEFTARG = int, RIGHTARG = int, NEGATOR = !~~|); DROP OPERATOR ~~| (int, int)",
];

/// What we leave out and `pg_dump` does not.
const LEFT_OUT: &[&str] = &[
    "ALTER TABLE parent OWNER TO catalog_reader",
    "CREATE TABLE __diesel_schema_migrations (version varchar(50) PRIMARY KEY, run_on timestamp NOT NULL DEFAULT now());
     COMMENT ON TABLE __diesel_schema_migrations IS 'x'; GRANT SELECT ON __diesel_schema_migrations TO catalog_reader",
    "REFRESH MATERIALIZED VIEW mv",
];

/// A database of its own for a test, dropped at its end.
struct Database {
    name: String,
    connection: Option<Connection>,
}

fn params(database: &str) -> Params {
    static SERVER: OnceLock<local_postgres::Server> = OnceLock::new();
    let server = SERVER.get_or_init(|| local_postgres::Server::for_tests("xtask").unwrap());
    Params::parse(&server.url(database)).unwrap()
}

fn base_sql() -> String {
    let more = if is_18() { BASE_18 } else { "" };
    format!("{BASE}{more}")
}

fn is_18() -> bool {
    server().server_version() >= 180_000
}

fn server() -> Connection {
    Connection::open(&params("postgres")).unwrap()
}

impl Database {
    fn new(template: &str) -> Self {
        static NUMBER: AtomicUsize = AtomicUsize::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let name = format!("catalog_{}_{number}", std::process::id());
        server()
            .execute(&format!(
                "CREATE DATABASE {} TEMPLATE {template}",
                Ident(&name)
            ))
            .unwrap();
        let connection = Connection::open(&params(&name)).ok();
        Self { name, connection }
    }

    fn with(template: &str, sql: &str) -> Self {
        Self::changed(template, sql).unwrap_or_else(|error| panic!("{error} in\n{sql}"))
    }

    fn changed(template: &str, sql: &str) -> Result<Self, SqlError> {
        let mut database = Self::new(template);
        database.connection().execute(sql)?;
        Ok(database)
    }

    /// The base, on a server that has the role that it grants to.
    fn base() -> Self {
        let role = "DO $$ BEGIN CREATE ROLE catalog_reader; EXCEPTION WHEN duplicate_object OR unique_violation THEN END $$";
        server().execute(role).unwrap();
        Self::with("template0", &base_sql())
    }

    fn connection(&mut self) -> &mut Connection {
        self.connection.as_mut().unwrap()
    }

    fn run(&mut self, sql: &str) {
        if let Err(error) = self.connection().execute(sql) {
            panic!("{error:?} in\n{sql}");
        }
    }

    fn snapshot(&mut self) -> Snapshot {
        Snapshot::read(self.connection()).unwrap()
    }

    /// What `pg_dump --schema-only` writes, without the random key of its first and last line, and without a setting
    /// that a server before 17 does not know.
    fn dump(&self) -> String {
        self.dump_with(&[])
    }

    fn dump_with(&self, arguments: &[&str]) -> String {
        let mut command = pg_dump(&params(&self.name));
        let output = command.args(arguments).output().unwrap();
        assert!(
            output.status.success(),
            "{}",
            String::from_utf8_lossy(&output.stderr)
        );
        let text = String::from_utf8(output.stdout).unwrap();
        let left_out = ["\\restrict", "\\unrestrict", "SET transaction_timeout"];
        let lines = text
            .lines()
            .filter(|line| !left_out.iter().any(|start| line.starts_with(start)))
            .filter_map(|line| match line.strip_suffix(';') {
                Some(end) => Some(without_own_options(end)? + ";"),
                None => Some(line.to_owned()),
            });
        lines.collect::<Vec<_>>().join("\n")
    }
}

impl Drop for Database {
    fn drop(&mut self) {
        self.connection = None;
        let _ = server().execute(&format!("DROP DATABASE {} WITH (FORCE)", Ident(&self.name)));
    }
}

/// Where a `pg_dump` is that can read the server.
enum Oracle {
    Program(PathBuf),
    /// In the server's own container.
    Container(String),
}

fn oracle() -> &'static Oracle {
    static ORACLE: OnceLock<Oracle> = OnceLock::new();
    ORACLE.get_or_init(|| {
        let version = server().server_version();
        let configured = Command::new("pg_config").arg("--bindir").output().ok();
        let folders = std::env::split_paths(&std::env::var_os("PATH").unwrap_or_default())
            .chain(configured.map(|output| String::from_utf8_lossy(&output.stdout).trim().into()))
            .chain(crate::scratch::local_postgres::bin_folders())
            .chain(glob::glob("/usr/lib/postgresql/*/bin").unwrap().flatten())
            .collect::<Vec<_>>();
        let programs = folders.iter().map(|folder| folder.join("pg_dump"));
        let able = programs
            .filter_map(|program| Some((pg_dump_version(&program)?, program)))
            .filter(|(dumps, _)| *dumps >= version);
        // The server's own release, where it is there; else the next. An older minor release would print what the server
        // of a newer one keeps for itself.
        let nearest = able.min_by_key(|(dumps, _)| *dumps);
        nearest
            .map(|(_, program)| Oracle::Program(program))
            .or_else(|| own_container().map(Oracle::Container))
            .unwrap_or_else(|| {
                let (major, minor) = (version / 10_000, version % 10_000);
                panic!(
                    "found no pg_dump of PostgreSQL {major}.{minor} or later on PATH, by pg_config, in LOCAL_POSTGRES_BIN or in \
                     /usr/lib/postgresql; install postgresql-client-{major}, or let LOCAL_POSTGRES_BIN name the folder it is in"
                )
            })
    })
}

/// As the server numbers its version: 150018 for 15.18.
fn pg_dump_version(program: &Path) -> Option<i32> {
    let output = Command::new(program).arg("--version").output().ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    // "pg_dump (PostgreSQL) 18.1 (Debian …)", "… 19beta1".
    let mut numbers = text
        .split(") ")
        .nth(1)?
        .split(|c: char| !c.is_ascii_digit());
    let mut number = || numbers.next()?.parse::<i32>().ok();
    Some(number()? * 10_000 + number().unwrap_or(0))
}

/// The container of the test server, if local-postgres has it in one: it publishes the port that we connect to.
fn own_container() -> Option<String> {
    let port = params("postgres").get("port")?.to_owned();
    let output = Command::new("docker")
        .args(["ps", "--filter", "label=local-postgres.key"])
        .args(["--format", "{{.ID}} {{.Ports}}"])
        .output()
        .ok()?;
    let containers = String::from_utf8(output.stdout).ok()?;
    let published = format!(":{port}->5432/tcp");
    let line = containers.lines().find(|line| line.contains(&published))?;
    Some(line.split_whitespace().next()?.to_owned())
}

/// `pg_dump --schema-only` of a database.
fn pg_dump(params: &Params) -> Command {
    let get = |key| params.get(key).unwrap_or_default();
    let mut command = match oracle() {
        Oracle::Program(program) => {
            let mut command = Command::new(program);
            command.args(["--host", get("host"), "--port", get("port")]);
            command
        }
        Oracle::Container(id) => {
            let mut command = Command::new("docker");
            command.args(["exec", "--env", "PGPASSWORD", id, "pg_dump"]);
            command.args(["--host", "127.0.0.1", "--port", "5432"]);
            command
        }
    };
    command
        .env("PGPASSWORD", get("password"))
        .args(["--username", get("user"), "--dbname", get("dbname")])
        .args(["--no-password", "--schema-only"]);
    command
}

/// Whether the server has what a change is about: `--if` and a condition in SQL say when.
fn fits(change: &str) -> bool {
    let condition = change.lines().find_map(|line| line.strip_prefix("--if "));
    condition.is_none_or(|condition| {
        server()
            .query_bool(&format!("SELECT {condition}"), &[])
            .unwrap()
    })
}

/// The changes that the server understands.
fn changes() -> Vec<&'static str> {
    // The first paragraph says what this is.
    let changes = CHANGES.trim_end().split("\n\n").skip(1);
    changes.filter(|change| fits(change)).collect()
}

/// The objects that are not the same after a change.
fn expected(change: &'static str) -> Vec<&'static str> {
    let is_18 = is_18();
    let object = |line: &'static str| {
        let later = || line.strip_prefix("--18 ").filter(|_| is_18);
        line.strip_prefix("-- ").or_else(later)
    };
    change.lines().filter_map(object).collect()
}

fn names(differences: &[Difference]) -> Vec<String> {
    let name = |difference: &Difference| format!("{} {}", difference.key.kind, difference.key.name);
    differences.iter().map(name).collect()
}

#[test]
fn every_kind_of_difference_is_told_as_pg_dump_tells_it() {
    let mut base = Database::base();
    let (snapshot, dump) = (base.snapshot(), base.dump());
    // A template may have no sessions.
    base.connection = None;
    let changes = changes();
    let wrong = parallel::each(4, &changes, |change| {
        let expected = expected(change);
        let mut changed = match Database::changed(&base.name, change) {
            Ok(changed) => changed,
            Err(error) => return Some(format!("{change}\n  {error}")),
        };
        let changed_snapshot = changed.snapshot();
        let there = names(&snapshot.diff(&changed_snapshot));
        let back = names(&changed_snapshot.diff(&snapshot));
        let oracle = changed.dump() != dump;
        (there != expected || back != expected || !oracle)
            .then(|| format!("{change}\n  found {there:?}\n  and {back:?}; by pg_dump: {oracle}"))
    });
    let wrong: Vec<_> = wrong.into_iter().flatten().collect();
    assert!(
        changes.len() > 100 && wrong.is_empty(),
        "{}",
        wrong.join("\n")
    );
}

#[test]
fn what_is_the_same_is_equal() {
    let mut base = Database::base();
    let (snapshot, dump) = (base.snapshot(), base.dump());
    // Other oids, and another order in every catalog.
    let mut again = Database::with(
        "template0",
        &format!(
            "CREATE TYPE last AS ENUM ('a', 'c'); ALTER TYPE last ADD VALUE 'b' BEFORE 'c'; CREATE TABLE x (l last); DROP TABLE x; DROP TYPE last; {}",
            base_sql()
        ),
    );
    assert_eq!(
        render(&snapshot.diff(&again.snapshot()), "first", "second"),
        ""
    );
    assert_eq!(again.dump(), dump);
    base.connection = None;
    for change in SAME {
        let mut changed = Database::with(&base.name, change);
        assert_eq!(
            render(&snapshot.diff(&changed.snapshot()), "before", "after"),
            "",
            "{change}"
        );
        assert_eq!(changed.dump(), dump, "{change}");
    }
    for change in LEFT_OUT {
        let mut changed = Database::with(&base.name, change);
        assert_eq!(
            render(&snapshot.diff(&changed.snapshot()), "before", "after"),
            "",
            "{change}"
        );
    }
    let mut ledger = Database::with(&base.name, crate::database::ledger::CREATE);
    assert_eq!(
        render(&snapshot.diff(&ledger.snapshot()), "before", "after"),
        ""
    );
}

#[test]
fn a_dump_restored_is_equal() {
    let mut base = Database::base();
    base.run(
        "CREATE EXTENSION pg_trgm VERSION '1.5' SCHEMA app; CREATE OPERATOR ~~| (FUNCTION = near, LEFTARG = int, \
         RIGHTARG = int, NEGATOR = !~~|)",
    );
    let mut restored = Database::new("template0");
    restored.run(&base.dump());
    let differences = base.snapshot().diff(&restored.snapshot());
    assert_eq!(render(&differences, "original", "restored"), "");
}

#[test]
fn settings_of_the_session_do_not_matter() {
    let mut base = Database::base();
    let snapshot = base.snapshot();
    base.run("SET search_path = app, public; SET timezone = 'Asia/Tokyo'; SET datestyle = 'German'; SET quote_all_identifiers = on; DISCARD PLANS");
    assert_eq!(
        render(&snapshot.diff(&base.snapshot()), "before", "after"),
        ""
    );
    base.run("DISCARD ALL");
    assert_eq!(base.snapshot(), snapshot);
}

/// What PostgreSQL 15.20 notes in `attoptions`, planted on any server, and the like where options are kept elsewhere.
/// Those of indexes are left out: the server's own deparser writes them, for `pg_dump` as for us.
#[test]
fn the_servers_own_options_are_no_part_of_a_definition() {
    let mut base = Database::base();
    base.run(
        "ALTER TABLE t ALTER body SET (n_distinct_inherited = 3, n_distinct = 5);
         ALTER TABLE t SET (fillfactor = 70, toast.autovacuum_enabled = false)",
    );
    let snapshot = base.snapshot();
    base.run(
        "SET allow_system_table_mods = on;
         CREATE TEMP TABLE planted AS SELECT oid, relkind FROM pg_class
            WHERE oid >= 16384 AND relkind IN ('r', 'p', 'f', 'v', 'm', 't', 'c');
         UPDATE pg_attribute SET attoptions = array_prepend('pg_attver=45009384', attoptions)
            WHERE attrelid IN (SELECT oid FROM planted WHERE relkind <> 't') AND attnum > 0;
         UPDATE pg_class SET reloptions = array_prepend('pg_relver=45009384', reloptions)
            WHERE oid IN (SELECT oid FROM planted WHERE relkind <> 'c')",
    );
    let planted = "SELECT count(DISTINCT relkind) = 7 FROM planted";
    assert!(base.connection().query_bool(planted, &[]).unwrap());
    base.run("DISCARD TEMP");
    let after = base.snapshot();
    assert_eq!(render(&snapshot.diff(&after), "before", "after"), "");
    let definition = |kind: &str, name: &str| {
        let (kind, name) = (kind.to_owned(), name.to_owned());
        after.0[&Key { kind, name }].definition.clone()
    };
    assert_eq!(
        definition("column", "public.t.body"),
        "text WITH (n_distinct=5, n_distinct_inherited=3)"
    );
    let table = definition("table", "public.t");
    let options = "WITH (fillfactor=70, toast.autovacuum_enabled=false)";
    assert!(table.contains(options), "{table}");
}

#[test]
fn an_index_that_is_invalid_and_a_foreign_key_that_is_off_are_told() {
    let mut base = Database::base();
    let snapshot = base.snapshot();
    base.run("INSERT INTO parent (id) VALUES (1), (2); INSERT INTO app.t VALUES (1), (1)");
    let failed = base
        .connection()
        .execute("CREATE UNIQUE INDEX CONCURRENTLY t_a ON app.t (a)");
    assert_eq!(failed.unwrap_err().sqlstate, "23505");
    base.run("ALTER TABLE t DISABLE TRIGGER ALL; ALTER TABLE t ENABLE TRIGGER touch");
    let differences = snapshot.diff(&base.snapshot());
    assert_eq!(
        names(&differences),
        [
            "index app.t_a",
            "table constraint t_name on public.t",
            "table constraint t_parent on public.t"
        ]
    );
    assert_eq!(
        render(&differences[..1], "before", "after"),
        "index app.t_a: only after\n    CREATE UNIQUE INDEX t_a ON app.t USING btree (a) INVALID"
    );
}
