//! `.env.template` and `.env` against the variables that the services read.

use std::path::Path;

use super::Finding;
use crate::app::App;
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
            .fixable(true)
    };
    missing(root, services).into_iter().map(finding).collect()
}

/// The template's lines for a database that no service reads, and a `.env` that gives several services one URL.
pub(crate) fn root(app: &App) -> Vec<Finding> {
    let root = &app.workspace.root;
    let services = &app.workspace.services;
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
            .fixable(true)
        } else {
            Finding::new(
                "env-template-unknown",
                format!("`{TEMPLATE}` has a line for {}, which no service reads", line.name),
            )
            .help("remove the line, or name the variable in its service's Cargo.toml: [package.metadata.db] url = \"…\"")
        };
        findings.push(finding.at(TEMPLATE, line.number));
    }
    findings.extend(shared_url(app));
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
pub(crate) fn sharing(app: &App) -> Option<(Line, Vec<&Service>)> {
    let value = app.variables.in_file("DATABASE_URL")?;
    let lines = lines(&app.workspace.root.join(".env"));
    let line = lines.into_iter().find(|line| line.name == "DATABASE_URL")?;
    let generic = Line {
        value: value.to_owned(),
        ..line
    };
    let own = |service: &Service| matches!(app.variables.get(&service.variable), Ok(Some(_)));
    let services = app.workspace.services.iter();
    let sharing: Vec<_> = services.filter(|service| !own(service)).collect();
    (!sharing.is_empty()).then_some((generic, sharing))
}

fn shared_url(app: &App) -> Option<Finding> {
    let (line, services) = sharing(app)?;
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
    let fixable = on_same_server(&line.value, "x").is_some();
    let help = match fixable {
        true => "`cargo xtask db fix` adds them, for databases of their own on the same server",
        false => "each a database of its own",
    };
    Some(
        Finding::new("shared-database-url", message)
            .at(".env", line.number)
            .help(format!("set {}: {help}", variables.join(", ")))
            .fixable(fixable),
    )
}

/// The URL of another database on the server of `url`, if that can be told from its text.
pub(crate) fn on_same_server(url: &str, database: &str) -> Option<String> {
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
