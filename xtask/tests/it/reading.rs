//! `status` and `history`: the documented JSON, and that reading writes nothing.

use serde_json::{Value, json};

use crate::support::{Run, Workspace, commands};

#[test]
fn the_json_of_status_is_as_documented() {
    let workspace = Workspace::with(&["arc"]);
    workspace.db("create").exits(0);
    workspace.db("migrate --to 2026-01-01-000000").exits(0);
    let run = workspace.db("status --json").exits(0);
    let status: Value = serde_json::from_str(&run.stdout).unwrap();
    let url = workspace.get("ARC_DATABASE_URL");
    let (user, rest) = url
        .strip_prefix("postgres://")
        .unwrap()
        .split_once(':')
        .unwrap();
    let place = rest.rsplit_once('@').unwrap().1;
    assert_eq!(
        status,
        json!({"services": [{
            "service": "arc",
            "database": workspace.database("arc"),
            "url": format!("postgres://{user}:***@{place}"),
            "origin": "ARC_DATABASE_URL in the environment",
            "owner": "arc",
            "protected": false,
            "current": "20260101000000",
            "applied": 1,
            "pending": ["20260102000000"],
            "unknown": [],
            "edited": [],
            "problems": [],
        }]})
    );
    assert_eq!(
        run.stderr, "",
        "data goes to stdout, and nothing else is to be said"
    );
}

#[test]
fn status_shows_which_database_is_protected() {
    let workspace = Workspace::with(&["arc", "cv", "user"]);
    workspace.db("create arc cv").exits(0);
    workspace.db("protect cv").exits(0);
    let run = workspace.db("status --json").exits(0);
    let status: Value = serde_json::from_str(&run.stdout).unwrap();
    let protected = [0, 1, 2].map(|index| status["services"][index]["protected"].clone());
    // Of a missing database nothing is known.
    assert_eq!(json!(protected), json!([false, true, null]));
    let below = |of: &str| {
        let table = workspace.db("status").exits(0).stdout;
        let (_, below) = table.split_once(&format!("\n{of}: ")).unwrap();
        let lines = below.lines().skip(1);
        let lines: Vec<_> = lines.take_while(|line| line.starts_with(' ')).collect();
        lines.join("\n")
    };
    let said = "protected: destroying its data needs `--force` and its name";
    assert!(below("cv").contains(said), "{}", below("cv"));
    assert!(!below("arc").contains("protected"), "{}", below("arc"));
    workspace.db("protect cv --off").exits(0);
    assert!(!below("cv").contains("protected"), "{}", below("cv"));
}

#[test]
fn the_json_of_history_is_as_documented() {
    let workspace = Workspace::with(&["arc"]);
    workspace.db("create").exits(0);
    workspace.db("migrate").exits(0);
    workspace.db("revert arc").exits(0);
    let history: Value =
        serde_json::from_str(&workspace.db("history arc --json").exits(0).stdout).unwrap();
    let runs = history["runs"].as_array().unwrap();
    let said: Vec<_> = runs
        .iter()
        .map(|run| {
            (
                run["version"].as_str().unwrap(),
                run["direction"].as_str().unwrap(),
            )
        })
        .collect();
    assert_eq!(
        said,
        [
            ("20260101000000", "up"),
            ("20260102000000", "up"),
            ("20260102000000", "down")
        ]
    );
    let mut keys: Vec<_> = runs[0]
        .as_object()
        .unwrap()
        .keys()
        .map(String::as_str)
        .collect();
    keys.sort_unstable();
    assert_eq!(
        keys,
        [
            "checksum",
            "direction",
            "error",
            "finished_at",
            "milliseconds",
            "name",
            "outcome",
            "run_by",
            "started_at",
            "version"
        ]
    );
    assert_eq!(runs[2]["outcome"], "done");
}

#[test]
fn reading_an_empty_database_creates_nothing_in_it() {
    let workspace = Workspace::with(&["arc"]);
    let arc = workspace.database("arc");
    workspace.create_database(&arc);
    let everything = "SELECT concat((SELECT count(*) FROM pg_class), ' ', (SELECT count(*) FROM pg_namespace), ' ', \
                      (SELECT count(*) FROM pg_proc))";
    let before = workspace.value(&arc, everything);
    workspace.db("status").exits(0).says("2 pending");
    workspace.db("status --json --exit-code").exits(1);
    workspace.db("history arc").exits(0).says("nothing was run");
    workspace.db("migrate --dry-run").exits(0);
    workspace.db("migrate --sql").exits(0);
    workspace.db("wait").exits(0);
    assert_eq!(workspace.value(&arc, everything), before);
}

#[test]
fn a_missing_database_is_a_finding() {
    let workspace = Workspace::with(&["arc"]);
    workspace
        .db("status")
        .exits(0)
        .says("the database is missing")
        .says("cargo xtask db create arc");
    workspace.db("status --exit-code").exits(1);
    let status: Value =
        serde_json::from_str(&workspace.db("status --json").exits(0).stdout).unwrap();
    assert_eq!(status["services"][0]["pending"], json!([]));
    assert_eq!(status["services"][0]["current"], Value::Null);
}

#[test]
fn the_json_of_status_leaves_out_no_service_and_knows_what_it_does_not_know() {
    let mut workspace = Workspace::with(&["arc", "cv", "user"]);
    workspace.db("create arc").exits(0);
    workspace.unset("CV_DATABASE_URL");
    workspace.set(
        "USER_DATABASE_URL",
        "postgres://me@127.0.0.1:1/t_user?connect_timeout=2",
    );
    let run = workspace.db("status --json").exits(3);
    let status: Value = serde_json::from_str(&run.stdout).unwrap();
    let service = |index: usize| {
        let of = &status["services"][index];
        ["service", "database", "url", "origin", "applied"].map(|key| of[key].clone())
    };
    assert_eq!(service(0)[4], json!(0));
    let database = workspace.database("cv");
    assert_eq!(json!(service(1)), json!(["cv", database, null, null, null]));
    let problem = &status["services"][1]["problems"][0];
    assert!(
        problem.as_str().unwrap().contains("no database URL"),
        "{problem}"
    );
    let origin = "USER_DATABASE_URL in the environment";
    let url = "postgres://me@127.0.0.1:1/t_user?connect_timeout=2";
    assert_eq!(
        json!(service(2)),
        json!(["user", "t_user", url, origin, null])
    );
    let table = workspace.db("status").exits(3);
    let row = |name: &str| {
        let mut lines = table.stdout.lines();
        let line = lines.find(|line| line.starts_with(name)).unwrap();
        line.split_whitespace()
            .map(str::to_owned)
            .collect::<Vec<_>>()
    };
    assert_eq!(row("cv")[1..5], [database.as_str(), "-", "-", "-"]);
    assert_eq!(row("user")[1..5], ["t_user", "-", "-", "-"]);
}

#[test]
fn output_that_cannot_be_written_is_no_success() {
    let workspace = Workspace::with(&["arc"]);
    for arguments in [vec!["db", "status"], vec!["completions", "bash"]] {
        let full = std::fs::File::options()
            .write(true)
            .open("/dev/full")
            .unwrap();
        let mut command = workspace.command(&arguments);
        Run::of_output(command.stdout(full), &arguments.join(" "))
            .exits(2)
            .says("failed to write to standard output")
            .does_not_say("panicked");
    }
}

#[test]
fn colours_are_for_terminals_and_a_closed_pipe_is_no_error() {
    let mut workspace = Workspace::with(&["arc"]);
    workspace.db("status").exits(0).does_not_say("\u{1b}[");
    workspace.set("CLICOLOR_FORCE", "1");
    workspace.db("status").exits(0).says("\u{1b}[");
    workspace.unset("CLICOLOR_FORCE");
    workspace.set("NO_COLOR", "1");
    workspace.db("status").exits(0).does_not_say("\u{1b}[");
    let mut shell = std::process::Command::new("sh");
    shell
        .arg("-c")
        .arg(format!("{} db status | true", env!("CARGO_BIN_EXE_xtask")));
    Run::of(&mut workspace.prepared(shell, &[]), "status | true")
        .exits(0)
        .does_not_say("panicked");
}

#[test]
fn help_and_completions_know_every_verb() {
    let workspace = Workspace::empty();
    let help = workspace
        .db("--help")
        .exits(0)
        .says("Usage: cargo xtask db")
        .stdout;
    let completions = Run::of(
        &mut workspace.command(&["completions", "bash"]),
        "completions",
    )
    .exits(0)
    .stdout;
    // As a shell does it for `cargo xtask db mig<Tab>`.
    let mut bash = std::process::Command::new("bash");
    bash.arg("-c").arg(
        "source /dev/stdin <<<\"$0\"; COMP_WORDS=(cargo xtask db mig); COMP_CWORD=3; _cargo_xtask cargo mig db; echo \"${COMPREPLY[*]}\"",
    );
    let completed = Run::of(&mut workspace.prepared(bash, &[&completions]), "complete");
    assert_eq!(completed.stdout, "migrate\n", "{completed:?}");
    for verb in [
        "up", "down", "create", "migrate", "revert", "redo", "status", "history", "baseline",
        "wait",
    ] {
        assert!(commands(&help).iter().any(|it| it == verb), "{help}");
        assert!(completions.contains(verb));
    }
    for code in [
        "0 done",
        "1 findings",
        "2 usage",
        "3 cannot connect",
        "4 a migration or another",
        "5 lock",
        "6 refused",
        "7 refused",
    ] {
        assert!(help.replace("\n", " ").contains(code), "{help}");
    }
}
