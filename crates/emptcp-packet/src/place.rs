//! Where an instance lives: its folder in bpffs and the lock that keeps two changes apart.

use crate::error::{BpffsProblem, Error, HostError, LOADING, Result};
use emptcp_host::{
    files, namespace,
    rights::{self, Capability},
};
use nix::{
    errno::Errno,
    fcntl::{AT_FDCWD, AtFlags, Flock, FlockArg},
    mount::MsFlags,
    sys::statfs::{BPF_FS_MAGIC, statfs},
    unistd::{AccessFlags, faccessat},
};
use std::{
    fs::{self, File, OpenOptions},
    io,
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
};

/// Where bpffs is mounted.
const BPFFS: &str = "/sys/fs/bpf";
/// Where the locks are.
const LOCKS: &str = "/run/emptcp";

/// Ends the name of an instance that is being made.
pub(crate) const UNFINISHED: &str = "_new";

/// Whether bpffs is mounted.
pub(crate) fn is_bpffs() -> bool {
    statfs(BPFFS).is_ok_and(|stat| stat.filesystem_type() == BPF_FS_MAGIC)
}

/// Mounts bpffs when nothing has done so yet.
pub(crate) fn ensure_bpffs() -> Result<()> {
    if is_bpffs() {
        return Ok(());
    }
    if !Path::new(BPFFS).is_dir() {
        return Err(Error::NoBpffs(BpffsProblem::Missing(BPFFS)));
    }
    not_hidden()?;
    nix::mount::mount(Some("bpf"), BPFFS, Some("bpf"), MsFlags::empty(), Some("mode=0700")).map_err(|error| {
        let needed = [Capability::SysAdmin];
        HostError::kernel(&needed, format!("mount bpffs at {BPFFS}"), error).into()
    })
}

fn not_hidden() -> Result<()> {
    hidden().map_or(Ok(()), |why| Err(Error::NoBpffs(why)))
}

/// Why no instance can be seen here, where that is so: inside `ip netns exec` another sysfs lies over bpffs.
pub(crate) fn hidden() -> Option<BpffsProblem> {
    (!is_bpffs() && is_elsewhere()).then_some(BpffsProblem::Hidden(BPFFS))
}

/// Whether this is another mount namespace than that of process 1; where nobody may look at that one (without root, or
/// with fewer capabilities than it), than that of a process that started this one.
fn is_elsewhere() -> bool {
    let namespace = |process: &str| fs::read_link(format!("/proc/{process}/ns/mnt")).ok();
    let Some(own) = namespace("self") else {
        return false;
    };
    if let Some(first) = namespace("1") {
        return own != first;
    }
    // A line of ancestors is short; the bound is against a /proc that lies.
    let parents = std::iter::successors(parent("self"), |process| parent(process)).take(64);
    parents
        .filter_map(|process| namespace(&process))
        .any(|other| other != own)
}

/// The process that started `process`; none for the first.
fn parent(process: &str) -> Option<String> {
    let status = files::read_lossy(format!("/proc/{process}/status")).ok()?;
    let parent = status.lines().find_map(|line| line.strip_prefix("PPid:"))?.trim();
    (parent != "0").then(|| parent.to_owned())
}

/// Where a change writes to: the locks and the folder in bpffs.
pub(crate) fn written() -> [PathBuf; 2] {
    [PathBuf::from(LOCKS), root()]
}

/// An error about something below these folders.
pub(crate) fn refused(path: &Path, error: io::Error) -> Error {
    let [locks, pins] = written();
    match rights::advice_on_folders(&LOADING, &[&locks, &pins]) {
        Some(missing) if error.kind() == io::ErrorKind::PermissionDenied => HostError::NotPermitted {
            action: format!("use {}", path.display()),
            missing,
            answer: error.into(),
        }
        .into(),
        _ => Error::io(path, error),
    }
}

/// The folder of all network namespaces.
fn root() -> PathBuf {
    Path::new(BPFFS).join("emptcp")
}

/// The folder of a network namespace.
pub(crate) fn folder_of(namespace: u64) -> PathBuf {
    root().join(namespace.to_string())
}

/// The folder of this network namespace.
pub(crate) fn namespace_folder() -> Result<PathBuf> {
    Ok(folder_of(namespace::inode()?))
}

/// Inode numbers of the network namespaces that have a folder.
pub(crate) fn namespaces() -> Result<Vec<u64>> {
    Ok(names_in(&root())?.iter().filter_map(|name| name.parse().ok()).collect())
}

/// The folder of an instance.
pub(crate) fn folder(name: &str) -> Result<PathBuf> {
    let allowed = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    if name.is_empty() || name.len() > 40 || !name.chars().all(allowed) {
        return Err(Error::BadName(name.to_owned()));
    }
    Ok(namespace_folder()?.join(name))
}

/// Whether the folder of the instance `name` is there; not to be allowed to look is another error.
pub(crate) fn exists(folder: &Path, name: &str) -> Result<()> {
    match fs::metadata(folder) {
        Ok(_) => Ok(()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            not_hidden()?;
            Err(Error::NoInstance { name: name.to_owned() })
        }
        Err(error) => Err(refused(folder, error)),
    }
}

/// Names of the instances of this network namespace.
pub(crate) fn instances() -> Result<Vec<String>> {
    let mut names = names_in(&namespace_folder()?)?;
    names.retain(|name| !name.ends_with(UNFINISHED));
    Ok(names)
}

/// What is in a folder of bpffs, in order; nothing when it is not there.
pub(crate) fn names_in(folder: &Path) -> Result<Vec<String>> {
    let entries = match fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            not_hidden()?;
            return Ok(Vec::new());
        }
        Err(error) => return Err(refused(folder, error)),
    };
    let mut names: Vec<String> = entries
        .flatten()
        .map(|entry| entry.file_name().to_string_lossy().into_owned())
        .collect();
    names.sort();
    Ok(names)
}

/// Removes an instance's folder, and the folders above it when they are empty then.
pub(crate) fn remove_folder(folder: &Path) -> Result<()> {
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        fs::remove_file(entry.path()).map_err(|error| refused(&entry.path(), error))?;
    }
    match fs::remove_dir(folder) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(refused(folder, error)),
        _ => {}
    }
    for above in folder.ancestors().skip(1).take(2) {
        if fs::remove_dir(above).is_err() {
            break;
        }
    }
    Ok(())
}

/// Whether the folder of an instance, or what is there of the folders above it, may be changed. A change asks before it
/// begins.
pub(crate) fn may_change(folder: &Path) -> Result<()> {
    for there in folder.ancestors().take_while(|part| part.starts_with(BPFFS)) {
        match faccessat(
            AT_FDCWD,
            there,
            AccessFlags::W_OK | AccessFlags::X_OK,
            AtFlags::AT_EACCESS,
        ) {
            Ok(()) => {}
            Err(Errno::ENOENT) => continue,
            Err(Errno::EROFS) => {
                return Err(Error::NoBpffs(BpffsProblem::ReadOnly(BPFFS)));
            }
            Err(error) => return Err(refused(there, error.into())),
        }
        // Above its parent nothing has to change.
        if Some(there) == folder.parent() {
            break;
        }
    }
    Ok(())
}

/// Only one change at a time in a network namespace. Held until dropped, also by the kernel when the process dies.
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

    /// The lock of any network namespace, unless somebody has it.
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

    /// Removes the file of the lock: its namespace is gone. Whoever waits for it makes a new one.
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

/// Whether the file that is locked is still the one that others find: see [`Lock::discard`].
fn is_still_there(file: &File, namespace: u64) -> bool {
    let inode = |data: io::Result<fs::Metadata>| data.ok().map(|data| data.ino());
    inode(file.metadata()) == inode(fs::metadata(lock_path(namespace)))
}

/// Inode numbers of the network namespaces that have a lock.
pub(crate) fn locks() -> Vec<u64> {
    let entries = fs::read_dir(LOCKS).into_iter().flatten().flatten();
    entries
        .filter_map(|entry| entry.file_name().to_str()?.strip_suffix(".lock")?.parse().ok())
        .collect()
}
