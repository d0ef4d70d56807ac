//! What may not be written to is refused, before anything is written.

use crate::support::{Pooler, Run, Workspace, adopting, quoted};

/// How many relations of ours or Diesel's a database has: none when nothing was written.
const WRITTEN: &str = "SELECT count(*) FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace \
                       WHERE n.nspname = 'db_ledger' OR c.relname LIKE '%\\_items' OR c.relname = '__diesel_schema_migrations'";

#[test]
fn the_generic_variable_serves_one_service_with_a_warning_and_never_several() {
    let mut workspace = Workspace::with(&["arc", "cv", "user"]);
    let url = workspace.get("ARC_DATABASE_URL");
    for variable in ["ARC_DATABASE_URL", "CV_DATABASE_URL", "USER_DATABASE_URL"] {
        workspace.unset(variable);
    }
    workspace.set("DATABASE_URL", &url);
    workspace.create_database(&workspace.database("arc"));
    for command in ["migrate", "create", "migrate arc cv"] {
        workspace
            .db(command)
            .exits(6)
            .says("`arc`, `cv`")
            .says("set CV_DATABASE_URL=postgres://…/");
        assert_eq!(workspace.value(&workspace.database("arc"), WRITTEN), "0");
    }
    let warning = "WARNING: Using generic DATABASE_URL for service 'arc'; set ARC_DATABASE_URL\n";
    let run = workspace
        .db("migrate arc")
        .exits(0)
        .says("applied 2 migrations");
    assert!(run.stderr.starts_with(warning), "{}", run.stderr);
    workspace
        .db("migrate cv")
        .exits(6)
        .says("is service `arc`'s own");
    workspace.db("status arc").exits(0).says(warning.trim());
}

#[test]
fn another_services_database_is_refused_empty_or_migrated_however_it_is_spelled() {
    let mut workspace = Workspace::with(&["arc", "cv"]);
    let cv = workspace.get("CV_DATABASE_URL");
    workspace.create_database(&workspace.database("cv"));
    for host in ["127.0.0.1", "localhost"] {
        workspace.set("ARC_DATABASE_URL", &cv.replace("127.0.0.1", host));
        for command in [
            "migrate arc",
            "create arc",
            "migrate",
            "revert arc",
            "baseline arc",
        ] {
            workspace
                .db(command)
                .exits(6)
                .says("service `cv`'s own")
                .says("ARC_DATABASE_URL in the environment");
        }
        assert_eq!(workspace.value(&workspace.database("cv"), WRITTEN), "0");
    }
    workspace.db("migrate cv").exits(0);
    for host in ["127.0.0.1", "localhost"] {
        workspace.set("ARC_DATABASE_URL", &cv.replace("127.0.0.1", host));
        workspace.db("migrate arc").exits(6);
        workspace
            .db("status arc --exit-code")
            .exits(1)
            .says("service `cv`'s own");
    }
    assert_eq!(workspace.tables(&workspace.database("cv")), "cv_items");
}

#[test]
fn one_physical_database_under_two_spellings_is_refused_before_either_is_written() {
    let mut workspace = Workspace::with(&["arc", "cv"]);
    let shared = format!("{}_shared", workspace.database("any"));
    workspace.create_database(&shared);
    let url = workspace.url(&shared);
    workspace.set("ARC_DATABASE_URL", &url);
    workspace.set("CV_DATABASE_URL", &url.replace("127.0.0.1", "localhost"));
    workspace
        .db("migrate")
        .exits(6)
        .says("one physical database")
        .says("localhost")
        .says("127.0.0.1");
    workspace
        .db("create")
        .exits(6)
        .says("one physical database");
    // Also when only one is asked for: the other's variable leads here as well.
    workspace
        .db("migrate arc")
        .exits(6)
        .says("one physical database");
    assert_eq!(workspace.value(&shared, WRITTEN), "0");
    workspace
        .db("status --exit-code")
        .exits(1)
        .says("service `arc` resolves to the same physical database");
    // And before the database exists.
    let missing = format!("{}_missing", workspace.database("any"));
    let url = workspace.url(&missing);
    workspace.set("ARC_DATABASE_URL", &url);
    workspace.set("CV_DATABASE_URL", &url.replace("127.0.0.1", "localhost"));
    workspace
        .db("create")
        .exits(6)
        .says("one physical database");
    assert!(!workspace.exists(&missing));
}

#[test]
fn the_owner_in_the_database_decides() {
    let mut workspace = Workspace::with(&["arc", "cv"]);
    let plain = format!("{}_plain", workspace.database("any"));
    workspace.create_database(&plain);
    workspace.set("CV_DATABASE_URL", &workspace.url(&plain));
    workspace.db("migrate cv").exits(0);
    workspace.unset("CV_DATABASE_URL");
    workspace.set("ARC_DATABASE_URL", &workspace.url(&plain));
    for command in [
        "migrate arc",
        "create arc",
        "revert arc",
        "redo arc",
        "baseline arc",
    ] {
        workspace
            .db(command)
            .exits(6)
            .says("belongs to service `cv`, not to service `arc`");
    }
    // What was done there may be read, whosever it is.
    workspace
        .db("history arc")
        .exits(0)
        .says("2026-01-01-000000_create");
    assert_eq!(workspace.tables(&plain), "cv_items");
}

#[test]
fn another_tools_database_is_refused_and_the_tool_named() {
    let workspace = Workspace::with(&["arc"]);
    let database = workspace.database("arc");
    workspace.create_database(&database);
    for (table, tool) in [
        ("alembic_version", "Alembic"),
        ("_sqlx_migrations", "sqlx"),
        ("flyway_schema_history", "Flyway"),
        ("schema_migrations", "golang-migrate"),
    ] {
        workspace.execute(&database, &format!("CREATE TABLE {table} (version text)"));
        for command in ["migrate", "create"] {
            workspace
                .db(command)
                .exits(6)
                .says(tool)
                .says(table)
                .says("db baseline arc");
        }
        assert_eq!(workspace.value(&database, WRITTEN), "0");
        workspace.execute(&database, &format!("DROP TABLE {table}"));
    }
    workspace.db("migrate").exits(0);
}

#[test]
fn somebody_elses_tables_are_refused_until_they_are_made_the_baseline() {
    let workspace = adopting(&["arc"]);
    let database = workspace.database("arc");
    workspace.create_database(&database);
    workspace.execute(&database, "CREATE TABLE arc_items (id bigint PRIMARY KEY)");
    workspace
        .db("migrate")
        .exits(6)
        .says("`arc_items`")
        .says("cargo xtask db baseline arc");
    workspace
        .db("baseline arc --to 2026-01-01-000000")
        .exits(0)
        .says("marked 1 migration as applied");
    workspace.db("migrate").exits(0).says("applied 1 migration");
    workspace.db("baseline arc").exits(0).says("nothing");
    workspace
        .db("history arc")
        .exits(0)
        .says("baseline")
        .says("2026-01-02-000000_note");
}

#[test]
fn a_foreign_history_is_refused_and_its_service_named() {
    let mut workspace = Workspace::with(&["arc", "cv", "user"]);
    workspace.migration(
        "cv",
        "2026-03-01-000000_only_cv",
        "CREATE TABLE only_cv ();",
        "DROP TABLE only_cv;",
    );
    let plain = format!("{}_plain", workspace.database("any"));
    workspace.create_database(&plain);
    workspace.execute(
        &plain,
        "CREATE TABLE __diesel_schema_migrations (version varchar(50) PRIMARY KEY, run_on timestamp NOT NULL DEFAULT now());
         INSERT INTO __diesel_schema_migrations (version) VALUES ('20260101000000'), ('20260301000000')",
    );
    workspace.set("ARC_DATABASE_URL", &workspace.url(&plain));
    workspace
        .db("migrate arc")
        .exits(6)
        .says("20260301000000")
        .says("the folder of service `cv` has 1 of them")
        .does_not_say("0 of them");
    // One that is in no folder, of a database that nobody owns.
    workspace.execute(
        &plain,
        "UPDATE __diesel_schema_migrations SET version = '20250301000000' WHERE version = '20260301000000'",
    );
    workspace
        .db("migrate arc")
        .exits(6)
        .says("another project's database")
        .does_not_say("this checkout is older");
    workspace.execute(
        &plain,
        "UPDATE __diesel_schema_migrations SET version = '20260301000000' WHERE version = '20250301000000'",
    );
    // Versions that fit both prove nothing.
    workspace.execute(
        &plain,
        "DELETE FROM __diesel_schema_migrations WHERE version = '20260301000000'",
    );
    workspace
        .db("migrate arc")
        .exits(6)
        .says("fits service `arc` as well as service `cv`");
    workspace
        .db("status arc --json")
        .exits(0)
        .says("\"owner\": null");
    assert_eq!(
        workspace.value(&plain, "SELECT to_regclass('db_ledger.owner') IS NULL"),
        "true"
    );
}

#[test]
fn a_database_ahead_of_the_checkout_is_refused() {
    let workspace = Workspace::with(&["arc"]);
    workspace.db("create").exits(0);
    workspace.db("migrate").exits(0);
    workspace
        .db("baseline arc")
        .exits(0)
        .says("already service `arc`'s; nothing to mark");
    workspace.remove("services/arc/migrations/2026-01-02-000000_note");
    workspace
        .db("migrate")
        .exits(6)
        .says("20260102000000")
        .says("this checkout is older");
    workspace
        .db("status --exit-code")
        .exits(1)
        .says("unknown: 20260102000000");
    // A person who looks for the reason is let in.
    let command = ["db", "psql", "arc", "--", "-XAtc", "SELECT 'let in'"];
    Run::of(&mut workspace.command(&command), "db psql arc")
        .exits(0)
        .says("let in");
}

#[test]
fn an_edited_migration_is_refused_until_acknowledged() {
    let workspace = Workspace::with(&["arc"]);
    let up = "services/arc/migrations/2026-01-01-000000_create/up.sql";
    workspace.db("create").exits(0);
    workspace.db("migrate").exits(0);
    workspace.write(
        up,
        "CREATE TABLE arc_items (id bigint PRIMARY KEY, added text);",
    );
    workspace
        .db("migrate")
        .exits(6)
        .says("were edited after they were applied")
        .says("`2026-01-01-000000_create`");
    workspace
        .db("status --exit-code")
        .exits(1)
        .says("edited: 20260101000000");
    workspace.db("migrate --accept-edited").exits(0);
    workspace.db("migrate").exits(0);
    workspace.db("history arc").exits(0).says("accept");
    // Reverting and applying it anew is the other way.
    workspace.write(
        up,
        "CREATE TABLE arc_items (id bigint PRIMARY KEY, twice text);",
    );
    workspace.db("migrate").exits(6);
    let redo = format!("redo arc -n 2 --yes {}", workspace.database("arc"));
    workspace.db(&redo).exits(0);
    workspace.db("migrate").exits(0).says("up to date");
}

#[test]
fn a_transaction_pooler_is_refused() {
    let mut workspace = Workspace::with(&["arc"]);
    workspace.db("create").exits(0);
    let direct = workspace.get("ARC_DATABASE_URL");
    // One that goes round three sessions gives our first session its first one again, after two others.
    let pooler = Pooler::start(&direct, 3);
    let establish = || <diesel::PgConnection as diesel::Connection>::establish(&pooler.url);
    let _clients = [(); 3].map(|()| establish().unwrap());
    workspace.set("ARC_DATABASE_URL", &pooler.url);
    workspace.db("migrate").exits(2).says("transaction pooler");
    let pooler = Pooler::start(&direct, 1);
    workspace.set("ARC_DATABASE_URL", &pooler.url);
    workspace.db("status").exits(0).says("2 pending");
    workspace
        .db("migrate")
        .exits(2)
        .says("transaction pooler")
        .says("set ARC_DATABASE_URL to a direct URL");
    assert_eq!(workspace.tables(&workspace.database("arc")), "");
    // And nothing of ours stays with the pooler.
    workspace.set("ARC_DATABASE_URL", &direct);
    workspace.db("migrate --lock-timeout 0").exits(0);
}

#[test]
fn a_history_outside_of_the_search_path_is_not_taken_for_none() {
    let mut workspace = Workspace::with(&["arc", "cv"]);
    let arc = workspace.database("arc");
    workspace.db("create arc").exits(0);
    workspace.db("migrate arc").exits(0);
    workspace.execute(&arc, "CREATE SCHEMA app");
    let url = workspace.get("ARC_DATABASE_URL");
    workspace.set(
        "ARC_DATABASE_URL",
        &format!("{url}?options=-csearch_path%3Dapp"),
    );
    workspace
        .db("migrate arc")
        .exits(6)
        .says("in the schema public, which is not on the search path");
    assert_eq!(
        workspace.value(&arc, "SELECT to_regclass('app.arc_items') IS NULL"),
        "true"
    );
    // A search path of its own is fine, from the beginning.
    let cv = workspace.database("cv");
    workspace.create_database(&cv);
    workspace.execute(&cv, "CREATE SCHEMA app");
    let url = workspace.get("CV_DATABASE_URL");
    workspace.set(
        "CV_DATABASE_URL",
        &format!("{url}?options=-csearch_path%3Dapp"),
    );
    workspace.db("migrate cv").exits(0);
    workspace.db("status cv --exit-code").exits(0);
    assert_eq!(
        workspace.value(&cv, "SELECT to_regclass('app.cv_items') IS NOT NULL"),
        "true"
    );
}

#[test]
fn a_database_with_types_or_functions_is_not_empty() {
    let workspace = Workspace::with(&["arc"]);
    let arc = workspace.database("arc");
    workspace.create_database(&arc);
    for (create, drop) in [
        ("CREATE TYPE mood AS ENUM ('fine')", "DROP TYPE mood"),
        ("CREATE SEQUENCE counter", "DROP SEQUENCE counter"),
        (
            "CREATE FUNCTION one() RETURNS int LANGUAGE sql AS 'SELECT 1'",
            "DROP FUNCTION one",
        ),
    ] {
        workspace.execute(&arc, create);
        workspace
            .db("migrate")
            .exits(6)
            .says("no history of Diesel migrations");
        workspace.execute(&arc, drop);
    }
    workspace.db("migrate").exits(0);
}

#[test]
fn of_many_objects_that_nobody_explains_five_are_named() {
    let workspace = Workspace::with(&["arc"]);
    let arc = workspace.database("arc");
    workspace.create_database(&arc);
    for count in 1..=7 {
        workspace.execute(&arc, &format!("CREATE TABLE t{count} ()"));
        let run = workspace.db("migrate").exits(6);
        let named: Vec<_> = (1..=count.min(5)).map(|n| format!("`t{n}`")).collect();
        let more = if count > 5 { ", …" } else { "" };
        run.says(&format!("proves its owner: {}{more}\n", named.join(", ")));
    }
}

/// Of another schema's, which the role may not use, it is said only where the service has none of its own.
#[test]
fn a_history_of_others_beside_the_own_one_is_no_reason_to_refuse() {
    let mut workspace = Workspace::with(&["arc"]);
    let arc = workspace.database("arc");
    let role = workspace.database("limited");
    workspace.db("create").exits(0);
    workspace.db("migrate --to 20260101000000").exits(0);
    let (owned, name) = (quoted(&role), quoted(&arc));
    // As `diesel migration run` has left it: of a database with an owner it is known whose the history is.
    workspace.execute(
        &arc,
        &format!(
            "CREATE ROLE {owned} LOGIN PASSWORD 'x';
             CREATE SCHEMA elsewhere;
             CREATE TABLE elsewhere.__diesel_schema_migrations (version varchar(50) PRIMARY KEY, run_on timestamp);
             DROP SCHEMA db_ledger CASCADE;
             GRANT CREATE ON DATABASE {name} TO {owned};
             GRANT ALL ON SCHEMA public TO {owned};
             GRANT ALL ON ALL TABLES IN SCHEMA public TO {owned};
             ALTER TABLE arc_items OWNER TO {owned}"
        ),
    );
    let url = workspace.get("ARC_DATABASE_URL");
    let place = url.rsplit_once('@').unwrap().1.to_owned();
    workspace.set(
        "ARC_DATABASE_URL",
        &format!("postgres://{role}:x@{place}?options=-csearch_path%3Delsewhere%2Cpublic"),
    );
    workspace.db("migrate").exits(0).says("applied 1 migration");
    workspace.execute_each(&[
        format!("DROP DATABASE {name} WITH (FORCE)"),
        format!("DROP ROLE {owned}"),
    ]);
}

#[test]
fn half_a_ledger_still_says_whose_the_database_is() {
    let workspace = Workspace::with(&["arc"]);
    let arc = workspace.database("arc");
    workspace.create_database(&arc);
    workspace.execute(
        &arc,
        "CREATE SCHEMA db_ledger;
         CREATE TABLE db_ledger.owner (only_row boolean PRIMARY KEY DEFAULT true, service text NOT NULL,
                                       claimed_at timestamptz NOT NULL DEFAULT now(), tool_version text NOT NULL);
         INSERT INTO db_ledger.owner (service, tool_version) VALUES ('cv', 'x')",
    );
    workspace
        .db("migrate")
        .exits(6)
        .says("belongs to service `cv`");
    assert_eq!(workspace.tables(&arc), "");
}

#[test]
fn an_empty_database_is_no_baseline() {
    let workspace = Workspace::with(&["arc"]);
    workspace.db("create").exits(0);
    workspace
        .db("baseline arc")
        .exits(2)
        .says("nothing to take over")
        .says("cargo xtask db migrate arc");
    workspace
        .db("baseline arc --claim-only")
        .exits(0)
        .says("nothing");
    workspace
        .db("migrate")
        .exits(0)
        .says("applied 2 migrations");
}

#[test]
fn a_history_that_fits_two_services_is_claimed_when_somebody_says_so() {
    let mut workspace = Workspace::with(&["arc", "cv"]);
    let plain = format!("{}_plain", workspace.database("any"));
    workspace.create_database(&plain);
    workspace.execute(
        &plain,
        "CREATE TABLE __diesel_schema_migrations (version varchar(50) PRIMARY KEY, run_on timestamp NOT NULL DEFAULT now());
         INSERT INTO __diesel_schema_migrations (version) VALUES ('20260101000000');
         CREATE TABLE arc_items (id bigint PRIMARY KEY)",
    );
    workspace.set("ARC_DATABASE_URL", &workspace.url(&plain));
    workspace
        .db("migrate arc")
        .exits(6)
        .says("db baseline arc --claim-only");
    workspace.db("baseline arc --claim-only").exits(0);
    workspace
        .db("migrate arc")
        .exits(0)
        .says("applied 1 migration");
}

#[test]
fn identity_needs_no_privilege_and_no_address() {
    let mut workspace = Workspace::with(&["arc", "cv"]);
    let shared = format!("{}_shared", workspace.database("any"));
    workspace.create_database(&shared);
    workspace.execute(
        &shared,
        "REVOKE EXECUTE ON FUNCTION pg_control_system() FROM PUBLIC",
    );
    let role = workspace.database("plain_role");
    workspace.execute(
        "postgres",
        &format!("CREATE ROLE {role} LOGIN PASSWORD 'x'"),
    );
    workspace.execute(
        &shared,
        &format!("GRANT ALL ON SCHEMA public TO {role}; GRANT ALL ON DATABASE {shared} TO {role}"),
    );
    let url = workspace.url(&shared);
    let (_, place) = url.split_once('@').unwrap();
    workspace.set("ARC_DATABASE_URL", &url.replace("127.0.0.1", "localhost"));
    workspace.set("CV_DATABASE_URL", &format!("postgres://{role}:x@{place}"));
    workspace
        .db("migrate")
        .exits(6)
        .says("one physical database");
    assert_eq!(workspace.value(&shared, WRITTEN), "0");
    workspace.execute("postgres", &format!("DROP DATABASE {shared} WITH (FORCE)"));
    workspace.execute("postgres", &format!("DROP ROLE {role}"));
}

#[test]
fn another_service_on_an_owned_database_stops_its_owner_too() {
    let mut workspace = Workspace::with(&["arc", "cv"]);
    // A name that no service declares.
    let shared = format!("{}_shared", workspace.database("any"));
    workspace.create_database(&shared);
    let url = workspace.url(&shared);
    workspace.set("ARC_DATABASE_URL", &url);
    workspace.db("migrate arc").exits(0);
    let applied = workspace.applied(&shared);
    workspace.migration(
        "arc",
        "2026-01-03-000000_more",
        "CREATE TABLE more ();",
        "DROP TABLE more;",
    );
    // That the ledger names an owner is not enough, and who asks may not know the server's identifier.
    let role = workspace.database("reader");
    workspace.execute(
        &shared,
        &format!(
            "REVOKE EXECUTE ON FUNCTION pg_control_system() FROM PUBLIC;
             CREATE ROLE {role} LOGIN PASSWORD 'x'; GRANT USAGE ON SCHEMA db_ledger TO {role};
             GRANT SELECT ON ALL TABLES IN SCHEMA public, db_ledger TO {role}"
        ),
    );
    let (_, place) = url.split_once('@').unwrap();
    workspace.set("CV_DATABASE_URL", &format!("postgres://{role}:x@{place}"));
    workspace
        .db("migrate")
        .exits(6)
        .says("one physical database");
    assert_eq!(workspace.applied(&shared), applied);
    workspace.execute("postgres", &format!("DROP DATABASE {shared} WITH (FORCE)"));
    workspace.execute("postgres", &format!("DROP ROLE {role}"));
}

#[test]
fn the_servers_own_database_is_nobodys() {
    let mut workspace = Workspace::with(&["arc"]);
    let url = workspace.get("ARC_DATABASE_URL");
    let (server, _) = url.rsplit_once('/').unwrap();
    for database in ["postgres", "template1"] {
        workspace.set("ARC_DATABASE_URL", &format!("{server}/{database}"));
        for command in ["create", "migrate", "baseline arc"] {
            workspace
                .db(command)
                .exits(6)
                .says("which is the server's own database");
        }
    }
}

/// The tables are those of the extension, which takes minutes to build; `cargo xtask ci citus` runs on a real cluster.
#[test]
fn a_worker_of_a_citus_cluster_is_refused_by_name() {
    let workspace = Workspace::with(&["arc"]);
    let arc = workspace.database("arc");
    workspace.create_database(&arc);
    let group = |number: u32| {
        let sql = format!(
            "SET allow_system_table_mods = on; DROP TABLE IF EXISTS pg_catalog.pg_dist_local_group;
             CREATE TABLE pg_catalog.pg_dist_local_group AS SELECT {number} AS groupid;
             CREATE TABLE IF NOT EXISTS pg_catalog.pg_dist_node AS
                 SELECT 0 AS groupid, 'coordinator.example'::text AS nodename, 5432 AS nodeport"
        );
        workspace.execute(&arc, &sql);
    };
    group(1);
    for command in ["create", "migrate", "baseline arc", "status --exit-code"] {
        let run = workspace.db(command);
        let run = run.says("is a worker of a Citus cluster; migrations run on its coordinator, coordinator.example:5432");
        if command.starts_with("status") {
            run.exits(1);
        } else {
            run.exits(6)
                .says("set ARC_DATABASE_URL to the URL of the coordinator");
        }
        assert_eq!(workspace.tables(&arc), "");
    }
    group(0);
    workspace.db("migrate").exits(0);
}

#[test]
fn what_another_run_applied_from_other_files_while_the_lock_was_waited_for_is_an_edit() {
    let workspace = Workspace::with(&["arc"]);
    let arc = workspace.database("arc");
    workspace.db("create").exits(0);
    workspace.db("migrate --to 2026-01-01-000000").exits(0);
    let others = "UPDATE db_ledger.run SET checksum = repeat('0', 64)";
    workspace
        .db_while_changed("migrate", "arc", others)
        .exits(6)
        .says("were edited after they were applied");
    assert_eq!(workspace.applied(&arc), "20260101000000");
}

#[test]
fn an_edit_right_after_an_accepted_one_is_refused() {
    let workspace = Workspace::with(&["arc"]);
    let up = "services/arc/migrations/2026-01-01-000000_create/up.sql";
    workspace.db("create").exits(0);
    workspace.db("migrate").exits(0);
    workspace.write(
        up,
        "CREATE TABLE arc_items (id bigint PRIMARY KEY, added text);",
    );
    workspace.db("migrate --accept-edited").exits(0);
    workspace.write(
        up,
        "CREATE TABLE arc_items (id bigint PRIMARY KEY, twice text);",
    );
    workspace
        .db("migrate")
        .exits(6)
        .says("were edited after they were applied");
}

#[test]
fn a_pooler_in_session_mode_is_let_through() {
    let mut workspace = Workspace::with(&["arc"]);
    workspace.db("create").exits(0);
    let pooler = Pooler::of_sessions(&workspace.get("ARC_DATABASE_URL"));
    workspace.set("ARC_DATABASE_URL", &pooler.url);
    workspace
        .db("migrate")
        .exits(0)
        .says("applied 2 migrations");
}

#[test]
fn one_name_on_two_servers_is_two_databases() {
    let mut workspace = Workspace::with(&["arc", "cv"]);
    let elsewhere = local_postgres::Server::for_tests("elsewhere").unwrap();
    let name = workspace.database("both");
    let here = workspace.url(&name);
    workspace.set("ARC_DATABASE_URL", &here);
    workspace.set("CV_DATABASE_URL", &elsewhere.url(&name));
    let runs = ["create", "migrate"].map(|verb| workspace.db(verb));
    let tables = workspace.tables(&name);
    let mut admin =
        <diesel::PgConnection as diesel::Connection>::establish(&elsewhere.url("postgres"))
            .unwrap();
    diesel::connection::SimpleConnection::batch_execute(
        &mut admin,
        &format!("DROP DATABASE IF EXISTS \"{name}\" WITH (FORCE)"),
    )
    .unwrap();
    for run in runs {
        run.exits(0);
    }
    assert_eq!(tables, "arc_items");
}
