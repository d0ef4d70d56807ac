//! `db fix`: repairs what a tool can know, each change backed up; the rest is explained.

use std::path::Path;
use std::time::SystemTime;

use similar::TextDiff;

use crate::app::App;
use crate::check::offline::{self, Scope};
use crate::check::{Finding, Needs, is_layout, switched_off};
use crate::migrations::version;
use crate::pg::Params;
use crate::repair::changes;
use crate::repair::{self, Action, Change};
use crate::ui::failure::Failure;
use crate::ui::report::{BAD, DIM, GOOD, NOTE, Report, count};
use crate::workspace::database_url::Variables;

/// Repair the layout of the migrations; every change is backed up first
///
/// Exits with 1 when something is left that only a person can decide.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// Only show what would be changed
    #[arg(long)]
    dry_run: bool,
    /// Put a backup back: its name under `migration_backups`, or its folder
    #[arg(long, value_name = "BACKUP", conflicts_with = "dry_run")]
    restore: Option<String>,
}

pub(crate) fn run(mut app: App, args: &Args) -> Result<Report, Vec<Failure>> {
    if let Some(name) = &args.restore {
        return Ok(restored(&app, name)?);
    }
    let changes = changes::plan(&app);
    let mut data = String::new();
    if args.dry_run {
        for change in &changes {
            data.push_str(&would(&app.workspace.root, change));
        }
        if !changes.is_empty() {
            data.push_str(&format!(
                "{NOTE}would make {}{NOTE:#}, each backed up first\n",
                count(changes.len(), "change")
            ));
        }
    } else if !changes.is_empty() {
        let root = &app.workspace.root;
        let backup = repair::apply(root, &changes, &version::dashed(SystemTime::now()))
            .map_err(Failure::from)?;
        for change in &changes {
            data.push_str(&done(root, &backup, change));
        }
        let name = backup.file_name().unwrap_or_default().display();
        data.push_str(&format!(
            "\n{GOOD}made {}{GOOD:#}; to take it all back: cargo xtask db fix --restore {name}\n",
            count(changes.len(), "change")
        ));
        if let Ok(variables) = Variables::read(root) {
            app.variables = variables;
        }
    }
    let left = left(&app, args.dry_run);
    if changes.is_empty() && left.is_empty() {
        data.push_str(&format!("{GOOD}nothing to repair{GOOD:#}\n"));
    }
    data.push_str(&explained(&left));
    Ok(Report {
        data,
        findings: !left.is_empty(),
        ..Report::default()
    })
}

fn restored(app: &App, name: &str) -> Result<Report, Failure> {
    let restored = repair::restore(&app.workspace.root, name)?;
    let mut data = String::new();
    for (path, what) in &restored.done {
        data.push_str(&format!("{what:8}  {}\n", path.display()));
    }
    data.push_str(&match restored.done.len() {
        0 => format!("{GOOD}everything is as it was already{GOOD:#}\n"),
        number => format!("{GOOD}restored {}{GOOD:#}\n", count(number, "path")),
    });
    data.push_str(&format!(
        "{DIM}the backup stays in {}{DIM:#}\n",
        app.workspace.shown(&restored.backup)
    ));
    Ok(Report::data(data))
}

/// The faults of the layout that stay.
fn left(app: &App, dry_run: bool) -> Vec<Finding> {
    let scope = Scope {
        app,
        services: app.workspace.services.iter().collect(),
        whole: true,
    };
    let findings = switched_off::apply(&scope, offline::run(&scope), &[Needs::Files]);
    findings
        .into_iter()
        .filter(|finding| is_layout(finding.check) && !(dry_run && finding.fixable))
        .collect()
}

fn explained(left: &[Finding]) -> String {
    if left.is_empty() {
        return String::new();
    }
    let mut text = format!(
        "\n{BAD}left for you to decide: {}{BAD:#}\n",
        count(left.len(), "finding")
    );
    for finding in left {
        let place = match (&finding.file, finding.line) {
            (Some(file), Some(line)) => format!("{file}:{line}: "),
            (Some(file), None) => format!("{file}: "),
            _ => String::new(),
        };
        text.push_str(&format!("- {place}{}\n", finding.message));
        text.push_str(&format!(
            "  {NOTE}help{NOTE:#}: {}\n",
            finding.help.trim_end().replace('\n', "\n  ")
        ));
    }
    text
}

fn done(root: &Path, backup: &Path, change: &Change) -> String {
    let path = change.path.display();
    let what = match &change.action {
        Action::MoveAway => {
            let backup = backup.strip_prefix(root).unwrap_or(backup).display();
            format!("moved    {path} to {backup}")
        }
        Action::Write { .. } => format!("wrote    {path}"),
    };
    format!("{what}\n         {DIM}{}{DIM:#}\n", change.why)
}

/// A change as a diff.
fn would(root: &Path, change: &Change) -> String {
    let path = change.path.display().to_string();
    let header = format!("{DIM}{}{DIM:#}\n", change.why);
    match &change.action {
        Action::MoveAway => {
            let mut text = format!("{header}--- {path}\n+++ {DIM}in the backup{DIM:#}\n");
            for file in repair::files(root, &change.path) {
                text.push_str(&format!("{BAD}- {}{BAD:#}\n", file.display()));
            }
            text + "\n"
        }
        Action::Write { text: new, .. } => {
            let old = std::fs::read_to_string(root.join(&change.path)).unwrap_or_default();
            let (old, new) = match path.as_str() {
                ".env" => (without_passwords(&old), without_passwords(new)),
                _ => (old, new.clone()),
            };
            let diff = TextDiff::from_lines(&old, &new);
            let diff = diff.unified_diff().header(&path, &path).to_string();
            let coloured = diff.lines().map(|line| match line.as_bytes() {
                [b'+', rest @ ..] if !rest.starts_with(b"++") => format!("{GOOD}{line}{GOOD:#}\n"),
                [b'-', rest @ ..] if !rest.starts_with(b"--") => format!("{BAD}{line}{BAD:#}\n"),
                _ => format!("{line}\n"),
            });
            format!("{header}{}\n", coloured.collect::<String>())
        }
    }
}

/// The lines of a `.env` as they may be shown: URLs without their password, other values not at all.
fn without_passwords(text: &str) -> String {
    let shown = |line: &str| match line.split_once('=') {
        Some((name, value)) if !value.trim().is_empty() && !line.trim_start().starts_with('#') => {
            let value = value.trim_matches(|c: char| c.is_whitespace() || c == '\'' || c == '"');
            match Params::parse(value) {
                Ok(url) if value.contains("://") => format!("{name}={url}\n"),
                _ => format!("{name}=…\n"),
            }
        }
        Some((name, _)) if line.trim_start().starts_with('#') => format!("{name}=…\n"),
        _ => format!("{line}\n"),
    };
    text.lines().map(shown).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_secret_is_shown() {
        let text = "A_URL=postgres://u:geheim@h/a\nKEY='geheim'\n# B=geheim\nC=\n# why\n";
        let shown = without_passwords(text);
        assert!(!shown.contains("geheim"), "{shown}");
        assert!(shown.contains("C=\n# why\n"), "{shown}");
    }
}
