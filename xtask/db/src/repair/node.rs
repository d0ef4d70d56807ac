//! What stands at a path: enough to tell whether it changed, and to put it back.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use anyhow::bail;
use fs_err as fs;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

/// What stands at a path. Modes are `None` where there are none.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase", tag = "kind")]
pub(crate) enum Node {
    Absent,
    File {
        sha256: String,
        #[serde(with = "octal")]
        mode: Option<u32>,
    },
    Folder {
        #[serde(with = "octal")]
        mode: Option<u32>,
    },
    Link {
        target: PathBuf,
    },
}

/// Modes as a person writes them.
mod octal {
    use serde::{Deserialize as _, Deserializer, Serializer};

    #[expect(clippy::ref_option, reason = "serde's form")]
    pub(super) fn serialize<S: Serializer>(mode: &Option<u32>, to: S) -> Result<S::Ok, S::Error> {
        match mode {
            Some(mode) => to.serialize_some(&format!("{mode:04o}")),
            None => to.serialize_none(),
        }
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Option<u32>, D::Error> {
        let text = Option::<String>::deserialize(from)?;
        let mode = text.map(|text| u32::from_str_radix(&text, 8)).transpose();
        mode.map_err(serde::de::Error::custom)
    }
}

pub(crate) fn sha256(bytes: &[u8]) -> String {
    let digest = Sha256::digest(bytes);
    digest.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// What stands at `path`; a link is not followed.
pub(crate) fn read(root: &Path, path: &Path) -> anyhow::Result<Node> {
    let full = root.join(path);
    let metadata = match fs::symlink_metadata(&full) {
        Ok(metadata) => metadata,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Node::Absent),
        Err(error) => return Err(error.into()),
    };
    let kind = metadata.file_type();
    if kind.is_symlink() {
        let target = fs::read_link(&full)?;
        return Ok(Node::Link { target });
    }
    let mode = mode(&metadata);
    if kind.is_dir() {
        return Ok(Node::Folder { mode });
    }
    if !kind.is_file() {
        bail!(
            "failed to copy `{}`: it is not a file, folder or link",
            full.display()
        );
    }
    Ok(Node::File {
        sha256: sha256(&fs::read(&full)?),
        mode,
    })
}

/// `path` and everything in it, folders before what they hold.
pub(crate) fn tree(root: &Path, path: &Path) -> anyhow::Result<Vec<(PathBuf, Node)>> {
    let node = read(root, path)?;
    let is_folder = matches!(node, Node::Folder { .. });
    let mut found = vec![(path.to_owned(), node)];
    if is_folder {
        let mut names = Vec::new();
        for entry in fs::read_dir(root.join(path))? {
            names.push(entry?.file_name());
        }
        names.sort();
        for name in names {
            found.extend(tree(root, &path.join(name))?);
        }
    }
    Ok(found)
}

/// Where there are modes.
fn mode(metadata: &std::fs::Metadata) -> Option<u32> {
    #[cfg(unix)]
    return Some(std::os::unix::fs::PermissionsExt::mode(&metadata.permissions()) & 0o7777);
    #[cfg(not(unix))]
    return None;
}

/// Makes a symbolic link again.
pub(crate) fn link(target: &Path, path: &Path) -> std::io::Result<()> {
    #[cfg(unix)]
    return fs::os::unix::fs::symlink(target, path);
    #[cfg(windows)]
    return fs::os::windows::fs::symlink_file(target, path);
}
