//! What a service says of the throw-away server that its migrations are tried on.

use std::collections::BTreeMap;

use super::fault::Faults;
use super::toml_file::{Node, NodeValue, TomlFile};

/// In `[package.metadata.db]`.
pub(super) const KEYS: [&str; 2] = ["image", CONF];
const CONF: &str = "postgresql-conf";

/// Settings of the server's place and files, which only its launcher may set.
const NOT_THEIRS: [&str; 8] = [
    "port",
    "listen_addresses",
    "unix_socket_directories",
    "data_directory",
    "config_file",
    "hba_file",
    "ident_file",
    "external_pid_file",
];

/// How a throw-away server is started. Services that say the same, such as nothing, share one.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct ServerSettings {
    /// Where Docker runs it.
    pub(crate) image: Option<String>,
    /// By name, as in `postgresql.conf`.
    pub(crate) conf: BTreeMap<String, String>,
}

impl ServerSettings {
    /// The keys under which something is said.
    pub(crate) fn said(&self) -> impl Iterator<Item = &'static str> {
        let said = [self.image.is_some(), !self.conf.is_empty()];
        KEYS.into_iter()
            .zip(said)
            .filter_map(|(key, is_said)| is_said.then_some(key))
    }
}

impl Faults {
    /// `image`, and the table `postgresql-conf`.
    pub(super) fn server(
        &mut self,
        file: &str,
        manifest: &TomlFile,
        settings: &Node,
    ) -> ServerSettings {
        let image = self.string(file, manifest, settings, KEYS[0]);
        let mut conf = BTreeMap::new();
        match settings.get(CONF) {
            Some(table) if matches!(table.value, NodeValue::Table(_)) => {
                self.conf(file, manifest, table, "", &mut conf);
            }
            Some(other) => self.add(
                (file, Some(other.line)),
                format!(
                    "`{CONF}` must be a table, not `{}`",
                    manifest.written(other)
                ),
                format!("{CONF} = {{ shared_preload_libraries = \"…\" }}"),
            ),
            None => {}
        }
        ServerSettings { image, conf }
    }

    /// The settings in a table; a table in it holds those of an extension, whose names have a dot.
    fn conf(
        &mut self,
        file: &str,
        manifest: &TomlFile,
        table: &Node,
        prefix: &str,
        conf: &mut BTreeMap<String, String>,
    ) {
        for (key, node) in table.entries() {
            let name = format!("{prefix}{key}");
            if matches!(node.value, NodeValue::Table(_)) {
                self.conf(file, manifest, node, &format!("{name}."), conf);
                continue;
            }
            let place = (file, Some(node.line));
            if !is_name(&name) {
                let message = format!("`{name}` in `{CONF}` is not the name of a setting");
                let remedy = "as PostgreSQL's manual writes it: shared_preload_libraries = \"…\"";
                self.add(place, message, remedy);
            } else if NOT_THEIRS.contains(&name.to_lowercase().as_str()) {
                let message = format!("a service may not set `{name}` in `{CONF}`");
                let remedy = "remove it: the launcher of the throw-away server sets it";
                self.add(place, message, remedy);
            } else if let Some(value) = value(manifest, node) {
                conf.insert(name, value);
            } else {
                let written = manifest.written(node);
                let message = format!(
                    "`{name}` in `{CONF}` must be one line of text, a number, true or false, not `{written}`"
                );
                self.add(place, message, format!("{name} = \"…\""));
            }
        }
    }
}

/// As PostgreSQL reads names: of letters, digits, `_` and `$`, with dots between.
fn is_name(name: &str) -> bool {
    name.split('.').all(|part| {
        let is_first = |c: char| c.is_ascii_alphabetic() || c == '_';
        part.starts_with(is_first)
            && part
                .chars()
                .all(|c| is_first(c) || c.is_ascii_digit() || c == '$')
    })
}

/// A value as PostgreSQL reads it.
fn value(manifest: &TomlFile, node: &Node) -> Option<String> {
    match &node.value {
        NodeValue::String(text) => (!text.contains(char::is_control)).then(|| text.clone()),
        NodeValue::Boolean(is_on) => Some(if *is_on { "on" } else { "off" }.to_owned()),
        NodeValue::Other => {
            let written = manifest.written(node);
            let number = written.parse::<f64>().is_ok_and(f64::is_finite);
            number.then(|| written.to_owned())
        }
        NodeValue::List(_) | NodeValue::Table(_) => None,
    }
}
