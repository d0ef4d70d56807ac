//! A watch against whole snapshots: what is read in parts is what is read as a whole.

use super::super::apart::Apart;
use super::*;
use crate::sql::statements::starts;

/// Whether a watch knows what a whole snapshot says.
fn follows(watch: &mut Watch, database: &mut Database) -> bool {
    watch.changes(database.connection()).unwrap();
    watch.is_right(database.connection()).unwrap()
}

/// How often everything was read in this session by one that watches.
fn whole_reads(database: &mut Database) -> u64 {
    let sql =
        "SELECT generic_plans FROM pg_prepared_statements WHERE name = 'cargo_xtask_db_catalog'";
    let count = database.connection().query_text(sql, &[]).unwrap();
    count.unwrap().parse().unwrap()
}

/// After each change alone.
#[test]
fn a_watch_tells_every_kind_of_difference() {
    let mut base = Database::base();
    base.connection = None;
    let (changes, in_parts) = (changes(), AtomicUsize::new(0));
    let wrong = parallel::each(4, &changes, |change| {
        let mut database = Database::new(&base.name);
        let mut watch = Watch::start(database.connection(), 0).unwrap();
        database.run(change);
        let found = names(&watch.changes(database.connection()).unwrap().differences());
        let is_in_parts = whole_reads(&mut database) == 1;
        in_parts.fetch_add(usize::from(is_in_parts), Ordering::Relaxed);
        let is_right = watch.is_right(database.connection()).unwrap();
        let is_wrong = found != expected(change) || !is_right;
        is_wrong.then(|| format!("{change}\n  found {found:?}; in parts: {is_in_parts}"))
    });
    let wrong: Vec<_> = wrong.into_iter().flatten().collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    let in_parts = in_parts.into_inner();
    assert!(
        in_parts * 3 > changes.len() * 2,
        "{in_parts} of {}",
        changes.len()
    );
}

/// After each statement of the base, and then each change to it, as far as it applies after the others.
#[test]
fn a_watch_follows_one_change_after_another() {
    // With the role that it grants to.
    drop(Database::base());
    let mut database = Database::new("template0");
    let mut watch = Watch::start(database.connection(), 0).unwrap();
    let base = base_sql();
    let starts = starts(&base);
    let ends = starts.iter().skip(1).copied().chain([base.len()]);
    let statements = starts
        .iter()
        .zip(ends)
        .map(|(start, end)| &base[*start..end]);
    let (mut done, others) = (0, SAME.iter().chain(LEFT_OUT).copied());
    for statement in statements.chain(changes()).chain(others) {
        done += usize::from(database.connection().execute(statement).is_ok());
        let _ = database.connection().execute("ROLLBACK; RESET ALL");
        assert!(follows(&mut watch, &mut database), "{statement}");
    }
    assert!(done > 150, "{done}");
}

/// What has changed without a statement about it: the names of roles, and where the rows are.
#[test]
fn a_watch_sees_what_is_not_in_a_row() {
    let mut database = Database::base();
    let mut watch = Watch::start(database.connection(), 0).unwrap();
    let role = format!("{}_role", database.name);
    for change in [
        format!(
            "CREATE ROLE {role}; GRANT SELECT ON parent TO {role}; CREATE POLICY p ON t TO {role}"
        ),
        format!("ALTER ROLE {role} RENAME TO {role}_too"),
        "VACUUM FULL pg_class".to_owned(),
        "DISCARD ALL".to_owned(),
        "ALTER TABLE t CLUSTER ON t_two".to_owned(),
        "ALTER SEQUENCE s OWNED BY t.id".to_owned(),
        "ALTER SEQUENCE s OWNED BY NONE".to_owned(),
        "CREATE TABLE p (); CREATE TABLE c () INHERITS (p)".to_owned(),
        "ALTER TABLE c NO INHERIT p".to_owned(),
        "COMMENT ON SCHEMA public IS 'x'".to_owned(),
        format!("DROP OWNED BY {role}_too; DROP ROLE {role}_too"),
    ] {
        database.run(&change);
        assert!(follows(&mut watch, &mut database), "{change}");
    }
    // By a transaction that began before the last look.
    let mut other = Connection::open(&params(&database.name)).unwrap();
    other.execute("BEGIN; CREATE TABLE late (a int)").unwrap();
    database.run("CREATE TABLE early (a int)");
    assert!(follows(&mut watch, &mut database));
    other.execute("COMMIT").unwrap();
    let late = names(&watch.changes(database.connection()).unwrap().differences());
    assert_eq!(late, ["table public.late"]);
}

/// What is told apart, each with the objects that are then not the same: of a watch, since two databases seldom have one
/// owner. `%I` is the database.
const APART: &[(&str, &[&str])] = &[
    (
        "ALTER TABLE parent OWNER TO catalog_reader",
        &["owner of table public.parent"],
    ),
    (
        "ALTER VIEW v OWNER TO catalog_reader",
        &["owner of view public.v"],
    ),
    (
        "ALTER SEQUENCE s OWNER TO catalog_reader",
        &["owner of sequence public.s"],
    ),
    (
        "ALTER FUNCTION f(int, text) OWNER TO catalog_reader",
        &["owner of function public.f(integer,pg_catalog.text)"],
    ),
    (
        "ALTER SCHEMA app OWNER TO catalog_reader",
        &["owner of schema app"],
    ),
    (
        "ALTER TYPE mood OWNER TO catalog_reader",
        &["owner of type public.mood"],
    ),
    (
        "ALTER PUBLICATION news OWNER TO catalog_reader",
        &["owner of publication news"],
    ),
    (
        "ALTER FUNCTION f(text) DEPENDS ON EXTENSION citext",
        &["extension that it depends on of function public.f(pg_catalog.text)"],
    ),
    (
        "ALTER TRIGGER touch ON t DEPENDS ON EXTENSION citext",
        &["extension that it depends on of trigger touch on public.t"],
    ),
    (
        "ALTER USER MAPPING FOR PUBLIC SERVER elsewhere OPTIONS (ADD password 'hush')",
        &["secret options of user mapping public on server elsewhere"],
    ),
    (
        "ALTER USER MAPPING FOR PUBLIC SERVER elsewhere OPTIONS (SET password 'lull')",
        &["secret options of user mapping public on server elsewhere"],
    ),
    (
        "COMMENT ON EXTENSION citext IS 'ours'",
        &["comment extension citext"],
    ),
    (
        "CREATE SUBSCRIPTION here CONNECTION 'dbname=x password=hush' PUBLICATION p WITH (connect = false)",
        &["subscription here"],
    ),
    (
        "ALTER DATABASE %I SET work_mem = '7MB'",
        &["settings of the database"],
    ),
    (
        "ALTER ROLE catalog_reader IN DATABASE %I SET work_mem = '8MB'",
        &["settings of the database for catalog_reader"],
    ),
    ("ALTER DATABASE %I CONNECTION LIMIT 7", &["database itself"]),
    ("COMMENT ON DATABASE %I IS 'ours'", &["database itself"]),
    (
        "GRANT CREATE ON DATABASE %I TO catalog_reader",
        &["database itself"],
    ),
    (
        "ALTER DATABASE %I OWNER TO catalog_reader",
        &["database itself"],
    ),
];

/// As [`APART`], of large objects, which `pg_dump --schema-only` leaves out.
const LARGE: &[&str] = &[
    "SELECT lo_create(4711)",
    "SELECT lo_create(0)",
    "COMMENT ON LARGE OBJECT 4711 IS 'large'",
    "GRANT SELECT ON LARGE OBJECT 4711 TO catalog_reader",
    "SELECT lo_unlink(4711)",
];

/// Belongs to the machine or the extension, and is not compared.
const NOT_OURS: &[&str] = &[
    "UPDATE pg_collation SET collversion = '0' WHERE collname = 'german'",
    "ALTER FUNCTION app.citext_eq(app.citext, app.citext) COST 7",
];

#[test]
fn a_watch_sees_what_no_definition_says() {
    let mut database = Database::base();
    let mut watch = Watch::start(database.connection(), 0).unwrap();
    let mut changed = |database: &mut Database, change: &str| {
        let name = Ident(&database.name).to_string();
        database.run(&change.replace("%I", &name));
        watch.changes(database.connection()).unwrap().differences()
    };
    let mut dump = database.dump_with(&["--create"]);
    for (change, expected) in APART {
        let differences = changed(&mut database, change);
        assert_eq!(names(&differences), *expected, "{change}");
        let is_apart = |difference: &Difference| Apart::has(&difference.key);
        let is_comment = change.starts_with("COMMENT ON EXTENSION");
        assert!(is_comment || differences.iter().all(is_apart), "{change}");
        let shown = render(&differences, "before", "after");
        assert!(
            !shown.contains("hush") && !shown.contains("lull"),
            "{shown}"
        );
        let before = std::mem::replace(&mut dump, database.dump_with(&["--create"]));
        assert_ne!(before, dump, "{change}");
    }
    for change in LARGE {
        let differences = changed(&mut database, change);
        let found = names(&differences);
        assert_eq!(found, ["large objects of the database"], "{change}");
        assert!(Apart::has(&differences[0].key), "{change}");
    }
    for change in NOT_OURS {
        assert_eq!(names(&changed(&mut database, change)), [""; 0], "{change}");
        assert_eq!(database.dump_with(&["--create"]), dump, "{change}");
    }
    assert_eq!(names(&changed(&mut database, "SELECT 1")), [""; 0]);
    let reset = format!("ALTER DATABASE {} RESET work_mem", Ident(&database.name));
    database.run(&reset);
    assert!(!watch.is_right(database.connection()).unwrap());
    // Or else the database can't be dropped.
    for statement in ["SET (slot_name = NONE)", "DISABLE"] {
        database.run(&format!("ALTER SUBSCRIPTION here {statement}"));
    }
    database.run("DROP SUBSCRIPTION here");
}
