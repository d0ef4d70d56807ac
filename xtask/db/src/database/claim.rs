//! How a database becomes a service's.

use crate::database::books::{LedgerBooks, create_history};
use crate::database::ledger::{CREATE, FORMAT, RunKind, TOOL, UPGRADE};
use crate::database::state::State;
use crate::migrations::Migrations;
use crate::pg::{Connection, SqlError};
use crate::sql::statements::Script;

/// Makes a service the owner where there is none, and gives the owner that there is then.
const CLAIM: &str =
    "INSERT INTO db_ledger.owner AS o (service, tool_version, format) VALUES ($1, $2, $3::int)
    ON CONFLICT (only_row) DO UPDATE SET service = o.service RETURNING service";

/// Whether the owner is known, and the ledger has every applied version.
pub(crate) fn is_settled(state: &State) -> bool {
    state.owner().is_some() && state.has_history && state.unrecorded().is_empty()
}

/// Whether the ledger must be upgraded before it is written to.
pub(crate) fn is_outdated(state: &State) -> bool {
    let ledger = state.ledger.as_ref();
    ledger.is_some_and(|ledger| ledger.format() < FORMAT)
}

/// Makes `service` the owner and gives the owner that there is now; makes the ledger and Diesel's table where they are
/// missing, upgrades a ledger of an older format, and records the applied versions that the ledger does not know, so that
/// a later edit of theirs is noticed. All in one transaction, of three rounds.
///
/// # Errors
/// The server's; then nothing was written, unless only the answer to the COMMIT was lost.
pub(crate) fn claim(
    connection: &mut Connection,
    service: &str,
    state: &State,
    migrations: &Migrations,
) -> Result<String, SqlError> {
    let claimed = in_transaction(connection, service, state, migrations);
    // What was there already is no news.
    connection.take_notices();
    if !matches!(&claimed, Ok(owner) if owner == service) {
        // The connection may be gone, and then so is the transaction.
        let _ = connection.execute("ROLLBACK");
    }
    claimed
}

fn in_transaction(
    connection: &mut Connection,
    service: &str,
    state: &State,
    migrations: &Migrations,
) -> Result<String, SqlError> {
    // Made as it always was, and brought to our format: what is new has one text.
    let (create, upgrade) = (
        Script::of(CREATE).statements,
        Script::of(UPGRADE).statements,
    );
    let create = create.iter().filter(|_| state.ledger.is_none());
    let upgrade = upgrade
        .iter()
        .filter(|_| state.ledger.is_none() || is_outdated(state));
    let make: Vec<_> = std::iter::once("BEGIN")
        .chain(create.chain(upgrade).map(|statement| statement.sql))
        .collect();
    connection.pipeline(&make)?;
    let owner = connection.query_text(CLAIM, &[service, TOOL, &FORMAT.to_string()])?;
    let owner = owner.unwrap_or_default();
    if owner != service {
        return Ok(owner);
    }
    let books = LedgerBooks {
        history_schema: &state.history_schema,
    };
    let mut rest = Vec::new();
    if !state.has_history {
        rest.push(create_history(&state.history_schema));
    }
    rest.extend(state.unrecorded().into_iter().filter_map(|applied| {
        let migration = migrations.get(&applied.version)?;
        Some(books.noted(migration, RunKind::Adopt, &applied.run_on))
    }));
    rest.push("COMMIT".to_owned());
    let rest: Vec<_> = rest.iter().map(String::as_str).collect();
    connection.pipeline(&rest)?;
    Ok(owner)
}
