//! The data layer against a real server: every test has a database of its own.

mod careers;
#[cfg(unix)]
mod process;
mod tasks;
mod work;
mod worker;

use arc::models::CareerProfile;
use diesel::PgConnection;
use diesel::migration::{Migration, MigrationSource};
use diesel::pg::Pg;
use diesel_migrations::MigrationHarness;
use local_postgres::TestDatabase;
use uuid::Uuid;

/// A user with an empty profile.
fn user(conn: &mut PgConnection) -> Uuid {
    let user = Uuid::new_v4();
    arc::careers::create(conn, user, &CareerProfile::default()).unwrap();
    user
}

#[test]
fn embedded_migrations_are_those_of_the_folder() {
    let db = TestDatabase::new();
    let mut applied = db.connection().applied_migrations().unwrap();
    applied.reverse();
    let embedded: Vec<Box<dyn Migration<Pg>>> = arc::MIGRATIONS.migrations().unwrap();
    let embedded: Vec<_> = embedded.iter().map(|m| m.name().version()).collect();
    assert_eq!(embedded, applied);
}
