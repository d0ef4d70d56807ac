//! What can be repaired without a guess: the changes, as a list that is not carried out here.

use std::path::{Path, PathBuf};

use crate::app::App;
use crate::check::diesel_toml::{DieselToml, Fault};
use crate::check::folders::{self, Metadata};
use crate::check::{env_files, layout};
use crate::repair::{Action, Change, FOLDER};
use crate::workspace::dotenv;
use crate::workspace::{Service, Workspace};

const DIESEL_TOML: &str = "\
[print_schema]
file = \"src/schema.rs\"

[migrations_directory]
dir = \"migrations\"
";

/// What the template says where nothing is known.
const PLACEHOLDER: &str = "postgres://user:password@localhost:5432";

/// Every change that is known to be right.
pub(crate) fn plan(app: &App) -> Vec<Change> {
    let workspace = &app.workspace;
    let mut changes = strays(workspace);
    for service in &workspace.services {
        changes.extend(diesel_toml(workspace, service));
        changes.extend(metadata(workspace, service));
    }
    let template = template(workspace);
    let text = match &template {
        Some(Change {
            action: Action::Write { text, .. },
            ..
        }) => text.clone(),
        _ => read(workspace, ".env.template").unwrap_or_default(),
    };
    changes.extend(template);
    changes.extend(env(app, &text));
    changes.extend(gitignore(workspace));
    // A link may lead out of the workspace; what it leads to is not ours.
    changes.retain(|change| match change.action {
        Action::MoveAway => true,
        Action::Write { .. } => !workspace.root.join(&change.path).is_symlink(),
    });
    changes
}

fn away(path: PathBuf, why: &str) -> Change {
    Change {
        path,
        why: why.to_owned(),
        action: Action::MoveAway,
    }
}

fn write(path: impl Into<PathBuf>, why: impl Into<String>, text: String) -> Change {
    Change {
        path: path.into(),
        why: why.into(),
        action: Action::Write {
            text,
            private: false,
        },
    }
}

fn read(workspace: &Workspace, path: impl AsRef<Path>) -> Option<String> {
    std::fs::read_to_string(workspace.root.join(path)).ok()
}

fn from_root(workspace: &Workspace, path: &Path) -> PathBuf {
    path.strip_prefix(&workspace.root)
        .unwrap_or(path)
        .to_owned()
}

/// Migration config at the root, and in stateless services.
fn strays(workspace: &Workspace) -> Vec<Change> {
    let mut changes = Vec::new();
    for name in ["migrations", "alembic.ini", "diesel.toml"] {
        let used = name == "migrations" && !layout::users_of_root_migrations(workspace).is_empty();
        if layout::is_stray(workspace, name) && !used {
            let why = "migration config at the workspace's root belongs to no service";
            changes.push(away(PathBuf::from(name), why));
        }
    }
    for service in &workspace.stateless {
        for name in ["migrations", "diesel.toml"] {
            let path = service.folder.join(name);
            if path.symlink_metadata().is_ok() {
                let why = format!("service `{}` is stateless", service.name);
                changes.push(away(from_root(workspace, &path), &why));
            }
        }
    }
    changes
}

/// A `diesel.toml` that is missing, and paths in it whose meaning is plain.
fn diesel_toml(workspace: &Workspace, service: &Service) -> Option<Change> {
    let path = DieselToml::path(service);
    let found = DieselToml::read(service);
    let shown = from_root(workspace, &path);
    if matches!(found.faults.as_slice(), [Fault::Missing]) {
        let why = "plain `diesel` needs it, and this tool reads its paths";
        return Some(write(shown, why, DIESEL_TOML.to_owned()));
    }
    let text = std::fs::read_to_string(&path).ok()?;
    let mut mended = text.clone();
    let mut faults: Vec<_> = found
        .faults
        .into_iter()
        .filter_map(|fault| match fault {
            Fault::Path {
                span: Some(span),
                meant: Some(meant),
                ..
            } => Some((span, meant)),
            _ => None,
        })
        .collect();
    // From the last to the first, so that the bytes of the others stay where they are.
    faults.sort_by_key(|(span, _)| std::cmp::Reverse(span.start));
    for (span, meant) in faults {
        mended.replace_range(span, &toml::Value::String(meant).to_string());
    }
    let why = "its paths are relative to the service's folder, and lead into it";
    (mended != text).then(|| write(shown, why, mended))
}

/// What Diesel takes for `false` is said.
fn metadata(workspace: &Workspace, service: &Service) -> Vec<Change> {
    let unsaid = folders::read(service)
        .into_iter()
        .filter(|folder| folder.metadata == Metadata::Unsaid { misspelt: None });
    let change = |folder: folders::Folder| {
        let path = from_root(workspace, &folder.path).join("metadata.toml");
        let text = read(workspace, &path)?;
        let newline = newline_of(&text);
        let line = format!("run_in_transaction = false{newline}");
        // Behind a header it would belong to that section.
        let text = match text.lines().any(|line| line.trim_start().starts_with('[')) {
            true => format!("{line}{text}"),
            false => format!("{}{line}", with_last_newline(&text, newline)),
        };
        let why = "Diesel runs it without a transaction as it is, so that is what it now says; if it needs none of that, \
                   remove the file";
        Some(write(path, why, text))
    };
    unsaid.filter_map(change).collect()
}

/// The template's missing lines; `DATABASE_URL` becomes a comment.
fn template(workspace: &Workspace) -> Option<Change> {
    const NAME: &str = ".env.template";
    let services: Vec<_> = workspace.services.iter().collect();
    let old = read(workspace, NAME);
    let text = old.clone().unwrap_or_default();
    let newline = newline_of(&text);
    let mut new = String::new();
    if old.is_none() {
        new.push_str("# The databases of this workspace, one line per service that has one.\n# `cargo xtask db up` copies this file to .env, with the URLs of the local development server filled in.\n");
    }
    for line in text.split_inclusive('\n') {
        let name = line.split('=').next().unwrap_or_default().trim();
        let name = name.strip_prefix("export ").unwrap_or(name).trim();
        if name == "DATABASE_URL" && line.contains('=') {
            new.push_str("# Every service without a variable of its own would share it: ");
        }
        new.push_str(line);
    }
    for service in env_files::missing(&workspace.root, &services) {
        new = with_last_newline(&new, newline);
        let url = env_files::on_same_server(PLACEHOLDER, &service.database).unwrap_or_default();
        new.push_str(&format!("{}={url}{newline}", service.variable));
    }
    let why = "one line for each service's variable";
    (new != text && !services.is_empty()).then(|| write(NAME, why, new))
}

/// The lines that `.env` misses. Values that are set stay.
fn env(app: &App, template: &str) -> Option<Change> {
    let workspace = &app.workspace;
    let old = read(workspace, ".env");
    // A file that can't be understood is not added to.
    if workspace.services.is_empty() || app.faults.iter().any(|fault| fault.file == ".env") {
        return None;
    }
    let set = env_files::lines(&workspace.root.join(".env"));
    let generic = app.variables.in_file("DATABASE_URL");
    let (mut variables, mut derived) = (Vec::new(), Vec::new());
    for service in &workspace.services {
        let line = set.iter().find(|line| line.name == service.variable);
        if line.is_some_and(|line| !line.value.is_empty()) {
            continue;
        }
        let url = generic.and_then(|url| env_files::on_same_server(url, &service.database));
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
    if old.is_some() && variables.is_empty() {
        return None;
    }
    let start = old.as_deref().unwrap_or(template);
    let newline = newline_of(start);
    let text = dotenv::merged(start, &variables).replace('\n', newline);
    let why = match derived.as_slice() {
        [] => "each service reads its own variable; `cargo xtask db up` fills in what is empty"
            .to_owned(),
        databases => format!(
            "each service gets a database of its own ({}) on the server of DATABASE_URL; what is in that database stays \
             there: copy what you need, `cargo xtask db create` makes the new ones",
            databases.join(", ")
        ),
    };
    Some(Change {
        path: PathBuf::from(".env"),
        why,
        action: Action::Write {
            text,
            private: true,
        },
    })
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

/// What holds passwords or data never reaches a commit.
fn gitignore(workspace: &Workspace) -> Option<Change> {
    const NAME: &str = ".gitignore";
    let text = read(workspace, NAME).unwrap_or_default();
    let newline = newline_of(&text);
    let bare = |line: &str| line.trim().trim_matches('/').to_owned();
    let mut new = text.clone();
    for wanted in [".env", "/backups/", &format!("/{FOLDER}/")] {
        if !text.lines().any(|line| bare(line) == bare(wanted)) {
            new = with_last_newline(&new, newline);
            new.push_str(wanted);
            new.push_str(newline);
        }
    }
    let why = "passwords and backups stay out of commits";
    (new != text).then(|| write(NAME, why, new))
}

fn newline_of(text: &str) -> &'static str {
    if text.contains("\r\n") { "\r\n" } else { "\n" }
}

fn with_last_newline(text: &str, newline: &str) -> String {
    match text.is_empty() || text.ends_with('\n') {
        true => text.to_owned(),
        false => format!("{text}{newline}"),
    }
}
