//! `db check` of thousands of generated migrations, against what `pg_dump` says of each.
//!
//!     cargo bench -p xtask --bench generated
//!
//! On the server that `LOCAL_POSTGRES_VERSION` chooses. Each batch says which seed makes it again.

#[path = "../tests/it/support/mod.rs"]
#[allow(dead_code, unreachable_pub, unused_imports)]
mod support;

#[path = "../tests/it/generated/mod.rs"]
#[allow(dead_code, unreachable_pub)]
mod generated;

use std::time::{Instant, SystemTime, UNIX_EPOCH};

const BATCHES: u64 = 25;
const ROUNDS: usize = 200;

fn main() {
    let begin = Instant::now();
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    let first = now.as_secs();
    let (mut left_out, mut told) = (0, 0);
    for seed in first..first + BATCHES {
        let (without, found) = generated::compare(seed, ROUNDS, 3);
        println!("seed {seed}: {ROUNDS} migrations, {without} lack a statement, {found} are found");
        left_out += without;
        told += found;
    }
    let seconds = begin.elapsed().as_secs();
    println!(
        "{} migrations, {left_out} lack a statement, {told} are found: none wrong, {seconds} s",
        BATCHES * ROUNDS as u64
    );
}
