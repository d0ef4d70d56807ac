//! The packages of the workspace, as cargo sees them: their folders, and which depend on which.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use serde::Deserialize;
use workspace_db::settings::Settings;

use crate::child;

/// The tool's own crates: what depends on one of them and is no service is of the tool too.
const TOOL: [&str; 3] = ["xtask", "workspace-ci", "workspace-db"];

#[derive(Deserialize)]
struct Metadata {
    packages: Vec<Package>,
    target_directory: PathBuf,
}

#[derive(Deserialize)]
struct Package {
    name: String,
    manifest_path: PathBuf,
    dependencies: Vec<Dependency>,
    targets: Vec<Target>,
}

#[derive(Deserialize)]
struct Dependency {
    path: Option<PathBuf>,
}

#[derive(Deserialize)]
struct Target {
    test: bool,
}

/// The members of a workspace.
pub(crate) struct Packages {
    /// By name, the folder.
    folders: BTreeMap<String, PathBuf>,
    /// By name, the members that it depends on by path, tests' included.
    dependencies: BTreeMap<String, BTreeSet<String>>,
    with_tests: BTreeSet<String>,
    /// Where cargo builds.
    pub(crate) target: PathBuf,
}

impl Packages {
    /// Asks `cargo metadata`.
    pub(crate) fn read(root: &Path) -> anyhow::Result<Self> {
        let mut cargo = child::cargo(root);
        // The dependencies' own are in the lockfile.
        cargo.args(["metadata", "--format-version=1", "--no-deps", "--offline"]);
        let text = child::answer(&mut cargo)?;
        let metadata: Metadata =
            serde_json::from_str(&text).context("failed to read what `cargo metadata` prints")?;
        let folder = |package: &Package| package.manifest_path.parent().map(Path::to_owned);
        let by_folder: BTreeMap<_, _> = metadata
            .packages
            .iter()
            .filter_map(|package| Some((folder(package)?, package.name.clone())))
            .collect();
        let dependencies = |package: &Package| {
            let paths = package
                .dependencies
                .iter()
                .filter_map(|it| it.path.as_ref());
            paths
                .filter_map(|path| by_folder.get(path).cloned())
                .collect()
        };
        Ok(Self {
            target: metadata.target_directory,
            dependencies: metadata
                .packages
                .iter()
                .map(|package| (package.name.clone(), dependencies(package)))
                .collect(),
            with_tests: metadata
                .packages
                .iter()
                .filter(|package| package.targets.iter().any(|target| target.test))
                .map(|package| package.name.clone())
                .collect(),
            folders: by_folder
                .into_iter()
                .map(|(folder, name)| (name, folder))
                .collect(),
        })
    }

    pub(crate) fn has(&self, name: &str) -> bool {
        self.folders.contains_key(name)
    }

    /// The members that are no services and have tests.
    pub(crate) fn tools(&self, settings: &Settings) -> impl Iterator<Item = &str> {
        let is_service = |name: &str| settings.services.iter().any(|it| it.name == name);
        let names = self.with_tests.iter().map(String::as_str);
        names.filter(move |name| !is_service(name))
    }

    /// The member whose folder a path is in, the innermost.
    pub(super) fn at(&self, path: &Path) -> Option<(&str, &Path)> {
        let around = self
            .folders
            .iter()
            .filter(|(_, folder)| path.starts_with(folder));
        let inner = around.max_by_key(|(_, folder)| folder.components().count());
        inner.map(|(name, folder)| (name.as_str(), folder.as_path()))
    }

    /// The members that `names` and what they depend on are.
    pub(super) fn with_dependencies(&self, names: &[&str]) -> BTreeSet<&str> {
        let mut open: Vec<_> = names
            .iter()
            .filter_map(|name| self.folders.get_key_value(*name))
            .collect();
        let mut seen = BTreeSet::new();
        while let Some((name, _)) = open.pop() {
            if seen.insert(name.as_str()) {
                let next = self.dependencies.get(name).into_iter().flatten();
                open.extend(next.filter_map(|name| self.folders.get_key_value(name)));
            }
        }
        seen
    }

    /// What decides how the tests run, and with it all of their results.
    pub(super) fn tool(&self, settings: &Settings) -> BTreeSet<&str> {
        let is_service = |name: &str| settings.services.iter().any(|it| it.name == name);
        let mut names: Vec<&str> = TOOL.to_vec();
        for name in self.folders.keys().filter(|name| !is_service(name)) {
            let all = self.with_dependencies(&[name]);
            if TOOL.iter().any(|tool| all.contains(tool)) {
                names.push(name);
            }
        }
        let mut tool = self.with_dependencies(&names);
        tool.retain(|name| !is_service(name));
        tool
    }

    pub(super) fn names(&self) -> impl Iterator<Item = &str> {
        self.folders.keys().map(String::as_str)
    }
}
