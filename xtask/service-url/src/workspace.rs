use std::path::{Path, PathBuf};

use crate::{Error, Result};

/// The folder of the workspace around `start`, found upwards as cargo does; `None` where there is none,
/// as on a machine that a service is deployed to.
///
/// # Errors
/// A `Cargo.toml` on the way can't be read or is not TOML.
pub fn workspace_root(start: &Path) -> Result<Option<PathBuf>> {
    for folder in start.ancestors() {
        let path = folder.join("Cargo.toml");
        if !path.is_file() {
            continue;
        }
        let text = match std::fs::read_to_string(&path) {
            Ok(text) => text,
            Err(source) => return Err(Error::File { path, source }),
        };
        let manifest: toml::Table = match text.parse() {
            Ok(manifest) => manifest,
            Err(source) => {
                let source = Box::new(source);
                return Err(Error::Manifest { path, source });
            }
        };
        if manifest.contains_key("workspace") {
            return Ok(Some(folder.to_owned()));
        }
    }
    Ok(None)
}

#[cfg(test)]
mod tests {
    use super::workspace_root;

    #[test]
    fn the_workspace_is_found_upwards_past_its_members() {
        let root = tempfile::tempdir().unwrap();
        let member = root.path().join("services/arc");
        std::fs::create_dir_all(member.join("src")).unwrap();
        std::fs::write(member.join("Cargo.toml"), "[package]\nname = \"arc\"\n").unwrap();
        assert_eq!(workspace_root(&member.join("src")).unwrap(), None);
        let manifest = root.path().join("Cargo.toml");
        std::fs::write(&manifest, "[workspace.package]\n").unwrap();
        for start in [&member.join("src"), &member, root.path()] {
            let found = workspace_root(start).unwrap();
            assert_eq!(found.as_deref(), Some(root.path()));
        }
        std::fs::write(&manifest, "[workspace\n").unwrap();
        let error = workspace_root(&member).unwrap_err().to_string();
        assert!(error.starts_with("failed to parse `"), "{error}");
    }
}
