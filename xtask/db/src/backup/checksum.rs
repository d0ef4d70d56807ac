//! SHA-256 of files of any size, in the form that `sha256sum --check` reads.

use std::fs::File;
use std::io::Read as _;
use std::path::Path;

use anyhow::{Context as _, bail};
use sha2::{Digest as _, Sha256};

/// How much of a file is in memory at once.
const PIECE: usize = 1 << 20;

/// The checksum of a file in hex, and its length in bytes; `progress` is told how many were read.
pub(super) fn of(path: &Path, progress: impl Fn(u64)) -> anyhow::Result<(String, u64)> {
    let failed = || format!("failed to read `{}`", path.display());
    let mut file = File::open(path).with_context(failed)?;
    let (mut digest, mut length) = (Sha256::new(), 0);
    let mut piece = vec![0; PIECE];
    loop {
        let read = file.read(&mut piece).with_context(failed)?;
        if read == 0 {
            break;
        }
        digest.update(&piece[..read]);
        length += read as u64;
        progress(length);
    }
    let digest = digest.finalize();
    let hex = digest.iter().map(|byte| format!("{byte:02x}")).collect();
    Ok((hex, length))
}

/// The text of a list of checksums.
pub(super) fn list(entries: &[(String, &str)]) -> String {
    let line = |(sum, name): &(String, &str)| format!("{sum}  {name}\n");
    entries.iter().map(line).collect()
}

/// Holds the files in `folder` against the list in its file `sums`, which must name exactly `names`.
pub(super) fn verify(
    folder: &Path,
    sums: &str,
    names: &[&str],
    progress: impl Fn(u64),
) -> anyhow::Result<()> {
    let path = folder.join(sums);
    let text = std::fs::read_to_string(&path)
        .with_context(|| format!("failed to read `{}`", path.display()))?;
    let entries: Vec<_> = text
        .lines()
        .filter_map(|line| line.split_once("  "))
        .collect();
    if entries
        .iter()
        .map(|(_, name)| *name)
        .ne(names.iter().copied())
    {
        bail!(
            "`{}` does not list exactly {}",
            path.display(),
            names.join(", ")
        );
    }
    for (expected, name) in entries {
        let (found, _) = of(&folder.join(name), &progress)?;
        if found != expected {
            bail!(
                "`{}` is damaged: its SHA-256 is {found}, but was {expected} when the backup was made",
                folder.join(name).display()
            );
        }
    }
    Ok(())
}
