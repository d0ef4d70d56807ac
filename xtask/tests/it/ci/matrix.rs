//! The matrix as a workflow takes it.

use serde_json::json;

use super::repository::Repository;

#[test]
fn every_service_on_every_version_that_it_may_meet() {
    let repository = Repository::new();
    let entry = |service: &str, postgres: &str| json!({"service": service, "postgres": postgres});
    let expected = json!({"include": [
        // Without a database: once.
        entry("ai", "18"),
        entry("arc", "15"), entry("arc", "18"),
        entry("cv", "15"), entry("cv", "18"),
        entry("user", "15"), entry("user", "18"),
    ]});
    assert_eq!(repository.matrix(""), expected);
    assert_eq!(repository.matrix("--format json --by service"), expected);
    // One line: an output of a workflow's step.
    assert_eq!(repository.run("matrix").exits(0).stdout.lines().count(), 1);
}

#[test]
fn a_service_that_names_fewer() {
    let repository = Repository::new();
    repository.edit(
        "services/cv/Cargo.toml",
        "name = \"cv_db\"",
        "name = \"cv_db\"\npostgres = [\"18\"]",
    );
    let expected = json!({"include": [
        {"postgres": "15", "services": ["arc", "user"]},
        {"postgres": "18", "services": ["ai", "arc", "cv", "user"]},
    ]});
    assert_eq!(repository.matrix("--by postgres"), expected);
    let table = "SERVICE  15    18\nai       -     test\narc      test  test\ncv       -     test\nuser     test  test\n";
    assert_eq!(
        repository.run("matrix --format table").exits(0).stdout,
        table
    );
    repository.edit(
        "Cargo.toml",
        "postgres = [\"15\", \"18\"]",
        "postgres = \"18\"",
    );
    let only = json!({"include": [{"postgres": "18", "services": ["ai", "arc", "cv", "user"]}]});
    assert_eq!(repository.matrix("--by postgres"), only);
}

#[test]
fn the_tools_meet_the_oldest_and_the_newest() {
    let repository = Repository::new();
    repository.edit("Cargo.toml", "[\"15\", \"18\"]", "[\"9\", \"18\", \"16\"]");
    let packages = ["money", "other", "workspace-db", "xtask"];
    let expected = json!({"include": [
        {"postgres": "9", "services": packages},
        {"postgres": "18", "services": packages},
    ]});
    assert_eq!(repository.matrix("--tools --by postgres"), expected);
}

#[test]
fn an_output_of_a_step_and_its_summary() {
    let repository = Repository::new();
    repository
        .run("matrix --output services")
        .exits(2)
        .says("GITHUB_OUTPUT is not set");
    let (output, summary) = (repository.path("output"), repository.path("summary"));
    let variables = [
        ("GITHUB_OUTPUT", output.to_str().unwrap()),
        ("GITHUB_STEP_SUMMARY", summary.to_str().unwrap()),
    ];
    let run = repository
        .run_with("matrix --by postgres --output services", &variables)
        .exits(0);
    assert_eq!(
        repository.read("output"),
        format!("services={}", run.stdout)
    );
    let summary = repository.read("summary");
    assert!(
        summary.contains("| SERVICE | 15 | 18 |\n|---|---|---|\n| ai | - | test |\n"),
        "{summary}"
    );
}

#[test]
fn faults_in_the_settings_are_told_as_db_does() {
    let repository = Repository::new();
    repository.package("services/mail", "");
    repository
        .run("matrix")
        .exits(2)
        .says("service `mail` does not say whether it has a database")
        .says("db = false");
}

/// The first command of docs/ci.md.
#[test]
fn of_a_branch_as_the_document_has_it() {
    let line = "matrix --changed origin/main";
    let document = std::fs::read_to_string(crate::support::repository().join("docs/ci.md"));
    assert!(
        document
            .unwrap()
            .contains(&format!("$ cargo xtask {line} "))
    );
    let repository = Repository::new();
    repository.git(&["update-ref", "refs/remotes/origin/main", "main"]);
    repository.append("services/cv/src/lib.rs", "// New.\n");
    repository.run(line).exits(0).says("cv").does_not_say("arc");
}
