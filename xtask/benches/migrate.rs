//! `db migrate` against loops of `diesel migration run` and `sqlx migrate run`: nothing pending, and from empty.
//!
//!     cargo bench -p xtask --bench migrate
//!
//! The commands take turns, so that what slows the machine slows all of them; the median of the rounds is shown, and
//! the ratio to ours. `diesel` and `sqlx` must be on PATH; one that is not is left out and said so.

#[path = "../tests/it/support/mod.rs"]
#[allow(dead_code, unreachable_pub, unused_imports)]
mod support;

use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use support::{Workspace, variable};

const ROUNDS: usize = 9;
const MIGRATIONS: usize = 5;

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
    for services in [3, 30] {
        let names: Vec<String> = (0..services).map(|number| format!("s{number}")).collect();
        nothing_pending(&tools, &names);
        from_empty(&tools, &names);
    }
}

fn nothing_pending(tools: &[Tool], names: &[String]) {
    let workspaces: Vec<_> = tools.iter().map(|tool| (*tool, workspace(names))).collect();
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
    show(
        &format!("{} services, nothing pending", names.len()),
        tools,
        &mut times,
    );
}

fn from_empty(tools: &[Tool], names: &[String]) {
    let mut times = vec![Vec::new(); tools.len()];
    for _ in 0..ROUNDS / 3 {
        for (index, tool) in tools.iter().enumerate() {
            let workspace = workspace(names);
            workspace.db("create").exits(0);
            times[index].push(run(*tool, &workspace, names));
        }
    }
    show(
        &format!(
            "{} services x {MIGRATIONS} migrations, from empty",
            names.len()
        ),
        tools,
        &mut times,
    );
}

/// A workspace with the services, its migrations in Diesel's layout and in sqlx's.
fn workspace(names: &[String]) -> Workspace {
    let mut workspace = Workspace::empty();
    for name in names {
        workspace.add(name, &workspace.database(name));
        workspace.write(
            &format!("services/{name}/diesel.toml"),
            "[print_schema]\nfile = \"src/schema.rs\"\n\n[migrations_directory]\ndir = \"migrations\"\n",
        );
        workspace.write(&format!("services/{name}/src/schema.rs"), "");
        for number in 1..=MIGRATIONS {
            let up = format!(
                "CREATE TABLE table{number} (id bigint PRIMARY KEY, name text NOT NULL);\nCREATE INDEX ON table{number} (name);\n"
            );
            workspace.migration(
                name,
                &format!("{number}_step"),
                &up,
                &format!("DROP TABLE table{number};\n"),
            );
            workspace.write(&format!("sqlx/{name}/{number}_step.sql"), &up);
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
