//! What git knows: the files that differ from the merge base, and what they were there.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, bail};

use crate::child;

/// The state of a repository that a branch began from.
pub(crate) struct Base {
    /// The folder of the repository, canonical.
    root: PathBuf,
    commit: String,
}

impl Base {
    /// The merge base of HEAD and `base`, in the repository that `folder` is in.
    ///
    /// # Errors
    /// No repository, an unknown `base`, or no merge base, as in a shallow clone.
    pub(crate) fn find(folder: &Path, base: &str) -> anyhow::Result<Self> {
        let git = |arguments: &[&str]| child::answer(command(folder).args(arguments));
        let root = git(&["rev-parse", "--show-toplevel"]).context(
            "changes are found by comparing with a commit: this is not a git repository",
        )?;
        let name = base.strip_prefix("origin/").unwrap_or(base);
        let shallow = git(&["rev-parse", "--is-shallow-repository"])?.trim() == "true";
        let fetch = match shallow {
            true => format!(
                "this clone is shallow: `git fetch --unshallow origin` and `git fetch origin {name}`, or in a workflow \
                 `fetch-depth: 0` for actions/checkout"
            ),
            false => format!("`git fetch origin {name}`"),
        };
        let commit = format!("{base}^{{commit}}");
        if git(&[
            "rev-parse",
            "--verify",
            "--quiet",
            "--end-of-options",
            &commit,
        ])
        .is_err()
        {
            bail!("found no commit `{base}` to compare with\n  help: {fetch}");
        }
        let Ok(found) = git(&["merge-base", "HEAD", base]) else {
            bail!("found no merge base of `{base}` and HEAD\n  help: {fetch}");
        };
        Ok(Self {
            root: PathBuf::from(root.trim_end_matches('\n')),
            commit: found.trim().to_owned(),
        })
    }

    pub(super) fn root(&self) -> &Path {
        &self.root
    }

    /// The files that differ between the merge base and the working tree, from the repository's folder. A renamed file
    /// is two.
    pub(crate) fn changed(&self) -> anyhow::Result<Vec<String>> {
        let diff = ["diff", "--name-only", "--no-renames", "-z", &self.commit];
        let new = ["ls-files", "--others", "--exclude-standard", "-z"];
        let mut text = child::answer(command(&self.root).args(diff))?;
        text += &child::answer(command(&self.root).args(new))?;
        let names = text.split('\0').filter(|name| !name.is_empty());
        Ok(names.map(str::to_owned).collect())
    }

    /// What differs between the merge base and the working tree, as a patch; of new files, those that git knows.
    pub(crate) fn difference(&self) -> anyhow::Result<String> {
        child::answer(command(&self.root).args(["diff", "--no-renames", &self.commit]))
    }

    /// The text of a file at the merge base; none if it was not there.
    pub(super) fn text(&self, file: &str) -> Option<String> {
        let name = format!("{}:{file}", self.commit);
        child::answer(command(&self.root).args(["show", &name])).ok()
    }

    /// Whether a source in `folder` has the text of a file compiled in: then the file is code, with any extension.
    pub(super) fn is_compiled_in(&self, folder: &str, file: &str) -> bool {
        let name = Path::new(file).file_name().unwrap_or_default();
        let mut grep = command(&self.root);
        grep.args(["grep", "--untracked", "--no-color", "-h", "-F", "-e"]);
        grep.arg(name).args(["--", &format!("{folder}/*.rs")]);
        let lines = child::answer(&mut grep).unwrap_or_default();
        // A documentation comment is no code.
        lines.lines().any(|line| {
            ["include_str!", "include_bytes!", "include!"]
                .iter()
                .any(|it| line.contains(it))
                && !line.contains("doc = include_str!")
        })
    }
}

fn command(folder: &Path) -> Command {
    child::program("git", folder)
}
