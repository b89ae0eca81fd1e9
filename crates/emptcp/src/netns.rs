//! Network namespaces: which one this thread is in, and how to enter another.

use crate::Result;
use emptcp_host::namespace;

/// The inode number of this thread's network namespace: names its folder in bpffs.
///
/// # Errors
/// When /proc is not there.
pub fn inode() -> Result<u64> {
    Ok(namespace::inode()?)
}

/// Moves this thread into a network namespace: `name` is a name of `ip netns`, a path or a process id.
///
/// Call it before other threads are started: each thread has its own. The mounts stay as they are, so that bpffs is
/// found where it always is.
///
/// # Errors
/// When there is no such namespace, or without CAP_SYS_ADMIN.
pub fn enter(name: &str) -> Result<()> {
    Ok(namespace::enter(name)?)
}

/// Runs `work` in another network namespace, on a thread of its own.
///
/// # Errors
/// When the namespace cannot be entered.
///
/// # Panics
/// When `work` panics.
pub fn within<T: Send>(name: &str, work: impl FnOnce() -> T + Send) -> Result<T> {
    Ok(namespace::within(name, work)?)
}
