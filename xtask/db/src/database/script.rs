//! Scripts for `psql`: what the tool would run, for a database administrator.

mod rights;

use crate::database::books::{Books as _, LedgerBooks, create_history};
use crate::database::fault::refuse_own_end;
use crate::database::identity::Identity;
use crate::database::ledger::{CREATE, FORMAT, RunKind, TOOL, UPGRADE};
use crate::database::lock;
use crate::database::state::{State, objects};
use crate::database::target::Target;
use crate::migrations::Migration;
use crate::pg::{Ident, Literal};
use crate::sql::statements::{Script, words};
use crate::ui::failure::Result;
use crate::ui::report::count;
use crate::workspace::Workspace;

use rights::rights;

/// Everything that `db migrate` would run.
///
/// # Errors
/// A migration that could not run as it is.
pub(crate) fn migrate(
    workspace: &Workspace,
    target: &Target<'_>,
    pending: &[&Migration],
    identity: &Identity,
    state: &State,
) -> Result<String> {
    let Target { service, url, .. } = target;
    for migration in pending {
        refuse_own_end(workspace, service, migration)?;
    }
    let mut sql = format!(
        "-- service {}: {}, written by cargo xtask {TOOL}; run it with psql\n",
        service.name,
        count(pending.len(), "migration"),
    );
    if pending.is_empty() {
        return Ok(sql);
    }
    let role = url.params.get("user");
    sql.push_str(&head(&service.name, &url.database, role));
    sql.push_str(&same_database(identity, state));
    let reset = format!(
        "RESET SESSION AUTHORIZATION;\nRESET ALL;\n{UTF8}{}",
        role.map(set_role).unwrap_or_default()
    );
    if state.owner().is_none() {
        sql.push_str(&format!("\nBEGIN;\n{}COMMIT;\n", claim(&service.name)));
    }
    if !state.has_history {
        sql.push('\n');
        sql.push_str(&create_history(&state.history_schema));
    }
    let books = LedgerBooks {
        history_schema: &state.history_schema,
    };
    for migration in pending {
        let done = books.done(migration, RunKind::Up, None);
        let (begin, commit) = if migration.in_transaction {
            ("BEGIN;\n", "COMMIT;\n")
        } else {
            ("", "")
        };
        // The text may end in a comment, or without a semicolon.
        let up = with_encoding(migration.up.trim_end());
        sql.push_str(&format!(
            "\n-- {}\n{begin}{up}\n;\n{reset}{done};\n{commit}",
            migration.name.replace(['\n', '\r'], " ")
        ));
    }
    Ok(sql)
}

/// What a database administrator runs for a service: the database where it is missing, the rights that the role of the URL
/// lacks, and the stamp of its owner where nothing is in it yet. What was there stays as it is.
pub(crate) fn create(target: &Target<'_>) -> String {
    let Target { service, url, .. } = target;
    let role = url.params.get("user");
    let owner = role.map(|role| format!(" OWNER {}", Ident(role)));
    let create = format!(
        "CREATE DATABASE {}{} TEMPLATE template0",
        Ident(&url.database),
        owner.unwrap_or_default()
    );
    let rights = role.map(|role| rights(role, url.params.get("options")) + &set_role(role));
    // The next service's database is not for this one's role to create.
    let reset = role.map_or("", |_| "RESET ROLE;\n");
    format!(
        "-- service {}: run with psql as a role that may create databases\n\\set ON_ERROR_STOP on\n\
         SELECT {}\nWHERE NOT EXISTS (SELECT FROM pg_database WHERE datname = {}) \\gexec\n\
         {}{}\
         -- What has a history or objects is for `cargo xtask db migrate` or `baseline` to judge.\n\
         SELECT to_regclass('db_ledger.owner') IS NULL AND to_regclass('__diesel_schema_migrations') IS NULL\n    \
             AND json_array_length({}) = 0 AS is_new \\gset\n\
         \\if :is_new\nBEGIN;\n{}COMMIT;\n\\endif\n{reset}",
        service.name,
        Literal(&create),
        Literal(&url.database),
        head(&service.name, &url.database, None),
        rights.unwrap_or_default(),
        objects(),
        claim(&service.name)
    )
}

/// The head of a script for `psql`: goes to the database, or stops where that is not the service's own.
fn head(service: &str, database: &str, role: Option<&str>) -> String {
    let role = role.map(set_role).unwrap_or_default();
    format!(
        "\\set ON_ERROR_STOP on\n\\connect {}\n{UTF8}{role}DO $guard$\nBEGIN\n    \
         IF current_database() <> {} THEN\n        \
             RAISE EXCEPTION 'refused: this script is not for the database %', current_database();\n    \
         END IF;\n    \
         IF to_regclass('db_ledger.owner') IS NOT NULL THEN\n        \
             IF EXISTS (SELECT FROM db_ledger.owner WHERE service <> {}) THEN\n            \
                 RAISE EXCEPTION 'refused: this database belongs to another service';\n        \
             END IF;\n    \
         END IF;\nEND\n$guard$;\n",
        argument(database),
        Literal(database),
        Literal(service),
    )
}

/// A database as `\connect` takes it: what looks like connection parameters is one, and a line break would end it.
fn argument(database: &str) -> String {
    let is_plain = !database.contains(['=', '\n', '\r']) && !database.contains("://");
    if is_plain {
        return Ident(database).to_string();
    }
    // Escaped as a value of a connection string, and that as an argument of psql.
    let escaped = |text: &str| text.replace('\\', "\\\\").replace('\'', "\\'");
    let parameters = escaped(&format!("dbname='{}'", escaped(database)));
    let parameters = parameters.replace('\n', "\\n").replace('\r', "\\r");
    format!("-reuse-previous=on '{parameters}'")
}

/// What `psql` is told of a script's encoding, which neither its environment nor a setting of the server knows.
const UTF8: &str = "\\encoding UTF8\n";

/// The text with its encoding said again after each statement that resets it.
fn with_encoding(up: &str) -> String {
    let mut out = up.to_owned();
    for statement in Script::of(up).statements.iter().rev() {
        if words(statement.sql, 0, 2) == ["reset", "all"] {
            let end = statement.start + statement.sql.len();
            out.insert_str(end, &format!("\n;\n{UTF8}"));
        }
    }
    out
}

/// The part of a script that stops where psql is on another server, in another database of that name, or in one to which
/// something was applied since; or where another run is at work. It holds the lock of a run until psql ends.
fn same_database(identity: &Identity, state: &State) -> String {
    let Identity {
        system, database, ..
    } = identity;
    let system = system.as_ref().map_or_else(String::new, |system| {
        format!(
            "    IF (SELECT system_identifier::text FROM pg_control_system()) <> {} THEN\n        \
                 RAISE EXCEPTION 'refused: this database is not on the server that it was made for: the script names another';\n    \
             END IF;\n",
            Literal(system)
        )
    });
    let newest = state.applied.last();
    let newest = newest.map_or_else(
        || "NULL".to_owned(),
        |newest| Literal(&newest.version).to_string(),
    );
    let history = format!(
        "{}.__diesel_schema_migrations",
        Ident(&state.history_schema)
    );
    format!(
        "DO $guard$\nDECLARE\n    newest text;\nBEGIN\n{system}    \
             IF (SELECT oid::text FROM pg_database WHERE datname = current_database()) <> {} THEN\n        \
                 RAISE EXCEPTION 'refused: this database is not the one that it was made for, though it has its name';\n    \
             END IF;\n    \
             IF NOT ({}) THEN\n        \
                 RAISE EXCEPTION 'refused: another run is at work on this database';\n    \
             END IF;\n    \
             IF to_regclass({}) IS NOT NULL THEN\n        \
                 SELECT max(version) INTO newest FROM {history};\n    \
             END IF;\n    \
             IF newest IS DISTINCT FROM {newest} THEN\n        \
                 RAISE EXCEPTION 'refused: the newest applied migration is %, not the one that the script goes on from: make it again', \
                     coalesce(newest, 'none');\n    \
             END IF;\nEND\n$guard$;\n",
        Literal(database),
        lock::take(),
        Literal(&history),
    )
}

/// The statement that has a script's objects belong to the role of the service's URL, not to who runs it.
fn set_role(role: &str) -> String {
    format!("SET ROLE {};\n", Ident(role))
}

/// The part of a script that stamps `service` as owner.
fn claim(service: &str) -> String {
    format!(
        "{CREATE}{UPGRADE}INSERT INTO db_ledger.owner (service, format, tool_version) VALUES ({}, {FORMAT}, {});\n",
        Literal(service),
        Literal(TOOL)
    )
}
