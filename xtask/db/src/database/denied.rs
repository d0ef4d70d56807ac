//! A role that may not do what our bookkeeping needs: the object that is denied says what an administrator is to run.

use crate::pg::{Ident, SqlError};

/// What an administrator runs so that `role` may go on, where the server denied it an object.
pub(super) fn remedy(error: &SqlError, role: Option<&str>) -> Option<String> {
    if error.sqlstate != "42501" {
        return None;
    }
    let of = role;
    let role = named(role);
    let sql = match denied(&error.message) {
        Some(("database", name)) => format!("GRANT CREATE ON DATABASE {} TO {role}", Ident(name)),
        Some(("schema", "db_ledger") | ("table" | "sequence", "owner" | "run" | "run_id_seq")) => {
            let tables = ["owner", "run"]
                .map(|table| format!("ALTER TABLE db_ledger.{table} OWNER TO {role}"));
            format!(
                "ALTER SCHEMA db_ledger OWNER TO {role}; {}",
                tables.join("; ")
            )
        }
        Some(("schema", name)) => return Some(on_schema(name, of)),
        Some(("table", name)) => {
            format!(
                "GRANT SELECT, INSERT, UPDATE, DELETE ON TABLE {} TO {role}",
                Ident(name)
            )
        }
        _ => {
            return Some(
                "the role needs CREATE on the database and on the first schema of its search path, and its bookkeeping (the schema \
                 `db_ledger`, `__diesel_schema_migrations`) must be its own"
                    .to_owned(),
            );
        }
    };
    Some(run(&sql))
}

/// What an administrator runs so that `role` may use a schema.
pub(super) fn on_schema(name: &str, role: Option<&str>) -> String {
    let role = named(role);
    run(&format!(
        "GRANT USAGE, CREATE ON SCHEMA {} TO {role}",
        Ident(name)
    ))
}

fn named(role: Option<&str>) -> String {
    role.map_or_else(|| "ROLE".to_owned(), |role| Ident(role).to_string())
}

fn run(sql: &str) -> String {
    format!("let an administrator run: {sql}")
}

/// The kind and the name of what is denied; `None` where the server speaks another language.
fn denied(message: &str) -> Option<(&str, &str)> {
    let object = message
        .strip_prefix("permission denied for ")
        .or_else(|| message.strip_prefix("must be owner of "))?;
    object.split_once(' ')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_object_has_its_remedy() {
        let of = |message: &str| {
            let error = SqlError {
                sqlstate: "42501".to_owned(),
                message: message.to_owned(),
                ..SqlError::default()
            };
            remedy(&error, Some("me")).unwrap()
        };
        for (message, part) in [
            (
                "permission denied for database odd one",
                "ON DATABASE \"odd one\" TO \"me\"",
            ),
            (
                "permission denied for schema app",
                "CREATE ON SCHEMA \"app\"",
            ),
            (
                "permission denied for schema db_ledger",
                "ALTER TABLE db_ledger.run OWNER",
            ),
            (
                "must be owner of table owner",
                "ALTER SCHEMA db_ledger OWNER",
            ),
            (
                "permission denied for table __diesel_schema_migrations",
                "INSERT, UPDATE, DELETE ON TABLE",
            ),
            ("keine Berechtigung", "must be its own"),
        ] {
            assert!(of(message).contains(part), "{message}");
        }
        assert_eq!(remedy(&SqlError::default(), None), None);
    }
}
