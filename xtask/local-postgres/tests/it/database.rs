use diesel::connection::SimpleConnection;
use diesel::prelude::*;
use diesel::sql_types::BigInt;
use local_postgres::{Server, TestDatabase, Wanted};

use crate::machine::Machine;

#[derive(QueryableByName)]
struct Count {
    #[diesel(sql_type = BigInt)]
    count: i64,
}

fn count(connection: &mut PgConnection, query: &str) -> i64 {
    diesel::sql_query(query)
        .get_result::<Count>(connection)
        .unwrap()
        .count
}

#[test]
fn a_new_database_is_migrated_and_private() {
    let (one, two) = (TestDatabase::new(), TestDatabase::new());
    assert_ne!(one.name(), two.name());
    one.connection()
        .batch_execute("INSERT INTO books (title) VALUES ('Dune')")
        .unwrap();
    assert_eq!(
        count(&mut one.connection(), "SELECT count(*) FROM books"),
        1
    );
    assert_eq!(
        count(&mut two.connection(), "SELECT count(*) FROM books"),
        0
    );
    assert_eq!(
        count(
            &mut two.connection(),
            "SELECT count(*) FROM pg_indexes WHERE indexname = 'books_title'"
        ),
        1
    );
    assert_eq!(
        count(
            &mut two.connection(),
            "SELECT count(*) FROM __diesel_schema_migrations"
        ),
        2
    );
}

#[test]
fn an_empty_database_has_nothing() {
    let db = TestDatabase::empty();
    assert_eq!(
        count(
            &mut db.connection(),
            "SELECT count(*) FROM pg_tables WHERE schemaname = 'public'"
        ),
        0
    );
}

#[test]
fn a_database_at_a_version_has_what_was_there_then() {
    for version in ["20250101000000", "2025-01-01-000000"] {
        let db = TestDatabase::at(version);
        let mut connection = db.connection();
        assert_eq!(count(&mut connection, "SELECT count(*) FROM books"), 0);
        assert_eq!(
            count(
                &mut connection,
                "SELECT count(*) FROM pg_indexes WHERE indexname = 'books_title'"
            ),
            0
        );
    }
    let error = TestDatabase::try_at("20240101000000")
        .unwrap_err()
        .to_string();
    assert!(
        error.contains("failed to find version `20240101000000`"),
        "{error}"
    );
    assert!(error.contains("2025-01-02-000000_index_titles"), "{error}");
}

#[test]
fn a_database_is_dropped_with_its_value_even_while_in_use() {
    let db = TestDatabase::empty();
    let name = db.name().to_owned();
    let mut left_open = db.connection();
    drop(db);
    assert!(left_open.batch_execute("SELECT 1").is_err());
    let other = TestDatabase::empty();
    let query = format!("SELECT count(*) FROM pg_database WHERE datname = '{name}'");
    assert_eq!(count(&mut other.connection(), &query), 0);
}

#[test]
fn an_asynchronous_test_can_use_it_too() {
    // As `#[tokio::test]` does it. A workspace of its own has no server yet: one is started inside the runtime.
    let machine = Machine::new();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async {
        let server =
            Server::for_workspace("shop", &machine.workspace(), &Wanted::default()).unwrap();
        PgConnection::establish(&server.url("postgres")).unwrap();

        let db = TestDatabase::new();
        tokio::task::yield_now().await;
        assert_eq!(count(&mut db.connection(), "SELECT count(*) FROM books"), 0);
        let elsewhere = tokio::task::spawn_blocking(TestDatabase::empty);
        drop(elsewhere.await.unwrap());
    });
    assert_eq!(
        local_postgres::manage::stop(&machine.workspace(), None).unwrap(),
        1
    );
}

#[test]
fn a_panic_keeps_the_database() {
    let url = std::thread::spawn(|| {
        let db = TestDatabase::new();
        db.connection()
            .batch_execute("INSERT INTO books (title) VALUES ('Emma')")
            .unwrap();
        std::panic::panic_any(db.url().to_owned());
    })
    .join()
    .unwrap_err()
    .downcast::<String>()
    .unwrap();
    let mut connection = PgConnection::establish(&url).unwrap();
    assert_eq!(count(&mut connection, "SELECT count(*) FROM books"), 1);

    let name = url.rsplit('/').next().unwrap();
    let other = TestDatabase::empty();
    other
        .connection()
        .batch_execute(&format!("DROP DATABASE {name} WITH (FORCE)"))
        .unwrap();
}
