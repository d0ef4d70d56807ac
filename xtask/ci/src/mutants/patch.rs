//! A fault that a person wrote: a patch with its consequence, and the tests that have to notice.

use std::path::Path;

use anyhow::{Context as _, bail};
use fs_err as fs;

/// Where the patches are, from the workspace's root.
const FOLDER: &str = "xtask/db/tests/mutants";

/// A patch: what the fault would cost, `tests: NAME…`, and the difference.
pub(super) struct Patch {
    /// Its path, from the workspace's root.
    pub(super) path: String,
    /// The name of its file, without the ending.
    pub(super) name: String,
    /// Its consequence, if no test noticed.
    pub(super) cost: String,
    /// The tests that notice, each with its module: of `xtask/tests/it`, or, after `db::`, of `xtask/db/src`.
    pub(super) tests: Vec<String>,
    /// The sources that it changes, from the workspace's root.
    sources: Vec<String>,
}

impl Patch {
    /// All of a workspace, by name.
    ///
    /// # Errors
    /// One that can't be read, or does not say what it costs, which tests notice or what it changes.
    pub(super) fn all(root: &Path) -> anyhow::Result<Vec<Self>> {
        let mut patches = Vec::new();
        let folder = root.join(FOLDER);
        if !folder.is_dir() {
            return Ok(patches);
        }
        for entry in fs::read_dir(&folder)? {
            let name = entry?.file_name();
            if let Some(name) = name.to_str().and_then(|it| it.strip_suffix(".patch")) {
                let path = format!("{FOLDER}/{name}.patch");
                let text = fs::read_to_string(root.join(&path))?;
                let patch = Self::parse(name, &text);
                patches.push(patch.with_context(|| format!("failed to read `{path}`"))?);
            }
        }
        patches.sort_by(|one, two| one.name.cmp(&two.name));
        Ok(patches)
    }

    fn parse(name: &str, text: &str) -> anyhow::Result<Self> {
        let (head, difference) = text
            .split_once("\ndiff --git ")
            .context("no difference that begins with `diff --git`")?;
        let (cost, head) = head.split_once('\n').unwrap_or((head, ""));
        let tests = head.lines().find_map(|line| line.strip_prefix("tests: "));
        let patch = Self {
            path: format!("{FOLDER}/{name}.patch"),
            name: name.to_owned(),
            cost: cost.to_owned(),
            tests: words(tests.unwrap_or_default()),
            sources: difference
                .lines()
                .filter_map(|line| line.strip_prefix("+++ b/"))
                .map(str::to_owned)
                .collect(),
        };
        if patch.cost.is_empty() {
            bail!("its first line has to say what the fault would cost");
        }
        if patch.tests.is_empty() {
            bail!("a line `tests: MODULE::NAME…` has to name the tests that notice");
        }
        Ok(patch)
    }

    /// Whether it is among the files that were named, and touches one that has changed.
    pub(super) fn is_meant(&self, files: &[String], changed: Option<&[String]>) -> bool {
        let is_one = |file: &String| *file == self.path || self.sources.contains(file);
        (files.is_empty() || files.iter().any(is_one))
            && changed.is_none_or(|changed| changed.iter().any(is_one))
    }
}

fn words(text: &str) -> Vec<String> {
    text.split_whitespace().map(str::to_owned).collect()
}
