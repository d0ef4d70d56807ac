//! The schema of a service's database, as SQL.

use crate::adopt::bookkeeping::{Kept, SCHEMA};
use crate::app::App;
use crate::database::target::Target;
use crate::pg::{Connection, Ident, Tool};
use crate::ui::failure::{Failure, Kind, Result};

/// A `pg_dump` that can read a server.
pub(super) struct PgDump(Tool);

/// Whether the statements that drop everything come before those that create it.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Drops {
    Before,
    None,
}

impl PgDump {
    /// # Errors
    /// There is none that can read the server.
    pub(super) fn find(connection: &Connection) -> Result<Self> {
        let tool = Tool::for_schema(connection.server_version(), &connection.pinned());
        tool.map(Self)
            .map_err(|failure| failure.help("pg_dump writes the first migration"))
    }

    /// The schema of a service's database, without its data, without owners, without what holds passwords (subscriptions),
    /// and without any tool's bookkeeping: Diesel's, ours, and what is to be left out.
    ///
    /// # Errors
    /// `pg_dump`'s own message.
    pub(super) fn schema(
        &self,
        app: &App,
        target: &Target<'_>,
        history_schema: &str,
        kept: &[Kept],
        drops: Drops,
    ) -> Result<String> {
        let url = &target.url;
        let arguments = [
            "--schema-only",
            "--no-owner",
            "--no-subscriptions",
            "--no-tablespaces",
            "--encoding=UTF8",
        ];
        let mut arguments: Vec<_> = arguments.map(str::to_owned).into();
        arguments.push(format!(
            "--lock-wait-timeout={}",
            app.lock_timeout.as_millis().min(i32::MAX as u128)
        ));
        arguments.extend(without_bookkeeping(history_schema, kept));
        if drops == Drops::Before {
            arguments.push("--clean".to_owned());
        }
        self.0.read(&url.params, arguments).map_err(|error| {
            Failure::new(
                Kind::Migration,
                format!(
                    "failed to read the schema of database `{}` of service `{}` with pg_dump {}:\n{error:#}",
                    url.database, target.service.name, self.0.version,
                ),
            )
            .at(url.place())
        })
    }
}

/// The arguments that leave out Diesel's bookkeeping, ours, and other tools'.
pub(crate) fn without_bookkeeping(history_schema: &str, kept: &[Kept]) -> Vec<String> {
    let mut arguments = vec![
        "--exclude-schema=db_ledger".to_owned(),
        exclude(history_schema, "__diesel_schema_migrations"),
    ];
    arguments.extend(kept.iter().map(|kept| exclude(&kept.schema, &kept.name)));
    if kept.iter().any(|kept| kept.schema == SCHEMA) {
        arguments.push(format!("--exclude-schema={SCHEMA}"));
    }
    arguments
}

/// In quotes, a pattern of `pg_dump`'s is a name.
fn exclude(schema: &str, name: &str) -> String {
    format!("--exclude-table={}.{}", Ident(schema), Ident(name))
}
