//! A service meets databases in every state.

use std::cell::RefCell;
use std::time::Duration;

use diesel::connection::{InstrumentationEvent, SimpleConnection as _};
use diesel::dsl::sql;
use diesel::sql_types::{BigInt, Bool};
use diesel::{PgConnection, RunQueryDsl as _};
use diesel_migrations::{EmbeddedMigrations, embed_migrations};
use local_postgres::TestDatabase;
use service_database::{Error, Service};
use service_url::ServiceUrl;

const MIGRATIONS: EmbeddedMigrations = embed_migrations!("tests/migrations");

const SERVICE: Service = Service {
    name: "books",
    variable: "BOOKS_DATABASE_URL",
    migrations: MIGRATIONS,
};

/// Longer than any test waits.
const PATIENCE: Duration = Duration::from_secs(600);

fn url(text: &str) -> ServiceUrl {
    service_url::find(
        SERVICE.name,
        SERVICE.variable,
        None,
        |_| Ok(text.to_owned()),
    )
    .unwrap()
}

/// A database that the tool has created for `owner`: the part of its ledger that says so.
fn created_for(owner: &str) -> (TestDatabase, ServiceUrl) {
    let db = TestDatabase::empty();
    db.connection()
        .batch_execute(&format!(
            "CREATE SCHEMA db_ledger;
             CREATE TABLE db_ledger.owner (
                 only_row boolean PRIMARY KEY DEFAULT true CHECK (only_row), service text NOT NULL);
             INSERT INTO db_ledger.owner (service) VALUES ('{owner}');"
        ))
        .unwrap();
    let url = url(db.url());
    (db, url)
}

fn refusal(url: &ServiceUrl) -> Error {
    let connected = SERVICE.connect(url);
    connected.err().expect("a refusal")
}

fn tables(conn: &mut PgConnection) -> i64 {
    let count = "SELECT count(*) FROM pg_tables WHERE schemaname = 'public'";
    sql::<BigInt>(count).get_result(conn).unwrap()
}

#[test]
fn a_service_starts_on_its_own_migrated_database() {
    let (db, url) = created_for("books");
    let pending = refusal(&url);
    assert_eq!(
        pending.to_string(),
        format!(
            "refused: database `{}` of service `books` lacks migrations: 20250101000000, 20250102000000",
            db.name()
        )
    );
    assert_eq!(pending.exit_code(), 1);
    assert_eq!(tables(&mut db.connection()), 0, "only looked");

    let applied = SERVICE.migrate(&url, PATIENCE).unwrap();
    assert_eq!(
        applied,
        [
            "2025-01-01-000000_create_books",
            "2025-01-02-000000_index_books"
        ]
    );
    SERVICE.connect(&url).unwrap();
    assert_eq!(SERVICE.migrate(&url, PATIENCE).unwrap(), [""; 0]);

    // The version before starts on a database that is ahead of it.
    let ahead = "INSERT INTO __diesel_schema_migrations (version) VALUES ('20990101000000')";
    db.connection().batch_execute(ahead).unwrap();
    SERVICE.connect(&url).unwrap();
    // The version after does not, until it has migrated.
    let behind = "DELETE FROM __diesel_schema_migrations WHERE version = '20250102000000'";
    db.connection().batch_execute(behind).unwrap();
    let pending = refusal(&url);
    assert!(
        matches!(&pending, Error::Pending { versions, .. } if *versions == ["20250102000000"]),
        "{pending}"
    );
}

#[test]
fn a_service_neither_starts_on_nor_migrates_what_is_not_its_own() {
    let (db, url) = created_for("films");
    let other = format!(
        "refused: database `{}` belongs to service `films`, not to service `books`",
        db.name()
    );
    assert_eq!(refusal(&url).to_string(), other);
    assert_eq!(refusal(&url).exit_code(), 6);
    let migrated = SERVICE.migrate(&url, PATIENCE);
    assert_eq!(migrated.unwrap_err().to_string(), other);
    assert_eq!(tables(&mut db.connection()), 0);

    for remains in [
        "DELETE FROM db_ledger.owner",
        "DROP TABLE db_ledger.owner",
        "DROP SCHEMA db_ledger",
        "CREATE TABLE __diesel_schema_migrations (version text)",
    ] {
        db.connection().batch_execute(remains).unwrap();
        let refused = refusal(&url);
        assert!(matches!(refused, Error::NoOwner { .. }), "{refused}");
        let migrated = SERVICE.migrate(&url, PATIENCE);
        assert!(
            matches!(migrated, Err(Error::NoOwner { .. })),
            "{migrated:?}"
        );
    }
}

thread_local! {
    /// The queries of this thread, which is this test's own.
    static QUERIES: RefCell<Vec<String>> = const { RefCell::new(Vec::new()) };
}

#[test]
fn the_state_is_read_in_one_statement() {
    let (_db, url) = created_for("books");
    SERVICE.migrate(&url, PATIENCE).unwrap();
    diesel::connection::set_default_instrumentation(|| {
        Some(Box::new(|event: InstrumentationEvent<'_>| {
            if let InstrumentationEvent::StartQuery { query, .. } = event {
                QUERIES.with_borrow_mut(|queries| queries.push(query.to_string()));
            }
        }))
    })
    .unwrap();
    QUERIES.take();
    SERVICE.connect(&url).unwrap();
    let queries = QUERIES.take();
    assert_eq!(queries.len(), 1, "{queries:?}");
    assert!(
        queries[0].contains("db_ledger.owner") && queries[0].contains("__diesel_schema_migrations"),
        "{queries:?}"
    );
}

#[test]
fn two_that_migrate_at_once_take_turns() {
    let (_db, url) = created_for("books");
    let applied: Vec<String> = std::thread::scope(|scope| {
        let runs: Vec<_> = (0..6)
            .map(|_| scope.spawn(|| SERVICE.migrate(&url, PATIENCE).unwrap()))
            .collect();
        runs.into_iter()
            .flat_map(|run| run.join().unwrap())
            .collect()
    });
    assert_eq!(applied.len(), 2, "{applied:?}");
}

#[test]
fn a_run_of_the_tool_is_waited_for() {
    let (db, url) = created_for("books");
    for object in [1, 2] {
        let mut tool = db.connection();
        let lock = format!("SELECT pg_try_advisory_lock({}, {object})", 0x6462_6c67);
        assert!(sql::<Bool>(&lock).get_result::<bool>(&mut tool).unwrap());
        let locked = SERVICE.migrate(&url, Duration::ZERO);
        assert!(matches!(locked, Err(Error::Locked { .. })), "{locked:?}");
        assert_eq!(tables(&mut db.connection()), 0);
    }
    SERVICE.migrate(&url, PATIENCE).unwrap();
}

#[test]
fn what_failed_is_said_and_what_was_applied_stays() {
    let (db, url) = created_for("books");
    // The index is there already: the second migration fails.
    db.connection()
        .batch_execute("CREATE TABLE books_id_idx ()")
        .unwrap();
    let failed = SERVICE.migrate(&url, PATIENCE).unwrap_err();
    assert_eq!(failed.exit_code(), 4);
    let text = failed.to_string();
    assert!(
        text.contains("2025-01-02-000000_index_books") && text.contains("already exists"),
        "{text}"
    );
    let pending = refusal(&url);
    assert!(
        matches!(&pending, Error::Pending { versions, .. } if *versions == ["20250102000000"]),
        "{pending}"
    );
}

#[test]
fn a_password_is_in_no_message() {
    for (text, code) in [
        ("postgres://me:cr3t@127.0.0.1:1/d", 3),
        ("postgres://me:p@cr3t@127.0.0.1:1/d", 3),
        ("postgres://me:12/cr3t@127.0.0.1:1/d", 3),
        ("postgres://me@127.0.0.1:cr3t/d", 3),
        ("postgres://me@127.0.0.1:1/d?passwrod=cr3t", 3),
        ("mysql://me:cr3t@127.0.0.1/d", 3),
        ("host=127.0.0.1 port=1 password='cr3t", 3),
        ("cr3t\0", 3),
    ] {
        let error = refusal(&url(text));
        let said = format!("{error} {error:?} {:?}", error.help());
        assert!(!said.contains("cr3t"), "{said}");
        assert!(said.contains("BOOKS_DATABASE_URL"), "{said}");
        assert_eq!(error.exit_code(), code, "{said}");
    }
}
