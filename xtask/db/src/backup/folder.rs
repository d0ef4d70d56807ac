//! Where backups are: a folder for each, which has its final name only when everything in it is complete and synced.

use std::fs::{DirBuilder, File, OpenOptions};
use std::io::Write as _;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};

use super::checksum;
use super::manifest::{FORMAT, Manifest};

/// The backups of a workspace, from its root.
pub(crate) const FOLDER: &str = "backups";
pub(super) const DUMP: &str = "data.dump";
const MANIFEST: &str = "manifest.json";
const SUMS: &str = "SHA256SUMS";
/// How the name of an unfinished one ends; a dot begins it.
const UNFINISHED: &str = ".unfinished";

/// A backup that is being written. What is there goes when this is dropped.
pub(super) struct Writing {
    parent: PathBuf,
    temporary: PathBuf,
    /// Locked as long as this or `pg_dump` has it open: that tells a run that is at work from one that was killed.
    dump: File,
    finished: bool,
}

impl Writing {
    /// A folder beside those of the finished backups, with an empty dump in it; only its owner can read either.
    ///
    /// # Errors
    /// It can't be created.
    pub(super) fn begin(root: &Path, service: &str, time: &str) -> anyhow::Result<Self> {
        let parent = root.join(FOLDER).join(service);
        folder(&root.join(FOLDER))?;
        // Rows don't belong in a repository, and git has to ignore them automatically.
        let ignore = root.join(FOLDER).join(".gitignore");
        if !ignore.exists() {
            std::fs::write(&ignore, "*\n")
                .with_context(|| format!("failed to write `{}`", ignore.display()))?;
        }
        folder(&parent)?;
        // A run that begins holds this until its dump is locked. Some file systems have no locks: there nothing is ever
        // taken for a leftover.
        let beginning = File::open(&parent).and_then(|parent| parent.lock().map(|()| parent));
        if beginning.is_ok() {
            remove_leftovers(&parent);
        }
        let temporary = parent.join(format!(".{time}.{}{UNFINISHED}", std::process::id()));
        DirBuilderExt::private()
            .create(&temporary)
            .with_context(|| format!("failed to create `{}`", temporary.display()))?;
        let dump = create(&temporary.join(DUMP))?;
        let _ = dump.try_lock();
        Ok(Self {
            parent,
            temporary,
            dump,
            finished: false,
        })
    }

    /// For `pg_dump` to write to.
    pub(super) fn dump(&self) -> std::io::Result<File> {
        self.dump.try_clone()
    }

    pub(super) fn length(&self) -> u64 {
        self.dump.metadata().map_or(0, |metadata| metadata.len())
    }

    /// Syncs the dump, adds its manifest and the checksums, and gives it its name, which is `manifest.time` unless that is
    /// taken.
    ///
    /// # Errors
    /// Anything that can't be written; then nothing is left.
    pub(super) fn finish(
        mut self,
        manifest: &mut Manifest,
        progress: impl Fn(u64),
    ) -> anyhow::Result<PathBuf> {
        self.dump.sync_all().with_context(|| {
            format!("failed to write `{}`", self.temporary.join(DUMP).display())
        })?;
        let (dump, bytes) = checksum::of(&self.temporary.join(DUMP), progress)?;
        manifest.bytes = bytes;
        let text = serde_json::to_string_pretty(manifest)? + "\n";
        write(&self.temporary.join(MANIFEST), &text)?;
        let (listed, _) = checksum::of(&self.temporary.join(MANIFEST), |_| ())?;
        write(
            &self.temporary.join(SUMS),
            &checksum::list(&[(dump, DUMP), (listed, MANIFEST)]),
        )?;
        sync_folder(&self.temporary)?;
        let place = self.rename(&manifest.time)?;
        self.finished = true;
        sync_folder(&self.parent)?;
        Ok(place)
    }

    /// To the first name that is free: a rename replaces an empty folder at most.
    fn rename(&self, time: &str) -> anyhow::Result<PathBuf> {
        for number in 1..100 {
            let place = self.parent.join(match number {
                1 => time.to_owned(),
                number => format!("{time}-{number}"),
            });
            match std::fs::rename(&self.temporary, &place) {
                Ok(()) => return Ok(place),
                Err(_) if place.exists() => {}
                Err(error) => bail!("failed to create `{}`: {error}", place.display()),
            }
        }
        bail!("failed to find a name in `{}`", self.parent.display())
    }
}

impl Drop for Writing {
    fn drop(&mut self) {
        if !self.finished {
            // Half a backup, under a name that no command takes for one.
            let _ = std::fs::remove_dir_all(&self.temporary);
        }
    }
}

/// Reads a backup, after every byte of it was found to be as it was written.
///
/// # Errors
/// It is damaged, incomplete, or written by a newer version of this tool.
pub(crate) fn verified(folder: &Path, progress: impl Fn(u64)) -> anyhow::Result<Manifest> {
    checksum::verify(folder, SUMS, &[DUMP, MANIFEST], progress)?;
    read(folder)
}

/// Reads a backup's manifest; of the dump, only its length is looked at.
///
/// # Errors
/// As for [`verified`].
pub(crate) fn read(folder: &Path) -> anyhow::Result<Manifest> {
    let path = folder.join(MANIFEST);
    let failed = || format!("failed to read `{}`", path.display());
    let text = std::fs::read_to_string(&path).with_context(failed)?;
    let value: serde_json::Value = serde_json::from_str(&text).with_context(failed)?;
    if value["format"] != FORMAT {
        bail!(
            "`{}` has format {}, but this program knows format {FORMAT}",
            path.display(),
            value["format"]
        );
    }
    let manifest: Manifest = serde_json::from_value(value).with_context(failed)?;
    let dump = folder.join(DUMP);
    let length = std::fs::metadata(&dump)
        .with_context(|| format!("failed to read `{}`", dump.display()))?
        .len();
    if length != manifest.bytes {
        bail!(
            "`{}` is damaged: it has {length} bytes, but had {} when the backup was made",
            dump.display(),
            manifest.bytes
        );
    }
    Ok(manifest)
}

/// A service's finished backups, oldest first: each folder's name, and what it says about itself.
pub(crate) fn list(root: &Path, service: &str) -> Vec<(String, anyhow::Result<Manifest>)> {
    let parent = root.join(FOLDER).join(service);
    let mut names: Vec<_> = names(&parent)
        .into_iter()
        .filter(|name| !name.starts_with('.') && parent.join(name).is_dir())
        .collect();
    // `…-10` after `…-9`.
    names.sort_by_key(|name| (name.get(..17).map(str::to_owned), name.len(), name.clone()));
    let read = |name: String| {
        let manifest = read(&parent.join(&name));
        (name, manifest)
    };
    names.into_iter().map(read).collect()
}

/// The folder of the backup that a person names: by its name, its folder, or the dump in it.
///
/// # Errors
/// There is none.
pub(crate) fn find(root: &Path, service: &str, named: &str) -> anyhow::Result<PathBuf> {
    let path = Path::new(named);
    let places = [
        Some(path.to_owned()),
        path.parent().map(Path::to_owned).filter(|_| path.is_file()),
        Some(root.join(FOLDER).join(service).join(named)),
        Some(root.join(named)),
    ];
    let mut places = places.into_iter().flatten();
    if let Some(found) = places.find(|place| place.join(MANIFEST).is_file()) {
        return Ok(found);
    }
    if path.exists() {
        bail!("`{named}` is not a backup of this tool: it has no {MANIFEST}");
    }
    bail!("found no backup `{named}` of service `{service}`")
}

/// Removes all but `made` and the newest others, `keep` in all, of the backups of a service that can be read; those that
/// can't are a person's to look at. Gives the names.
///
/// `made` is the one that was just made: the clock may have been set back since the others were, so that their names are
/// later.
///
/// # Errors
/// One can't be removed.
pub(crate) fn keep(
    root: &Path,
    service: &str,
    keep: usize,
    made: &str,
) -> anyhow::Result<Vec<String>> {
    let parent = root.join(FOLDER).join(service);
    let mut good = list(root, service);
    good.retain(|(name, manifest)| {
        name != made && manifest.as_ref().is_ok_and(|it| it.service == service)
    });
    let older = (good.len() + 1).saturating_sub(keep);
    let mut removed = Vec::new();
    for (name, _) in good.into_iter().take(older) {
        let failed = || format!("failed to remove `{}`", parent.join(&name).display());
        // Out of its name first: a run that is killed here leaves no half backup under it.
        let away = parent.join(format!(".{name}.{}{UNFINISHED}", std::process::id()));
        std::fs::rename(parent.join(&name), &away).with_context(failed)?;
        std::fs::remove_dir_all(&away).with_context(failed)?;
        removed.push(name);
    }
    Ok(removed)
}

/// Removes what killed runs left; a run that is at work holds a lock.
fn remove_leftovers(parent: &Path) {
    for name in names(parent) {
        let folder = parent.join(&name);
        if !(name.starts_with('.') && name.ends_with(UNFINISHED)) {
            continue;
        }
        let free = match File::open(folder.join(DUMP)) {
            Ok(dump) => dump.try_lock().is_ok(),
            Err(error) => error.kind() == std::io::ErrorKind::NotFound,
        };
        if free {
            let _ = std::fs::remove_dir_all(&folder);
        }
    }
}

fn names(folder: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    entries
        .filter_map(|entry| entry.file_name().into_string().ok())
        .collect()
}

/// Creates a folder that only its owner can read, unless it is there.
fn folder(path: &Path) -> anyhow::Result<()> {
    DirBuilderExt::private()
        .recursive(true)
        .create(path)
        .with_context(|| format!("failed to create `{}`", path.display()))
}

/// Folders that only their owner can read.
struct DirBuilderExt;

impl DirBuilderExt {
    fn private() -> DirBuilder {
        #[cfg_attr(not(unix), expect(unused_mut, reason = "there are no modes"))]
        let mut builder = DirBuilder::new();
        #[cfg(unix)]
        std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
        builder
    }
}

/// A new file that only its owner can read.
fn create(path: &Path) -> anyhow::Result<File> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options
        .open(path)
        .with_context(|| format!("failed to create `{}`", path.display()))
}

fn write(path: &Path, text: &str) -> anyhow::Result<()> {
    let mut file = create(path)?;
    file.write_all(text.as_bytes())
        .and_then(|()| file.sync_all())
        .with_context(|| format!("failed to write `{}`", path.display()))
}

/// A rename is only sure to outlive a power cut once its folder is synced.
fn sync_folder(path: &Path) -> anyhow::Result<()> {
    if cfg!(unix) {
        File::open(path)
            .and_then(|folder| folder.sync_all())
            .with_context(|| format!("failed to sync `{}`", path.display()))?;
    }
    Ok(())
}
