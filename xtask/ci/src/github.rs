//! What GitHub reads besides the output: a job's outputs, its summary, annotations.

use std::io::Write as _;

use anyhow::Context as _;

/// Whether GitHub runs this.
pub(crate) fn is_here() -> bool {
    std::env::var("GITHUB_ACTIONS").is_ok_and(|value| value == "true")
}

/// Sets an output of the step: `name=value`, on one line.
///
/// # Errors
/// GitHub does not run this, or its file can't be written.
pub(crate) fn output(name: &str, value: &str) -> anyhow::Result<()> {
    let file = std::env::var("GITHUB_OUTPUT")
        .context("--output is for GitHub Actions: GITHUB_OUTPUT is not set")?;
    append(&file, &format!("{name}={value}\n"))
}

/// Adds Markdown to the job's summary, where there is one.
///
/// # Errors
/// Its file can't be written.
pub(crate) fn summary(markdown: &str) -> anyhow::Result<()> {
    match std::env::var("GITHUB_STEP_SUMMARY") {
        Ok(file) if !file.is_empty() => append(&file, &format!("{markdown}\n")),
        _ => Ok(()),
    }
}

/// An error that is shown on the page of the run; nothing elsewhere.
pub(crate) fn annotate(title: &str, text: &str) {
    if is_here() {
        let text = text
            .replace('%', "%25")
            .replace('\r', "%0D")
            .replace('\n', "%0A");
        let title = title.replace('%', "%25").replace([',', ':'], " ");
        println!("::error title={title}::{text}");
    }
}

fn append(file: &str, text: &str) -> anyhow::Result<()> {
    let mut file = fs_err::OpenOptions::new()
        .append(true)
        .create(true)
        .open(file)?;
    Ok(file.write_all(text.as_bytes())?)
}

/// A table in Markdown; the first row is its head.
pub(crate) fn markdown(rows: &[Vec<String>]) -> String {
    let line = |row: &Vec<String>| format!("| {} |\n", row.join(" | ").replace('\n', " "));
    let mut text = String::new();
    for (number, row) in rows.iter().enumerate() {
        text += &line(row);
        if number == 0 {
            text += &format!("|{}\n", "---|".repeat(row.len()));
        }
    }
    text
}

/// The same table for a terminal.
pub(crate) fn aligned(rows: &[Vec<String>]) -> String {
    let columns = rows.iter().map(Vec::len).max().unwrap_or(0);
    let width = |column: usize| {
        let cells = rows.iter().filter_map(|row| row.get(column));
        cells.map(|cell| cell.chars().count()).max().unwrap_or(0)
    };
    let widths: Vec<_> = (0..columns).map(width).collect();
    let mut text = String::new();
    for row in rows {
        let cells = row.iter().zip(&widths);
        let line: Vec<_> = cells
            .map(|(cell, width)| format!("{cell:width$}"))
            .collect();
        text += line.join("  ").trim_end();
        text.push('\n');
    }
    text
}
