//! A folder in which files are prepared before they are moved to their path. It is removed with the process that made
//! it; if that process was killed, it is removed when the next one makes such a folder beside it.

use crate::{
    error::{Error, Result},
    files,
};
use nix::{
    errno::Errno,
    fcntl::{AT_FDCWD, Flock, FlockArg, RenameFlags, renameat2},
};
use std::{
    fs::{self, File, Permissions},
    io,
    os::unix::fs::{MetadataExt, PermissionsExt},
    path::{Path, PathBuf},
};
use tempfile::TempDir;

/// Why there is no folder; names `parent` if that one is missing.
fn not_made(parent: &Path, error: io::Error) -> Error {
    // /proc and similar file systems allow no new folders, and return "not found".
    if error.kind() == io::ErrorKind::NotFound && parent.is_dir() {
        return Error::io(
            parent,
            io::Error::other(format!("no folder can be made in it ({error})")),
        );
    }
    Error::io(parent, error)
}

/// The folder. The process that holds its lock uses it, or removes it.
#[derive(Debug)]
pub struct WorkFolder {
    folder: TempDir,
    _lock: Flock<File>,
}

impl WorkFolder {
    /// Makes one in `parent`; its name begins with `prefix`, as those of all folders of this kind.
    ///
    /// # Errors
    /// When no folder can be made there.
    pub fn new(parent: &Path, prefix: &str) -> Result<Self> {
        clear(parent, prefix);
        loop {
            let folder = tempfile::Builder::new()
                .prefix(prefix)
                .permissions(Permissions::from_mode(0o777))
                .tempdir_in(parent)
                .map_err(|error| not_made(parent, error))?;
            let file = match File::open(folder.path()) {
                // Another process has removed it before it was opened.
                Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                file => file.map_err(|error| Error::io(folder.path(), error))?,
            };
            let lock = Flock::lock(file, FlockArg::LockExclusive)
                .map_err(|(_, error)| Error::io(folder.path(), error.into()))?;
            // Or before it was locked.
            if folder.path().exists() {
                return Ok(Self { folder, _lock: lock });
            }
        }
    }

    /// Its path.
    pub fn path(&self) -> &Path {
        self.folder.path()
    }

    /// Moves the content to `target`, in one step if the file system can do so. What was there is removed.
    ///
    /// # Errors
    /// When the target cannot be written.
    pub fn move_to(self, target: &Path) -> Result<()> {
        let own = self.folder.path();
        let failed = |error: io::Error| Error::io(target, error);
        match renameat2(AT_FDCWD, own, AT_FDCWD, target, RenameFlags::RENAME_EXCHANGE) {
            // The former content is at our path now, and is removed with this folder.
            Ok(()) => return Ok(()),
            Err(Errno::ENOENT) => {}
            // NFS and others cannot exchange folders.
            Err(Errno::EINVAL | Errno::ENOSYS | Errno::EOPNOTSUPP) => {
                remove_if_there(target).map_err(failed)?;
            }
            Err(error) => return Err(failed(error.into())),
        }
        fs::rename(own, target).map_err(failed)
    }
}

fn remove_if_there(target: &Path) -> io::Result<()> {
    match fs::remove_dir_all(target) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

/// Removes folders of this kind and user that no process uses.
fn clear(parent: &Path, prefix: &str) {
    let own = nix::unistd::geteuid().as_raw();
    let entries = fs::read_dir(parent).into_iter().flatten().flatten();
    for entry in entries.filter(|entry| entry.file_name().to_string_lossy().starts_with(prefix)) {
        // Files of others are not even opened: opening a FIFO blocks.
        let is_ours = entry.metadata().is_ok_and(|data| data.is_dir() && data.uid() == own);
        if is_ours
            && let Ok(file) = File::open(entry.path())
            && let Ok(_lock) = Flock::lock(file, FlockArg::LockExclusiveNonblock)
        {
            let _ = fs::remove_dir_all(entry.path());
        }
    }
}

/// Writes files into `folder`, and makes the folders above them. Errors name them by their path in `target`. Returns
/// their names.
///
/// # Errors
/// When one cannot be written, or something else has its name.
pub fn write_files<'a>(
    folder: &Path,
    target: &Path,
    files: impl IntoIterator<Item = (PathBuf, &'a [u8])>,
) -> Result<Vec<PathBuf>> {
    let write = |(name, bytes): (PathBuf, &[u8])| {
        let path = folder.join(&name);
        fs::create_dir_all(path.parent().unwrap_or(folder))
            .and_then(|()| files::is_regular_or_missing(&path))
            .and_then(|()| fs::write(&path, bytes))
            .map_err(|error| Error::io(target.join(&name), error))?;
        Ok(name)
    };
    files.into_iter().map(write).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_killed_process_left_goes_and_what_others_work_in_stays() {
        let parent = tempfile::tempdir().unwrap();
        let names = || fs::read_dir(parent.path()).unwrap().count();
        let at_work = WorkFolder::new(parent.path(), ".a").unwrap();
        fs::create_dir(parent.path().join(".a-left")).unwrap();
        fs::create_dir(parent.path().join("b")).unwrap();
        let other = WorkFolder::new(parent.path(), ".a").unwrap();
        assert!(at_work.path().exists() && other.path().exists());
        assert!(!parent.path().join(".a-left").exists());
        fs::write(other.path().join("file"), "new").unwrap();
        fs::write(parent.path().join("b/old"), "old").unwrap();
        other.move_to(&parent.path().join("b")).unwrap();
        drop(at_work);
        assert_eq!(names(), 1);
        assert_eq!(fs::read_to_string(parent.path().join("b/file")).unwrap(), "new");
        assert!(!parent.path().join("b/old").exists());
    }

    #[test]
    fn many_at_once_each_get_one_though_all_clear_away_what_is_left() {
        let parent = tempfile::tempdir().unwrap();
        let make = || {
            for _ in 0..500 {
                let folder = WorkFolder::new(parent.path(), ".a").unwrap();
                fs::write(folder.path().join("file"), "text").unwrap();
            }
        };
        std::thread::scope(|scope| {
            let all: Vec<_> = (0..8).map(|_| scope.spawn(make)).collect();
            all.into_iter().for_each(|one| one.join().unwrap());
        });
        assert_eq!(fs::read_dir(parent.path()).unwrap().count(), 0);
    }
}
