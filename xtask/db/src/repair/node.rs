//! What stands at a path: enough to tell whether it changed, and to put it back.

use std::io::Write as _;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use super::manifest::{Entry, FILES};

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
    let metadata = match full.symlink_metadata() {
        Ok(metadata) => metadata,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Node::Absent),
        Err(error) => bail!("failed to look at `{}`: {error}", full.display()),
    };
    let kind = metadata.file_type();
    let failed = || format!("failed to read `{}`", full.display());
    if kind.is_symlink() {
        let target = std::fs::read_link(&full).with_context(failed)?;
        return Ok(Node::Link { target });
    }
    let mode = mode(&metadata);
    if kind.is_dir() {
        return Ok(Node::Folder { mode });
    }
    if !kind.is_file() {
        bail!(
            "failed to copy `{}`: it is no file, folder or link",
            full.display()
        );
    }
    let bytes = std::fs::read(&full).with_context(failed)?;
    Ok(Node::File {
        sha256: sha256(&bytes),
        mode,
    })
}

/// `path` and everything in it, folders before what they hold.
pub(crate) fn tree(root: &Path, path: &Path) -> anyhow::Result<Vec<(PathBuf, Node)>> {
    let node = read(root, path)?;
    let is_folder = matches!(node, Node::Folder { .. });
    let mut found = vec![(path.to_owned(), node)];
    if is_folder {
        let full = root.join(path);
        let failed = || format!("failed to read `{}`", full.display());
        let mut names = Vec::new();
        for entry in std::fs::read_dir(&full).with_context(failed)? {
            names.push(entry.with_context(failed)?.file_name());
        }
        names.sort();
        for name in names {
            found.extend(tree(root, &path.join(name))?);
        }
    }
    Ok(found)
}

/// Copies what an entry will change, if it is a file: the list knows all of folders and links.
pub(crate) fn copy_into(root: &Path, backup: &Path, entry: &Entry) -> anyhow::Result<()> {
    let Node::File {
        sha256: expected, ..
    } = &entry.before
    else {
        return Ok(());
    };
    let from = root.join(&entry.path);
    let to = backup.join(FILES).join(&entry.path);
    let bytes =
        std::fs::read(&from).with_context(|| format!("failed to read `{}`", from.display()))?;
    if sha256(&bytes) != *expected {
        bail!(
            "`{}` changes while it is copied; nothing was changed",
            from.display()
        );
    }
    if let Some(folder) = to.parent() {
        std::fs::create_dir_all(folder)
            .with_context(|| format!("failed to create `{}`", folder.display()))?;
    }
    // Private whatever it was: a `.env` may be among them. The list knows the mode.
    write_file(&to, &bytes, Some(0o600))
}

/// Writes a file beside its place, syncs it, and renames it: nobody ever sees half of it.
pub(crate) fn write_file(path: &Path, bytes: &[u8], mode: Option<u32>) -> anyhow::Result<()> {
    let name = path.file_name().unwrap_or_default().display().to_string();
    let temporary = path.with_file_name(format!(".{name}.{}.tmp", std::process::id()));
    let written = (|| {
        let mut options = std::fs::OpenOptions::new();
        options.write(true).create_new(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let mut file = options.open(&temporary)?;
        file.write_all(bytes)?;
        file.sync_all()?;
        set_mode(&temporary, mode)?;
        std::fs::rename(&temporary, path)?;
        sync_folder(path.parent())
    })();
    if written.is_err() {
        // Half a file of ours, if it is there at all.
        let _ = std::fs::remove_file(&temporary);
    }
    written.with_context(|| format!("failed to write `{}`", path.display()))
}

/// A rename is only sure to outlive a power cut once its folder is synced.
#[cfg(unix)]
fn sync_folder(folder: Option<&Path>) -> std::io::Result<()> {
    folder.map_or(Ok(()), |folder| std::fs::File::open(folder)?.sync_all())
}

#[cfg(not(unix))]
fn sync_folder(_: Option<&Path>) -> std::io::Result<()> {
    Ok(())
}

#[cfg(unix)]
fn mode(metadata: &std::fs::Metadata) -> Option<u32> {
    use std::os::unix::fs::PermissionsExt as _;
    Some(metadata.permissions().mode() & 0o7777)
}

#[cfg(not(unix))]
fn mode(_: &std::fs::Metadata) -> Option<u32> {
    None
}

#[cfg(unix)]
pub(crate) fn set_mode(path: &Path, mode: Option<u32>) -> std::io::Result<()> {
    use std::os::unix::fs::PermissionsExt as _;
    mode.map_or(Ok(()), |mode| {
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode))
    })
}

#[cfg(not(unix))]
pub(crate) fn set_mode(_: &Path, _: Option<u32>) -> std::io::Result<()> {
    Ok(())
}

/// Makes a symbolic link again.
#[cfg(unix)]
pub(crate) fn link(target: &Path, path: &Path) -> std::io::Result<()> {
    std::os::unix::fs::symlink(target, path)
}

#[cfg(windows)]
pub(crate) fn link(target: &Path, path: &Path) -> std::io::Result<()> {
    std::os::windows::fs::symlink_file(target, path)
}
