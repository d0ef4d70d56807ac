//! `ci`: every step runs.

use super::repository::Repository;

#[test]
fn a_step_that_fails_does_not_stop_the_others() {
    let repository = Repository::new();
    repository.append("services/cv/src/lib.rs", "#![allow( unused )]\n");
    let run = repository.run("ci format format").exits(1);
    assert_eq!(
        run.stderr
            .matches("== format: cargo fmt --all --check\n")
            .count(),
        2
    );
    assert!(
        run.stderr
            .contains("\n== format failed: cargo fmt --all --check\n"),
        "{}",
        run.stderr
    );
    // As it came, and again at the end.
    assert_eq!(
        run.stderr.matches("#![allow(unused)]").count(),
        4,
        "{}",
        run.stderr
    );
    let rows: Vec<_> = run
        .stdout
        .lines()
        .filter(|line| line.starts_with("format  FAILED"))
        .collect();
    assert_eq!(rows.len(), 2, "{}", run.stdout);
    repository.edit(
        "services/cv/src/lib.rs",
        "#![allow( unused )]",
        "#![allow(unused)]",
    );
    let run = repository.run("ci format").exits(0);
    assert!(run.stdout.contains("format  passed"), "{}", run.stdout);
}

#[test]
fn the_steps_are_listed_and_named() {
    let repository = Repository::new();
    let list = repository.run("ci --list").exits(0).stdout;
    for step in [
        "format ",
        "lints ",
        "documentation ",
        "examples ",
        "licences ",
        "db-check ",
        "tests ",
    ] {
        assert!(
            list.lines().any(|line| line.starts_with(step)),
            "{step}: {list}"
        );
    }
    repository
        .run("ci form")
        .exits(2)
        .says("unknown step `form`")
        .says("the steps are format, lints");
}
