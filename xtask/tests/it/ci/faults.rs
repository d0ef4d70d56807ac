//! `faults`: what is asked for reaches the rounds, and their exit code is that of the command.

use super::repository::Repository;

const ROUNDS: &str = r#"fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    println!("asked for {:?} on {:?}", arguments, std::env::var("LOCAL_POSTGRES_VERSION"));
    let code = arguments.get(2).map_or(0, |kind| kind.parse().unwrap_or(0));
    std::process::exit(code);
}
"#;

#[test]
fn the_rounds_are_run_as_asked_for_and_their_exit_code_is_told() {
    let repository = Repository::new();
    let target = "[[test]]\nname = \"faults\"\nharness = false\ntest = false\n";
    repository.append("xtask/Cargo.toml", target);
    repository.write("xtask/tests/faults.rs", ROUNDS);
    // Cargo writes its own.
    repository.remove("Cargo.lock");
    repository
        .run("faults cut restart --rounds 7 --seed 40 --postgres 18")
        .exits(0)
        .says("asked for [\"7\", \"40\", \"cut\", \"restart\"] on Ok(\"18\")");
    repository
        .run("faults --list")
        .exits(0)
        .says("asked for [] on Err(NotPresent)");
    // A round that does not hold, and rounds that could not be run.
    repository
        .run("faults 1")
        .exits(1)
        .says("asked for [\"200\", ");
    repository.run("faults 3").exits(2).says("were not run");
    repository.run("faults --rounds 0").exits(2);
}
