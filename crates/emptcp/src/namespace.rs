//! Network namespaces, and what is in force in one.

use crate::{MovedHere, Policies, error::Result, probe};
use emptcp_host::namespace;
use std::{path::Path, sync::Arc};

/// A network namespace. It lives as long as a handle to it does.
///
/// Everything that this library does in a namespace goes through such a handle: no function depends on the namespace of
/// its caller's thread.
///
/// ```
/// use emptcp::Namespace;
///
/// let here = Namespace::current()?;
/// let same = Namespace::of_process(std::process::id())?;
/// assert_eq!(here, same);
/// # Ok::<(), emptcp::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Namespace(Arc<namespace::Namespace>);

impl Namespace {
    /// The namespace in which this thread is now.
    ///
    /// # Errors
    /// When /proc is not mounted.
    pub fn current() -> Result<Self> {
        Ok(Self(Arc::new(namespace::Namespace::current()?)))
    }

    /// A namespace by its name of `ip netns`.
    ///
    /// # Errors
    /// When there is no such name, or it may not be opened.
    pub fn named(name: &str) -> Result<Self> {
        Self::at(Path::new("/run/netns").join(name))
    }

    /// The namespace of a process.
    ///
    /// # Errors
    /// When there is no such process, or without the right to inspect it.
    pub fn of_process(id: u32) -> Result<Self> {
        Self::at(format!("/proc/{id}/ns/net"))
    }

    /// The namespace that is bound to a file, such as /proc/PID/ns/net.
    ///
    /// # Errors
    /// When there is no such file, or it may not be opened.
    pub fn at(path: impl AsRef<Path>) -> Result<Self> {
        Self::find(&path.as_ref().display().to_string())
    }

    /// The namespace that a user names: a name of `ip netns`, a path with a slash, or a process id.
    ///
    /// # Errors
    /// When there is none, or it may not be opened.
    pub fn find(name: &str) -> Result<Self> {
        Ok(Self(Arc::new(namespace::Namespace::open(name)?)))
    }

    /// Its inode number, which names its folder in bpffs. Another namespace may get it when this one is gone.
    pub fn inode(&self) -> u64 {
        self.0.inode()
    }

    /// Devices that were moved here from another namespace, with the programs of an instance there.
    ///
    /// # Errors
    /// When the kernel cannot be asked.
    pub fn moved_here(&self) -> Result<Vec<MovedHere>> {
        Ok(self.run(emptcp_packet::moved_here)??)
    }

    /// Tests what this kernel offers. Leaves nothing behind.
    ///
    /// # Errors
    /// When the namespace cannot be entered.
    pub fn probe(&self) -> Result<probe::Report> {
        self.run(probe::probe)
    }

    /// The same policies with every device by its own name, as this namespace has it; a file may use its other names.
    ///
    /// # Errors
    /// When the devices cannot be read, or a policy names a device twice.
    pub fn resolve(&self, policies: &Policies) -> Result<Policies> {
        let plan = self.run(|| emptcp_packet::with_real_names(policies.plan()))??;
        Ok(policies.with_plan(plan))
    }

    /// Runs `work` in this namespace: on this thread if it is already there, else on a new one. Mounts do not change,
    /// so that the path of bpffs stays valid.
    ///
    /// # Errors
    /// When the namespace cannot be entered: without CAP_SYS_ADMIN, or when a file is no network namespace.
    ///
    /// # Panics
    /// When `work` panics.
    pub fn run<T: Send>(&self, work: impl FnOnce() -> T + Send) -> Result<T> {
        if namespace::inode()? == self.inode() {
            return Ok(work());
        }
        Ok(self.0.run(work)?)
    }
}

impl PartialEq for Namespace {
    fn eq(&self, other: &Self) -> bool {
        // Both are alive, so that no number is used twice.
        self.inode() == other.inode()
    }
}

impl Eq for Namespace {}
