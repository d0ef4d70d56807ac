//! Checks that were switched off, each with a reason; and the switches that are wrong themselves.

use std::path::Path;

use super::comments::{self, Comment, Dialect};
use super::ddl;
use super::finding::Finding;
use super::rules::{LEFT_OUT, RULES};
use super::scope::{Scope, SqlFile};
use super::table::{self, Needs, checks};
use crate::ui::failure::nearest;
use crate::ui::parallel;
use crate::workspace::diesel_toml::DieselToml;
use crate::workspace::toml_file::Node;

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
    Comment(Dialect),
}

impl Switch {
    fn fits(&self, finding: &Finding) -> bool {
        // The lines first: of a thousand comments in a file, they tell nearly all apart.
        self.is_about(finding)
            && match &self.check {
                Some(check) => check == finding.check,
                None => RULES.iter().any(|rule| rule.name == finding.check),
            }
    }

    fn is_about(&self, finding: &Finding) -> bool {
        match (&self.form, &self.covers, finding.line) {
            (Form::Setting, ..) => self.service.is_none() || self.service == finding.service,
            (Form::Comment(_), Some(lines), Some(line)) if !lines.contains(&line) => false,
            (Form::Comment(_), ..) => finding.file.as_deref() == Some(&self.file),
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
    let name = switch.check.as_deref();
    let check = name.and_then(table::check);
    if let Some(name) = name
        && check.is_none()
    {
        return Some(unknown(switch, name));
    }
    if !switch.has_reason {
        let name = name.unwrap_or("every rule");
        let message = format!("`{name}` is switched off without a reason");
        let finding = switch.finding("allow-without-reason", message);
        return Some(finding.help(match switch.form {
            Form::Setting => format!("say why: {name} = \"…\""),
            Form::Comment(_) => format!("say why: db-check-ignore {name}: …"),
        }));
    }
    let needs = check.map_or(Needs::Files, |check| check.needs);
    if switch.used || !ran.contains(&needs) {
        return None;
    }
    let message = match name {
        Some(name) => format!("`{name}` is switched off here, but finds nothing"),
        None => "every rule is switched off here, but none finds anything".to_owned(),
    };
    let finding = switch.finding("unused-allow", message);
    Some(finding.help("remove it, it would hide future findings"))
}

fn unknown(switch: &Switch, name: &str) -> Finding {
    let message = format!("`{name}` is switched off, but no such check exists");
    let finding = switch.finding("unknown-check", message);
    let left_out = LEFT_OUT.iter().find(|(left_out, _)| *left_out == name);
    match (left_out, nearest(name, checks().map(|check| check.name))) {
        (Some((_, why)), _) => {
            finding.help(format!("remove it: squawk's rule is not used here: {why}"))
        }
        (None, Some(near)) => finding.help(format!("did you mean `{near}`?")),
        (None, None) => finding.help("each finding shows the name of its check in brackets"),
    }
}

fn in_settings(scope: &Scope<'_>) -> Vec<Switch> {
    let workspace = &scope.app.workspace;
    let mut switches = Vec::new();
    let mut read = |folder: &Path, path: &[&str], service: Option<&str>| {
        let Some(manifest) = workspace.manifest(folder) else {
            return;
        };
        let entries = manifest.get(path).map(Node::entries);
        for (check, reason) in entries.into_iter().flatten() {
            switches.push(Switch {
                check: Some(check.clone()),
                service: service.map(str::to_owned),
                file: workspace.shown(&manifest.path),
                line: reason.line,
                has_reason: reason
                    .as_str()
                    .is_some_and(|reason| !reason.trim().is_empty()),
                covers: None,
                form: Form::Setting,
                // What the workspace allows may fire in a service that is not looked at now.
                used: service.is_none() && !scope.whole,
            });
        }
    };
    let path = ["workspace", "metadata", "db", "allow"];
    read(&workspace.root, &path, None);
    for subject in &scope.services {
        let path = ["package", "metadata", "db", "allow"];
        read(&subject.service.folder, &path, Some(&subject.service.name));
    }
    switches
}

fn in_files(scope: &Scope<'_>) -> Vec<Switch> {
    let workspace = &scope.app.workspace;
    let mut switches = Vec::new();
    let mut after_hash = |path: &Path, text: &str, service: Option<&str>| {
        for comment in comments::after_hash(text) {
            switches.extend(from_comment(&comment, &workspace.shown(path), service));
        }
    };
    if scope.whole {
        after_hash(&scope.template.path, &scope.template.text, None);
    }
    let stateless = workspace.stateless.iter().filter(|_| scope.whole);
    let stateless = stateless.map(|service| (&service.folder, &service.name));
    let services = scope.services.iter();
    let services = services.map(|subject| (&subject.service.folder, &subject.service.name));
    for (folder, name) in stateless.chain(services) {
        if let Some(manifest) = workspace.manifest(folder) {
            after_hash(&manifest.path, &manifest.text, Some(name));
        }
    }
    let mut files = Vec::new();
    for subject in &scope.services {
        let name = subject.service.name.as_str();
        let path = DieselToml::path(subject.service);
        after_hash(&path, subject.diesel.text(), Some(name));
        for folder in &subject.folders {
            let path = folder.path.join("metadata.toml");
            after_hash(&path, &folder.metadata_text, Some(name));
            files.extend(scope.sql(folder).map(|file| (name, file)));
        }
    }
    let in_files = parallel::each(scope.app.jobs, &files, |(service, file)| {
        in_sql(scope, service, file)
    });
    switches.extend(in_files.into_iter().flatten());
    switches
}

fn in_sql(scope: &Scope<'_>, service: &str, file: &SqlFile<'_>) -> Vec<Switch> {
    let mut switches: Vec<_> = comments::in_sql(file.sql)
        .iter()
        .flat_map(|comment| from_comment(comment, &file.file, Some(service)))
        .collect();
    let is_squawks = |switch: &Switch| switch.form == Form::Comment(Dialect::Squawk);
    if switches.iter().any(is_squawks) {
        // Plain squawk may read the file too, with rules that are not used here.
        let plain = ddl::plain(file, scope.app.workspace.oldest_postgres());
        for switch in switches.iter_mut().filter(|switch| is_squawks(switch)) {
            switch.used |= plain.iter().any(|(rule, line)| {
                switch.check.as_ref().is_none_or(|check| check == rule)
                    && switch.covers.as_ref().is_none_or(|c| c.contains(line))
            });
        }
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
        form: Form::Comment(comment.dialect),
        used: false,
    };
    if comment.dialect == Dialect::Ours {
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
