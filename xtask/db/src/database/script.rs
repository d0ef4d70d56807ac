//! Scripts for `psql`: what the tool would run, for a database administrator.

use crate::database::books::{Books as _, LedgerBooks, create_history};
use crate::database::fault::refuse_own_end;
use crate::database::ledger::{CREATE, FORMAT, RunKind, TOOL, UPGRADE};
use crate::database::state::State;
use crate::database::target::Target;
use crate::migrations::Migration;
use crate::pg::{Ident, Literal};
use crate::ui::failure::Result;
use crate::ui::report::count;
use crate::workspace::Workspace;

/// Everything that `db migrate` would run.
///
/// # Errors
/// A migration that could not run as it is.
pub(crate) fn migrate(
    workspace: &Workspace,
    target: &Target<'_>,
    pending: &[&Migration],
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
    let reset = format!(
        "RESET SESSION AUTHORIZATION;\nRESET ALL;\n{}",
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
        let up = migration.up.trim_end();
        sql.push_str(&format!(
            "\n-- {}\n{begin}{up}\n;\n{reset}{done};\n{commit}",
            migration.name
        ));
    }
    Ok(sql)
}

/// The head of a script for `psql`: goes to the database, or stops where that is not the service's own.
pub(crate) fn head(service: &str, database: &str, role: Option<&str>) -> String {
    let role = role.map(set_role).unwrap_or_default();
    format!(
        "\\set ON_ERROR_STOP on\n\\connect {}\n{role}DO $guard$\nBEGIN\n    \
         IF current_database() <> {} THEN\n        \
             RAISE EXCEPTION 'refused: this script is not for the database %', current_database();\n    \
         END IF;\n    \
         IF to_regclass('db_ledger.owner') IS NOT NULL THEN\n        \
             IF EXISTS (SELECT FROM db_ledger.owner WHERE service <> {}) THEN\n            \
                 RAISE EXCEPTION 'refused: this database belongs to another service';\n        \
             END IF;\n    \
         END IF;\nEND\n$guard$;\n",
        Ident(database),
        Literal(database),
        Literal(service),
    )
}

/// The statement that has a script's objects belong to the role of the service's URL, not to who runs it.
fn set_role(role: &str) -> String {
    format!("SET ROLE {};\n", Ident(role))
}

/// The part of a script that stamps `service` as owner.
pub(crate) fn claim(service: &str) -> String {
    format!(
        "{CREATE}{UPGRADE}INSERT INTO db_ledger.owner (service, format, tool_version) VALUES ({}, {FORMAT}, {});\n",
        Literal(service),
        Literal(TOOL)
    )
}
