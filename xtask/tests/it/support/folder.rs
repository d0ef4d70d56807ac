//! A generated workspace's files, in a temporary folder.

use std::path::{Path, PathBuf};

use tempfile::TempDir;

/// The root of a generated workspace; gone when it is dropped.
pub(crate) struct Folder(TempDir);

impl Folder {
    /// One with a `Cargo.toml` whose members are the services.
    pub(crate) fn new() -> Self {
        let folder = Self(TempDir::new().unwrap());
        folder.write("Cargo.toml", "[workspace]\nmembers = [\"services/*\"]\n");
        folder
    }

    pub(crate) fn root(&self) -> &Path {
        self.0.path()
    }

    pub(crate) fn path(&self, path: &str) -> PathBuf {
        self.root().join(path)
    }

    pub(crate) fn write(&self, path: &str, text: &str) {
        let path = self.path(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }

    pub(crate) fn read(&self, path: &str) -> String {
        std::fs::read_to_string(self.path(path)).unwrap()
    }

    /// Text is added at the end of a file.
    pub(crate) fn append(&self, path: &str, text: &str) {
        self.write(path, &(self.read(path) + text));
    }

    /// Replaces text that must be there.
    #[track_caller]
    pub(crate) fn edit(&self, path: &str, from: &str, to: &str) {
        let text = self.read(path);
        assert!(text.contains(from), "{path} has no {from:?}:\n{text}");
        self.write(path, &text.replace(from, to));
    }

    /// Removes a file, or a folder with all in it.
    pub(crate) fn remove(&self, path: &str) {
        let path = self.path(path);
        if path.is_dir() {
            std::fs::remove_dir_all(path).unwrap();
        } else {
            std::fs::remove_file(path).unwrap();
        }
    }

    /// The names in a folder, sorted; none when there is no folder.
    pub(crate) fn list(&self, path: &str) -> Vec<String> {
        let entries = std::fs::read_dir(self.path(path)).into_iter().flatten();
        let mut names: Vec<_> = entries
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }

    /// Copies a folder with all in it.
    pub(crate) fn copy(&self, from: &str, to: &str) {
        copy(&self.path(from), &self.path(to));
    }

    /// Writes the manifest of a service that says this after its name.
    pub(crate) fn manifest(&self, service: &str, metadata: &str) {
        self.write(
            &format!("services/{service}/Cargo.toml"),
            &format!("[package]\nname = \"{service}\"\n{metadata}"),
        );
    }

    /// Writes a migration into a service's folder.
    pub(crate) fn migration(&self, service: &str, name: &str, up: &str, down: &str) {
        let folder = format!("services/{service}/migrations/{name}");
        self.write(&format!("{folder}/up.sql"), up);
        self.write(&format!("{folder}/down.sql"), down);
    }

    /// Writes a migration that runs without a transaction.
    pub(crate) fn migration_without_transaction(
        &self,
        service: &str,
        name: &str,
        up: &str,
        down: &str,
    ) {
        self.migration(service, name, up, down);
        self.write(
            &format!("services/{service}/migrations/{name}/metadata.toml"),
            "run_in_transaction = false\n",
        );
    }
}

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let to = to.join(entry.file_name());
        if entry.path().is_dir() {
            copy(&entry.path(), &to);
        } else {
            std::fs::copy(entry.path(), to).unwrap();
        }
    }
}
