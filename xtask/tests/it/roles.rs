//! Roles that may do little, or whose settings are odd: refused before anything is written, with the remedy.

use crate::support::{Workspace, quoted};

/// A service whose role is not a superuser. The role goes when this is dropped, with all that it owns.
struct Limited {
    workspace: Workspace,
    role: String,
    database: String,
}

impl Limited {
    /// With these attributes of the role, such as CREATEDB.
    fn with(attributes: &str) -> Self {
        let mut workspace = Workspace::with(&["arc"]);
        let role = workspace.database("role");
        let sql = format!("CREATE ROLE {role} LOGIN PASSWORD 'pw' {attributes}");
        workspace.execute("postgres", &sql);
        let url = workspace.get("ARC_DATABASE_URL");
        let (_, place) = url.rsplit_once('@').unwrap();
        let own = format!("postgres://{role}:pw@{place}");
        workspace.set("ARC_DATABASE_URL", &own);
        let database = workspace.database("arc");
        Self {
            workspace,
            role,
            database,
        }
    }

    fn execute(&self, sql: &str) {
        self.workspace.execute("postgres", sql);
    }

    fn value(&self, query: &str) -> String {
        self.workspace.value(&self.database, query)
    }
}

impl Drop for Limited {
    fn drop(&mut self) {
        if std::thread::panicking() {
            return;
        }
        let (role, database) = (&self.role, quoted(&self.database));
        for sql in [
            format!("DROP DATABASE IF EXISTS {database} WITH (FORCE)"),
            format!("DROP OWNED BY {role}"),
            format!("DROP ROLE {role}"),
        ] {
            self.execute(&sql);
        }
    }
}

#[test]
fn a_search_path_without_a_schema_is_refused_before_anything_is_written() {
    let limited = Limited::with("CREATEDB");
    let Limited {
        workspace,
        role,
        database,
    } = &limited;
    limited.execute(&format!(
        "ALTER ROLE {role} SET search_path = app, \"Odd one\""
    ));
    for line in ["create", "migrate", "migrate --sql"] {
        workspace
            .db(line)
            .exits(2)
            .says("`app, \"Odd one\"`, has no schema that exists")
            .says("CREATE SCHEMA");
        let schemas = "SELECT string_agg(nspname, ' ') FROM pg_namespace WHERE oid >= 16384";
        assert_eq!(limited.value(schemas), "NULL", "{line}");
    }
    workspace
        .db("status --exit-code")
        .exits(1)
        .says("has no schema that exists");
    workspace.execute(database, &format!("CREATE SCHEMA app AUTHORIZATION {role}"));
    workspace.db("create").exits(0);
    workspace.db("migrate").exits(0);
    workspace.db("status --exit-code").exits(0);
    let history = "SELECT relnamespace::regnamespace FROM pg_class WHERE relname = '__diesel_schema_migrations'";
    assert_eq!(limited.value(history), "app");
    workspace.db("revert arc").exits(0);
}

#[test]
fn of_the_servers_own_database_nothing_is_read_that_may_be_refused() {
    let limited = Limited::with("CREATEDB");
    let Limited {
        workspace, role, ..
    } = &limited;
    // As where somebody keeps tables in `postgres`.
    let schema = workspace.database("kept");
    limited.execute(&format!(
        "CREATE SCHEMA {schema}; GRANT USAGE ON SCHEMA {schema} TO {role};
         CREATE TABLE {schema}.__diesel_schema_migrations (version text, run_on timestamp);
         ALTER ROLE {role} IN DATABASE postgres SET search_path = {schema}"
    ));
    let run = workspace.db("create");
    limited.execute(&format!("DROP SCHEMA {schema} CASCADE"));
    run.exits(0).says("created");
    workspace.db("migrate").exits(0);
}

#[test]
fn the_object_that_is_denied_decides_the_help() {
    let limited = Limited::with("");
    let Limited {
        workspace,
        role,
        database,
    } = &limited;
    let name = quoted(database);
    limited.execute(&format!("CREATE DATABASE {name} TEMPLATE template0"));
    let denied = |help: &str| {
        workspace.db("migrate").exits(4).says(help);
    };
    denied(&format!("GRANT CREATE ON DATABASE {name} TO \"{role}\""));
    limited.execute(&format!("GRANT CREATE ON DATABASE {name} TO {role}"));
    workspace.execute(database, "REVOKE CREATE ON SCHEMA public FROM PUBLIC");
    denied(&format!(
        "GRANT USAGE, CREATE ON SCHEMA \"public\" TO \"{role}\""
    ));
    let left = "SELECT count(*) FROM pg_namespace WHERE nspname = 'db_ledger'";
    assert_eq!(limited.value(left), "0", "half a claim stays");
    workspace.execute(
        database,
        &format!("GRANT USAGE, CREATE ON SCHEMA public TO {role}"),
    );
    workspace.db("migrate").exits(0);
    // As where an administrator made it.
    workspace.execute(
        database,
        "ALTER SCHEMA db_ledger OWNER TO CURRENT_USER; ALTER TABLE db_ledger.run OWNER TO CURRENT_USER;
         ALTER TABLE db_ledger.owner OWNER TO CURRENT_USER",
    );
    let help = format!("ALTER SCHEMA db_ledger OWNER TO \"{role}\"");
    workspace.db("status").exits(4).says(&help);
    let run = workspace.db("migrate").exits(4).says(&help);
    // Word for word.
    let (_, sql) = run.stderr.split_once("let an administrator run: ").unwrap();
    workspace.execute(database, sql.lines().next().unwrap());
    workspace.db("migrate").exits(0);
    workspace.db("revert arc").exits(0);
    workspace.db("migrate").exits(0);
}
