//! The commands of a document, run as they stand there, and their real output held against the one that it shows.

use super::{Run, Workspace, repository};

/// The commands of one section that are not run yet, each with the lines of its output.
pub(crate) struct Section {
    name: String,
    commands: Vec<(String, Vec<String>)>,
    /// What this run has for what stands in the document.
    names: Vec<(String, String)>,
}

/// A command that a document shows.
pub(crate) struct Shown {
    pub(crate) line: usize,
    pub(crate) text: String,
    /// In a block of its own, and not between the words of a sentence.
    pub(crate) is_block: bool,
}

/// Every line of a document's `sh` and `console` blocks that is typed, and everything in backquotes.
pub(crate) fn shown(path: &str) -> Vec<Shown> {
    let text = std::fs::read_to_string(repository().join(path)).unwrap();
    let mut shown = Vec::new();
    let mut prose = String::new();
    let mut block = None;
    for (line, number) in text.lines().zip(1..) {
        let trimmed = line.trim_start();
        if let Some(language) = trimmed.strip_prefix("```") {
            block = block.is_none().then(|| language.trim().to_owned());
        } else if let Some(language) = &block {
            let typed = match language.as_str() {
                "console" => trimmed.strip_prefix("$ "),
                "sh" | "bash" | "shell" => Some(trimmed),
                _ => None,
            };
            // What a line says of itself is not typed.
            let typed = typed.map(|it| it.split("  #").next().unwrap().trim());
            shown.extend(typed.filter(|it| !it.is_empty()).map(|typed| Shown {
                line: number,
                text: typed.to_owned(),
                is_block: true,
            }));
        } else {
            prose += line;
        }
        prose.push('\n');
    }
    assert_eq!(
        prose.matches('`').count() % 2,
        0,
        "{path}: a backquote is alone"
    );
    let mut line = 1;
    for (index, piece) in prose.split('`').enumerate() {
        if index % 2 == 1 {
            shown.push(Shown {
                line,
                text: piece.split_whitespace().collect::<Vec<_>>().join(" "),
                is_block: false,
            });
        }
        line += piece.matches('\n').count();
    }
    shown
}

/// The sections of a document in which commands are shown, by their headings.
pub(crate) fn sections(path: &str) -> Vec<Section> {
    let text = std::fs::read_to_string(repository().join(path)).unwrap();
    let text = text.strip_prefix("# ").expect("a title");
    let sections = text.split("\n## ").map(|section| {
        let (name, body) = section.split_once('\n').unwrap();
        Section {
            name: name.to_owned(),
            commands: commands(body),
            names: Vec::new(),
        }
    });
    sections
        .filter(|section| !section.commands.is_empty())
        .collect()
}

/// The commands of all blocks of a text.
fn commands(body: &str) -> Vec<(String, Vec<String>)> {
    let mut commands: Vec<(String, Vec<String>)> = Vec::new();
    let mut is_console = false;
    for line in body.lines() {
        let line = line.trim();
        if line.starts_with("```") {
            is_console = line == "```console";
        } else if is_console && let Some(command) = line.strip_prefix("$ ") {
            commands.push((command.to_owned(), Vec::new()));
        } else if is_console && !line.is_empty() {
            let (_, shown) = commands.last_mut().expect("output of no command");
            shown.push(line.to_owned());
        }
    }
    commands
}

impl Section {
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// What stands in the document is this in the run.
    pub(crate) fn set(&mut self, shown: &str, real: &str) {
        self.names.push((shown.to_owned(), real.to_owned()));
    }

    /// Runs the next command, and holds what it says against the document.
    pub(crate) fn run(&mut self, workspace: &Workspace, services: &[&str], code: i32) -> Run {
        self.run_and_learn(workspace, services, code, |_| None)
    }

    /// As [`run`](Self::run), where only the run itself tells what stands for what the document shows.
    pub(crate) fn run_and_learn(
        &mut self,
        workspace: &Workspace,
        services: &[&str],
        code: i32,
        learn: impl Fn(&Run) -> Option<(String, String)>,
    ) -> Run {
        let (command, shown) = self.commands.remove(0);
        let line = command.strip_prefix("cargo xtask db ").unwrap();
        let mut line = line.to_owned();
        for (shown, real) in self.names(workspace, services) {
            line = line.replace(&shown, &real);
        }
        let run = workspace.db(&line).exits(code);
        self.names.extend(learn(&run));
        // What a terminal overwrites, and which server a machine has.
        let progress = |line: &&str| {
            let said = |service: &&str| line.starts_with(&format!("{service}: "));
            let is_of_the_machine = line.starts_with("local-postgres: using ");
            !services.iter().any(said) && !line.contains(": applying ") && !is_of_the_machine
        };
        let stdout: Vec<_> = run.stdout.lines().collect();
        let stderr: Vec<_> = run.stderr.lines().filter(progress).collect();
        let as_shown = |lines: &[&str]| {
            let mut text = lines.join("\n");
            for (shown, real) in self.names(workspace, services) {
                text = text.replace(&real, &shown);
            }
            let lines = text.lines().filter(|line| !line.trim().is_empty());
            lines.map(str::to_owned).collect::<Vec<_>>()
        };
        // Of two streams, nobody knows which comes first.
        let either = [
            [stdout.clone(), stderr.clone()].concat(),
            [stderr, stdout].concat(),
        ];
        let [one, other] = either.map(|lines| as_shown(&lines));
        assert!(
            is_shown(&shown, &one) || is_shown(&shown, &other),
            "{}: `{command}` is shown with\n{}\n\nand says\n{}",
            self.name,
            shown.join("\n"),
            one.join("\n")
        );
        run
    }

    /// All commands were run.
    pub(crate) fn ends(self) {
        assert!(self.commands.is_empty(), "{:?}", self.commands);
    }

    fn names(&self, workspace: &Workspace, services: &[&str]) -> Vec<(String, String)> {
        let mut names = self.names.clone();
        names.extend(usual_names(workspace, services));
        names
    }
}

/// What a reader would have for what this run has: databases, the workspace's folder, the server.
pub(super) fn usual_names(workspace: &Workspace, services: &[&str]) -> Vec<(String, String)> {
    let databases = services.iter();
    let mut names: Vec<_> = databases
        .map(|name| (format!("{name}_db"), workspace.database(name)))
        .collect();
    let root = workspace.root().canonicalize().unwrap();
    names.push(("/home/me/workspace".to_owned(), root.display().to_string()));
    let url = workspace.admin_url();
    let (account, place) = url.rsplit_once('@').unwrap();
    let (user, _) = account.rsplit_once(':').unwrap();
    let (place, _) = place.split_once('/').unwrap();
    names.push((
        "postgres://me:***@127.0.0.1:5432".to_owned(),
        format!("{user}:***@{place}"),
    ));
    names
}

/// Whether the lines are those that are shown: `…` stands for any number of lines, and at the end of one for its rest.
fn is_shown(shown: &[String], lines: &[String]) -> bool {
    let Some((first, rest)) = shown.split_first() else {
        return lines.is_empty();
    };
    if first == "…" {
        return (0..=lines.len()).any(|skipped| is_shown(rest, &lines[skipped..]));
    }
    let is_same = |line: &String| match first.strip_suffix('…') {
        Some(start) => masked(line).starts_with(&masked(start)),
        None => masked(line) == masked(first),
    };
    lines.first().is_some_and(is_same) && is_shown(rest, &lines[1..])
}

/// A line with one space between its words, and without what differs from run to run: times, and how long it took.
fn masked(line: &str) -> String {
    let words: Vec<_> = line.split_whitespace().collect();
    let is_unit = |word: Option<&&str>| matches!(word, Some(&"ms" | &"s"));
    let mask = |(index, word): (usize, &&str)| {
        let digits = word.chars().filter(char::is_ascii_digit).count();
        match (digits >= 6, is_unit(words.get(index + 1))) {
            (true, _) => word.replace(|c: char| c.is_ascii_digit(), "0"),
            (false, true) => "0".to_owned(),
            _ if is_unit(Some(word)) => "ms".to_owned(),
            _ => (*word).to_owned(),
        }
    };
    let words: Vec<_> = words.iter().enumerate().map(mask).collect();
    words.join(" ")
}
