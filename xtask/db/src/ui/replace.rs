//! Writes a file as a whole: at any moment, the old file or the new one is there, never half of one.

use std::io::{Error, Result, Write as _};
use std::path::Path;

use fs_err as fs;

/// Writes `bytes` beside the file, syncs them, and renames. `mode` is that of the file; `None`: the mode that the file
/// has, or that of any new one. A link is replaced, not followed. An error names the path.
pub(crate) fn replace(path: &Path, bytes: &[u8], mode: Option<u32>) -> Result<()> {
    let failed = |error: Error| {
        let message = format!("failed to write `{}`: {error}", path.display());
        Error::new(error.kind(), message)
    };
    (|| {
        let folder = path.parent().unwrap_or(Path::new("."));
        let prefix = format!(".{}.", path.file_name().unwrap_or_default().display());
        let mut builder = tempfile::Builder::new();
        builder.prefix(&prefix).suffix(".tmp");
        #[cfg(unix)]
        builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(
            mode.unwrap_or(0o666),
        ));
        let mut file = builder.tempfile_in(folder)?;
        file.write_all(bytes)?;
        match (mode, std::fs::metadata(path)) {
            (Some(_), _) => set_mode(file.path(), mode)?,
            (None, Ok(old)) => std::fs::set_permissions(file.path(), old.permissions())?,
            (None, Err(_)) => {}
        }
        file.as_file().sync_all()?;
        file.persist(path)?;
        sync_folder(folder)
    })()
    .map_err(failed)
}

/// Removes what runs that were killed in [`replace`] left beside a file: it may hold passwords.
pub(crate) fn remove_leftovers(path: &Path) -> Result<()> {
    let folder = path.parent().unwrap_or(Path::new("."));
    let prefix = format!(".{}.", path.file_name().unwrap_or_default().display());
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        let name = entry.file_name();
        let drawn = name.to_str().and_then(|name| {
            let rest = name.strip_prefix(&prefix)?;
            rest.strip_suffix(".tmp")
        });
        let is_drawn =
            |text: &str| text.len() == 6 && text.bytes().all(|b| b.is_ascii_alphanumeric());
        if drawn.is_some_and(is_drawn) {
            fs::remove_file(entry.path())?;
        }
    }
    Ok(())
}

/// A rename is only sure to outlive a power cut once its folder is synced.
#[cfg(unix)]
fn sync_folder(folder: &Path) -> Result<()> {
    std::fs::File::open(folder)?.sync_all()
}

#[cfg(not(unix))]
fn sync_folder(_: &Path) -> Result<()> {
    Ok(())
}

/// Sets the permissions, where there are any: the umask does not count.
#[cfg(unix)]
pub(crate) fn set_mode(path: &Path, mode: Option<u32>) -> Result<()> {
    let permissions = mode.map(std::os::unix::fs::PermissionsExt::from_mode);
    permissions.map_or(Ok(()), |permissions| fs::set_permissions(path, permissions))
}

#[cfg(not(unix))]
pub(crate) fn set_mode(_: &Path, _: Option<u32>) -> Result<()> {
    Ok(())
}
