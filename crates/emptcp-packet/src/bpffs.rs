//! The folders of instances in bpffs.

use crate::error::{BpffsProblem, Error, HostError, LOADING, Result};
use emptcp_host::{
    files, namespace,
    rights::{self, Capability},
};
use nix::{
    errno::Errno,
    fcntl::{AT_FDCWD, AtFlags, RenameFlags, renameat2},
    mount::MsFlags,
    sys::statfs::{BPF_FS_MAGIC, statfs},
    unistd::{AccessFlags, faccessat},
};
use std::{
    fs, io,
    path::{Path, PathBuf},
};

/// Where bpffs is mounted.
const BPFFS: &str = "/sys/fs/bpf";
/// Folder of the [locks](crate::lock).
pub(crate) const LOCKS: &str = "/run/emptcp";

/// Suffix of the folder of an instance that is still being made.
pub(crate) const UNFINISHED: &str = "_new";

/// Whether bpffs is mounted.
pub(crate) fn is_bpffs() -> bool {
    statfs(BPFFS).is_ok_and(|stat| stat.filesystem_type() == BPF_FS_MAGIC)
}

/// Mounts bpffs if it is not mounted yet.
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

/// Why no instance can be seen here, if so: inside `ip netns exec` another sysfs is mounted over bpffs.
pub(crate) fn hidden() -> Option<BpffsProblem> {
    (!is_bpffs() && is_elsewhere()).then_some(BpffsProblem::Hidden(BPFFS))
}

/// Whether this mount namespace differs from that of process 1. Without the right to read that one (no root, or fewer
/// capabilities than process 1), the processes that started this one are compared instead.
fn is_elsewhere() -> bool {
    let namespace = |process: &str| fs::read_link(format!("/proc/{process}/ns/mnt")).ok();
    let Some(own) = namespace("self") else {
        return false;
    };
    if let Some(first) = namespace("1") {
        return own != first;
    }
    // A process has few ancestors; the bound protects against a wrong /proc.
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

/// The folders that a change writes to: the locks, and ours in bpffs.
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

/// Checks that the folder of the instance `name` exists. A missing right to look is reported as an error of its own.
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

/// Names in a folder of bpffs, sorted; none if the folder does not exist.
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

/// Removes an instance's folder, and the folders above it if they become empty.
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

/// Exchanges two folders atomically; false on older kernels, whose bpffs cannot.
pub(crate) fn exchange(one: &Path, other: &Path) -> Result<bool> {
    match renameat2(AT_FDCWD, one, AT_FDCWD, other, RenameFlags::RENAME_EXCHANGE) {
        Ok(()) => Ok(true),
        Err(Errno::EINVAL) => Ok(false),
        Err(error) => Err(refused(other, error.into())),
    }
}

/// Checks that the folder of an instance, or those of its parent folders that exist, can be changed. Called before a
/// change begins.
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
        // Nothing changes above its parent.
        if Some(there) == folder.parent() {
            break;
        }
    }
    Ok(())
}
