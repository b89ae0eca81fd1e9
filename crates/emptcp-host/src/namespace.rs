//! Network namespaces: which one this thread is in, and how to enter another.

use crate::{
    error::{Error, NamespaceProblem, Result},
    ffi,
    rights::Capability,
};
use nix::{
    errno::Errno,
    sched::{CloneFlags, setns},
};
use std::{
    fs::File,
    io,
    os::unix::fs::MetadataExt,
    panic,
    path::{Path, PathBuf},
    thread,
};

/// The network namespace of the calling thread.
const OWN: &str = "/proc/thread-self/ns/net";

/// A network namespace. It lives as long as this handle does.
#[derive(Debug)]
pub struct Namespace {
    name: String,
    path: PathBuf,
    file: File,
    inode: u64,
}

impl Namespace {
    /// The namespace of this thread.
    ///
    /// # Errors
    /// When /proc is not mounted.
    pub fn current() -> Result<Self> {
        let path = Path::new(OWN);
        File::open(path)
            .and_then(|file| Self::of(OWN, path, file))
            .map_err(|source| Error::io(path, source))
    }

    /// A namespace by a name of `ip netns`, a path like /proc/PID/ns/net, or a process id.
    ///
    /// # Errors
    /// When there is no such file, or it may not be opened.
    pub fn open(name: &str) -> Result<Self> {
        let path = file_of(name);
        let opened = File::open(&path).and_then(|file| Self::of(name, &path, file));
        opened.map_err(|error| Error::Namespace {
            name: name.to_owned(),
            problem: match error.kind() {
                io::ErrorKind::NotFound => NamespaceProblem::Missing(path),
                _ => NamespaceProblem::File { path, source: error },
            },
        })
    }

    fn of(name: &str, path: &Path, file: File) -> io::Result<Self> {
        Ok(Self {
            name: name.to_owned(),
            path: path.to_owned(),
            inode: file.metadata()?.ino(),
            file,
        })
    }

    /// As the user named it.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its inode number: another namespace may get it when this one is gone.
    pub fn inode(&self) -> u64 {
        self.inode
    }

    /// Its cookie, which is never used again; `None` before Linux 5.14, or without the right to enter the namespace.
    pub fn cookie(&self) -> Option<u64> {
        self.run(cookie).ok().flatten()
    }

    /// Moves this thread into the namespace.
    ///
    /// Call it before other threads are started: each thread has its own namespace. Mounts do not change, so that the
    /// path of bpffs stays valid.
    ///
    /// # Errors
    /// When the file is no network namespace, or without CAP_SYS_ADMIN.
    pub fn enter(&self) -> Result<()> {
        let bad = |problem| Error::Namespace {
            name: self.name.clone(),
            problem,
        };
        setns(&self.file, CloneFlags::CLONE_NEWNET).map_err(|error| match error {
            Errno::EPERM => Error::kernel(
                &[Capability::SysAdmin],
                format!("enter the network namespace `{}`", self.name),
                error,
            ),
            // The error of setns(2) for a descriptor that is no network namespace.
            Errno::EINVAL => bad(NamespaceProblem::NotOne(self.path.clone())),
            error => bad(NamespaceProblem::Enter(error)),
        })
    }

    /// Runs `work` in the namespace, on a thread of its own.
    ///
    /// # Errors
    /// When the namespace cannot be entered.
    ///
    /// # Panics
    /// When `work` panics.
    pub fn run<T: Send>(&self, work: impl FnOnce() -> T + Send) -> Result<T> {
        thread::scope(|scope| {
            let thread = scope.spawn(|| self.enter().map(|()| work()));
            thread.join().unwrap_or_else(|panic| panic::resume_unwind(panic))
        })
    }
}

/// The inode number of this thread's network namespace.
///
/// # Errors
/// When /proc is not mounted.
pub fn inode() -> Result<u64> {
    let path = Path::new(OWN);
    path.metadata()
        .map(|data| data.ino())
        .map_err(|source| Error::io(path, source))
}

/// The cookie of this thread's network namespace, which is never used again (Linux 5.14); `None` before.
pub fn cookie() -> Option<u64> {
    ffi::namespace_cookie()
}

/// Moves this thread into a network namespace: [`Namespace::open`] and [`Namespace::enter`].
///
/// # Errors
/// When there is no such namespace, or without CAP_SYS_ADMIN.
pub fn enter(name: &str) -> Result<()> {
    Namespace::open(name)?.enter()
}

/// Runs `work` in another network namespace: [`Namespace::open`] and [`Namespace::run`].
///
/// # Errors
/// When the namespace cannot be entered.
///
/// # Panics
/// When `work` panics.
pub fn within<T: Send>(name: &str, work: impl FnOnce() -> T + Send) -> Result<T> {
    Namespace::open(name)?.run(work)
}

/// The file of a namespace: a name of `ip netns`, a path, or a process id.
fn file_of(name: &str) -> PathBuf {
    if name.contains('/') {
        return PathBuf::from(name);
    }
    let named = Path::new("/run/netns").join(name);
    if !named.exists() && name.chars().all(|c| c.is_ascii_digit()) {
        return PathBuf::from(format!("/proc/{name}/ns/net"));
    }
    named
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::is_root;

    #[test]
    fn the_namespace_of_this_thread_is_known_by_its_inode_and_can_be_entered_again() {
        let own = Namespace::current().unwrap();
        assert_eq!(own.inode(), inode().unwrap());
        let by_process = Namespace::open(&std::process::id().to_string()).unwrap();
        assert_eq!(by_process.inode(), own.inode());
        if is_root() {
            assert_eq!(own.run(inode).unwrap().unwrap(), own.inode());
            assert_eq!(own.cookie(), cookie());
        }
    }

    #[test]
    fn what_is_no_network_namespace_is_refused_by_its_name() {
        let error = enter("/dev/null").unwrap_err().to_string();
        if is_root() {
            assert!(error.contains("/dev/null is no network namespace"), "{error}");
        }
        let error = enter("no-such-namespace").unwrap_err().to_string();
        assert!(error.contains("there is no /run/netns/no-such-namespace"), "{error}");
    }
}
