//! Which network namespaces live: the kernel reports them ([`lives`], Linux 6.18); before, they are found by the
//! processes, mounts and open files that hold them.

use crate::{
    ffi, files,
    namespace::{self, Namespace},
    rights::{self, Capability},
};
use serde::Serialize;
use std::{
    collections::{BTreeMap, BTreeSet},
    fs::{self, File},
    io,
    os::fd::AsFd,
    path::{Path, PathBuf},
};

/// `PROC_PID_INIT_INO` of the kernel: only the first process namespace shows all processes.
const FIRST_PROCESS_NAMESPACE: &str = "pid:[4026531836]";
/// Where `ip netns` keeps its names.
const NAMED: &str = "/run/netns";

/// How many processes that hold a namespace are recorded.
const HOLDERS: usize = 8;

/// A process that holds a namespace.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
pub struct Holder {
    /// Its id.
    pub pid: u32,
    /// Its name, as `ps` shows it.
    pub command: String,
}

/// The namespaces for which a holder was found. One that only a socket holds is not found.
#[derive(Debug, Default)]
pub struct Namespaces {
    /// A file of each, by inode number.
    files: BTreeMap<u64, PathBuf>,
    /// Names of `ip netns`.
    names: BTreeMap<u64, String>,
    /// Processes that have a thread in it or a file of it open: the first [`HOLDERS`] that were found.
    holders: BTreeMap<u64, BTreeSet<u32>>,
    /// Whether every process could be inspected.
    pub complete: bool,
}

impl Namespaces {
    /// Inspects all processes: their threads, mounts and open files.
    pub fn read() -> Self {
        let mut found = Self {
            complete: fs::read_link("/proc/self/ns/pid").is_ok_and(|link| link == Path::new(FIRST_PROCESS_NAMESPACE)),
            ..Self::default()
        };
        let mut mounts_read = BTreeSet::new();
        for process in found.entries(Path::new("/proc")) {
            if !is_number(&process) {
                continue;
            }
            let pid = process
                .file_name()
                .and_then(|name| name.to_str())
                .and_then(|name| name.parse().ok());
            for thread in found.entries(&process.join("task")) {
                found.look(&thread.join("ns/net"), pid);
            }
            for file in found.entries(&process.join("fd")) {
                found.look(&file, pid);
            }
            if let Some(mounts) = found.link(&process.join("ns/mnt"))
                && mounts_read.insert(mounts)
            {
                found.mounts(&process);
            }
        }
        found
    }

    /// The namespaces that are mounted somewhere, as `ip netns add` does.
    fn mounts(&mut self, process: &Path) {
        let Some(text) = self.allowed(files::read_lossy(process.join("mountinfo"))) else {
            return;
        };
        // It has the names of all mounted folders, which may be no UTF-8.
        for line in text.lines() {
            // See proc(5): the fourth field is the root of the mount, the fifth its mount point.
            let mut fields = line.split(' ').skip(3);
            let (Some(root), Some(place)) = (fields.next(), fields.next()) else {
                continue;
            };
            let Some(inode) = inode_in(root) else { continue };
            let file = process.join("root").join(place.trim_start_matches('/'));
            if let Some(name) = Path::new(place).strip_prefix(NAMED).ok().and_then(Path::to_str) {
                self.names.insert(inode, name.to_owned());
            }
            self.files.entry(inode).or_insert(file);
        }
    }

    fn look(&mut self, file: &Path, pid: Option<u32>) {
        let inode = self.link(file).as_deref().and_then(Path::to_str).and_then(inode_in);
        if let Some(inode) = inode {
            let holders = self.holders.entry(inode).or_default();
            if holders.len() < HOLDERS {
                holders.extend(pid);
            }
            self.files.entry(inode).or_insert_with(|| file.to_owned());
        }
    }

    fn link(&mut self, file: &Path) -> Option<PathBuf> {
        self.allowed(fs::read_link(file))
    }

    fn entries(&mut self, folder: &Path) -> Vec<PathBuf> {
        let entries = self.allowed(fs::read_dir(folder));
        entries
            .into_iter()
            .flatten()
            .flatten()
            .map(|entry| entry.path())
            .collect()
    }

    /// A process may end in the meantime; after any other failure the result is incomplete.
    fn allowed<T>(&mut self, result: io::Result<T>) -> Option<T> {
        match result {
            Ok(value) => Some(value),
            Err(error) => {
                let ended = matches!(error.raw_os_error(), Some(libc::ENOENT | libc::ESRCH | libc::EINVAL));
                self.complete &= ended;
                None
            }
        }
    }

    /// Whether a namespace with this inode number lives.
    pub fn has(&self, inode: u64) -> bool {
        self.files.contains_key(&inode)
    }

    /// Its name in `ip netns`.
    pub fn name(&self, inode: u64) -> Option<&str> {
        self.names.get(&inode).map(String::as_str)
    }

    /// Processes that hold it, some of them if there are many.
    pub fn holders(&self, inode: u64) -> Vec<Holder> {
        let pids = self.holders.get(&inode).into_iter().flatten();
        pids.filter_map(|&pid| {
            // The name of a process can have any bytes.
            let command = files::read_lossy(format!("/proc/{pid}/comm")).ok()?;
            let command = command.trim_end().to_owned();
            Some(Holder { pid, command })
        })
        .collect()
    }

    /// Its cookie; none before Linux 5.14, without the right to enter it, or when it is gone.
    pub fn cookie(&self, inode: u64) -> Option<u64> {
        let file = self.files.get(&inode)?.to_str()?;
        let namespace = Namespace::open(file).ok()?;
        namespace.cookie().filter(|_| namespace.inode() == inode)
    }
}

/// Whether a namespace lives, from the kernel itself (Linux 6.18); `None` if it does not report it.
///
/// The kernel also returns `ESTALE` if the caller may not open the namespace (`do_handle_to_path` turns every error
/// into it). So only a caller that may open all namespaces gets an answer.
pub fn lives(inode: u64, cookie: u64) -> Option<bool> {
    if rights::in_user_namespace() || !rights::has(Capability::SysAdmin) {
        return None;
    }
    let own = Path::new("/proc/thread-self/ns/net");
    let mut handle = ffi::namespace_handle(own).ok()?;
    // Only trusted if the handle and the cookie are the same number.
    if cookie == 0 || u64::from(handle.inode) != namespace::inode().ok()? || Some(handle.id) != namespace::cookie() {
        return None;
    }
    (handle.id, handle.inode) = (cookie, u32::try_from(inode).ok()?);
    match ffi::open_namespace(File::open(own).ok()?.as_fd(), &mut handle) {
        Ok(_) => Some(true),
        Err(error) if error.raw_os_error() == Some(libc::ESTALE) => Some(false),
        Err(_) => None,
    }
}

fn is_number(path: &Path) -> bool {
    path.file_name()
        .and_then(|name| name.to_str())
        .is_some_and(|name| name.bytes().all(|byte| byte.is_ascii_digit()))
}

/// The number in `net:[4026531840]`.
fn inode_in(text: &str) -> Option<u64> {
    text.strip_prefix("net:[")?.strip_suffix(']')?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_namespace_of_this_thread_lives_and_has_the_cookie_of_a_socket_in_it() {
        let (namespaces, own) = (Namespaces::read(), namespace::inode().unwrap());
        assert!(namespaces.has(own));
        if crate::testing::is_root() {
            assert_eq!(namespaces.cookie(own), namespace::cookie());
            assert_ne!(lives(own, namespace::cookie().unwrap_or_default()), Some(false));
            assert_ne!(lives(own, u64::MAX), Some(true));
        }
        assert_eq!(inode_in("net:[4026531840]"), Some(4_026_531_840));
        assert_eq!(inode_in("pid:[4026531836]"), None);
    }
}
