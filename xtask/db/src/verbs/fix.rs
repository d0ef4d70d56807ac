//! `db fix`: repairs what a tool can know, each change backed up; the rest is explained.

use std::path::Path;
use std::time::SystemTime;

use crate::app::App;
use crate::check::finding::Finding;
use crate::check::scope::Scope;
use crate::check::table::{self, Needs};
use crate::check::{env_files, gitignore, offline, switched_off};
use crate::migrations::version;
use crate::pg::Params;
use crate::repair;
use crate::repair::change::{Action, Change};
use crate::ui::failure::{Failure, Result};
use crate::ui::report::{BAD, DIM, GOOD, NOTE, Report, count, diff};
use crate::workspace::database_url::Variables;
use crate::workspace::dotenv::TEMPLATE;

/// Repair the layout of the migrations; every change is backed up first
///
/// Exits with 1 if a finding is left that only a person can decide.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// Only show the changes
    #[arg(long)]
    dry_run: bool,
    /// Undo a run: the name of its backup under `migration_backups`, or its folder
    #[arg(long, value_name = "BACKUP", conflicts_with = "dry_run")]
    restore: Option<String>,
}

pub(crate) fn run(app: App, args: &Args) -> Result<Report, Vec<Failure>> {
    Ok(match &args.restore {
        Some(name) => restored(&app, name)?,
        None => repaired(app, args.dry_run)?,
    })
}

fn repaired(mut app: App, dry_run: bool) -> Result<Report> {
    let (changes, mut left) = look(&app);
    let mut data = String::new();
    if dry_run {
        for change in &changes {
            data.push_str(&would(&app.workspace.root, change)?);
        }
        if !changes.is_empty() {
            data.push_str(&format!(
                "{NOTE}would make {}{NOTE:#}, each backed up first\n",
                count(changes.len(), "change")
            ));
        }
    } else if !changes.is_empty() {
        let root = &app.workspace.root;
        let backup = repair::apply(root, &changes, &version::dashed(SystemTime::now()))?;
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
        // A change may have brought more to light, which another run can fix.
        left = layout(&app);
    }
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

fn found(scope: &Scope<'_>) -> Vec<Finding> {
    switched_off::apply(scope, offline::run(scope), &[Needs::Files])
}

fn is_layout(finding: &Finding) -> bool {
    table::check(finding.check).is_some_and(|check| check.is_layout)
}

/// What is wrong with the layout, whether it can be fixed or not.
fn layout(app: &App) -> Vec<Finding> {
    found(&Scope::whole(app))
        .into_iter()
        .filter(is_layout)
        .collect()
}

/// The fixes of what the files show, and what of the layout has none.
fn look(app: &App) -> (Vec<Change>, Vec<Finding>) {
    let root = &app.workspace.root;
    let scope = Scope::whole(app);
    let (mut fixes, mut left) = (Vec::new(), Vec::new());
    for mut finding in found(&scope) {
        match finding.fix.take_if(|fix| fix.is_possible(root)) {
            Some(fix) => fixes.push(fix),
            None if is_layout(&finding) => left.push(finding),
            None => {}
        }
    }
    let mut changes = Change::merged(fixes);
    // Those of the whole workspace after those of the services.
    let is_roots = |change: &Change| change.path.components().count() == 1;
    changes.sort_by_key(|change| change.action != Action::MoveAway && is_roots(change));
    let template = changes
        .iter()
        .find(|change| change.path == Path::new(TEMPLATE));
    let template = template.and_then(|change| change.texts(root).ok().flatten());
    let template = template.map_or_else(|| scope.template.text.clone(), |(_, new)| new);
    // A finding may have brought the same already.
    let is_new = |changes: &[Change], new: &Change| changes.iter().all(|c| c.path != new.path);
    let others = [
        env_files::env(&scope, &template),
        gitignore::completed(root),
    ];
    for change in others.into_iter().flatten() {
        if change.is_possible(root) && is_new(&changes, &change) {
            changes.push(change);
        }
    }
    (changes, left)
}

fn restored(app: &App, name: &str) -> Result<Report, Failure> {
    let restored = repair::restore(&app.workspace.root, name)?;
    let mut data = String::new();
    for (path, what) in &restored.done {
        data.push_str(&format!("{what:8}  {}\n", path.display()));
    }
    data.push_str(&match restored.done.len() {
        0 => format!("{GOOD}nothing to restore: every file is as it was{GOOD:#}\n"),
        number => format!("{GOOD}restored {}{GOOD:#}\n", count(number, "path")),
    });
    data.push_str(&format!(
        "{DIM}the backup stays in {}{DIM:#}\n",
        app.workspace.shown(&restored.backup)
    ));
    Ok(Report::data(data))
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
        let place = finding
            .place()
            .map(|place| format!("{place}: "))
            .unwrap_or_default();
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
        Action::Edit { .. } => format!("wrote    {path}"),
    };
    format!("{what}\n         {DIM}{}{DIM:#}\n", change.why)
}

/// A change as a diff.
fn would(root: &Path, change: &Change) -> Result<String> {
    let path = change.path.display().to_string();
    let header = format!("{DIM}{}{DIM:#}\n", change.why);
    let Some((old, new)) = change.texts(root)? else {
        let mut text = format!("{header}--- {path}\n+++ {DIM}in the backup{DIM:#}\n");
        for file in repair::files(root, &change.path) {
            text.push_str(&format!("{BAD}- {}{BAD:#}\n", file.display()));
        }
        return Ok(text + "\n");
    };
    let (old, new) = match path.as_str() {
        ".env" | TEMPLATE => (without_passwords(&old), without_passwords(&new)),
        _ => (old, new),
    };
    Ok(format!("{header}{}\n", diff((&old, &path), (&new, &path))))
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
