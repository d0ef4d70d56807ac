//! `test`, on real services.

use std::process::Command;

use super::repository::Repository;
use crate::support::{Run, repository};

#[test]
fn names_and_versions_that_are_not_there() {
    let repository = Repository::new();
    repository
        .run("test crv")
        .exits(2)
        .says("unknown service `crv`")
        .says("ai, arc, cv, user");
    repository
        .run("test --postgres 17")
        .exits(2)
        .says("this workspace does not support PostgreSQL 17")
        .says("names 15, 18");
    repository.edit(
        "services/cv/Cargo.toml",
        "name = \"cv_db\"",
        "name = \"cv_db\"\npostgres = [\"18\"]",
    );
    repository
        .run("test cv --postgres 15")
        .exits(2)
        .says("service `cv` does not support PostgreSQL 15")
        .says("[package.metadata.db] of its Cargo.toml names 18");
    repository.commit();
    repository.git(&["branch", "--force", "main"]);
    let run = repository
        .run("test --changed main")
        .exits(0)
        .says("nothing to test");
    run.does_not_say("passed");
}

/// A repository in which the tests of `cv` fail on PostgreSQL 15 alone, as for a migration that only 15 refuses.
fn with_tests() -> Repository {
    let repository = Repository::new();
    let test = |name: &str, body: &str| {
        let text = format!("//! It.\n#[test]\nfn {name}() {{ {body} }}\n");
        repository.write(&format!("services/{name}/tests/it.rs"), &text);
    };
    test("arc", "");
    test(
        "cv",
        "let version = std::env::var(\"LOCAL_POSTGRES_VERSION\"); assert_ne!(version.as_deref(), Ok(\"15\"), \"no function uuidv7\")",
    );
    // Cargo writes its own.
    repository.remove("Cargo.lock");
    repository
}

/// Holds the columns of a service's row, without the times, against what is expected.
#[track_caller]
fn row(stdout: &str, service: &str, expected: &[&str]) {
    let line = stdout
        .lines()
        .find(|line| line.starts_with(&format!("{service} ")));
    let line = line.unwrap_or_else(|| panic!("no row {service}: {stdout}"));
    let cells: Vec<_> = line
        .split("  ")
        .map(str::trim)
        .filter(|cell| !cell.is_empty())
        .collect();
    let cells: Vec<_> = cells[1..]
        .iter()
        .map(|cell| cell.split(", 0.").next().unwrap())
        .collect();
    assert_eq!(cells, expected, "{stdout}");
}

#[test]
fn what_fails_on_one_version_fails_there_alone_and_the_table_says_so() {
    let without_nextest = format!("{}:/usr/bin:/bin", cargo_folder());
    let path = std::env::var("PATH").unwrap();
    for path in [&path, &without_nextest] {
        let repository = with_tests();
        let run = |line: &str| repository.run_with(line, &[("PATH", path)]);
        let all = run("test arc cv --postgres all").exits(1);
        row(&all.stdout, "arc", &["1 passed", "1 passed"]);
        row(&all.stdout, "cv", &["1 FAILED, 0 passed", "1 passed"]);
        assert!(
            all.stdout.contains("3 tests passed, 1 failed in "),
            "{}",
            all.stdout
        );
        // Once, in full.
        assert_eq!(
            all.stderr.matches("no function uuidv7").count(),
            1,
            "{}",
            all.stderr
        );
        assert!(
            all.stderr.contains(" cv on PostgreSQL 15 ----"),
            "{}",
            all.stderr
        );
        run("test arc cv --postgres 18").exits(0);
        run("test cv --postgres 15").exits(1);
        run("test cv").exits(0).says("1 tests passed");
        run("test cv --postgres 15 -- --skip cv").exits(0);
        repository.write("services/cv/src/lib.rs", "fn\n");
        run("test arc cv --postgres all")
            .exits(1)
            .does_not_say("passed");
    }
}

fn cargo_folder() -> String {
    let cargo = std::env::var("CARGO").unwrap();
    cargo.rsplit_once('/').unwrap().0.to_owned()
}

#[test]
fn a_version_that_can_not_be_had_says_how_to_get_it_and_is_never_called_passed() {
    let run = |line: &str| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_xtask"));
        command.args(line.split(' ')).current_dir(repository());
        command
            .env("LOCAL_POSTGRES_PROVIDER", "native")
            .env("LOCAL_POSTGRES_BIN_16", "/nowhere");
        Run::of(&mut command, line)
    };
    let how = "PostgreSQL 16: failed to use LOCAL_POSTGRES_BIN_16: `/nowhere` has no initdb and postgres; set it to a folder";
    run("test ai --postgres 16")
        .exits(2)
        .says("failed to get every PostgreSQL")
        .says(how)
        .says("--skip-missing goes on without")
        .does_not_say("passed");
    run("test ai --postgres 16 --skip-missing")
        .exits(2)
        .says(&format!("skipped {how}"))
        .says("nothing was tested")
        .does_not_say("passed");
}
