//! Names are names: whatever they look like in SQL.

use crate::scripts::psql;
use crate::support::{
    PgPrograms, Run, Workspace, adopting, encoded, findings, only, quoted, variable,
};

/// What ends quotes, lines, comments and bodies, begins options or connection strings, or has the 63 bytes that the server keeps.
const HOSTILE: [&str; 13] = [
    "a\"b",
    "a'b",
    "a\\b",
    " a b ",
    "a\nb'\\c\rd",
    "host=nowhere",
    "postgres://nowhere/",
    "é\u{1f680}",
    "a--b",
    "$$a$$",
    "-a",
    "%s {} ${HOME} `a`; DROP",
    "long_names_have_sixty_three_bytes_and_the_server_cuts_the_others",
];

#[test]
fn hyphens_reserved_words_and_quotes_are_names_like_any_other() {
    let mut workspace = Workspace::empty();
    let weird = format!("{} weird \"name", workspace.database(""));
    for (service, database) in [
        ("my-service", workspace.database("my-service")),
        ("order", workspace.database("order")),
        ("user", workspace.database("user")),
        ("odd", weird.clone()),
    ] {
        workspace.add(service, &database);
        workspace.migration(service, "1_a", "CREATE TABLE a ();", "DROP TABLE a;");
        workspace.migration(service, "2_b", "CREATE TABLE b ();", "DROP TABLE b;");
    }
    workspace.db("create").exits(0);
    workspace.db("migrate").exits(0);
    let redo = format!(
        "redo my-service -n 2 --yes {}",
        workspace.database("my-service")
    );
    workspace.db(&redo).exits(0);
    workspace.db("revert order").exits(0);
    workspace
        .db("status --exit-code")
        .exits(1)
        .says("order")
        .says("pending: 2");
    workspace.db("migrate order").exits(0);
    workspace.db("status --exit-code").exits(0);
    assert_eq!(workspace.tables(&weird), "a b");
    let script = workspace.db("create odd --sql").exits(0).stdout;
    assert!(script.contains("weird \"\"name\""), "{script}");
}

#[test]
fn forty_services_work_at_once_with_bounded_connections() {
    let names: Vec<String> = (0..40).map(|number| format!("s{number}")).collect();
    let workspace = Workspace::with(&names.iter().map(String::as_str).collect::<Vec<_>>());
    workspace.db("create").exits(0);
    let run = workspace.db("migrate --jobs 4").exits(0);
    assert_eq!(run.stdout.matches("applied 2 migrations").count(), 40);
    let status: serde_json::Value =
        serde_json::from_str(&workspace.db("status --json").exits(0).stdout).unwrap();
    let services = status["services"].as_array().unwrap();
    assert_eq!(services.len(), 40);
    assert!(services.iter().all(|service| service["applied"] == 2));
    workspace.db("migrate --jobs 0").exits(2);
}

/// At most the 63 bytes that the server keeps, and of this test.
fn of_this_test(hostile: &str, own: &str) -> String {
    let mut name = hostile.to_owned();
    while name.len() + own.len() > 63 {
        name.pop();
    }
    name + own
}

#[test]
fn a_database_may_have_any_name() {
    let mut workspace = Workspace::empty();
    let own = workspace.database("");
    let mut names = Vec::new();
    for (number, hostile) in HOSTILE.iter().enumerate() {
        let (service, name) = (format!("s{number}"), of_this_test(hostile, &own));
        workspace.add(&service, &name);
        workspace.migration(&service, "1_a", "CREATE TABLE a ();", "DROP TABLE a;");
        names.push((service, name));
    }
    for line in [
        "create",
        "migrate",
        "backup",
        "protect s0",
        "protect s0 --off",
        "status --exit-code",
    ] {
        workspace.db(line).exits(0);
    }
    let script = workspace.db("create --sql").exits(0).stdout;
    psql(&workspace, &workspace.admin_url(), &script, "UTF8").exits(0);
    for (service, name) in &names {
        assert_eq!(workspace.tables(name), "a", "{name:?}");
        let command = [
            "db",
            "psql",
            service,
            "--",
            "-XAtc",
            "SELECT current_database()",
        ];
        let opened = Run::of(&mut workspace.command(&command), "psql").exits(0);
        assert_eq!(opened.stdout.trim_end_matches('\n'), name);
        let name_said = format!("--yes={name}");
        let mut drop = workspace.command(&["db", "drop", service, &name_said]);
        Run::of(&mut drop, "drop").exits(0);
        assert!(!workspace.exists(name), "{name:?}");
    }
}

#[test]
fn a_role_may_have_any_name() {
    let mut workspace = Workspace::empty();
    let own = workspace.database("");
    let mut roles = Vec::new();
    for (number, hostile) in HOSTILE.iter().enumerate() {
        let (service, role) = (format!("s{number}"), of_this_test(hostile, &own));
        let database = workspace.database(&service);
        workspace.add(&service, &database);
        workspace.migration(&service, "1_a", "CREATE TABLE a ();", "DROP TABLE a;");
        let url = workspace.get(&variable(&service));
        let place = url.rsplit_once('@').unwrap().1.to_owned();
        workspace.set(
            &variable(&service),
            &format!("postgres://{}:x@{place}", encoded(&role)),
        );
        let create = format!("CREATE ROLE {} LOGIN PASSWORD 'x'", quoted(&role));
        workspace.execute("postgres", &create);
        roles.push((service, database, role));
    }
    // The administrator's script gives each its database.
    workspace.db("create").exits(4);
    let script = workspace.db("create --sql").exits(0).stdout;
    psql(&workspace, &workspace.admin_url(), &script, "UTF8").exits(0);
    for line in ["migrate", "backup", "status --exit-code"] {
        workspace.db(line).exits(0);
    }
    for (service, database, role) in &roles {
        let owner = "SELECT tableowner FROM pg_tables WHERE tablename = 'a'";
        assert_eq!(workspace.value(database, owner), *role);
        let script = workspace.db(&format!("migrate {service} --sql"));
        psql(
            &workspace,
            &workspace.url(database),
            &script.exits(0).stdout,
            "UTF8",
        )
        .exits(0);
        workspace.execute_each(&[
            format!("DROP DATABASE {} WITH (FORCE)", quoted(database)),
            format!("DROP ROLE {}", quoted(role)),
        ]);
    }
}

#[test]
fn what_is_in_a_database_may_have_any_name() {
    let workspace = adopting(&["arc"]);
    let programs = PgPrograms::new(&workspace);
    let arc = workspace.database("arc");
    let (mut up, mut down) = (String::new(), String::new());
    for name in HOSTILE {
        let name = quoted(name);
        up += &format!(
            "CREATE SCHEMA {name};
             CREATE TYPE {name}.{name} AS ENUM ('x');
             CREATE TABLE {name}.t ({name} int CONSTRAINT {name} CHECK ({name} > 0), of {name}.{name});
             CREATE INDEX {name} ON {name}.t ({name});
             CREATE FUNCTION {name}.{name}() RETURNS int LANGUAGE sql AS 'SELECT 1';\n"
        );
        down += &format!("DROP SCHEMA {name} CASCADE;\n");
    }
    workspace.migration("arc", "2026-01-03-000000_hostile", &up, &down);
    workspace.db("create").exits(0);
    workspace.db("migrate").exits(0);
    workspace.db("status --exit-code").exits(0);
    assert_eq!(findings(&workspace, "check --live"), []);
    workspace.execute(&arc, "DROP INDEX \"a'b\".\"a'b\"");
    let (check, _, _, message) = only(&workspace, "check --live");
    assert_eq!(check, "live-drift");
    assert!(message.contains("a'b"), "{message}");
    let before = programs.dump(&workspace.url(&arc), &[]);
    workspace.db("backup arc").exits(0);
    let backups = workspace.list("backups/arc");
    workspace.db(&format!("drop arc --yes {arc}")).exits(0);
    workspace
        .db(&format!("restore arc {}", backups[0]))
        .exits(0);
    assert_eq!(programs.dump(&workspace.url(&arc), &[]), before);
    workspace.db("revert arc").exits(0);
}
