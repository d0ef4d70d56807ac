//! A file of variables, `.env` or `.env.template`: read with the place of every line; lines are added, never changed.

use std::collections::HashMap;
use std::io::ErrorKind;
use std::ops::Range;
use std::path::{Path, PathBuf};

use super::edit::{Edit, edited, without_mark};
use super::fault::Fault;
use crate::ui::failure::{Failure, Result};
use crate::ui::replace::replace;

const ENV: &str = ".env";
pub(crate) const TEMPLATE: &str = ".env.template";

/// Such a file as it was found.
#[derive(Default)]
pub(crate) struct Dotenv {
    pub(crate) path: PathBuf,
    /// Empty if there is none that can be read.
    pub(crate) text: String,
    pub(crate) is_missing: bool,
    /// Why it can't be read.
    unreadable: Option<String>,
    /// Those that name a variable, whether all of the file can be understood or not.
    pub(crate) lines: Vec<EnvLine>,
}

/// A line that sets a variable. The value is only looked at, never shown: it may hold a password.
pub(crate) struct EnvLine {
    /// From 1.
    pub(crate) number: usize,
    /// The bytes of the line, without its end.
    pub(crate) span: Range<usize>,
    pub(crate) name: String,
    /// Without quotes; `None` where there is no `=`.
    pub(crate) value: Option<String>,
}

impl Dotenv {
    /// The `.env` at the workspace's root; never one in a parent folder.
    pub(crate) fn of(root: &Path) -> Self {
        Self::read(root.join(ENV))
    }

    /// The `.env.template` at the workspace's root.
    pub(crate) fn template(root: &Path) -> Self {
        Self::read(root.join(TEMPLATE))
    }

    fn read(path: PathBuf) -> Self {
        let mut file = Self {
            path,
            ..Self::default()
        };
        match std::fs::read_to_string(&file.path) {
            Ok(text) => {
                file.text = without_mark(text);
                file.lines = lines(&file.text);
            }
            Err(error) if error.kind() == ErrorKind::NotFound => file.is_missing = true,
            Err(error) => {
                file.unreadable =
                    Some(format!("failed to read `{}`: {error}", file.path.display()));
            }
        }
        file
    }

    /// The line of one variable.
    pub(crate) fn line(&self, name: &str) -> Option<&EnvLine> {
        self.lines.iter().find(|line| line.name == name)
    }

    /// All the variables.
    ///
    /// # Errors
    /// A line that can't be read, by its number: its text may hold a password.
    pub(crate) fn variables(&self) -> Result<HashMap<String, String>, Fault> {
        let fault = |line, message, remedy: &str| Fault {
            file: ENV.to_owned(),
            line,
            message,
            remedy: remedy.to_owned(),
        };
        if let Some(message) = &self.unreadable {
            return Err(fault(None, message.clone(), ""));
        }
        let variables = dotenvy::from_read_iter(self.text.as_bytes());
        variables.collect::<Result<_, _>>().map_err(|_| {
            // The error's own text repeats the line.
            let number = service_url::faulty_line(&self.text);
            let message = format!(
                "failed to read `{}`: line {number} is not NAME=value",
                self.path.display()
            );
            fault(
                Some(number),
                message,
                "put a value with spaces, quotes, $ or # in single quotes: NAME='value'",
            )
        })
    }
}

/// The edits that give the variables to a text: a line that sets one gets its value in place.
pub(crate) fn setting(text: &str, variables: &[(String, String)]) -> Vec<Edit> {
    let lines = lines(text);
    let edit = |(name, value): &(String, String)| {
        let new = format!("{name}={value}");
        match lines.iter().find(|line| line.name == *name) {
            Some(line) => Edit::Replace(line.span.clone(), new),
            None => Edit::Append(new),
        }
    };
    variables.iter().map(edit).collect()
}

/// Adds the variables to the `.env` at `root`, which begins as a copy of `.env.template` if it is not there yet. A value
/// that is set stays as it is.
pub(crate) fn add(root: &Path, variables: &[(String, String)]) -> Result<()> {
    let env = Dotenv::of(root);
    if let Some(message) = env.unreadable {
        return Err(Failure::usage(message));
    }
    let start = if env.is_missing {
        Dotenv::template(root)
    } else {
        env
    };
    let text = edited(&start.text, &setting(&start.text, variables));
    Ok(replace(&root.join(ENV), text.as_bytes(), Some(0o600))?)
}

/// Empties the variables in the root's `.env` whose value begins with `prefix`, and gives their names. An empty variable
/// counts as unset, and its line keeps its place.
pub(crate) fn empty(root: &Path, prefix: &str) -> Result<Vec<String>> {
    let env = Dotenv::of(root);
    let begins = |value: &String| value.starts_with(prefix);
    let ours = |line: &&EnvLine| line.value.as_ref().is_some_and(begins);
    let lines: Vec<_> = env.lines.iter().filter(ours).collect();
    let edit = |line: &&EnvLine| Edit::Replace(line.span.clone(), format!("{}=", line.name));
    let edits: Vec<_> = lines.iter().map(edit).collect();
    if !edits.is_empty() {
        let text = edited(&env.text, &edits);
        replace(&env.path, text.as_bytes(), Some(0o600))?;
    }
    Ok(lines.iter().map(|line| line.name.clone()).collect())
}

fn lines(text: &str) -> Vec<EnvLine> {
    let (mut found, mut start) = (Vec::new(), 0);
    for (index, whole) in text.split_inclusive('\n').enumerate() {
        let line = whole.trim_end_matches(['\n', '\r']);
        let span = start..start + line.len();
        start += whole.len();
        let (name, value) = match line.split_once('=') {
            Some((name, value)) => (name.trim(), Some(value)),
            None => (line.trim(), None),
        };
        let name = name.strip_prefix("export ").unwrap_or(name).trim();
        if name.is_empty() || name.starts_with('#') {
            continue;
        }
        let quotes = |c: char| c.is_whitespace() || c == '"' || c == '\'';
        found.push(EnvLine {
            number: index + 1,
            span,
            name: name.to_owned(),
            value: value.map(|value| value.trim_matches(quotes).to_owned()),
        });
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn template_lines_get_their_value_and_the_rest_is_kept() {
        let variables = [
            ("A_URL".to_owned(), "x".to_owned()),
            ("B_URL".to_owned(), "y".to_owned()),
        ];
        let template = "# head\nexport A_URL=\nOTHER=1 # c\n#A_URL=no\n";
        assert_eq!(
            edited(template, &setting(template, &variables)),
            "# head\nA_URL=x\nOTHER=1 # c\n#A_URL=no\nB_URL=y\n"
        );
    }
}
