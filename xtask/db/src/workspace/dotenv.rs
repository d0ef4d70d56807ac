//! Writing `.env`: lines are added, never changed.

use std::io::Write as _;
use std::path::Path;

use anyhow::Context as _;

use crate::ui::failure::Result;

/// Adds the variables to the `.env` at `root`, which begins as a copy of `.env.template` if it is not there yet: a line
/// of the template that sets one of the variables gets its value in place. A value that is set stays as it is.
///
/// # Errors
/// The files can't be read or written.
pub(crate) fn add(root: &Path, variables: &[(String, String)]) -> Result<()> {
    let path = root.join(".env");
    let text = match std::fs::read_to_string(&path) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            std::fs::read_to_string(root.join(".env.template")).unwrap_or_default()
        }
        Err(error) => {
            return Err(anyhow::anyhow!("failed to read `{}`: {error}", path.display()).into());
        }
    };
    replace(root, &merged(&text, variables))
}

/// Writes `.env`, readable by its owner only: beside it first and renamed, so that nobody sees half a file.
fn replace(root: &Path, text: &str) -> Result<()> {
    let path = root.join(".env");
    let temporary = root.join(format!(".env.{}.tmp", std::process::id()));
    let written = (|| {
        let mut options = std::fs::OpenOptions::new();
        options.write(true).create_new(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        options.open(&temporary)?.write_all(text.as_bytes())?;
        std::fs::rename(&temporary, &path)
    })();
    if written.is_err() {
        // Half a file of ours, if it is there at all.
        let _ = std::fs::remove_file(&temporary);
    }
    Ok(written.with_context(|| format!("failed to write `{}`", path.display()))?)
}

/// Empties the variables in the root's `.env` whose value begins with `prefix`, and gives their names. An empty variable
/// counts as unset, and its line keeps its place.
///
/// # Errors
/// The file can't be read or written.
pub(crate) fn empty(root: &Path, prefix: &str) -> Result<Vec<String>> {
    let path = root.join(".env");
    let Ok(text) = std::fs::read_to_string(&path) else {
        return Ok(Vec::new());
    };
    let mut names = Vec::new();
    let mut out = String::new();
    for line in text.lines() {
        let ours = line.split_once('=').filter(|(_, value)| {
            value
                .trim_start_matches(['"', '\'', ' '])
                .starts_with(prefix)
        });
        match ours {
            Some((name, _)) => {
                out.push_str(&format!("{name}=\n"));
                names.push(name.trim().trim_start_matches("export ").to_owned());
            }
            None => out.push_str(&format!("{line}\n")),
        }
    }
    if !names.is_empty() {
        replace(root, &out)?;
    }
    Ok(names)
}

/// `text` with the variables: a line that sets one gets its value in place.
pub(crate) fn merged(text: &str, variables: &[(String, String)]) -> String {
    let mut left: Vec<_> = variables.iter().collect();
    let mut out = String::new();
    for line in text.lines() {
        let name = line.split('=').next().unwrap_or_default().trim();
        let name = name.strip_prefix("export ").unwrap_or(name).trim();
        match left.iter().position(|(variable, _)| variable == name) {
            Some(index) => {
                let (name, value) = left.remove(index);
                out.push_str(&format!("{name}={value}\n"));
            }
            None => out.push_str(&format!("{line}\n")),
        }
    }
    for (name, value) in left {
        out.push_str(&format!("{name}={value}\n"));
    }
    out
}

#[cfg(test)]
mod tests {
    #[test]
    fn template_lines_get_their_value_and_the_rest_is_kept() {
        let variables = [
            ("A_URL".to_owned(), "x".to_owned()),
            ("B_URL".to_owned(), "y".to_owned()),
        ];
        assert_eq!(
            super::merged(
                "# head\nexport A_URL=\nOTHER=1 # c\n#A_URL=no\n",
                &variables
            ),
            "# head\nA_URL=x\nOTHER=1 # c\n#A_URL=no\nB_URL=y\n"
        );
    }
}
