//! What a database says of itself.

use diesel::dsl::sql;
use diesel::sql_types::{Array, Bool, Nullable, Text};
use diesel::{PgConnection, QueryResult, RunQueryDsl as _};

const DATABASE: &str = "current_database()::text";
const OWNER: &str = "(SELECT service FROM db_ledger.owner)";
const APPLIED: &str = "(SELECT array_agg(version::text) FROM __diesel_schema_migrations)";

/// Whose a database is, and what is applied to it.
pub(crate) struct State {
    pub(crate) database: String,
    /// The service that the ledger names as owner.
    pub(crate) owner: Option<String>,
    /// The versions in Diesel's table, in no order.
    pub(crate) applied: Vec<String>,
}

impl State {
    /// Reads the state, in one statement where both tables are there. Not for use inside a transaction.
    ///
    /// # Errors
    /// The server's.
    pub(crate) fn read(connection: &mut PgConnection) -> QueryResult<Self> {
        Self::ask(connection, OWNER, APPLIED).or_else(|_| {
            // Ask, don't infer: the statement fails as well where a right is missing. What is there now may
            // have been created just then, so it is asked for again.
            let there = "SELECT to_regclass('db_ledger.owner') IS NOT NULL,
                                to_regclass('__diesel_schema_migrations') IS NOT NULL";
            let (owner, applied) = match sql::<(Bool, Bool)>(there).get_result(connection)? {
                (true, true) => (OWNER, APPLIED),
                (true, false) => (OWNER, "NULL"),
                (false, true) => ("NULL", APPLIED),
                (false, false) => ("NULL", "NULL"),
            };
            Self::ask(connection, owner, applied)
        })
    }

    fn ask(connection: &mut PgConnection, owner: &str, applied: &str) -> QueryResult<Self> {
        type Row = (String, Option<String>, Option<Vec<String>>);
        let query = format!("SELECT {DATABASE}, {owner}::text, {applied}::text[]");
        let query = sql::<(Text, Nullable<Text>, Nullable<Array<Text>>)>(&query);
        let (database, owner, applied): Row = query.get_result(connection)?;
        Ok(Self {
            database,
            owner,
            applied: applied.unwrap_or_default(),
        })
    }
}
