//! `db baseline SERVICE --from-database`: the first migration of a database that something else built.

use diesel::connection::SimpleConnection as _;
use diesel::{Connection as _, PgConnection};
use local_postgres::Server;

use crate::support::{
    PRINT, PgPrograms, Workspace, adopting, diesel_program, findings, quoted, superuser,
};

/// What Alembic makes of the models of a service, its bookkeeping included, and rows in every table.
const ALEMBIC: &str = "
CREATE TABLE alembic_version (version_num varchar(32) NOT NULL, CONSTRAINT alembic_version_pkc PRIMARY KEY (version_num));
INSERT INTO alembic_version VALUES ('8f2c1e7a9b04');
CREATE TYPE task_status AS ENUM ('queued', 'done');
CREATE TABLE cvs (
    id serial NOT NULL, user_id uuid NOT NULL, title varchar(200) NOT NULL, summary text,
    created_at timestamp with time zone DEFAULT now() NOT NULL, PRIMARY KEY (id)
);
CREATE INDEX ix_cvs_user_id ON cvs (user_id);
CREATE TABLE skills (
    id serial NOT NULL, cv_id integer NOT NULL, name varchar(100) NOT NULL, level integer, status task_status NOT NULL,
    PRIMARY KEY (id), CONSTRAINT uq_skills_cv_name UNIQUE (cv_id, name), CONSTRAINT ck_skills_level CHECK (level BETWEEN 1 AND 5),
    FOREIGN KEY(cv_id) REFERENCES cvs (id) ON DELETE CASCADE
);
COMMENT ON COLUMN skills.level IS 'from 1 to 5';
INSERT INTO cvs (user_id, title) SELECT gen_random_uuid(), 'cv ' || i FROM generate_series(1, 20) i;
INSERT INTO skills (cv_id, name, level, status) SELECT id, 'rust', 5, 'done' FROM cvs;
";

/// A service without a migration, whose database somebody built.
fn workspace(sql: &str) -> (Workspace, String) {
    let mut workspace = adopting(&[]);
    let database = workspace.database("cv");
    workspace.add("cv", &database);
    workspace.create_database(&database);
    workspace.execute(&database, sql);
    workspace.set("DIESEL_CLI", diesel_program().to_str().unwrap());
    std::fs::remove_dir(workspace.path("services/cv/migrations")).unwrap();
    (workspace, database)
}

fn only_migration(workspace: &Workspace) -> (String, String, String) {
    let names = workspace.list("services/cv/migrations");
    assert_eq!(names.len(), 1, "{names:?}");
    let folder = format!("services/cv/migrations/{}", names[0]);
    let text = |name| workspace.read(&format!("{folder}/{name}"));
    (names[0].clone(), text("up.sql"), text("down.sql"))
}

/// `pg_dump` of what is not bookkeeping, rows and all.
fn dump(workspace: &Workspace, database: &str) -> String {
    let arguments = [
        "--exclude-schema=db_ledger",
        "--exclude-table=public.__diesel_schema_migrations",
    ];
    PgPrograms::new(workspace).dump(&workspace.url(database), &arguments)
}

#[test]
fn a_database_of_alembics_is_adopted_in_three_commands() {
    let (workspace, cv) = workspace(ALEMBIC);
    workspace.write("services/cv/diesel.toml", PRINT);
    workspace.write(
        ".env.template",
        "CV_DATABASE_URL=postgres://user:password@localhost:5432/cv_db\n",
    );
    let before = dump(&workspace, &cv);
    workspace.db("migrate").exits(2);
    let run = workspace.db("baseline cv --from-database").exits(0);
    let (name, up, down) = only_migration(&workspace);
    assert_eq!(
        run.stdout,
        format!(
            "services/cv/migrations/{name}/up.sql\nservices/cv/migrations/{name}/down.sql\nservices/cv/src/schema.rs\n"
        )
    );
    run.says("left out: table public.alembic_version (bookkeeping of Alembic)")
        .says("next, mark the migration as applied: cargo xtask db baseline cv\n");
    assert!(
        !up.contains("TABLE public.alembic_version") && !down.contains("alembic"),
        "{up}{down}"
    );
    assert!(
        !up.contains("set_config") && !up.contains("restrict"),
        "{up}"
    );
    assert!(
        workspace
            .read("services/cv/src/schema.rs")
            .contains("skills (id)")
    );
    assert_eq!(
        dump(&workspace, &cv),
        before,
        "--from-database has written to the database"
    );
    assert_eq!(
        workspace.value(&cv, "SELECT to_regnamespace('db_ledger')"),
        "NULL"
    );

    workspace
        .db("baseline cv")
        .exits(0)
        .says("marked 1 migration as applied")
        .says("alembic_version");
    workspace.db("check --live").exits(0).says("nothing found");
    assert_eq!(dump(&workspace, &cv), before);
    // A new migration from the edited schema.rs.
    workspace.edit(
        "services/cv/src/schema.rs",
        "summary -> Nullable<Text>,",
        "summary -> Nullable<Text>,\n        note -> Nullable<Text>,",
    );
    let new = workspace.db("new cv add_note --diff").exits(0).stdout;
    let new_up = new.lines().next().unwrap();
    let text = workspace.read(new_up);
    let timeouts = "SET LOCAL lock_timeout = '2s';\nSET LOCAL statement_timeout = '1min';\n";
    workspace.write(new_up, &format!("{timeouts}{text}"));
    workspace.db("migrate").exits(0).says("applied 1 migration");
    workspace.db("schema").exits(0);
    workspace.db("check --live").exits(0).says("nothing found");
    let rows = workspace.value(
        &cv,
        "SELECT (SELECT count(*) FROM cvs) || ' ' || (SELECT count(*) FROM skills WHERE level = 5)",
    );
    assert_eq!(rows, "20 20");
    // And it makes the same database from nothing.
    assert_eq!(findings(&workspace, "check"), []);
}

/// At least one object of every kind.
const EVERYTHING: &str = include_str!("../../../db/src/catalog/base.sql");

/// More of them, from PostgreSQL 18 on.
const EVERYTHING_18: &str = include_str!("../../../db/src/catalog/base_18.sql");

#[test]
fn every_kind_of_object_comes_over() {
    let role = "DO $$ BEGIN CREATE ROLE catalog_reader; EXCEPTION WHEN duplicate_object OR unique_violation THEN END $$;";
    let more = "
        SET check_function_bodies = false;
        COMMENT ON SCHEMA public IS 'ours';
        GRANT CREATE ON SCHEMA public TO catalog_reader;
        ALTER DEFAULT PRIVILEGES GRANT SELECT ON TABLES TO catalog_reader;
        CREATE TABLE not_heap (i int) USING heap_too;
        CREATE FUNCTION looks_at_a_later_table() RETURNS bigint LANGUAGE sql AS 'SELECT count(*) FROM public.zzz';
        CREATE TABLE zzz (i int);
        CREATE VIEW circular AS SELECT id, code FROM parent GROUP BY id;
        CREATE USER MAPPING FOR catalog_reader SERVER elsewhere OPTIONS (password 's3cr3t');";
    let (workspace, cv) = workspace(&format!("{role}{EVERYTHING}"));
    workspace.execute(&cv, more);
    let is_18 = "SELECT current_setting('server_version_num')::int >= 180000";
    if workspace.value(&cv, is_18) == "true" {
        workspace.execute(&cv, EVERYTHING_18);
    }
    workspace
        .db("baseline cv --from-database")
        .exits(0)
        .says("user mapping")
        .says("`catalog_reader`");
    let (_, up, down) = only_migration(&workspace);
    assert!(!up.contains("s3cr3t") && !down.contains("s3cr3t"));
    assert!(
        up.contains("SET LOCAL default_table_access_method = heap_too;"),
        "{up}"
    );
    workspace
        .db("baseline cv")
        .exits(0)
        .says("marked 1 migration");
    superuser(&workspace, "cv");
    assert_eq!(findings(&workspace, "check --live"), []);
}

#[test]
fn roles_are_created_where_a_server_lacks_them() {
    let workspace = &mut adopting(&[]);
    // The database is on one server, and tried on another.
    let server = Server::for_tests("xtask-template1").unwrap();
    let (cv, role) = (
        workspace.database("cv"),
        workspace.database("Reader \"of\" cv"),
    );
    workspace.add("cv", &cv);
    workspace.set("CV_DATABASE_URL", &server.url(&cv));
    let mut admin = PgConnection::establish(&server.url("postgres")).unwrap();
    let made = format!("CREATE DATABASE {cv} TEMPLATE template0");
    admin.batch_execute(&made).unwrap();
    let mut session = PgConnection::establish(&server.url(&cv)).unwrap();
    let quoted = quoted(&role);
    let grants = format!(
        "CREATE ROLE {quoted}; CREATE TABLE t (id int PRIMARY KEY); GRANT SELECT ON t TO {quoted};
         ALTER TABLE t ENABLE ROW LEVEL SECURITY; CREATE POLICY mine ON t TO {quoted} USING (id > 1);"
    );
    session.batch_execute(&grants).unwrap();
    workspace
        .db("baseline cv --from-database")
        .exits(0)
        .says(&role);
    workspace
        .db("baseline cv")
        .exits(0)
        .says("marked 1 migration");
    let (_, up, _) = only_migration(workspace);
    assert!(up.contains(&format!("CREATE ROLE {quoted};")), "{up}");
    if server.url("postgres") != workspace.get("LOCAL_POSTGRES_URL") {
        let left = format!("SELECT count(*) FROM pg_roles WHERE rolname = '{role}'");
        assert_eq!(
            workspace.value("postgres", &left),
            "0",
            "a throw-away role is left"
        );
    }
    drop(session);
    let gone = format!("DROP DATABASE {cv} WITH (FORCE)");
    admin.batch_execute(&gone).unwrap();
    admin.batch_execute(&format!("DROP ROLE {quoted}")).unwrap();
}

#[test]
fn a_migration_that_does_not_make_the_same_is_not_written() {
    // pg_dump leaves an index out that PostgreSQL does not use.
    let (workspace, cv) =
        workspace("CREATE TABLE t (id int PRIMARY KEY); CREATE INDEX broken ON t (id);");
    workspace.execute(
        &cv,
        "UPDATE pg_index SET indisvalid = false WHERE indexrelid = 'broken'::regclass",
    );
    workspace
        .db("baseline cv --from-database")
        .exits(4)
        .says("index public.broken: only in the database")
        .says("no file was written");
    assert!(!workspace.path("services/cv/migrations").exists());
    workspace
        .db("baseline cv --from-database --accept-difference")
        .exits(0)
        .says("index public.broken: only in the database");
    only_migration(&workspace);
    workspace
        .db("baseline cv")
        .exits(6)
        .says("index public.broken: only in the database");
}

#[test]
fn a_migration_that_cannot_be_built_is_not_written() {
    let (workspace, _) = workspace(
        "CREATE TABLE alembic_version (version_num text); CREATE VIEW v AS SELECT version_num FROM alembic_version;",
    );
    workspace
        .db("baseline cv --from-database")
        .exits(4)
        .says("relation \"public.alembic_version\" does not exist")
        .says("no file was written");
    assert!(!workspace.path("services/cv/migrations").exists());
}

#[test]
fn there_has_to_be_something_to_take_over() {
    let (mut workspace, cv) = workspace("SELECT 1");
    let line = "baseline cv --from-database";
    workspace.db(line).exits(2).says("is empty");
    assert!(!workspace.path("services/cv/migrations").exists());
    workspace.execute(
        &cv,
        "CREATE TABLE flyway_schema_history (installed_rank serial PRIMARY KEY)",
    );
    workspace
        .db(line)
        .exits(2)
        .says("only another tool's bookkeeping");
    workspace.execute(&cv, "CREATE TABLE t (id int PRIMARY KEY)");
    // A service without migrations is told what makes them.
    std::fs::create_dir(workspace.path("services/cv/migrations")).unwrap();
    workspace
        .db("migrate")
        .exits(6)
        .says("cargo xtask db baseline cv --from-database");
    std::fs::remove_dir(workspace.path("services/cv/migrations")).unwrap();
    // Another service's.
    let other = workspace.database("other");
    workspace.add("other", &other);
    workspace.set("OTHER_DATABASE_URL", &workspace.url(&cv));
    workspace
        .db("baseline other --from-database")
        .exits(6)
        .says("service `cv`'s own");
    std::fs::create_dir(workspace.path("services/cv/migrations")).unwrap();
    workspace.db("baseline cv --claim-only").exits(0);
    workspace
        .db(line)
        .exits(0)
        .says("next, mark the migration as applied: cargo xtask db baseline cv --to ");
    let (_, up, down) = only_migration(&workspace);
    assert!(
        !up.contains("flyway_schema_history_installed_rank_seq") && !down.contains("flyway"),
        "{up}{down}"
    );
    workspace.db(line).exits(2).says("has migrations already");
    for options in ["--to 1", "--claim-only"] {
        workspace.db(&format!("{line} {options}")).exits(2);
    }
}
