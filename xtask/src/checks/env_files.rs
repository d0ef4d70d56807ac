//! `.env.template` and `.env` against the variables that the services read.

use std::path::Path;

use super::Finding;
use crate::context::Context;
use crate::workspace::Service;

const TEMPLATE: &str = ".env.template";

/// A line `NAME=value`. The value is only looked at, never shown: it may hold a password.
pub(crate) struct Line {
    /// From 1.
    pub(crate) number: usize,
    pub(crate) name: String,
    pub(crate) value: String,
}

/// The lines of such a file that set a variable; none if there is no such file.
pub(crate) fn lines(path: &Path) -> Vec<Line> {
    let text = std::fs::read_to_string(path).unwrap_or_default();
    let line = |(index, line): (usize, &str)| {
        let (name, value) = line.split_once('=')?;
        let name = name.trim();
        let name = name.strip_prefix("export ").unwrap_or(name).trim();
        let quotes = |c: char| c.is_whitespace() || c == '"' || c == '\'';
        (!name.starts_with('#')).then(|| Line {
            number: index + 1,
            name: name.to_owned(),
            value: value.trim_matches(quotes).to_owned(),
        })
    };
    text.lines().enumerate().filter_map(line).collect()
}

/// The variables that the template has no line for.
pub(crate) fn missing<'s>(root: &Path, services: &[&'s Service]) -> Vec<&'s Service> {
    let lines = lines(&root.join(TEMPLATE));
    let has = |service: &Service| lines.iter().any(|line| line.name == service.variable);
    services.iter().copied().filter(|s| !has(s)).collect()
}

/// What one service misses in the template.
pub(crate) fn template(root: &Path, services: &[&Service]) -> Vec<Finding> {
    let finding = |service: &Service| {
        let message = format!(
            "`{TEMPLATE}` has no line for {}, the variable of service `{}`",
            service.variable, service.name
        );
        Finding::new("env-template", message)
            .of(&service.name)
            .file(TEMPLATE)
            .help("`cargo xtask db fix` adds it")
    };
    missing(root, services).into_iter().map(finding).collect()
}

/// The template's lines for a database that no service reads, and a `.env` that gives several services one URL.
pub(crate) fn root(context: &Context) -> Vec<Finding> {
    let root = &context.workspace.root;
    let services = &context.workspace.services;
    let mut findings = Vec::new();
    for line in lines(&root.join(TEMPLATE)) {
        if services.iter().any(|service| service.variable == line.name) || !is_url(&line) {
            continue;
        }
        let finding = if line.name == "DATABASE_URL" {
            Finding::new(
                "env-template",
                format!("`{TEMPLATE}` offers DATABASE_URL, which every service without a variable of its own would share"),
            )
            .help("`cargo xtask db fix` makes the line a comment")
        } else {
            Finding::new(
                "env-template",
                format!("`{TEMPLATE}` has a line for {}, which no service reads", line.name),
            )
            .help("remove the line, or name the variable in its service's Cargo.toml: [package.metadata.db] url = \"…\"")
        };
        findings.push(finding.at(TEMPLATE, line.number));
    }
    findings.extend(shared_url(context));
    findings
}

fn is_url(line: &Line) -> bool {
    // `local-postgres` reads this one.
    line.name != "LOCAL_POSTGRES_URL"
        && (line.name.ends_with("DATABASE_URL")
            || line.value.starts_with("postgres://")
            || line.value.starts_with("postgresql://"))
}

/// The services that would all connect to the `DATABASE_URL` of the root `.env`.
pub(crate) fn sharing(context: &Context) -> Option<(Line, Vec<&Service>)> {
    let lines = lines(&context.workspace.root.join(".env"));
    let generic = lines
        .into_iter()
        .find(|line| line.name == "DATABASE_URL" && !line.value.is_empty())?;
    let own = |service: &Service| matches!(context.variables.get(&service.variable), Ok(Some(_)));
    let services = context.workspace.services.iter();
    let sharing: Vec<_> = services.filter(|service| !own(service)).collect();
    (!sharing.is_empty()).then_some((generic, sharing))
}

fn shared_url(context: &Context) -> Option<Finding> {
    let (line, services) = sharing(context)?;
    let names: Vec<_> = services
        .iter()
        .map(|service| format!("`{}`", service.name))
        .collect();
    let variables: Vec<_> = services.iter().map(|s| s.variable.as_str()).collect();
    let message = format!(
        "DATABASE_URL is all that {} has: the migrations of one service would run against another's database",
        match names.as_slice() {
            [one] => format!("service {one}"),
            several => format!("each of the services {}", several.join(", ")),
        }
    );
    let help = format!(
        "set {}; `cargo xtask db fix` adds them for databases on the same server",
        variables.join(", ")
    );
    Some(
        Finding::new("shared-database-url", message)
            .at(".env", line.number)
            .help(help),
    )
}
