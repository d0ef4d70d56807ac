//! A service's `diesel.toml`: it is there, and its paths lead into the service.

use super::finding::Finding;
use super::scope::{Scope, Subject};
use crate::repair::change::Change;
use crate::workspace::diesel_toml::{DieselToml, NamedPath};
use crate::workspace::edit::Edit;

const CHECK: &str = "diesel-toml";

pub(super) fn check(scope: &Scope<'_>, subject: &Subject<'_>) -> Vec<Finding> {
    let service = subject.service;
    let file = scope.shown(&DieselToml::path(service));
    if let Some(error) = subject.diesel.error() {
        return vec![match error.is_missing {
            true => {
                let message = format!(
                    "service `{}` has a database but no diesel.toml",
                    service.name
                );
                let why = "plain `diesel` needs it, and this tool reads its paths";
                let fix = Change::edit(&file, why, Vec::new());
                Finding::new(CHECK, message)
                    .file(&file)
                    .help("`cargo xtask db fix` writes it, so that plain `diesel` works in that folder too")
                    .fix(fix.starting(DieselToml::default_text(), false))
            }
            false => Finding::new(
                CHECK,
                format!("failed to parse diesel.toml: {}", error.reason),
            )
            .at(&file, error.line.unwrap_or(1))
            .help("fix it: `diesel` can't read it either"),
        }];
    }
    let paths = [subject.diesel.migrations()]
        .into_iter()
        .chain(subject.diesel.schemas());
    let mut findings: Vec<_> = paths
        .filter_map(|named| path(&file, &service.name, &named))
        .collect();
    if let Some(error) = &subject.unreadable {
        let message = format!("failed to read the migrations: {error}");
        findings.push(
            Finding::new(CHECK, message)
                .file(file)
                .help("make it readable"),
        );
    }
    findings
}

fn path(file: &str, service: &str, path: &NamedPath) -> Option<Finding> {
    let (said, why) = (&path.said, path.wrong.as_ref()?);
    let Some((line, span)) = &path.place else {
        let message = format!("service `{service}` has no migrations folder: `{said}` {why}");
        return Some(Finding::new(CHECK, message).file(file).help(HELP));
    };
    let fix = |meant: &String| {
        let value = toml::Value::String(meant.clone()).to_string();
        let why = "its paths are relative to the service's folder, and lead into it";
        Change::edit(file, why, vec![Edit::Replace(span.clone(), value)])
    };
    let help = match &path.meant {
        Some(meant) => format!("`cargo xtask db fix` sets it to \"{meant}\""),
        None => HELP.to_owned(),
    };
    Some(
        Finding::new(CHECK, format!("`{}` is `{said}`, which {why}", path.key))
            .at(file, *line)
            .help(help)
            .fix(path.meant.as_ref().map(fix)),
    )
}

const HELP: &str = "create the folder, or set the path: it is relative to the service's folder";
