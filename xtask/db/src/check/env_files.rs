//! `.env.template` and `.env` against the variables that the services read.

use super::finding::Finding;
use super::scope::{Scope, Subject};
use crate::repair::change::Change;
use crate::workspace::Service;
use crate::workspace::dotenv::{EnvLine, TEMPLATE, setting};
use crate::workspace::edit::Edit;

const GENERIC: &str = "DATABASE_URL";
/// What the template says where nothing is known.
const PLACEHOLDER: &str = "postgres://user:password@localhost:5432";
/// What a new template begins with.
const HEADER: &str = "\
# The databases of this workspace, one line per service that has one.
# `cargo xtask db up` copies this file to .env, with the URLs of the local development server filled in.
";

/// What one service misses in the template.
pub(super) fn template(scope: &Scope<'_>, subject: &Subject<'_>) -> Vec<Finding> {
    let service = subject.service;
    let line = scope.template.line(&service.variable);
    if line.is_some_and(|line| line.value.is_some()) {
        return Vec::new();
    }
    let message = format!(
        "`{TEMPLATE}` has no line for {}, the variable of service `{}`",
        service.variable, service.name
    );
    let url = on_same_server(PLACEHOLDER, &service.database).unwrap_or_default();
    vec![
        Finding::new("env-template", message)
            .file(TEMPLATE)
            .help("`cargo xtask db fix` adds it")
            .fix(in_template(Edit::Append(format!(
                "{}={url}",
                service.variable
            )))),
    ]
}

fn in_template(edit: Edit) -> Change {
    Change::edit(TEMPLATE, "one line for each service's variable", vec![edit])
        .starting(HEADER, false)
}

/// The template's lines for a database that no service reads, and a `.env` that gives several services one URL.
pub(super) fn root(scope: &Scope<'_>) -> Vec<Finding> {
    let services = &scope.app.workspace.services;
    let mut findings = Vec::new();
    for line in &scope.template.lines {
        if services.iter().any(|service| service.variable == line.name) || !is_url(line) {
            continue;
        }
        let finding = if line.name == GENERIC {
            let comment = "# Every service without a variable of its own would share it: ";
            let start = line.span.start;
            Finding::new(
                "env-template",
                format!("`{TEMPLATE}` offers DATABASE_URL, which every service without a variable of its own would share"),
            )
            .help("`cargo xtask db fix` makes the line a comment")
            .fix(in_template(Edit::Replace(start..start, comment.to_owned())))
        } else {
            Finding::new(
                "env-template-unknown",
                format!("`{TEMPLATE}` has a line for {}, which no service reads", line.name),
            )
            .help("remove the line, or name the variable in its service's Cargo.toml: [package.metadata.db] url = \"…\"")
        };
        findings.push(finding.at(TEMPLATE, line.number));
    }
    findings.extend(shared_url(scope));
    findings
}

fn is_url(line: &EnvLine) -> bool {
    // `local-postgres` reads this one.
    line.name != "LOCAL_POSTGRES_URL"
        && line.value.as_ref().is_some_and(|value| {
            line.name.ends_with(GENERIC)
                || value.starts_with("postgres://")
                || value.starts_with("postgresql://")
        })
}

/// The services that would all connect to the `DATABASE_URL` of the root `.env`.
fn shared_url(scope: &Scope<'_>) -> Option<Finding> {
    let app = scope.app;
    app.variables.in_file(GENERIC)?;
    let line = scope.env.line(GENERIC)?;
    let own = |service: &&Service| matches!(app.variables.get(&service.variable), Ok(Some(_)));
    let sharing: Vec<_> = app.workspace.services.iter().filter(|s| !own(s)).collect();
    if sharing.is_empty() {
        return None;
    }
    let names: Vec<_> = sharing.iter().map(|s| format!("`{}`", s.name)).collect();
    let variables: Vec<_> = sharing.iter().map(|s| s.variable.as_str()).collect();
    let message = format!(
        "DATABASE_URL is all that {} has: the migrations of one service would run against another's database",
        match names.as_slice() {
            [one] => format!("service {one}"),
            several => format!("each of the services {}", several.join(", ")),
        }
    );
    let (derived, change) = completed(scope, "").unzip();
    let fix = change.filter(|_| derived == Some(true));
    let help = match fix.is_some() {
        true => "`cargo xtask db fix` adds them, for databases of their own on the same server",
        false => "each a database of its own",
    };
    Some(
        Finding::new("shared-database-url", message)
            .at(".env", line.number)
            .help(format!("set {}: {help}", variables.join(", ")))
            .fix(fix),
    )
}

/// The lines that `.env` misses, which is no finding: a checkout without it is sound. A new one begins as `template`.
/// Values that are set stay.
pub(crate) fn env(scope: &Scope<'_>, template: &str) -> Option<Change> {
    completed(scope, template).map(|(_, change)| change)
}

/// With whether URLs could be derived from `DATABASE_URL`.
fn completed(scope: &Scope<'_>, template: &str) -> Option<(bool, Change)> {
    let app = scope.app;
    let services = &app.workspace.services;
    // A file that can't be understood is not added to.
    if services.is_empty() || app.faults.iter().any(|fault| fault.file == ".env") {
        return None;
    }
    let generic = app.variables.in_file(GENERIC);
    let (mut variables, mut derived) = (Vec::new(), Vec::new());
    for service in services {
        let line = scope.env.line(&service.variable);
        let value = line.and_then(|line| line.value.as_deref());
        if value.is_some_and(|value| !value.is_empty()) {
            continue;
        }
        let url = generic.and_then(|url| on_same_server(url, &service.database));
        match url {
            Some(url) => {
                derived.push(service.database.as_str());
                variables.push((service.variable.clone(), quoted(&url)?));
            }
            // Empty also where the template has an example: `db up` would take it for a server elsewhere.
            None if line.is_none() => variables.push((service.variable.clone(), String::new())),
            None => {}
        }
    }
    let start = match scope.env.is_missing {
        true => template,
        false if variables.is_empty() => return None,
        false => &scope.env.text,
    };
    let why = match derived.as_slice() {
        [] => "each service reads its own variable; `cargo xtask db up` fills in what is empty"
            .to_owned(),
        databases => format!(
            "each service gets a database of its own ({}) on the server of DATABASE_URL; that database keeps its data: copy what you need; `cargo xtask db create` makes the new databases",
            databases.join(", ")
        ),
    };
    let change = Change::edit(".env", why, setting(start, &variables));
    Some((!derived.is_empty(), change.starting(start, true)))
}

/// A value as `.env` needs it; `None` for one that can't be written there.
fn quoted(value: &str) -> Option<String> {
    let plain = |c: char| !c.is_whitespace() && !"#$'\"\\`".contains(c);
    match (value.chars().all(plain), value.contains('\'')) {
        (true, _) => Some(value.to_owned()),
        (false, false) => Some(format!("'{value}'")),
        (false, true) => None,
    }
}

/// The URL of another database on the server of `url`, if that can be told from its text.
fn on_same_server(url: &str, database: &str) -> Option<String> {
    let (address, query) = match url.split_once('?') {
        Some((address, query)) => (address, Some(query)),
        None => (url, None),
    };
    let scheme = ["postgres://", "postgresql://"]
        .into_iter()
        .find(|scheme| address.starts_with(scheme))?;
    // A parameter would win over the path; the slash of a socket folder is written %2F, so the first ends the host.
    if query.is_some_and(|query| query.split('&').any(|part| part.starts_with("dbname="))) {
        return None;
    }
    let server = &address[scheme.len()..];
    let server = server.split('/').next().unwrap_or(server);
    let database =
        percent_encoding::utf8_percent_encode(database, percent_encoding::NON_ALPHANUMERIC)
            .to_string()
            .replace("%5F", "_");
    let query = query.map(|query| format!("?{query}")).unwrap_or_default();
    Some(format!("{scheme}{server}/{database}{query}"))
}

#[cfg(test)]
mod tests {
    use super::on_same_server;

    #[test]
    fn only_the_database_is_another() {
        for (url, other) in [
            (
                "postgres://u:p%2F@h:1/a",
                Some("postgres://u:p%2F@h:1/my_db"),
            ),
            (
                "postgresql:///a?host=/run",
                Some("postgresql:///my_db?host=/run"),
            ),
            ("postgres://h", Some("postgres://h/my_db")),
            (
                "postgres://h/a?sslmode=require",
                Some("postgres://h/my_db?sslmode=require"),
            ),
            ("postgres://h/a?dbname=b", None),
            ("host=h dbname=a", None),
        ] {
            assert_eq!(on_same_server(url, "my_db").as_deref(), other, "{url}");
        }
    }
}
