//! Every command of every document is run by a test or by CI, or the real command line takes it, or it stands in a list
//! with the reason.

use std::collections::BTreeSet;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

use super::RUN_WHOLE;
use crate::proof::exists;
use crate::support::{Run, Workspace, adopting, diesel_program, repository, shown};

/// What no test can run as it stands, and the reason.
const NOT_RUN: [(&str, &str); 6] = [
    (
        "cargo xtask mutants",
        "takes hours: a workflow runs it, `ci::mutants` runs it in a small repository",
    ),
    (
        "cargo xtask faults",
        "takes hours: `ci::faults` runs a few rounds",
    ),
    (
        "cargo xtask matrix --changed origin/main",
        "`ci::matrix::of_a_branch_as_the_document_has_it` runs it, in a repository with that branch",
    ),
    (
        "diesel migration run",
        "Diesel's own: `plain_diesel` runs it",
    ),
    (
        "sqlx migrate run",
        "sqlx's own: `cargo bench -p xtask` runs it where it is installed",
    ),
    ("git diff", "git's own, to be read by a person"),
];

/// Whose blocks the tests of its own crate run.
const LOCAL_POSTGRES: &str = "xtask/local-postgres/README.md";

/// Documents in which commands are shown.
fn documents() -> Vec<String> {
    let mut found = Vec::new();
    let mut folders = vec![PathBuf::new()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(repository().join(&folder)).unwrap() {
            let name = entry.unwrap().file_name().into_string().unwrap();
            let path = folder.join(&name);
            let is_kept = name.starts_with('.') || name == "target";
            if repository().join(&path).is_dir() && !is_kept {
                folders.push(path);
            } else if name.ends_with(".md") && name != "SCHEMA.md" {
                found.push(path.to_str().unwrap().to_owned());
            }
        }
    }
    found.sort();
    found
}

/// Programs and scripts that a document may have a reader type; a verb of `db` with an option stands for the whole.
fn is_command(text: &str, verbs: &[String]) -> bool {
    const PROGRAMS: [&str; 8] = [
        "cargo", "db", "diesel", "sqlx", "git", "source", "psql", "docker",
    ];
    let mut words = text.split(' ').skip_while(|word| is_assignment(word));
    let Some(first) = words.next() else {
        return false;
    };
    let second = words.next().unwrap_or_default();
    let is_verb = verbs.iter().any(|verb| verb == first) && second.starts_with('-');
    let is_script = first.contains('/') && is_executable(&repository().join(first));
    is_verb || is_script || (PROGRAMS.contains(&first) && !second.is_empty() && second != "=")
}

fn is_assignment(word: &str) -> bool {
    let (name, _) = word.split_once('=').unwrap_or_default();
    !name.is_empty() && name.chars().all(|c| c.is_ascii_uppercase() || c == '_')
}

fn is_executable(path: &Path) -> bool {
    let metadata = path.metadata();
    metadata.is_ok_and(|it| it.is_file() && it.permissions().mode() & 0o111 != 0)
}

/// Whether a shell has more to do than to start a program.
fn is_for_a_shell(text: &str) -> bool {
    text.contains("cargo xtask ")
        && ["$(", "<(", " > ", " | "]
            .iter()
            .any(|it| text.contains(it))
}

/// What a line of a table such as `migrate [SERVICE…] [--sql[=DIR]] [-n N \| --all]` stands for: without all that may be
/// left out, and with each of it.
fn forms(syntax: &str) -> Vec<String> {
    let mut texts = Vec::new();
    let mut groups = Vec::new();
    let mut rest = syntax;
    while let Some((before, inner)) = rest.split_once('[') {
        let mut depth = 1;
        let end = inner.find(|c| {
            depth += i32::from(c == '[') - i32::from(c == ']');
            depth == 0
        });
        let end = end.expect("a bracket that is closed");
        texts.push(before);
        groups.push(&inner[..end]);
        rest = &inner[end + 1..];
    }
    texts.push(rest);
    let whole = texts.concat();
    let mut forms = match whole.split_once(r" \| ") {
        // One of its last words.
        Some((first, others)) => {
            let (begin, last) = first.rsplit_once(' ').unwrap_or(("", first));
            let words = [last].into_iter().chain(others.split(r" \| "));
            words.map(|word| format!("{begin} {word}")).collect()
        }
        None => vec![whole.clone()],
    };
    for (index, group) in groups.iter().enumerate() {
        for alternative in group.split(r" \| ") {
            for inner in self::forms(alternative) {
                let (before, after) = texts.split_at(index + 1);
                forms.push(format!("{}{inner}{}", before.concat(), after.concat()));
            }
        }
    }
    forms.into_iter().flat_map(|form| words_of(&form)).collect()
}

/// `full\|json` is one word or the other.
fn words_of(form: &str) -> Vec<String> {
    let Some(word) = form.split(' ').find(|word| word.contains(r"\|")) else {
        return vec![form.to_owned()];
    };
    let each = word.split(r"\|");
    each.map(|it| form.replacen(word, it, 1)).collect()
}

struct Reader {
    workspace: Workspace,
    empty: tempfile::TempDir,
    /// `cargo metadata`'s packages.
    packages: Vec<Value>,
    ci: String,
}

impl Reader {
    fn new() -> Self {
        let mut cargo = Command::new("cargo");
        cargo.args(["metadata", "--no-deps", "--format-version=1", "--offline"]);
        let run = Run::of(cargo.current_dir(repository()), "metadata").exits(0);
        let metadata: Value = serde_json::from_str(&run.stdout).unwrap();
        Self {
            workspace: Workspace::empty(),
            empty: tempfile::TempDir::new().unwrap(),
            packages: metadata["packages"].as_array().unwrap().clone(),
            ci: std::fs::read_to_string(repository().join(".ci/run")).unwrap(),
        }
    }

    fn verbs(&self) -> Vec<String> {
        let help = self.workspace.db("--help").exits(0).stdout;
        crate::support::commands(&help)
    }

    /// The real program reads these words; in a folder without a workspace it does nothing more.
    fn takes(&self, words: &[&str]) -> Result<(), String> {
        let mut command = self.workspace.command(words);
        let run = Run::of(command.current_dir(self.empty.path()), "it");
        let is_read = run.code == 0 || run.stderr.contains("found no Cargo workspace");
        is_read.then_some(()).ok_or(run.stderr)
    }

    /// `cargo xtask …` in full, with names for what a reader has to put in.
    fn takes_line(&self, line: &str) -> Result<(), String> {
        let names = |word: &str| match word.trim_matches(['<', '>']) {
            "N" | "SECONDS" => "1".to_owned(),
            "M/N" | "K/N" => "1/2".to_owned(),
            "command" => "status".to_owned(),
            word => word.trim_end_matches('…').to_owned(),
        };
        let words: Vec<_> = line.split_whitespace().map(names).collect();
        let words: Vec<_> = words.iter().map(String::as_str).collect();
        // `db` alone is the name of all its verbs.
        match words.as_slice() {
            ["db"] => self.takes(&["db", "--help"]),
            words => self.takes(words),
        }
    }

    /// A package, a target or a module that cargo is asked for is there.
    fn cargo_has(&self, words: &[&str]) -> Result<(), String> {
        let (&verb, words) = words.split_first().unwrap();
        let mut words = words.iter().copied();
        let mut package = None;
        let known = ["test", "bench", "run", "build", "doc", "new"];
        if !known.contains(&verb) {
            return Err(format!("what does `cargo {verb}` do?"));
        }
        while let Some(word) = words.next() {
            match word {
                "--workspace" | "--open" => {}
                "--lib" if verb == "new" => {
                    return words.next().map(|_| ()).ok_or_else(String::new);
                }
                "-p" | "--package" => {
                    let name = words.next().unwrap_or_default();
                    let found = self.packages.iter().find(|it| it["name"] == name);
                    package = Some(found.ok_or_else(|| format!("no package `{name}`"))?);
                }
                "--lib" | "--test" | "--bench" => {
                    let kind = word.trim_start_matches('-');
                    let name = if kind == "lib" {
                        ""
                    } else {
                        words.next().unwrap_or_default()
                    };
                    let targets = package.ok_or("of which package?")?["targets"].as_array();
                    let is_it = |target: &Value| {
                        let kinds = target["kind"].as_array().unwrap();
                        kinds.iter().any(|it| it == kind)
                            && (kind == "lib" || target["name"] == name)
                    };
                    if !targets.unwrap().iter().any(is_it) {
                        return Err(format!("no {kind} `{name}`"));
                    }
                }
                "--" => {
                    let ours = ["--exact", "--ignored", "--nocapture", "NAME"];
                    let other = words.find(|word| !ours.contains(word));
                    return other.map_or(Ok(()), |word| Err(format!("what is `{word}`?")));
                }
                module if module.ends_with("::") => {
                    let file = format!("xtask/tests/it/{}.rs", module.trim_end_matches(':'));
                    if !repository().join(file).exists() {
                        return Err(format!("no tests `{module}`"));
                    }
                }
                other => return Err(format!("what is `{other}`?")),
            }
        }
        Ok(())
    }

    /// Whether something holds a command that is shown in no document that is run as a whole.
    fn holds(&self, text: &str, is_block: bool) -> Result<(), String> {
        if NOT_RUN.iter().any(|(line, _)| *line == text) {
            return Ok(());
        }
        if is_block {
            let is_said = |line: &&str| line.starts_with(['#']) || line.starts_with("step ");
            let mut lines = self.ci.lines().map(str::trim).filter(|it| !is_said(it));
            // After variables; CI also holds the lockfile to what is committed.
            let is_it = |line: &str| {
                let (before, rest) = line.split_once(text).unwrap_or(("x", ""));
                (before.is_empty() || before.ends_with(' ')) && ["", " --locked"].contains(&rest)
            };
            let is_run = lines.any(is_it);
            return is_run
                .then_some(())
                .ok_or_else(|| "nobody runs it".to_owned());
        }
        let words: Vec<_> = text.split(' ').skip_while(|it| is_assignment(it)).collect();
        match words.as_slice() {
            // `what_is_for_a_shell_works_there` runs it.
            _ if is_for_a_shell(text) => Ok(()),
            ["cargo", "xtask", ..] => {
                let line = text.strip_prefix("cargo xtask").unwrap();
                forms(line).iter().try_for_each(|form| {
                    self.takes_line(form)
                        .map_err(|error| format!("{form}: {error}"))
                })
            }
            ["cargo", words @ ..] => self.cargo_has(words),
            // The name of a command, and not the whole line: what is there of it is right.
            ["db", words @ ..] => self.takes(&[&["db"], words, &["--help"]].concat()),
            [program, ..] if program.contains('/') => Ok(()),
            words if self.takes(&[&["db"], words, &["--help"]].concat()).is_ok() => Ok(()),
            _ => Err("nobody runs it".to_owned()),
        }
    }
}

#[test]
fn every_command_is_run_or_is_one_that_the_tool_takes() {
    let reader = Reader::new();
    let verbs = reader.verbs();
    let mut seen = BTreeSet::new();
    let mut unheld = String::new();
    for path in documents() {
        for shown in shown(&path) {
            let is_whole = RUN_WHOLE.contains(&path.as_str()) || path == LOCAL_POSTGRES;
            let is_run = shown.is_block && is_whole;
            if is_run || !(shown.is_block || is_command(&shown.text, &verbs)) {
                continue;
            }
            if let Err(why) = reader.holds(&shown.text, shown.is_block) {
                let line = shown.line;
                unheld += &format!("{path}:{line}: `{}`: {why}\n", shown.text);
            }
            seen.insert(shown.text);
        }
    }
    assert!(unheld.is_empty(), "{unheld}");
    assert!(seen.len() > 70, "{seen:?}");
    for (line, reason) in NOT_RUN {
        assert!(seen.contains(line), "no document has `{line}` any more");
        // The test, or the module of tests, that holds it instead.
        for name in reason
            .split('`')
            .skip(1)
            .step_by(2)
            .filter(|it| !it.contains(' '))
        {
            let module = format!("xtask/tests/it/{}.rs", name.replace("::", "/"));
            let is_there = exists(name) || repository().join(module).exists();
            assert!(is_there, "no test {name}");
        }
    }
}

/// With `cargo` as the tool that is tested, and `diesel` as the one of the tests.
#[test]
fn what_is_for_a_shell_works_there() {
    let workspace = adopting(&["arc"]);
    workspace.remove("services/arc/migrations/2026-01-02-000000_note");
    workspace.write(".env.template", "ARC_DATABASE_URL=\n");
    workspace.write(".gitignore", ".env\n/backups/\n/migration_backups/\n");
    workspace.db("create").exits(0);
    workspace.db("migrate").exits(0);
    let program = env!("CARGO_BIN_EXE_xtask");
    let diesel = diesel_program();
    let diesel = diesel.display();
    let lines = documents().into_iter().flat_map(|path| shown(&path));
    let lines = lines
        .map(|it| it.text)
        .filter(|it| is_for_a_shell(it) && !it.contains('['));
    let mut number = 0;
    for line in lines.collect::<BTreeSet<_>>() {
        number += 1;
        let (shell, script) = if line.contains("fish") {
            let script = format!("function cargo; '{program}' $argv[2..]; end; {line}; or exit 1");
            ("fish", script)
        } else {
            let functions = format!(
                "cargo() {{ shift; '{program}' \"$@\"; }}; diesel() {{ '{diesel}' \"$@\"; }}"
            );
            ("bash", format!("set -e -o pipefail; {functions}; {line}"))
        };
        if Command::new(shell).arg("--version").output().is_err() {
            eprintln!("{shell} is not installed: `{line}` is not tested");
            continue;
        }
        let mut command = workspace.prepared(Command::new(shell), &["-c", &script]);
        let run = Run::of(&mut command, &line).exits(0);
        if line.contains("print-schema") {
            run.says("arc_items (id)");
        }
    }
    assert!(number >= 4, "{number}");
    let sarif: Value = serde_json::from_str(&workspace.read("db.sarif")).unwrap();
    assert_eq!(sarif["version"], "2.1.0");
}

#[test]
fn a_row_of_the_table_stands_for_each_of_its_forms() {
    let each = |syntax: &str| -> Vec<String> {
        let words = |form: String| form.split_whitespace().collect::<Vec<_>>().join(" ");
        forms(syntax).into_iter().map(words).collect()
    };
    assert_eq!(each(r"x V --a \| --b"), ["x V --a", "x V --b"]);
    let row = r"x [S] [--sql[=DIR]] [-n N \| --all] [--to one\|two]";
    let expected = [
        "x",
        "x S",
        "x --sql",
        "x --sql=DIR",
        "x -n N",
        "x --all",
        "x --to one",
        "x --to two",
    ];
    assert_eq!(each(row), expected);
}
