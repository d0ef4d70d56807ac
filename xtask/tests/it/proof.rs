//! What is promised, and the faults that tests have to notice: the tests that they name are there.

use std::process::Command;

use crate::support::{Run, repository};

/// Whether a test of this program is there, such as `ci::mutants::it_runs`, or, after `db::`, a unit test of `xtask/db/src`.
pub(crate) fn exists(test: &str) -> bool {
    let (module, name) = test.rsplit_once("::").unwrap_or_default();
    let file = match module.strip_prefix("db::") {
        Some(module) => format!("xtask/db/src/{}", module.trim_end_matches("::tests")),
        None => format!("xtask/tests/it/{module}"),
    };
    let file = file.replace("::", "/");
    let mut files = [format!("{file}.rs"), format!("{file}/mod.rs")].into_iter();
    let source = files.find_map(|file| std::fs::read_to_string(repository().join(file)).ok());
    let source = source.unwrap_or_default();
    let (before, _) = source
        .split_once(&format!("fn {name}() {{\n"))
        .unwrap_or_default();
    let attributes = before.rsplit("\n\n").next().unwrap_or_default();
    attributes.contains("#[test]")
}

#[test]
fn every_planted_fault_applies_and_names_tests_that_are_there() {
    let folder = repository().join("xtask/db/tests/mutants");
    let mut number = 0;
    for entry in std::fs::read_dir(folder).unwrap().flatten() {
        let path = entry.path();
        if path.extension() != Some("patch".as_ref()) {
            continue;
        }
        number += 1;
        let mut apply = Command::new("git");
        apply.args(["apply", "--check"]).arg(&path);
        let line = format!("git apply --check {}", path.display());
        Run::of(apply.current_dir(repository()), &line).exits(0);
        let text = std::fs::read_to_string(&path).unwrap();
        let tests = text.lines().find_map(|line| line.strip_prefix("tests: "));
        for test in tests.unwrap().split_whitespace() {
            assert!(exists(test), "{}: no test {test}", path.display());
        }
    }
    assert!(number > 30, "{number}");
}

#[test]
fn every_promise_names_tests_that_are_there() {
    let text = std::fs::read_to_string(repository().join("docs/reliability.md")).unwrap();
    let mut number = 0;
    let is_row = |line: &&str| line.starts_with("| ") && !line.contains(" | tests |");
    for row in text.lines().filter(is_row) {
        let cells: Vec<_> = row.trim_matches('|').split(" | ").collect();
        let tests: Vec<_> = cells[1].split('`').skip(1).step_by(2).collect();
        assert!(!tests.is_empty(), "no test holds this: {row}");
        for test in tests {
            number += 1;
            assert!(exists(test), "no test {test}: {row}");
        }
    }
    assert!(number > 20, "{number}");
}
