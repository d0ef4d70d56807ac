use std::process::Command;

/// Names of everything that package is built with, tests and build scripts included.
fn dependencies(package: &str) -> Vec<String> {
    let output = Command::new(env!("CARGO"))
        .args(["tree", "--package", package, "--edges", "all"])
        .args(["--target", "all", "--prefix", "none", "--format", "{p}"])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .unwrap();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let tree = String::from_utf8(output.stdout).unwrap();
    let names = tree.lines().filter_map(|line| line.split(' ').next());
    names.map(str::to_owned).collect()
}

fn database_crates(package: &str) -> Vec<String> {
    let mut names = dependencies(package);
    assert_eq!(names[0], package);
    names.retain(|name| name.starts_with("diesel") || name.starts_with("pq-"));
    names
}

#[test]
fn a_stateless_service_has_no_diesel() {
    assert_eq!(database_crates("ai"), [""; 0]);
}

#[test]
fn diesel_would_be_found_in_a_service_that_has_it() {
    assert!(database_crates("arc").contains(&"diesel".to_owned()));
}
