//! Completions of `cargo db`, as the shells themselves make them at the end of a line.

use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};

/// A line, and its last word once Tab was pressed: the same where nothing fits.
const LINES: [(&str, &str); 5] = [
    ("db migr", "migrate"),
    ("db migrate a", "arc"),
    ("db migrate arc --to 20260101", "20260101000000"),
    ("db resolve arc 2026-01-01", "2026-01-01-000000_create"),
    ("db up a", "a"),
];

/// A workspace with one service, and the program on the path before all others.
fn shell(name: &str, folder: &Path) -> Option<Command> {
    let mut command = Command::new(name);
    if Command::new(name).arg("--version").output().is_err() {
        eprintln!("{name} is not installed: its completions are not tested");
        return None;
    }
    let migration = folder.join("services/arc/migrations/2026-01-01-000000_create");
    std::fs::create_dir_all(&migration).unwrap();
    for (file, text) in [
        ("Cargo.toml", "[workspace]\nmembers = [\"services/*\"]\n"),
        (
            "services/arc/Cargo.toml",
            "[package]\nname = \"arc\"\n\n[package.metadata.db]\nname = \"arc_db\"\n",
        ),
        (
            "services/arc/diesel.toml",
            "[migrations_directory]\ndir = \"migrations\"\n",
        ),
    ] {
        std::fs::write(folder.join(file), text).unwrap();
    }
    for file in ["up.sql", "down.sql"] {
        std::fs::write(migration.join(file), "SELECT 1;\n").unwrap();
    }
    let program = env!("CARGO_BIN_EXE_cargo-db");
    let script = Command::new(program)
        .args(["completions", name])
        .output()
        .unwrap();
    assert!(script.status.success());
    let script = String::from_utf8(script.stdout).unwrap();
    // Nothing of `cargo xtask` is run, and no placeholder is left.
    let foreign = [
        "_xtask",
        "cargo xtask completions bash --names",
        "@id@",
        "@word@",
        "@line@",
    ];
    let found = foreign.iter().find(|text| script.contains(**text));
    assert_eq!(found, None, "{script}");
    std::fs::write(folder.join("completions"), script).unwrap();
    let programs = Path::new(program).parent().unwrap().display().to_string();
    let path = format!("{programs}:{}", std::env::var("PATH").unwrap());
    command.current_dir(folder).env("PATH", path);
    command.env("HOME", folder).env("ZDOTDIR", folder);
    Some(command)
}

fn said(mut command: Command) -> String {
    let output = command.output().unwrap();
    let said = String::from_utf8(output.stdout).unwrap();
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}{error}");
    said
}

fn expected() -> Vec<&'static str> {
    LINES.iter().map(|(_, word)| *word).collect()
}

#[test]
fn bash_completes_cargo_db() {
    let folder = tempfile::tempdir().unwrap();
    let Some(mut bash) = shell("bash", folder.path()) else {
        return;
    };
    let mut script = "source completions".to_owned();
    for (line, _) in LINES {
        let words: Vec<_> = line.split(' ').collect();
        script += &format!(
            "\nCOMP_WORDS=(cargo {line}); COMP_CWORD={}; COMPREPLY=(); _cargo_db cargo; echo \"${{COMPREPLY[*]:-{}}}\"",
            words.len(),
            words[words.len() - 1]
        );
    }
    bash.args(["-c", &script]);
    assert_eq!(said(bash).lines().collect::<Vec<_>>(), expected());
}

#[test]
fn fish_completes_cargo_db() {
    let folder = tempfile::tempdir().unwrap();
    let Some(mut fish) = shell("fish", folder.path()) else {
        return;
    };
    let mut script = "source completions".to_owned();
    for (line, _) in LINES {
        let last = line.rsplit(' ').next().unwrap();
        script += &format!(
            "\nset found (complete -C 'cargo {line}')\ntest -n \"$found\"; or set found {last}\necho $found"
        );
    }
    fish.args(["--no-config", "-c", &script]);
    let said = said(fish);
    let words: Vec<_> = said
        .lines()
        .map(|it| it.split('\t').next().unwrap())
        .collect();
    assert_eq!(words, expected());
}

#[test]
fn zsh_completes_cargo_db() {
    let folder = tempfile::tempdir().unwrap();
    let Some(zsh) = shell("zsh", folder.path()) else {
        return;
    };
    // Only its line editor completes, so the lines are typed, and `cargo` tells what came of them.
    let settings = "autoload -U compinit; compinit -u -D\ncargo() { print -r -- \"typed: $*\" }\nsource completions\n";
    std::fs::write(folder.path().join(".zshrc"), settings).unwrap();
    let mut script = Command::new("script");
    script.args(["--quiet", "--return", "--command", "zsh -i", "/dev/null"]);
    script.current_dir(folder.path()).env("TERM", "dumb");
    script.envs(
        zsh.get_envs()
            .filter_map(|(name, value)| Some((name, value?))),
    );
    let mut child = script
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut typed: String = LINES
        .iter()
        .map(|(line, _)| format!("cargo {line}\t\n"))
        .collect();
    typed += "exit\n";
    let mut input = child.stdin.take().unwrap();
    input.write_all(typed.as_bytes()).unwrap();
    drop(input);
    let output = child.wait_with_output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    let lines = said.lines().filter_map(|it| it.strip_prefix("typed: "));
    let words: Vec<_> = lines
        .map(|it| it.trim_end().rsplit(' ').next().unwrap())
        .collect();
    assert_eq!(words, expected(), "{said}");
}
