//! The data layer against a real server: every test has a database of its own.

mod credits;
mod ledger;
mod profiles;

use diesel::migration::{Migration, MigrationSource};
use diesel::pg::Pg;
use diesel_migrations::MigrationHarness;
use local_postgres::TestDatabase;

#[test]
fn embedded_migrations_are_those_of_the_folder() {
    let db = TestDatabase::new();
    let mut applied = db.connection().applied_migrations().unwrap();
    applied.reverse();
    let embedded: Vec<Box<dyn Migration<Pg>>> = user::MIGRATIONS.migrations().unwrap();
    let embedded: Vec<_> = embedded.iter().map(|m| m.name().version()).collect();
    assert_eq!(embedded, applied);
}
