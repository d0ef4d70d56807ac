//! What a change can affect.

use std::collections::BTreeSet;
use std::path::Path;

use workspace_db::settings::Settings;

use super::git::Base;
use super::lockfile::Lockfile;
use super::packages::Packages;

/// The packages that a change can affect.
pub(crate) enum Affected {
    Everything,
    Some(BTreeSet<String>),
}

/// What a changed file means.
#[derive(Debug, PartialEq, Eq)]
enum Meaning {
    /// For people: no test of a service depends on it.
    Documentation,
    /// For cargo or for how tests are run.
    Everything,
    /// The lockfile, which is compared package by package.
    Lockfile,
    /// A file of a member's.
    Package(String),
    /// Of a package that is no longer there.
    Gone,
}

impl Affected {
    /// What the changes since the merge base with `base` can affect; everything without one.
    ///
    /// # Errors
    /// As for [`Base::find`]; a workspace that cargo can't read.
    pub(crate) fn since(settings: &Settings, base: Option<&str>) -> anyhow::Result<Self> {
        let Some(base) = base.filter(|base| !base.is_empty()) else {
            return Ok(Self::Everything);
        };
        let base = Base::find(&settings.root, base)?;
        let packages = Packages::read(&settings.root)?;
        let place = Place {
            base: &base,
            packages: &packages,
            workspace: &settings.root.canonicalize()?,
        };
        let mut changed = BTreeSet::new();
        let (mut locked, mut others) = (Vec::new(), false);
        for file in base.changed()? {
            match place.meaning(&file) {
                Meaning::Everything => return Ok(Self::Everything),
                Meaning::Documentation | Meaning::Gone => others = true,
                Meaning::Lockfile => locked = place.locked_otherwise(&file),
                Meaning::Package(name) => {
                    changed.insert(name);
                }
            }
        }
        // A dependency of its own can break the tool, not what the services' tests find.
        if packages
            .tool(settings)
            .iter()
            .any(|it| changed.contains(*it))
        {
            return Ok(Self::Everything);
        }
        changed.extend(locked);
        let mut affected: BTreeSet<_> = packages
            .names()
            .filter(|name| {
                let all = packages.with_dependencies(&[name]);
                all.iter().any(|it| changed.contains(*it))
            })
            .map(str::to_owned)
            .collect();
        // Their tests hold the documents and the manifests against what is so.
        if others || !changed.is_empty() {
            affected.extend(packages.tools(settings).map(str::to_owned));
        }
        Ok(Self::Some(affected))
    }

    pub(crate) fn has(&self, name: &str) -> bool {
        match self {
            Self::Everything => true,
            Self::Some(names) => names.contains(name),
        }
    }
}

struct Place<'a> {
    base: &'a Base,
    packages: &'a Packages,
    workspace: &'a Path,
}

impl Place<'_> {
    /// What a file means, by its path from the repository's folder.
    fn meaning(&self, file: &str) -> Meaning {
        let path = self.base.root().join(file);
        if let Ok(inside) = path.strip_prefix(self.workspace) {
            return self.inside(file, &path, inside);
        }
        // Another project of the repository; workflows are at its root.
        match file.starts_with(".github/") {
            true => Meaning::Everything,
            false => Meaning::Documentation,
        }
    }

    fn inside(&self, file: &str, path: &Path, inside: &Path) -> Meaning {
        if inside == Path::new("Cargo.lock") {
            return Meaning::Lockfile;
        }
        let member = self.packages.at(path);
        if is_document(inside) {
            let folder = member.map_or(self.workspace, |(_, folder)| folder);
            let folder = folder.strip_prefix(self.base.root()).unwrap_or(folder);
            if !self.base.is_compiled_in(&folder.to_string_lossy(), file) {
                return Meaning::Documentation;
            }
        }
        match member {
            Some((name, folder)) if folder != self.workspace => Meaning::Package(name.to_owned()),
            _ if self.was_a_package(file) => Meaning::Gone,
            _ => Meaning::Everything,
        }
    }

    /// Whether it was in a package that has no manifest any more, other than the root.
    fn was_a_package(&self, file: &str) -> bool {
        let folders = Path::new(file).ancestors().skip(1);
        let mut manifests = folders.map(|folder| folder.join("Cargo.toml"));
        manifests.any(|manifest| {
            let path = self.base.root().join(&manifest);
            let inside = path.parent() != Some(self.workspace) && path.starts_with(self.workspace);
            inside && !path.exists() && self.base.text(&manifest.to_string_lossy()).is_some()
        })
    }

    /// The members that are built from something else than at the merge base.
    fn locked_otherwise(&self, file: &str) -> Vec<String> {
        let now = std::fs::read_to_string(self.base.root().join(file)).ok();
        let now = Lockfile::parse(now.as_deref());
        let before = Lockfile::parse(self.base.text(file).as_deref());
        let same = |name: &&str| {
            let (now, before) = (now.as_ref(), before.as_ref());
            let closures = now
                .and_then(|it| it.closure(name))
                .zip(before.and_then(|it| it.closure(name)));
            closures.is_some_and(|(now, before)| now == before)
        };
        let members = self.packages.names();
        members
            .filter(|name| !same(name))
            .map(str::to_owned)
            .collect()
    }
}

/// Whether a file is for people, or for programs that no test runs.
fn is_document(path: &Path) -> bool {
    let name = path
        .file_name()
        .and_then(|name| name.to_str())
        .unwrap_or("");
    let is_markdown = path.extension().is_some_and(|it| it == "md");
    let others = [
        ".gitignore",
        ".gitattributes",
        ".editorconfig",
        ".env.template",
        "clippy.toml",
        "deny.toml",
        "rustfmt.toml",
    ];
    is_markdown || path.starts_with("docs") || name.starts_with("LICENSE") || others.contains(&name)
}
