//! `db check` of one service with ever more migrations, and of three services with a few.
//!
//!     cargo bench -p xtask --bench check
//!
//! Each migration goes up, down and up again, so the time should be that of the migrations: twice as many, twice as
//! long. The median of the rounds is shown, and the ratio to half as many. `CHECK_BENCH_OTHER` may name the `xtask` of
//! another build: the two then take turns, so that what slows the machine slows both.

#[path = "../tests/it/support/mod.rs"]
#[allow(dead_code, unreachable_pub, unused_imports)]
mod support;

use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use local_postgres::Server;
use support::{Workspace, variable};

const ROUNDS: usize = 3;

fn main() {
    let mut programs = vec![PathBuf::from(env!("CARGO_BIN_EXE_xtask"))];
    programs.extend(std::env::var_os("CHECK_BENCH_OTHER").map(PathBuf::from));
    for program in &programs {
        println!("{}", program.display());
    }
    let mut half = None;
    for migrations in [50, 100, 200] {
        let title = format!("one service, {migrations} migrations");
        half = Some(measure(&title, &programs, 1, migrations, half.as_deref()));
    }
    measure("three services, 5 migrations each", &programs, 3, 5, None);
}

/// Shows the seconds of each program, and gives them.
fn measure(
    title: &str,
    programs: &[PathBuf],
    services: usize,
    migrations: usize,
    half: Option<&[f64]>,
) -> Vec<f64> {
    let workspace = workspace(services, migrations);
    let mut times = vec![Vec::new(); programs.len()];
    for _ in 0..ROUNDS {
        for (program, times) in programs.iter().zip(&mut times) {
            times.push(check(&workspace, program));
        }
    }
    println!("{title}");
    let medians = times.iter_mut().map(|times| {
        times.sort_unstable();
        times[times.len() / 2].as_secs_f64()
    });
    let medians: Vec<_> = medians.collect();
    for (index, median) in medians.iter().enumerate() {
        let ratio = half.map(|half| format!("  {:5.2} x half as many", median / half[index]));
        println!("  {median:8.2} s{}", ratio.unwrap_or_default());
    }
    medians
}

fn check(workspace: &Workspace, program: &PathBuf) -> Duration {
    let begin = Instant::now();
    let mut command = workspace.prepared(Command::new(program), &["db", "check", "--json"]);
    let output = command.stdin(Stdio::null()).output().unwrap();
    let time = begin.elapsed();
    let text = String::from_utf8_lossy(&output.stdout);
    // The linter has its own opinion; what needs a server is sound.
    let is_sound = [
        "migration-fails",
        "down-fails",
        "not-undone",
        "not-repeatable",
    ];
    let is_sound = !is_sound.iter().any(|check| text.contains(check));
    assert!(
        is_sound && output.status.code().is_some_and(|code| code < 2),
        "{text}{}",
        String::from_utf8_lossy(&output.stderr)
    );
    time
}

fn workspace(services: usize, migrations: usize) -> Workspace {
    let mut workspace = Workspace::empty();
    for service in (0..services).map(|number| format!("s{number}")) {
        workspace.add(&service, &workspace.database(&service));
        workspace.unset(&variable(&service));
        for number in 0..migrations {
            let (up, down) = migration(&service, number);
            let name = format!("2026-01-01-{number:06}_step");
            workspace.migration(&service, &name, &up, &down);
        }
    }
    let server = Server::for_tests("xtask").unwrap();
    workspace.set("LOCAL_POSTGRES_URL", &server.url("postgres"));
    workspace
}

/// In turn: a table with an index, one that refers to it and to the first, a column and a view, a column renamed.
fn migration(service: &str, number: usize) -> (String, String) {
    let table = |back: usize| format!("{service}_{}", number - back);
    match number % 4 {
        0 => (
            format!(
                "CREATE TABLE {0} (id bigserial PRIMARY KEY, name text NOT NULL DEFAULT 'x', at timestamptz);\nCREATE INDEX ON {0} (name);\n",
                table(0)
            ),
            format!("DROP TABLE {};\n", table(0)),
        ),
        1 => (
            format!(
                "CREATE TABLE {} (id bigint PRIMARY KEY, root bigint REFERENCES {service}_0, parent bigint REFERENCES {}, v int CHECK (v > 0));\n",
                table(0),
                table(1)
            ),
            format!("DROP TABLE {};\n", table(0)),
        ),
        2 => (
            format!(
                "ALTER TABLE {1} ADD COLUMN note text;\nCREATE VIEW {0} AS SELECT id, note FROM {1};\n",
                table(0),
                table(2)
            ),
            format!(
                "DROP VIEW {};\nALTER TABLE {} DROP COLUMN note;\n",
                table(0),
                table(2)
            ),
        ),
        _ => (
            format!("ALTER TABLE {} RENAME COLUMN v TO w;\n", table(2)),
            format!("ALTER TABLE {} RENAME COLUMN w TO v;\n", table(2)),
        ),
    }
}
