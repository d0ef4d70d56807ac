//! The documents show what is so: their commands are run, and say what stands there.

mod commands;
mod guides;

use diesel::connection::SimpleConnection as _;

use crate::support::{
    PRINT, Section, Workspace, adopting, diesel_program, on_throwaway, repository, sections,
    variable,
};

/// A test for each document whose blocks are run: all of them, or it fails.
macro_rules! run_whole {
    ($($test:ident: $document:literal => $run:path,)*) => {
        const RUN_WHOLE: &[&str] = &[$($document),*];
        $(#[test]
        fn $test() {
            for section in sections($document) {
                $run(section);
            }
        })*
    };
}

run_whole! {
    adopting_a_running_database: "docs/adopting.md" => adopting_section,
    the_first_run: "docs/first-run.md" => guides::first_run,
    when_something_went_wrong: "docs/when-something-went-wrong.md" => when_something_went_wrong_section,
}

/// The services' URLs are in `.env`, as in the documents.
fn in_file(workspace: &mut Workspace, services: &[&str]) {
    for service in services {
        let variable = variable(service);
        let url = workspace.get(&variable);
        workspace.unset(&variable);
        let text = format!("{variable}={url}\n");
        match workspace.path(".env").exists() {
            true => workspace.append(".env", &text),
            false => workspace.write(".env", &text),
        }
    }
}

/// With a service `arc` that has its two migrations.
fn migrated() -> Workspace {
    let mut workspace = Workspace::with(&["arc"]);
    in_file(&mut workspace, &["arc"]);
    workspace.db("create").exits(0);
    workspace.db("migrate").exits(0);
    workspace
}

/// A service without a migration, whose database somebody built.
fn built(service: &str, sql: &str) -> Workspace {
    let mut workspace = adopting(&[]);
    let database = workspace.database(service);
    workspace.add(service, &database);
    workspace.create_database(&database);
    workspace.execute(&database, sql);
    in_file(&mut workspace, &[service]);
    workspace.write(&format!("services/{service}/diesel.toml"), PRINT);
    let variable = variable(service);
    let template = format!("{variable}=postgres://user:password@localhost:5432/{service}_db\n");
    workspace.write(".env.template", &template);
    workspace.set("DIESEL_CLI", diesel_program().to_str().unwrap());
    workspace
}

const TEAM: &str = "2026-11-20-101500_add_team";
const BROKEN: &str =
    "CREATE TABLE team (\n    id bigint PRIMARY KEY,\n    name txet NOT NULL\n);\n";

fn failed(mut section: Section) {
    let workspace = migrated();
    workspace.migration("arc", TEAM, BROKEN, "DROP TABLE team;");
    section.run(&workspace, &["arc"], 4);
    section.ends();
}

fn half_way(mut section: Section) {
    let workspace = migrated();
    workspace.migration(
        "arc",
        TEAM,
        &BROKEN.replace("txet", "text"),
        "DROP TABLE team;",
    );
    workspace.db("migrate").exits(0);
    workspace.migration("arc", TEAM, BROKEN, "DROP TABLE team;");
    section.run(&workspace, &["arc"], 4);
    // The last help, and not the arrow key.
    workspace
        .db("redo arc")
        .exits(2)
        .says("is not applied again yet");
    workspace.migration("arc", TEAM, "CREATE TABLE team ();", "DROP TABLE team;");
    workspace.db("migrate arc --to 20261120101500").exits(0);
    section.ends();
}

fn lost(mut section: Section) {
    let workspace = migrated();
    let up = "SELECT pg_terminate_backend(pg_backend_pid());";
    workspace.migration("arc", TEAM, up, "SELECT 1;");
    section.run(&workspace, &["arc"], 4);
    section.ends();
}

fn interrupted(mut section: Section) {
    let workspace = migrated();
    let arc = workspace.database("arc");
    let (name, up) = (
        "2026-11-20-101500_add_mood",
        "ALTER TYPE mood ADD VALUE 'glad';",
    );
    workspace.migration_without_transaction("arc", name, up, "SELECT 1;");
    // As where the run was killed between the server's answer and its own next word.
    workspace.execute(&arc, "CREATE TYPE mood AS ENUM ('sad', 'glad')");
    let started = format!(
        "INSERT INTO db_ledger.run (version, name, direction, checksum, run_by, outcome, indexes_before)
         SELECT '20261120101500', '{name}', 'up', 'old', 'test', 'started', (SELECT array_agg(indexrelid) FROM pg_index)"
    );
    workspace.execute(&arc, &started);
    section.run(&workspace, &["arc"], 4);
    section.run(&workspace, &["arc"], 0);
    workspace.db("status --exit-code").exits(0);
    section.ends();
}

fn dropped(mut section: Section) {
    let workspace = migrated();
    let arc = workspace.database("arc");
    workspace.execute(
        &arc,
        "INSERT INTO arc_items SELECT generate_series(1, 42); ANALYZE arc_items",
    );
    section.run(&workspace, &["arc"], 0);
    let [backup] = workspace.list("backups/arc").try_into().unwrap();
    section.set("2026-11-25-120000", &backup);
    section.run(&workspace, &["arc"], 0);
    section.run(&workspace, &["arc"], 0);
    assert_eq!(
        workspace.value(&arc, "SELECT count(*) FROM arc_items"),
        "42"
    );
    section.ends();
}

fn protected(mut section: Section) {
    let workspace = migrated();
    section.run(&workspace, &["arc"], 0);
    section.run(&workspace, &["arc"], 7);
    section.ends();
}

fn when_something_went_wrong_section(section: Section) {
    match section.name() {
        "A migration failed" => failed(section),
        "A revert or a redo failed halfway" => half_way(section),
        "The connection was lost" => lost(section),
        "An interrupted migration without a transaction can't run again" => {
            interrupted(section);
        }
        "A database was dropped, or rows are gone" => dropped(section),
        "Protect production" => protected(section),
        other => panic!("nobody runs the commands of `{other}`"),
    }
}

const NOTES: &str = "CREATE TABLE notes (id bigint PRIMARY KEY, body text NOT NULL);
    INSERT INTO notes SELECT n, 'note ' || n FROM generate_series(1, 20) n;";

fn alembic(mut section: Section) {
    let sql = "CREATE TABLE alembic_version (version_num varchar(32) NOT NULL CONSTRAINT alembic_version_pkc PRIMARY KEY);
        INSERT INTO alembic_version VALUES ('8f2c1e7a9b04');";
    let workspace = built("arc", &format!("{sql}{NOTES}"));
    let arc = workspace.database("arc");
    section.run(&workspace, &["arc"], 6);
    for _ in 0..3 {
        section.run(&workspace, &["arc"], 0);
    }
    let schema = "services/arc/src/schema.rs";
    workspace.edit(
        schema,
        "body -> Text,",
        "body -> Text,\n        author -> Nullable<Text>,",
    );
    section.run(&workspace, &["arc"], 0);
    section.run(&workspace, &["arc"], 0);
    assert_eq!(
        workspace.value(
            &arc,
            "SELECT count(author) || ' of ' || count(*) FROM notes"
        ),
        "0 of 20"
    );
    section.ends();
}

fn plain_diesel(mut section: Section) {
    let mut workspace = Workspace::with(&["user"]);
    in_file(&mut workspace, &["user"]);
    let user = workspace.database("user");
    let applied = [
        ("2026-09-07-100000_create_user_profiles", "user_profiles"),
        ("2026-09-21-090000_create_topup_credits", "topup_credits"),
    ];
    for old in ["2026-01-01-000000_create", "2026-01-02-000000_note"] {
        workspace.remove(&format!("services/user/migrations/{old}"));
    }
    workspace.create_database(&user);
    workspace.execute(
        &user,
        "CREATE TABLE __diesel_schema_migrations (version varchar(50) PRIMARY KEY, run_on timestamp NOT NULL DEFAULT now())",
    );
    for (name, table) in applied {
        let up = format!("CREATE TABLE {table} (id bigint PRIMARY KEY);");
        workspace.migration("user", name, &up, &format!("DROP TABLE {table};"));
        let version = name.split('_').next().unwrap().replace('-', "");
        workspace.execute(
            &user,
            &format!("{up} INSERT INTO __diesel_schema_migrations (version) VALUES ('{version}')"),
        );
    }
    for _ in 0..3 {
        section.run(&workspace, &["user"], 0);
    }
    section.ends();
}

fn sqlx(mut section: Section) {
    let sql =
        "CREATE TABLE _sqlx_migrations (version bigint PRIMARY KEY, description text NOT NULL);
        INSERT INTO _sqlx_migrations VALUES (1, 'notes');";
    let workspace = built("team", &format!("{sql}{NOTES}"));
    for _ in 0..3 {
        section.run(&workspace, &["team"], 0);
    }
    let rows = "SELECT count(*) FROM notes";
    assert_eq!(workspace.value(&workspace.database("team"), rows), "20");
    section.ends();
}

fn refused(mut section: Section) {
    let mut workspace = adopting(&["user"]);
    in_file(&mut workspace, &["user"]);
    let user = workspace.database("user");
    let up = "CREATE TABLE user_profiles (id bigint PRIMARY KEY, email text NOT NULL);";
    let index =
        "CREATE UNIQUE INDEX user_profiles_lower_email_key ON user_profiles (lower(email));";
    workspace.remove("services/user/migrations/2026-01-02-000000_note");
    let name = "2026-01-01-000000_create";
    workspace.migration(
        "user",
        name,
        &format!("{up}\n{index}"),
        "DROP TABLE user_profiles;",
    );
    workspace.create_database(&user);
    workspace.execute(
        &user,
        &format!("{up} ALTER TABLE user_profiles ADD phone text"),
    );
    section.run(&workspace, &["user"], 6);
    workspace.db("baseline user --accept-difference").exits(0);
    section.ends();
}

fn adopting_section(section: Section) {
    match section.name() {
        "Coming from Alembic" => alembic(section),
        "Coming from plain Diesel" => plain_diesel(section),
        "Coming from sqlx, Flyway or hand-made SQL" => sqlx(section),
        "When `baseline` refuses" => refused(section),
        other => panic!("nobody runs the commands of `{other}`"),
    }
}

/// The statements of the document are a service's next migrations.
#[test]
fn without_downtime() {
    let mut workspace = on_throwaway(&["arc"]);
    workspace.remove("services/arc/migrations/2026-01-02-000000_note");
    workspace.write(".env.template", "ARC_DATABASE_URL=\n");
    let arc = workspace.database("arc");
    workspace.set("ARC_DATABASE_URL", &workspace.url(&arc));
    workspace.db("create").exits(0);
    workspace.db("migrate").exits(0);
    let document = std::fs::read_to_string(repository().join("docs/without-downtime.md")).unwrap();
    let blocks = document.split("```sql\n").skip(1);
    let blocks: Vec<_> = blocks.map(|it| it.split("```").next().unwrap()).collect();
    for (number, up) in (10..).zip(&blocks) {
        let name = format!("2026-02-{number}-000000_step");
        match up.contains("CONCURRENTLY") {
            true => workspace.migration_without_transaction("arc", &name, up, "SELECT 1;"),
            false => workspace.migration("arc", &name, up, "SELECT 1;"),
        }
    }
    workspace.db("check --offline").exits(0);
    // Patience comes to an end, and nothing is kept.
    let mut reader = workspace.session(&arc);
    reader
        .batch_execute("BEGIN; SELECT FROM arc_items")
        .unwrap();
    workspace
        .db("migrate")
        .exits(4)
        .says("canceling statement due to lock timeout")
        .says("nothing was applied");
    drop(reader);
    let applied = format!("applied {} migrations", blocks.len());
    workspace.db("migrate").exits(0).says(&applied);
    // An old checkout.
    for number in 10..10 + blocks.len() {
        workspace.remove(&format!(
            "services/arc/migrations/2026-02-{number}-000000_step"
        ));
    }
    workspace
        .db("migrate")
        .exits(6)
        .says("this checkout is older");
}
