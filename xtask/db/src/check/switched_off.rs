//! Checks that were switched off, each with a reason; and the switches that are wrong themselves.

use std::path::Path;

use super::comments::{self, Comment, Kind};
use super::ddl::Migration;
use super::folders::Folder;
use super::manifest::Manifest;
use super::offline::Scope;
use super::rules::{LEFT_OUT, RULES};
use super::{Finding, Needs, ddl, folders, known, offline};
use crate::ui::failure::nearest;
use crate::ui::parallel;
use crate::workspace::Workspace;

/// One name in one place that switches a check off.
struct Switch {
    /// The check, or `None` for all of squawk's rules.
    check: Option<String>,
    /// The service whose settings it stands in.
    service: Option<String>,
    file: String,
    line: usize,
    has_reason: bool,
    /// The lines of the file it covers; in settings, `None`: everything.
    covers: Option<std::ops::RangeInclusive<usize>>,
    form: Form,
    used: bool,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Form {
    Setting,
    Comment(Kind),
}

impl Switch {
    fn fits(&self, finding: &Finding) -> bool {
        let named = match (&self.check, self.form) {
            (Some(check), _) => check == finding.check,
            (None, _) => RULES.iter().any(|rule| rule.name == finding.check),
        };
        named
            && match (&self.form, &self.covers) {
                (Form::Setting, _) => self.service.is_none() || self.service == finding.service,
                (Form::Comment(_), covers) => {
                    finding.file.as_deref() == Some(&self.file)
                        && match (covers, finding.line) {
                            (Some(lines), Some(line)) => lines.contains(&line),
                            _ => true,
                        }
                }
            }
    }

    fn finding(&self, check: &'static str, message: String) -> Finding {
        Finding {
            service: self.service.clone(),
            ..Finding::new(check, message).at(&self.file, self.line)
        }
    }
}

/// Takes out what is switched off, and adds what is wrong with the switches. `ran` are the kinds of checks that could
/// look at everything: only of them can it be said that a switch is of no use.
pub(crate) fn apply(scope: &Scope<'_>, findings: Vec<Finding>, ran: &[Needs]) -> Vec<Finding> {
    let mut switches = in_settings(scope);
    switches.extend(in_files(scope));
    let mut left = Vec::new();
    for finding in findings {
        let mut off = false;
        for switch in switches.iter_mut().filter(|s| s.fits(&finding)) {
            switch.used = true;
            off = true;
        }
        if !off {
            left.push(finding);
        }
    }
    left.extend(switches.iter().filter_map(|switch| wrong(switch, ran)));
    left
}

/// What is wrong with a switch itself.
fn wrong(switch: &Switch, ran: &[Needs]) -> Option<Finding> {
    if let Some(check) = &switch.check
        && !known().any(|(name, _)| name == check)
    {
        let finding = switch.finding(
            "unknown-check",
            format!("`{check}` is switched off, but there is no such check"),
        );
        let near = nearest(check, known().map(|(name, _)| name));
        let left_out = LEFT_OUT.iter().find(|(name, _)| name == check);
        return Some(match (left_out, near) {
            (Some((_, why)), _) => finding.help(format!(
                "remove it: squawk's rule is not used here, for {why}"
            )),
            (None, Some(near)) => finding.help(format!("did you mean `{near}`?")),
            (None, None) => finding.help("each finding shows the name of its check in brackets"),
        });
    }
    if !switch.has_reason {
        let name = switch.check.as_deref().unwrap_or("every rule");
        let finding = switch.finding(
            "allow-without-reason",
            format!("`{name}` is switched off without a reason"),
        );
        return Some(finding.help(match switch.form {
            Form::Setting => format!("say why: {name} = \"…\""),
            Form::Comment(_) => format!("say why: db-check-ignore {name}: …"),
        }));
    }
    let needs = known()
        .find(|(name, _)| Some(*name) == switch.check.as_deref())
        .map_or(Needs::Files, |(_, needs)| needs);
    if switch.used || !ran.contains(&needs) {
        return None;
    }
    let message = match &switch.check {
        Some(check) => format!("`{check}` is switched off here, but finds nothing"),
        None => "every rule is switched off here, but none finds anything".to_owned(),
    };
    Some(
        switch
            .finding("unused-allow", message)
            .help("remove it, so that it does not hide what comes later"),
    )
}

fn in_settings(scope: &Scope<'_>) -> Vec<Switch> {
    let workspace = &scope.app.workspace;
    let mut switches = Vec::new();
    let mut read = |folder: &Path, path: &[&str], service: Option<&str>| {
        let Some(manifest) = Manifest::read(folder) else {
            return;
        };
        for entry in manifest.entries(path) {
            switches.push(Switch {
                check: Some(entry.key),
                service: service.map(str::to_owned),
                file: manifest.shown(workspace),
                line: entry.line,
                has_reason: entry.value.is_some_and(|reason| !reason.trim().is_empty()),
                covers: None,
                form: Form::Setting,
                // What the workspace allows may fire in a service that is not looked at now.
                used: service.is_none() && !scope.whole,
            });
        }
    };
    read(
        &workspace.root,
        &["workspace", "metadata", "db", "allow"],
        None,
    );
    for service in &scope.services {
        let path = ["package", "metadata", "db", "allow"];
        read(&service.folder, &path, Some(&service.name));
    }
    switches
}

fn in_files(scope: &Scope<'_>) -> Vec<Switch> {
    let workspace = &scope.app.workspace;
    let mut switches = Vec::new();
    let mut after_hash = |path: &Path, service: Option<&str>| {
        let text = std::fs::read_to_string(path).unwrap_or_default();
        for comment in comments::after_hash(&text) {
            switches.extend(from_comment(&comment, &workspace.shown(path), service));
        }
    };
    if scope.whole {
        after_hash(&workspace.root.join(".env.template"), None);
        for service in &workspace.stateless {
            after_hash(&service.folder.join("Cargo.toml"), Some(&service.name));
        }
    }
    let mut folders = Vec::new();
    for service in &scope.services {
        let name = service.name.as_str();
        after_hash(&service.folder.join("Cargo.toml"), Some(name));
        after_hash(&service.folder.join("diesel.toml"), Some(name));
        for folder in folders::read(service) {
            after_hash(&folder.path.join("metadata.toml"), Some(name));
            folders.push((name, folder));
        }
    }
    let postgres = offline::postgres(workspace);
    let in_folders = parallel::each(scope.app.jobs, &folders, |(service, folder)| {
        in_sql(workspace, service, folder, &postgres)
    });
    switches.extend(in_folders.into_iter().flatten());
    switches
}

fn in_sql(workspace: &Workspace, service: &str, folder: &Folder, postgres: &str) -> Vec<Switch> {
    let mut switches = Vec::new();
    for (path, sql) in folder.texts() {
        let shown = workspace.shown(&path);
        let mut found: Vec<_> = comments::in_sql(sql)
            .iter()
            .flat_map(|comment| from_comment(comment, &shown, Some(service)))
            .collect();
        if found.iter().any(|s| s.form == Form::Comment(Kind::Squawk)) {
            // Plain squawk may read the file too, with rules that are not used here.
            let plain = ddl::plain(&Migration::new(folder, &path, sql), postgres);
            for switch in &mut found {
                switch.used |= switch.form == Form::Comment(Kind::Squawk)
                    && plain.iter().any(|(rule, line)| {
                        switch.check.as_ref().is_none_or(|check| check == rule)
                            && switch.covers.as_ref().is_none_or(|c| c.contains(line))
                    });
            }
        }
        switches.append(&mut found);
    }
    switches
}

/// A switch for each name in the comment.
fn from_comment(comment: &Comment, file: &str, service: Option<&str>) -> Vec<Switch> {
    let switch = |check: Option<String>| Switch {
        check,
        service: service.map(str::to_owned),
        file: file.to_owned(),
        line: comment.line,
        has_reason: comment.has_reason,
        covers: comment.covers.clone(),
        form: Form::Comment(comment.kind),
        used: false,
    };
    if comment.kind == Kind::Ours {
        return comment
            .names
            .iter()
            .cloned()
            .map(Some)
            .map(switch)
            .collect();
    }
    if comment.names.is_empty() {
        return vec![switch(None)];
    }
    let mut switches = Vec::new();
    for name in &comment.names {
        // squawk's own spelling, which has aliases. A rule of its that is not used here is not ours to judge.
        match squawk_linter::Rule::try_from(name.as_str()) {
            Err(_) => switches.push(switch(Some(name.clone()))),
            Ok(rule) => {
                let meant = [&[rule], rule.expands_to()].concat();
                let used = RULES.iter().filter(|rule| meant.contains(&rule.squawk));
                switches.extend(used.map(|rule| switch(Some(rule.name.to_owned()))));
            }
        }
    }
    switches
}
