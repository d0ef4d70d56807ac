//! `db migrate` against loops of `diesel migration run` and `sqlx migrate run`: nothing pending, from empty, a long history.
//!
//!     cargo bench -p xtask --bench migrate [-- FILTER]
//!
//! The commands take turns, so that what slows the machine slows all of them; the median of the rounds is shown, and
//! the ratio to ours. `diesel` and `sqlx` must be on PATH; one that is not is left out and said so.
//!
//! Round trips of ours to the server of one service, after the login (libpq's own 2–4):
//!
//! - nothing pending: 1, the state of a settled database in one read-only string.
//! - something pending, of a database that has its owner: that one; 1 to see through a pooler; 1 for each of the two locks;
//!   1 to prepare the session; 1 for the state once more, now that nobody else can change it; then what the runner needs for
//!   each migration (see `database/runner.rs`).
//! - of a database that nobody owns: the state takes 2 more each time (it is asked which tables there are, then what they
//!   hold), and the claim 4.

#[path = "../tests/it/support/mod.rs"]
#[allow(dead_code, unreachable_pub, unused_imports)]
mod support;

use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use support::{Workspace, variable};

const ROUNDS: usize = 9;
/// As many as crates.io has.
const LONG: usize = 285;

#[derive(Clone, Copy, PartialEq)]
enum Tool {
    Ours,
    Diesel,
    Sqlx,
}

fn main() {
    let mut tools = vec![Tool::Ours];
    for (tool, program) in [(Tool::Diesel, "diesel"), (Tool::Sqlx, "sqlx")] {
        match Command::new(program).arg("--version").output() {
            Ok(version) => {
                println!(
                    "{}",
                    String::from_utf8_lossy(&version.stdout)
                        .lines()
                        .next()
                        .unwrap_or_default()
                );
                tools.push(tool);
            }
            Err(_) => println!("{program} is not on PATH: left out"),
        }
    }
    let filter = std::env::args()
        .skip(1)
        .find(|argument| !argument.starts_with('-'));
    let wanted = |title: &str| {
        filter
            .as_ref()
            .is_none_or(|filter| title.contains(filter.as_str()))
    };
    for (services, migrations) in [(3, 5), (30, 5), (300, 1)] {
        let title = format!("{services} services x {migrations}, nothing pending");
        if wanted(&title) {
            nothing_pending(&title, &tools, &names(services), migrations);
        }
    }
    for (services, migrations) in [(3, 5), (30, 5), (1, LONG)] {
        let title = format!("{services} services x {migrations}, from empty");
        if wanted(&title) {
            from_empty(&title, &tools, &names(services), migrations);
        }
    }
}

fn names(services: usize) -> Vec<String> {
    (0..services).map(|number| format!("s{number}")).collect()
}

fn nothing_pending(title: &str, tools: &[Tool], names: &[String], migrations: usize) {
    // Hundreds of databases of each tool would fill the server's memory; ours are compared with fewer of ours.
    let tools = if names.len() > 100 {
        &tools[..1]
    } else {
        tools
    };
    let workspaces: Vec<_> = tools
        .iter()
        .map(|tool| (*tool, workspace(names, migrations)))
        .collect();
    for (tool, workspace) in &workspaces {
        workspace.db("create").exits(0);
        run(*tool, workspace, names);
    }
    let mut times = vec![Vec::new(); tools.len()];
    for _ in 0..ROUNDS {
        for (index, (tool, workspace)) in workspaces.iter().enumerate() {
            times[index].push(run(*tool, workspace, names));
        }
    }
    show(title, tools, &mut times);
}

fn from_empty(title: &str, tools: &[Tool], names: &[String], migrations: usize) {
    let mut times = vec![Vec::new(); tools.len()];
    for _ in 0..ROUNDS / 3 {
        for (index, tool) in tools.iter().enumerate() {
            let workspace = workspace(names, migrations);
            workspace.db("create").exits(0);
            times[index].push(run(*tool, &workspace, names));
        }
    }
    show(title, tools, &mut times);
}

/// A workspace with the services, its migrations in Diesel's layout and in sqlx's.
fn workspace(names: &[String], migrations: usize) -> Workspace {
    let mut workspace = Workspace::empty();
    for name in names {
        workspace.add(name, &workspace.database(name));
        workspace.write(
            &format!("services/{name}/diesel.toml"),
            "[print_schema]\nfile = \"src/schema.rs\"\n\n[migrations_directory]\ndir = \"migrations\"\n",
        );
        workspace.write(&format!("services/{name}/src/schema.rs"), "");
        for number in 1..=migrations {
            let up = format!(
                "CREATE TABLE table{number} (id bigint PRIMARY KEY, name text NOT NULL);\nCREATE INDEX ON table{number} (name);\n"
            );
            workspace.migration(
                name,
                &format!("{number:04}_step"),
                &up,
                &format!("DROP TABLE table{number};\n"),
            );
            workspace.write(&format!("sqlx/{name}/{number:04}_step.sql"), &up);
        }
    }
    workspace
}

fn run(tool: Tool, workspace: &Workspace, names: &[String]) -> Duration {
    let begin = Instant::now();
    match tool {
        Tool::Ours => finish(&mut workspace.command(&["db", "migrate"])),
        Tool::Diesel => {
            for name in names {
                let mut command = workspace.prepared(Command::new("diesel"), &["migration", "run"]);
                command.current_dir(workspace.path(&format!("services/{name}")));
                finish(command.env("DATABASE_URL", workspace.get(&variable(name))));
            }
        }
        Tool::Sqlx => {
            for name in names {
                let source = format!("sqlx/{name}");
                let mut command = workspace.prepared(
                    Command::new("sqlx"),
                    &["migrate", "run", "--source", &source],
                );
                finish(command.env("DATABASE_URL", workspace.get(&variable(name))));
            }
        }
    }
    begin.elapsed()
}

fn finish(command: &mut Command) {
    let output = command
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .output()
        .expect("failed to run");
    assert!(
        output.status.success(),
        "{command:?}: {}",
        String::from_utf8_lossy(&output.stderr)
    );
}

fn show(title: &str, tools: &[Tool], times: &mut [Vec<Duration>]) {
    println!("\n{title}");
    let medians: Vec<_> = times
        .iter_mut()
        .map(|times| {
            times.sort_unstable();
            times[times.len() / 2].as_secs_f64()
        })
        .collect();
    for (tool, median) in tools.iter().zip(&medians) {
        let name = match tool {
            Tool::Ours => "cargo xtask db migrate",
            Tool::Diesel => "diesel migration run, in a loop",
            Tool::Sqlx => "sqlx migrate run, in a loop",
        };
        println!(
            "  {name:34} {:8.1} ms  {:6.1} x",
            median * 1000.0,
            median / medians[0]
        );
    }
}
