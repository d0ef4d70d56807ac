//! What `-v` shows of our own doing, on stderr: every statement and every program that is run, with its time.

use std::io;
use std::process::{Command, ExitStatus, Output};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use crate::ui::report::{DIM, duration};

/// How much of a statement is shown, in characters.
const SHOWN: usize = 160;

static IS_ON: AtomicBool = AtomicBool::new(false);

/// Shows it from now on.
pub(crate) fn turn_on() {
    IS_ON.store(true, Ordering::Relaxed);
}

/// Does `work`, and shows what it was and how long it took.
pub(crate) fn timed<T>(what: impl FnOnce() -> String, work: impl FnOnce() -> T) -> T {
    let begin = Instant::now();
    let result = work();
    show(what, begin);
    result
}

/// Runs a program to its end, as [`Command::output`] does.
pub(crate) fn output(command: &mut Command) -> io::Result<Output> {
    let begin = Instant::now();
    let result = command.output();
    show(|| program(command), begin);
    result
}

/// Runs a program to its end, as [`Command::status`] does.
pub(crate) fn status(command: &mut Command) -> io::Result<ExitStatus> {
    let begin = Instant::now();
    let result = command.status();
    show(|| program(command), begin);
    result
}

/// Shows what was done since `begin`.
pub(crate) fn show(what: impl FnOnce() -> String, begin: Instant) {
    if IS_ON.load(Ordering::Relaxed) {
        let took = duration(begin.elapsed());
        anstream::eprintln!("{DIM}{took:>8}  {}{DIM:#}", what());
    }
}

/// A statement in one line; nothing from a password on.
pub(crate) fn statement(sql: &str) -> String {
    let line = sql.split_whitespace().collect::<Vec<_>>().join(" ");
    let line = match password(&line) {
        Some(at) => format!("{}PASSWORD ***", &line[..at]),
        None => line,
    };
    match line.char_indices().nth(SHOWN) {
        Some((at, _)) => format!("sql: {}…", &line[..at]),
        None => format!("sql: {line}"),
    }
}

/// Where the first word PASSWORD is that has a string behind it, in any of SQL's forms or in a connection string.
fn password(line: &str) -> Option<usize> {
    const WORD: &str = "PASSWORD";
    let upper = line.to_ascii_uppercase();
    let mut words = upper.match_indices(WORD).map(|(at, _)| at);
    words.find(|at| {
        let rest = upper[at + WORD.len()..].trim_start();
        ["'", "E'", "U&'", "$", "="]
            .iter()
            .any(|begin| rest.starts_with(begin))
    })
}

/// A command line: no password is ever on one.
pub(crate) fn program(command: &Command) -> String {
    let words = std::iter::once(command.get_program()).chain(command.get_args());
    let words: Vec<_> = words.map(|word| word.to_string_lossy()).collect();
    format!("run: {}", words.join(" "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_of_a_password_is_shown() {
        for secret in [
            "ALTER ROLE a PASSWORD 'hush'",
            "ALTER ROLE a PASSWORD'hush'",
            "ALTER ROLE a ENCRYPTED password\n  E'hush' NOLOGIN",
            "ALTER ROLE a PASSWORD U&'hush'",
            "ALTER ROLE a PASSWORD $$hush$$",
            "CREATE SUBSCRIPTION s CONNECTION 'host=h password=hush' PUBLICATION p",
            "SELECT password_hash, password FROM a; ALTER ROLE a PASSWORD 'hush'",
        ] {
            let shown = statement(secret);
            assert!(!shown.contains("hush"), "{shown}");
            assert!(shown.ends_with("PASSWORD ***"), "{shown}");
        }
        let harmless = "SELECT password, password_hash FROM a";
        assert_eq!(statement(harmless), format!("sql: {harmless}"));
    }
}
