//! What is wrong with the settings: found all at once, each with its place and remedy.

use super::toml_file::{Node, TomlFile};
use crate::ui::failure::{Failure, Result, nearest};

/// One fault in the settings or in `.env`.
#[derive(Debug)]
pub(crate) struct Fault {
    /// From the workspace's root.
    pub(crate) file: String,
    /// From 1.
    pub(crate) line: Option<usize>,
    pub(crate) message: String,
    pub(crate) remedy: String,
}

/// The faults found in the settings, all of which are shown.
#[derive(Debug, Default)]
pub(crate) struct Faults(pub(crate) Vec<Fault>);

impl Faults {
    pub(super) fn add(
        &mut self,
        (file, line): (&str, Option<usize>),
        message: impl Into<String>,
        remedy: impl Into<String>,
    ) {
        self.0.push(Fault {
            file: file.to_owned(),
            line,
            message: message.into(),
            remedy: remedy.into(),
        });
    }

    pub(super) fn unknown_keys(&mut self, file: &str, section: &str, table: &Node, known: &[&str]) {
        let unknown = |(key, _): &(&String, _)| !known.contains(&key.as_str());
        for (key, node) in table.entries().iter().filter(unknown) {
            let quoted: Vec<_> = known.iter().map(|key| format!("`{key}`")).collect();
            let list = quoted.join(", ");
            let remedy = match nearest(key, known.iter().copied()) {
                Some(near) => format!("did you mean `{near}`? known keys: {list}"),
                None => format!("known keys: {list}"),
            };
            let message = format!("unknown key `{key}` in `{section}`");
            self.add((file, Some(node.line)), message, remedy);
        }
    }

    /// The string that a key of `table` holds.
    pub(super) fn string(
        &mut self,
        file: &str,
        manifest: &TomlFile,
        table: &Node,
        key: &str,
    ) -> Option<String> {
        let node = table.get(key)?;
        let text = node.as_str().filter(|text| !text.is_empty());
        if text.is_none() {
            let written = manifest.written(node);
            self.add(
                (file, Some(node.line)),
                format!("`{key}` must be a non-empty string, not `{written}`"),
                format!("{key} = \"…\""),
            );
        }
        text.map(str::to_owned)
    }

    /// All of them as one failure.
    pub(crate) fn result(&self) -> Result<()> {
        match self.0.as_slice() {
            [] => Ok(()),
            [one] => {
                Err(Failure::usage(format!("{}: {}", one.file, one.message)).help(&one.remedy))
            }
            several => {
                let mut text = format!("the settings have {} faults", several.len());
                for fault in several {
                    let remedy = fault.remedy.replace('\n', "\n  ");
                    text += &format!("\n- {}: {}\n  {remedy}", fault.file, fault.message);
                }
                Err(Failure::usage(text))
            }
        }
    }
}

impl From<&Fault> for Failure {
    fn from(fault: &Fault) -> Self {
        let failure = Self::usage(&fault.message);
        match fault.remedy.as_str() {
            "" => failure,
            remedy => failure.help(remedy),
        }
    }
}
