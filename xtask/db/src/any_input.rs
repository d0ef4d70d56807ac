//! Whatever is written into a URL, a file or the name of a folder: no panic, no password in what is said, and the place
//! named.
//!
//! A round that fails prints its seed: `ANY_INPUT_SEED=… ANY_INPUT_ROUNDS=1` runs it again, and more rounds are others.

mod env_files;
mod folders;
#[path = "../../tests/it/support/random.rs"]
mod random;
mod settings;
mod statements;
mod urls;

use std::path::Path;

use random::Random;

use crate::workspace::Service;
use crate::workspace::server::ServerSettings;

/// Part of every password: what nobody may see.
const SECRET: &str = "cr3t";

/// What has a meaning in a URL, a `.env`, TOML, SQL or a path, and what is none of it.
const ODD: &[&str] = &[
    "@",
    ":",
    "/",
    "//",
    "?",
    "#",
    "%",
    "%4",
    "%40",
    "%zz",
    "&",
    "=",
    "[",
    "]",
    ",",
    ";",
    " ",
    "\t",
    "\n",
    "\r\n",
    "'",
    "\"",
    "\\",
    "$",
    "${",
    "}",
    "$$",
    "--",
    "/*",
    "*/",
    "`",
    "~",
    "..",
    "-",
    "_",
    "0",
    "é",
    "\u{1f680}",
    "\u{feff}",
    "\u{202e}",
    "\u{7f}",
    "\u{1}",
    "\0",
    "(",
    ")",
    "{",
    "e'",
    "E'\\",
    "U&'",
    "export ",
    "a",
    "B",
];

/// Runs so many rounds, each with numbers of its own.
fn rounds(usual: usize, mut round: impl FnMut(&mut Random)) {
    let set = |name: &str| std::env::var(name).ok().map(|text| text.parse().unwrap());
    let first: u64 = set("ANY_INPUT_SEED").unwrap_or(2026);
    let number = set("ANY_INPUT_ROUNDS").unwrap_or(usual as u64);
    for seed in first..first + number {
        let shown = Shown(seed);
        round(&mut Random(seed));
        drop(shown);
    }
}

/// Says which round it was that panicked.
struct Shown(u64);

impl Drop for Shown {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("ANY_INPUT_SEED={} ANY_INPUT_ROUNDS=1", self.0);
        }
    }
}

/// Up to `most` odd pieces.
fn odd(random: &mut Random, most: usize) -> String {
    let number = random.below(most + 1);
    (0..number).filter_map(|_| random.choose(ODD)).collect()
}

/// The text, at one place of which a piece was put in or taken out.
fn damaged(random: &mut Random, text: &str, pieces: &[&str]) -> String {
    let mut characters: Vec<_> = text.chars().collect();
    let at = random.below(characters.len() + 1);
    if random.below(2) == 0 && at < characters.len() {
        characters.remove(at);
    } else {
        let piece = random.choose(pieces).unwrap_or_default();
        characters.splice(at..at, piece.chars());
    }
    characters.into_iter().collect()
}

/// A service in that folder.
fn service(folder: &Path) -> Service {
    Service {
        name: "arc".to_owned(),
        folder: folder.to_owned(),
        postgres: vec!["18".to_owned()],
        database: "arc_db".to_owned(),
        variable: "ARC_DATABASE_URL".to_owned(),
        superuser: false,
        server: ServerSettings::default(),
    }
}

/// The line is one of the file's.
#[track_caller]
fn has_line(text: &str, line: usize) {
    let last = text.split('\n').count();
    assert!((1..=last).contains(&line), "line {line} of {text:?}");
}
