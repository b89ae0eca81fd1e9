//! The lock of a network namespace, so that two commands never change it at the same time.

use crate::{
    bpffs::{LOCKS, refused},
    error::{Error, Result},
};
use emptcp_host::namespace;
use nix::{
    errno::Errno,
    fcntl::{Flock, FlockArg},
};
use std::{
    fs::{self, File, OpenOptions},
    io,
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
};

/// The lock of a network namespace: one change at a time. It is released when it is dropped, and by the kernel when the
/// process dies.
#[derive(Debug)]
pub(crate) struct Lock {
    _held: Flock<File>,
    namespace: u64,
}

impl Lock {
    /// Waits for the lock of this network namespace.
    pub(crate) fn take() -> Result<Self> {
        let namespace = namespace::inode()?;
        loop {
            let held = Flock::lock(open_lock(namespace)?, FlockArg::LockExclusive)
                .map_err(|(_, error)| Error::io(lock_path(namespace), error.into()))?;
            if is_still_there(&held, namespace) {
                return Ok(Self { _held: held, namespace });
            }
        }
    }

    /// Takes the lock of any network namespace; `None` if another process holds it.
    pub(crate) fn try_take(namespace: u64) -> Result<Option<Self>> {
        match Flock::lock(open_lock(namespace)?, FlockArg::LockExclusiveNonblock) {
            Ok(held) => Ok(is_still_there(&held, namespace).then_some(Self { _held: held, namespace })),
            Err((_, Errno::EWOULDBLOCK)) => Ok(None),
            Err((_, error)) => Err(Error::io(lock_path(namespace), error.into())),
        }
    }

    /// Inode number of the network namespace.
    pub(crate) fn namespace(&self) -> u64 {
        self.namespace
    }

    /// Removes the lock file: its namespace is gone. A process that waits for it makes a new one.
    pub(crate) fn discard(self) {
        let _ = fs::remove_file(lock_path(self.namespace));
    }
}

fn lock_path(namespace: u64) -> PathBuf {
    Path::new(LOCKS).join(format!("{namespace}.lock"))
}

fn open_lock(namespace: u64) -> Result<File> {
    fs::create_dir_all(LOCKS).map_err(|error| refused(Path::new(LOCKS), error))?;
    let path = lock_path(namespace);
    OpenOptions::new()
        .create(true)
        .truncate(false)
        .write(true)
        .open(&path)
        .map_err(|error| refused(&path, error))
}

/// Whether the locked file is still the one under this path: see [`Lock::discard`].
fn is_still_there(file: &File, namespace: u64) -> bool {
    let inode = |data: io::Result<fs::Metadata>| data.ok().map(|data| data.ino());
    inode(file.metadata()) == inode(fs::metadata(lock_path(namespace)))
}

/// Inode numbers of the network namespaces that have a lock.
pub(crate) fn namespaces() -> Vec<u64> {
    let entries = fs::read_dir(LOCKS).into_iter().flatten().flatten();
    entries
        .filter_map(|entry| entry.file_name().to_str()?.strip_suffix(".lock")?.parse().ok())
        .collect()
}
