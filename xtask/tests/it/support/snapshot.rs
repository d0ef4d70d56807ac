//! Whole outputs, kept as files in `snapshots/`.
//!
//! A difference fails the test, and shows it. Where it is wanted: `INSTA_UPDATE=always cargo test -p xtask --test it`, and
//! look at what git says has changed. In CI (`CI=true`) nothing is written.

use super::{Folder, Run};

/// What differs from run to run, from machine to machine or between versions of PostgreSQL; the same width where a table
/// is aligned by it.
const FILTERS: [(&str, &str); 22] = [
    // A workspace's own prefix of its databases' names.
    (r"\bt\d{7}_\d{3}_", "t0000000_000_"),
    // The test server's user and port, with a password or without.
    (
        r"postgres://[^@/\s:]+(:\*\*\*)?@(127\.0\.0\.1|localhost):\d{2,}/(t0000000_|postgres\b)",
        "postgres://me@$2:5432/$3",
    ),
    (r#"(SET ROLE|OWNER) "[^"]+""#, r#"$1 "me""#),
    (r"[\w-]* for \S+ on \S+ \(cargo", "me for me on here (cargo"),
    (r", '\d+\.\d+\.\d+'\)", ", 'VERSION')"),
    (r"from \S+, connected since", "from HERE, connected since"),
    (r"(cargo xtask( db)?) \d+\.\d+\.\d+", "$1 VERSION"),
    (
        r"(127\.0\.0\.1|localhost)(:|\D{1,12}port )\d{2,}",
        "$1${2}5432",
    ),
    (
        r"\b20\d\d-\d\d-\d\d([ T])\d\d:\d\d:\d\d",
        "2026-01-01${1}00:00:00",
    ),
    (r"(00:00:00)(\.\d+)?([+-]\d\d(:\d\d)?|Z)", "${1}Z"),
    (r"\b\d+(\.\d+)? m?s\b", "N ms"),
    (r#""milliseconds": [\d.]+"#, r#""milliseconds": 0.0"#),
    (r"\bprocess \d+ of", "process N of"),
    (r"size: [\d.]+ MiB", "size: N MiB"),
    (r"\bpid \d+", "pid N"),
    (r"throwaway_[0-9a-f]+_\d+_\d+(_\w+)?", "throwaway_N"),
    (r#""[0-9a-f]{64}""#, r#""CHECKSUM""#),
    (r"'[0-9a-f]{64}'", "'CHECKSUM'"),
    (r"PostgreSQL \d+(\.\d+)?", "PostgreSQL N"),
    (r"\d{8}T\d{6}(\.\d+)?Z?", "TIME"),
    // Of the server, and of the database on it.
    (r"<> '\d{17,20}'", "<> 'SYSTEM'"),
    (r"<> '\d{4,10}'", "<> 'OID'"),
];

/// Holds the exit code, stdout and stderr of a run against the snapshot of that name.
#[track_caller]
pub(crate) fn snapshot(folder: &Folder, name: &str, run: &Run) {
    snapshot_with(folder, name, run, &[]);
}

/// The same, where more differs from run to run than everywhere.
#[track_caller]
pub(crate) fn snapshot_with(folder: &Folder, name: &str, run: &Run, filters: &[(&str, &str)]) {
    snapshot_text(folder, name, &shown(run), filters);
}

/// Holds any text against the snapshot of that name.
#[track_caller]
pub(crate) fn snapshot_text(folder: &Folder, name: &str, text: &str, filters: &[(&str, &str)]) {
    let root = folder.root().canonicalize().unwrap();
    let text = text
        .replace(root.to_str().unwrap(), "/workspace")
        .replace(folder.root().to_str().unwrap(), "/workspace");
    let mut settings = insta::Settings::new();
    settings.set_snapshot_path("../snapshots");
    settings.set_prepend_module_to_snapshot(false);
    settings.set_omit_expression(true);
    for (pattern, with) in FILTERS.iter().chain(filters) {
        settings.add_filter(pattern, *with);
    }
    settings.bind(|| insta::assert_snapshot!(name, text));
}

fn shown(run: &Run) -> String {
    let stream = |text: &str| match text {
        "" => "(nothing)\n".to_owned(),
        text => text.to_owned(),
    };
    format!(
        "command: {}\nexit code: {}\n===== stdout =====\n{}===== stderr =====\n{}",
        run.line,
        run.code,
        stream(&run.stdout),
        stream(&run.stderr)
    )
}
