//! `Cargo.lock`: what each package of the workspace is built from.

use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;

#[derive(Deserialize)]
struct File {
    #[serde(default)]
    package: Vec<Package>,
}

#[derive(Deserialize)]
struct Package {
    name: String,
    version: String,
    source: Option<String>,
    checksum: Option<String>,
    #[serde(default)]
    dependencies: Vec<String>,
}

/// A lockfile.
pub(super) struct Lockfile(Vec<Package>);

impl Lockfile {
    /// Understands a lockfile; one that is missing or malformed is none.
    pub(super) fn parse(text: Option<&str>) -> Option<Self> {
        let file: File = toml::from_str(text?).ok()?;
        Some(Self(file.package))
    }

    /// Everything that a package of the workspace is built from, with versions and checksums; none where it is unknown.
    pub(super) fn closure(&self, name: &str) -> Option<BTreeSet<String>> {
        let mut by_name = BTreeMap::<&str, Vec<usize>>::new();
        for (index, package) in self.0.iter().enumerate() {
            by_name.entry(&package.name).or_default().push(index);
        }
        let own = by_name.get(name)?;
        let mut open: Vec<_> = own
            .iter()
            .filter(|it| self.0[**it].source.is_none())
            .copied()
            .collect();
        let mut seen = BTreeSet::new();
        while let Some(index) = open.pop() {
            if !seen.insert(index) {
                continue;
            }
            for dependency in &self.0[index].dependencies {
                // `name`, or as much of `name version (source)` as tells it from others.
                let mut words = dependency.split(' ');
                let candidates = by_name.get(words.next()?)?;
                let version = words.next();
                let source = words.next().map(|it| it.trim_matches(['(', ')']));
                open.extend(candidates.iter().copied().filter(|it| {
                    let package = &self.0[*it];
                    version.is_none_or(|version| version == package.version)
                        && source.is_none_or(|source| package.source.as_deref() == Some(source))
                }));
            }
        }
        (!seen.is_empty()).then(|| {
            seen.into_iter()
                .map(|index| self.0[index].identity())
                .collect()
        })
    }
}

impl Package {
    /// The version of a package of the workspace is its manifest's, whose folder tells that it has changed.
    fn identity(&self) -> String {
        match &self.source {
            None => self.name.clone(),
            Some(source) => format!(
                "{} {} {source} {}",
                self.name,
                self.version,
                self.checksum.as_deref().unwrap_or("")
            ),
        }
    }
}
