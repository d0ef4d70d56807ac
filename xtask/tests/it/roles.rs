//! Roles that may do little, or whose settings are odd: refused before anything is written, with the remedy.

use crate::scripts::psql;
use crate::support::{Run, Workspace, quoted};

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

    /// A superuser's psql runs this in a database.
    fn psql(&self, database: &str, script: &str) -> Run {
        let url = self.workspace.url(database);
        psql(&self.workspace, &url, script, "UTF8")
    }

    /// As [`psql`](Self::psql), what `create --sql` prints.
    fn given_rights(&self) -> Run {
        let script = self.workspace.db("create arc --sql").exits(0).stdout;
        psql(
            &self.workspace,
            &self.workspace.admin_url(),
            &script,
            "UTF8",
        )
    }

    /// The administrator has made a database with a ledger, a history and rows; the role has the table.
    fn with_rows() -> Self {
        let limited = Self::with("");
        let Self {
            workspace,
            role,
            database,
        } = &limited;
        limited.execute(&format!(
            "CREATE DATABASE {} TEMPLATE template0",
            quoted(database)
        ));
        let url = workspace.url(database);
        let mut command = workspace.command(&["db", "migrate", "--to", "2026-01-01-000000"]);
        Run::of(command.env("ARC_DATABASE_URL", url), "migrate").exits(0);
        workspace.execute(
            database,
            &format!(
                "INSERT INTO arc_items SELECT generate_series(1, 100); ALTER TABLE arc_items OWNER TO {role};
                 REVOKE ALL ON SCHEMA public FROM PUBLIC; REVOKE ALL ON DATABASE {} FROM PUBLIC;
                 GRANT CONNECT, CREATE ON DATABASE {0} TO {role}",
                quoted(database)
            ),
        );
        limited
    }

    /// The role does its work, and no row is lost.
    fn works(&self) {
        let Self { workspace, .. } = self;
        workspace.db("create").exits(0).says("exists");
        workspace.db("migrate").exits(0).says("applied 1 migration");
        workspace.db("revert arc").exits(0);
        workspace.db("migrate").exits(0);
        workspace.db("protect arc").exits(0);
        workspace.db("status --exit-code").exits(0);
        assert_eq!(self.value("SELECT count(*) FROM arc_items"), "100");
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

#[test]
fn each_help_word_for_word_leads_to_a_role_that_may_migrate() {
    let limited = Limited::with_rows();
    let Limited {
        workspace,
        role,
        database,
    } = &limited;
    let mut helped = Vec::new();
    let done = (0..5).any(|_| {
        let run = workspace.db("migrate --dry-run");
        let run = if run.code == 0 {
            workspace.db("migrate")
        } else {
            run
        };
        if run.code == 0 {
            return true;
        }
        let sql = run.stderr.split_once("let an administrator run: ");
        let (_, sql) = sql.unwrap_or_else(|| panic!("{run:?}\n{helped:#?}"));
        let sql = sql.lines().next().unwrap().to_owned();
        limited.psql(database, &sql).exits(0);
        helped.push(sql);
        false
    });
    assert!(done, "{helped:#?}");
    assert_eq!(
        helped,
        [
            format!(
                "ALTER SCHEMA db_ledger OWNER TO \"{role}\"; ALTER TABLE db_ledger.owner OWNER TO \"{role}\"; ALTER TABLE db_ledger.run OWNER TO \"{role}\""
            ),
            format!("GRANT USAGE, CREATE ON SCHEMA \"public\" TO \"{role}\""),
            format!(
                "GRANT SELECT, INSERT, UPDATE, DELETE ON TABLE \"__diesel_schema_migrations\" TO \"{role}\""
            ),
        ]
    );
    workspace.db("revert arc").exits(0);
    limited.works();
}

#[test]
fn what_create_prints_for_an_administrator_gives_the_role_all_that_it_lacks() {
    let limited = Limited::with_rows();
    let Limited {
        workspace,
        database,
        ..
    } = &limited;
    workspace
        .db("migrate")
        .exits(4)
        .says("running what `cargo xtask db create arc --sql` prints, with psql");
    limited
        .given_rights()
        .exits(0)
        .says("ALTER SCHEMA db_ledger OWNER")
        .says("GRANT USAGE, CREATE ON SCHEMA public");
    limited.works();
    // Where nothing is missing, nothing is changed.
    limited.given_rights().exits(0).does_not_say("NOTICE");
    // Nor in another service's database.
    workspace.execute(database, "UPDATE db_ledger.owner SET service = 'cv'");
    limited
        .given_rights()
        .exits(3)
        .says("refused: this database belongs to another service");
}

#[test]
fn a_role_without_any_right_is_given_them_where_its_search_path_leads() {
    let mut limited = Limited::with("");
    let (role, database) = (limited.role.clone(), limited.database.clone());
    let name = quoted(&database);
    limited.execute(&format!("CREATE DATABASE {name} TEMPLATE template0"));
    limited.execute(&format!("REVOKE ALL ON DATABASE {name} FROM PUBLIC"));
    limited
        .workspace
        .db("create")
        .exits(3)
        .says("permission denied for database")
        .says("running what `cargo xtask db create arc --sql` prints");
    limited.execute(&format!(
        "ALTER ROLE {role} SET search_path = \"$user\", \"Odd, one\""
    ));
    // What there is is nobody's that is known.
    limited
        .workspace
        .execute(&database, "CREATE TABLE stray ()");
    limited.given_rights().exits(0);
    let made = "SELECT to_regclass('db_ledger.owner') IS NULL";
    assert_eq!(limited.value(made), "true");
    limited.workspace.db("migrate").exits(6).says("`stray`");
    limited.workspace.execute(&database, "DROP TABLE stray");
    limited.workspace.db("migrate").exits(0);
    let of = "SELECT relnamespace::regnamespace FROM pg_class WHERE relname = 'arc_items'";
    assert_eq!(limited.value(of), "\"Odd, one\"");
    // The URL's own path comes first.
    limited.execute(&format!("DROP DATABASE {name} WITH (FORCE)"));
    let url = limited.workspace.get("ARC_DATABASE_URL");
    let url = format!("{url}?options=-c%20search_path%3Dapp%2Cpublic");
    limited.workspace.set("ARC_DATABASE_URL", &url);
    limited.given_rights().exits(0);
    assert_eq!(limited.value("SELECT service FROM db_ledger.owner"), "arc");
    limited.workspace.execute(&database, "CREATE SCHEMA app");
    limited
        .given_rights()
        .exits(0)
        .says("GRANT USAGE, CREATE ON SCHEMA app");
    limited.workspace.db("migrate").exits(0);
    assert_eq!(limited.value(of), "app");
}

#[test]
fn a_schema_that_the_role_may_not_use_is_not_taken_for_a_missing_one() {
    let limited = Limited::with("");
    let Limited {
        workspace,
        role,
        database,
    } = &limited;
    let name = quoted(database);
    limited.execute(&format!(
        "CREATE DATABASE {name} OWNER {role} TEMPLATE template0"
    ));
    workspace.execute(
        database,
        "REVOKE ALL ON SCHEMA public FROM PUBLIC; ALTER SCHEMA public OWNER TO CURRENT_USER",
    );
    workspace
        .db("migrate")
        .exits(2)
        .says("has no schema that exists and that its role may use")
        .says("cargo xtask db create arc --sql");
    limited.given_rights().exits(0);
    workspace.db("migrate").exits(0);
}

#[test]
fn what_an_administrators_script_makes_belongs_to_the_role() {
    let limited = Limited::with("");
    let Limited {
        workspace,
        role,
        database,
    } = &limited;
    limited.given_rights().exits(0);
    let script = workspace.db("migrate arc --sql").exits(0).stdout;
    limited.psql(database, &script).exits(0);
    let owners = "SELECT string_agg(DISTINCT pg_get_userbyid(relowner), ' ') FROM pg_class
                  WHERE relkind = 'r' AND relnamespace::regnamespace::text IN ('public', 'db_ledger')";
    assert_eq!(limited.value(owners), *role);
    workspace.db("status --exit-code").exits(0);
    workspace.db("revert arc").exits(0);
}

#[test]
fn a_role_that_may_not_create_databases_is_told_who_can() {
    let limited = Limited::with("NOCREATEDB");
    let Limited { workspace, .. } = &limited;
    workspace
        .db("create")
        .exits(4)
        .says("the role may not create databases")
        .says("cargo xtask db create arc --sql");
    limited.given_rights().exits(0);
    workspace.db("create").exits(0).says("exists");
    workspace
        .db("migrate")
        .exits(0)
        .says("applied 2 migrations");
}
