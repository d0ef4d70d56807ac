//! `drop`, `reset` and `seed`.

use crate::support::{PgPrograms, Run, Workspace, quoted, variable};

fn with_rows(services: &[&str]) -> Workspace {
    let workspace = Workspace::with(services);
    workspace.db("create").exits(0);
    workspace.db("migrate").exits(0);
    for service in services {
        let rows = format!("INSERT INTO {service}_items VALUES (1, 'mine')");
        workspace.execute(&workspace.database(service), &rows);
    }
    workspace
}

fn dump(workspace: &Workspace, service: &str) -> String {
    let url = workspace.url(&workspace.database(service));
    PgPrograms::new(workspace).dump(&url, &["--create"])
}

#[test]
fn what_is_dropped_comes_back_from_its_backup() {
    let workspace = with_rows(&["arc"]);
    let arc = workspace.database("arc");
    let before = dump(&workspace, "arc");
    // Somebody is connected.
    let _session = workspace.session(&arc);
    workspace
        .db(&format!("drop arc --yes {arc}"))
        .exits(0)
        .says("open connections: 1 of")
        .says("dropped")
        .says("cargo xtask db restore arc ");
    assert!(!workspace.exists(&arc));
    let [backup] = workspace.list("backups/arc").try_into().unwrap();
    workspace
        .db(&format!("drop arc --yes {arc}"))
        .exits(0)
        .says("does not exist");
    workspace.db(&format!("restore arc {backup}")).exits(0);
    assert_eq!(dump(&workspace, "arc"), before);
}

#[test]
fn nothing_is_dropped_that_can_not_be_backed_up_unless_that_is_given_up() {
    let workspace = with_rows(&["arc"]);
    let arc = workspace.database("arc");
    let before = dump(&workspace, "arc");
    let programs = PgPrograms::new(&workspace);
    let folder = programs.instead_of("pg_dump", "echo 'no space left' >&2; exit 1");
    for verb in ["drop", "reset"] {
        let line = format!("{verb} arc --yes {arc}");
        let mut arguments = vec!["db"];
        arguments.extend(line.split_whitespace());
        let mut command = workspace.command(&arguments);
        let path = std::env::var("PATH").unwrap();
        command.env("PATH", format!("{}:{path}", folder.display()));
        command.env_remove("LOCAL_POSTGRES_BIN");
        Run::of(&mut command, &line)
            .exits(4)
            .says("no space left")
            .says("nothing was dropped, because the backup failed")
            .says("--no-backup");
        assert_eq!(dump(&workspace, "arc"), before);
    }
    workspace
        .db("drop arc --no-backup")
        .exits(7)
        .says("no backup is made: its content can't be restored");
    workspace
        .db(&format!("drop arc --no-backup --yes {arc}"))
        .exits(0);
    assert!(!workspace.exists(&arc));
    assert!(workspace.list("backups/arc").is_empty());
    // Without a row there is nothing to back up.
    workspace.db("create").exits(0);
    workspace.db("migrate").exits(0);
    workspace.db(&format!("reset arc --yes {arc}")).exits(0);
    assert!(workspace.list("backups/arc").is_empty());
}

#[test]
fn of_several_databases_all_are_confirmed_before_one_goes() {
    let workspace = with_rows(&["arc", "cv"]);
    let names = ["arc", "cv"].map(|service| workspace.database(service));
    let before = ["arc", "cv"].map(|service| dump(&workspace, service));
    let [arc, cv] = &names;
    workspace
        .db(&format!("reset --yes {arc}"))
        .exits(7)
        .says(&format!("is not the name `{cv}`"));
    workspace
        .db_at_terminal("reset", &format!("{arc}\nno\n"))
        .exits(7);
    assert_eq!(
        ["arc", "cv"].map(|service| dump(&workspace, service)),
        before
    );
    workspace
        .db(&format!("reset --yes {arc} --yes {cv}"))
        .exits(0);
    for (service, name) in [("arc", arc), ("cv", cv)] {
        let rows = format!("SELECT count(*) FROM {service}_items");
        assert_eq!(workspace.value(name, &rows), "0");
        assert_eq!(workspace.list(&format!("backups/{service}")).len(), 1);
    }
    workspace.db("status --exit-code").exits(0);
}

#[test]
fn a_reset_database_is_migrated_seeded_and_as_protected_as_it_was() {
    let workspace = with_rows(&["arc"]);
    let arc = workspace.database("arc");
    workspace.write(
        "services/arc/seeds/1_items.sql",
        "INSERT INTO arc_items VALUES (7, 'seeded') ON CONFLICT DO NOTHING;",
    );
    workspace.db("protect arc").exits(0);
    // Ahead of this checkout, as after a change of branches.
    workspace.remove("services/arc/migrations/2026-01-02-000000_note");
    workspace.migration(
        "arc",
        "2026-01-04-000000_note",
        "ALTER TABLE arc_items ADD COLUMN note text;",
        "ALTER TABLE arc_items DROP COLUMN note;",
    );
    workspace.db("migrate").exits(6);
    // A seed that can't run stops it before anything goes.
    workspace.write("services/arc/seeds/2_more.sql", "COMMIT;");
    workspace
        .db(&format!("reset arc --yes {arc} --force"))
        .exits(4)
        .says("seeds/2_more.sql:1:1");
    assert_eq!(workspace.value(&arc, "SELECT note FROM arc_items"), "mine");
    workspace.remove("services/arc/seeds/2_more.sql");
    workspace
        .db(&format!("reset arc --yes {arc} --force"))
        .exits(0)
        .says("seeded from 1 file");
    assert_eq!(
        workspace.value(&arc, "SELECT note FROM arc_items"),
        "seeded"
    );
    workspace
        .db(&format!("drop arc --yes {arc}"))
        .exits(7)
        .says("which is protected");
    workspace.db("status --exit-code").exits(0);
}

#[test]
fn a_role_that_could_not_create_it_again_does_not_drop_it() {
    let mut workspace = Workspace::with(&["arc"]);
    let (arc, role) = (workspace.database("arc"), workspace.database("role_reset"));
    workspace.execute_each(&[
        format!(
            "CREATE ROLE {} LOGIN NOCREATEDB PASSWORD 'x'",
            quoted(&role)
        ),
        format!("CREATE DATABASE {} OWNER {}", quoted(&arc), quoted(&role)),
    ]);
    let url = workspace.get(&variable("arc"));
    let address = url.rsplit_once('@').unwrap().1;
    workspace.set(&variable("arc"), &format!("postgres://{role}:x@{address}"));
    workspace.db("create").exits(0);
    workspace.db("migrate").exits(0);
    let reset = format!("reset arc --yes {arc}");
    workspace
        .db(&reset)
        .exits(4)
        .says("may not create databases")
        .says("nothing was changed");
    assert_eq!(workspace.tables(&arc), "arc_items");
    workspace.db(&format!("drop arc --yes {arc}")).exits(0);
    workspace.execute("postgres", &format!("DROP ROLE {}", quoted(&role)));
}

#[test]
fn seeds_run_by_name_each_whole_and_again() {
    let workspace = Workspace::with(&["arc", "cv"]);
    let arc = workspace.database("arc");
    workspace.db("create").exits(0);
    let first = "INSERT INTO arc_items VALUES (1, 'first') ON CONFLICT DO NOTHING;";
    workspace.write("services/arc/seeds/10_first.sql", first);
    workspace.write(
        "services/arc/seeds/20_second.sql",
        "SET search_path = nowhere;\nUPDATE public.arc_items SET note = note || '!' WHERE note = 'first';",
    );
    workspace.write("services/arc/seeds/README.md", "not SQL");
    workspace
        .db("seed arc")
        .exits(1)
        .says("2 pending migrations")
        .says("cargo xtask db migrate arc");
    workspace.db("migrate").exits(0);
    for _ in 0..2 {
        workspace
            .db("seed")
            .exits(0)
            .says("seeded from 2 files")
            .says("no seeds");
        assert_eq!(
            workspace.value(&arc, "SELECT note FROM arc_items"),
            "first!"
        );
    }
    workspace.write(
        "services/arc/seeds/30_third.sql",
        "INSERT INTO arc_items VALUES (3, 'third');\nINSERT INTO arc_items\n    VALUES (1, 'again');",
    );
    workspace
        .db("seed arc")
        .exits(4)
        .says("services/arc/seeds/30_third.sql:2:1")
        .says("23505")
        .says("this file was rolled back");
    assert_eq!(workspace.value(&arc, "SELECT count(*) FROM arc_items"), "1");
    workspace.db("history arc").exits(0).does_not_say("seed");
}

#[test]
fn seeds_are_for_local_databases() {
    let mut workspace = with_rows(&["arc"]);
    let arc = workspace.database("arc");
    workspace.write("services/arc/seeds/1.sql", "DELETE FROM arc_items;");
    workspace.db("protect arc").exits(0);
    workspace.db("seed arc").exits(7).says("which is protected");
    workspace.db("protect arc --off").exits(0);
    let url = workspace.get("ARC_DATABASE_URL");
    let place = url.rsplit_once('@').unwrap().1.split_once('/').unwrap().0;
    let (host, port) = place.split_once(':').unwrap();
    let account = url.split_once("://").unwrap().1.rsplit_once('@').unwrap().0;
    let (user, password) = account.split_once(':').unwrap_or((account, ""));
    workspace.write(
        "services.conf",
        &format!("[here]\nhost={host}\nport={port}\n"),
    );
    let file = workspace.path("services.conf");
    workspace.set("PGSERVICEFILE", file.to_str().unwrap());
    workspace.set(
        "ARC_DATABASE_URL",
        &format!("service=here user='{user}' password='{password}' dbname='{arc}'"),
    );
    workspace
        .db("seed arc")
        .exits(7)
        .says("which is not on this machine");
    assert_eq!(workspace.value(&arc, "SELECT note FROM arc_items"), "mine");
    workspace.db("seed arc --force").exits(0);
    assert_eq!(workspace.value(&arc, "SELECT count(*) FROM arc_items"), "0");
}

#[test]
fn a_database_that_is_protected_while_the_lock_is_waited_for_is_left_alone() {
    let workspace = with_rows(&["arc"]);
    let arc = workspace.database("arc");
    workspace.write(
        "services/arc/seeds/1.sql",
        "INSERT INTO arc_items VALUES (77, 'seeded');",
    );
    let protect = "UPDATE db_ledger.owner SET protected = true";
    for line in [
        format!("drop arc --yes {arc} --no-backup"),
        format!("reset arc --yes {arc} --no-backup"),
        "seed arc".to_owned(),
    ] {
        let rows = workspace.value(&arc, "SELECT count(*) FROM arc_items");
        let run = workspace.db_while_changed(&line, "arc", protect);
        run.exits(7).says("protected");
        assert_eq!(
            workspace.value(&arc, "SELECT count(*) FROM arc_items"),
            rows,
            "{line}"
        );
        workspace.db("protect arc --off").exits(0);
    }
}

#[test]
fn one_that_is_refused_keeps_all_of_them() {
    let mut workspace = with_rows(&["arc", "cv"]);
    let names = ["arc", "cv"].map(|service| workspace.database(service));
    let reset = format!("reset --no-backup --yes {} --yes {}", names[0], names[1]);
    for other in ["arc", "cv"] {
        let database = workspace.database(other);
        workspace.execute(&database, "UPDATE db_ledger.owner SET service = 'another'");
        workspace
            .db(&reset)
            .exits(6)
            .says("belongs to service `another`");
        for (service, database) in ["arc", "cv"].iter().zip(&names) {
            let note = format!("SELECT note FROM {service}_items");
            assert_eq!(workspace.value(database, &note), "mine");
        }
        workspace.execute(
            &database,
            &format!("UPDATE db_ledger.owner SET service = '{other}'"),
        );
    }
    // Nor is one that is two services'.
    let shared = format!("{}_shared", workspace.database("any"));
    workspace.create_database(&shared);
    for service in ["arc", "cv"] {
        workspace.set(&variable(service), &workspace.url(&shared));
    }
    workspace
        .db(&format!("reset --no-backup --yes {shared}"))
        .exits(6)
        .says("one physical database");
    let oid = format!("SELECT count(*) FROM pg_database WHERE datname = '{shared}'");
    assert_eq!(workspace.value("postgres", &oid), "1");
}

#[test]
fn a_seed_that_ends_its_transaction_unseen_is_told() {
    let workspace = with_rows(&["arc"]);
    let arc = workspace.database("arc");
    // Where a backslash escapes, the string ends before the COMMIT, which no reading of the file alone tells.
    workspace.execute(
        "postgres",
        &format!("ALTER DATABASE \"{arc}\" SET standard_conforming_strings = off"),
    );
    workspace.write(
        "services/arc/seeds/1.sql",
        r"INSERT INTO arc_items VALUES (5, 'x\''); COMMIT; --');",
    );
    workspace
        .db("seed arc")
        .exits(4)
        .says("ended its own transaction")
        .does_not_say("this file was rolled back");
}
