//! The versions of PostgreSQL in the settings: `postgres = "18"`, or a list of them. Crate `local-postgres` reads them too.

use super::fault::Faults;
use super::toml_file::{Node, TomlFile};

const KEY: &str = "postgres";

impl Faults {
    /// The major versions that a table's `postgres` names, in its order.
    pub(super) fn versions(
        &mut self,
        file: &str,
        manifest: &TomlFile,
        table: &Node,
    ) -> Option<Vec<String>> {
        let node = table.get(KEY)?;
        let named = node.strings().unwrap_or_default();
        let mut sorted = named.clone();
        sorted.sort_unstable();
        sorted.dedup();
        if named.is_empty() || sorted.len() < named.len() || named.iter().any(|it| number(it) == 0)
        {
            let message = format!(
                "`{KEY}` must name major versions of PostgreSQL, each once, not `{}`",
                manifest.written(node)
            );
            let remedy =
                "postgres = \"18\", or postgres = [\"17\", \"18\"]: local servers run the last one";
            self.add((file, Some(node.line)), message, remedy);
            return None;
        }
        Some(named.into_iter().map(str::to_owned).collect())
    }

    /// The versions of one service: those of the workspace, or the fewer that it names.
    pub(super) fn fewer_versions(
        &mut self,
        file: &str,
        manifest: &TomlFile,
        table: &Node,
        all: &[String],
    ) -> Vec<String> {
        let Some(own) = self.versions(file, manifest, table) else {
            return all.to_vec();
        };
        let line = table.get(KEY).map(|node| node.line);
        for version in own.iter().filter(|version| !all.contains(version)) {
            let message = format!(
                "`{KEY}` names PostgreSQL {version}, but the workspace names only {}",
                all.join(", ")
            );
            let remedy = "add it to [workspace.metadata.db] in the root Cargo.toml, or remove it";
            self.add((file, line), message, remedy);
        }
        own
    }
}

/// A major version as a number; 0 where it is none.
pub(super) fn number(version: &str) -> u32 {
    version.parse().unwrap_or(0)
}
