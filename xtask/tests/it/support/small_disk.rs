//! A file system with little room.

use std::path::{Path, PathBuf};
use std::process::Command;

/// A small file system, gone when dropped.
pub(crate) struct SmallDisk(PathBuf);

impl SmallDisk {
    /// Mounts one of this size; `None` where this user may mount none.
    pub(crate) fn mount(at: &Path, size: &str) -> Option<Self> {
        std::fs::create_dir_all(at).unwrap();
        let mut mount = Command::new("mount");
        let options = format!("size={size},mode=1777");
        mount.args(["-t", "tmpfs", "-o", &options, "tmpfs"]).arg(at);
        mount
            .output()
            .is_ok_and(|output| output.status.success())
            .then(|| Self(at.to_owned()))
    }

    pub(crate) fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg(&self.0).status();
        let _ = std::fs::remove_dir(&self.0);
    }
}
