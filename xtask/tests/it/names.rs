//! Names are names: whatever they look like in SQL.

use crate::support::Workspace;

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
