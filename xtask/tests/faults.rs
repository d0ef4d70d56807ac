//! Rounds of faults, which `cargo xtask faults` builds and runs: ROUNDS, SEED and the kinds.

#[path = "it/support/mod.rs"]
#[allow(dead_code, unreachable_pub, unused_imports)]
mod support;

#[path = "it/faults/mod.rs"]
#[allow(dead_code, unreachable_pub)]
mod faults;

use std::process::ExitCode;

use faults::{KINDS, Kind, Tally};

fn main() -> ExitCode {
    let mut arguments = std::env::args().skip(1);
    let mut number = || arguments.next().and_then(|text| text.parse::<u64>().ok());
    let (Some(rounds), Some(seed)) = (number(), number()) else {
        for Kind { name, what, .. } in KINDS {
            println!("{name:<13} {what}");
        }
        return ExitCode::SUCCESS;
    };
    let names: Vec<_> = arguments.collect();
    let mut kinds = Vec::new();
    for name in &names {
        let Some(kind) = Kind::named(name) else {
            eprintln!(
                "error: unknown kind `{name}`\n  help: to see them: cargo xtask faults --list"
            );
            return ExitCode::from(2);
        };
        kinds.push(kind);
    }
    if kinds.is_empty() {
        kinds.extend(&KINDS);
    }
    run(&kinds, rounds, seed)
}

/// Runs the kinds, a line for each, until a round fails; then the table.
fn run(kinds: &[&Kind], rounds: u64, seed: u64) -> ExitCode {
    // Much of a round is waiting.
    let at_once = 2 * std::thread::available_parallelism().map_or(1, usize::from);
    let mut rows = vec![["KIND", "ROUNDS", "HIT", "SECONDS", "SEEDS"].map(str::to_owned)];
    let mut code = ExitCode::SUCCESS;
    for kind in kinds {
        eprintln!("== {}: {}", kind.name, kind.what);
        let at_once = at_once.min(usize::try_from(rounds).unwrap_or(at_once));
        let row = match kind.run(seed, rounds, at_once) {
            Ok(tally) => {
                if let Some(seed) = tally.failed {
                    code = ExitCode::from(1);
                    eprintln!(
                        "\n{} failed; to replay it: {}",
                        kind.name,
                        replay(kind, seed)
                    );
                }
                row(kind, seed, rounds, &tally)
            }
            Err(reason) => {
                eprintln!("{} LEFT OUT: {reason}", kind.name);
                [kind.name, "LEFT OUT", "", "", ""].map(str::to_owned)
            }
        };
        eprintln!("{}", row.join("  ").trim_end());
        rows.push(row);
        if code != ExitCode::SUCCESS {
            break;
        }
    }
    println!();
    for [kind, rounds, hit, seconds, seeds] in rows {
        println!("{kind:<13} {rounds:>8} {hit:>5} {seconds:>8}  {seeds}");
    }
    code
}

fn row(kind: &Kind, seed: u64, rounds: u64, tally: &Tally) -> [String; 5] {
    [
        kind.name.to_owned(),
        tally.rounds.to_string(),
        tally.hit.to_string(),
        tally.time.as_secs().to_string(),
        format!("{seed}..{}", seed + rounds - 1),
    ]
}

/// The same round once more. What depends on time may not come again at the first try.
fn replay(kind: &Kind, seed: u64) -> String {
    let postgres = match std::env::var("LOCAL_POSTGRES_VERSION") {
        Ok(version) => format!(" --postgres {version}"),
        Err(_) => String::new(),
    };
    format!(
        "cargo xtask faults {} --rounds 1 --seed {seed}{postgres}",
        kind.name
    )
}
