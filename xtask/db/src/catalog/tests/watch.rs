//! A watch against whole snapshots: what is read in parts is what is read as a whole.

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
