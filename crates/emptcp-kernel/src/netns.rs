//! Network namespaces: which one this thread is in, and how to enter another.

use crate::{
    error::{Error, Result},
    rights::Capability,
};
use std::{
    fs::File,
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
};

/// The inode of this thread's network namespace: names its folder in bpffs.
///
/// # Errors
/// When /proc is not there.
pub fn inode() -> Result<u64> {
    let path = Path::new("/proc/thread-self/ns/net");
    path.metadata()
        .map(|data| data.ino())
        .map_err(|source| Error::io(path, source))
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

/// Moves this thread into a network namespace: `name` is a name of `ip netns`, a path or a process id.
///
/// Call it before other threads are started: each thread has its own. The mounts stay as they are, so that bpffs is
/// found where it always is.
///
/// # Errors
/// When there is no such namespace, or without CAP_SYS_ADMIN.
pub fn enter(name: &str) -> Result<()> {
    let bad = |reason: String| Error::Namespace {
        name: name.to_owned(),
        reason,
    };
    let path = file_of(name);
    let file = File::open(&path).map_err(|error| match error.kind() {
        std::io::ErrorKind::NotFound => bad(format!("there is no {}; `ip netns list` names them", path.display())),
        _ => bad(format!("{}: {error}", path.display())),
    })?;
    nix::sched::setns(file, nix::sched::CloneFlags::CLONE_NEWNET).map_err(|error| match error {
        nix::errno::Errno::EPERM => Error::kernel_that_asks_for(
            &[Capability::SysAdmin],
            format!("enter the network namespace `{name}`"),
            error.into(),
        ),
        // What setns(2) says of a descriptor that is no namespace, or none of a network.
        nix::errno::Errno::EINVAL => bad(format!(
            "{} is no network namespace; `ip netns list` names them, and /proc/PID/ns/net is that of a process",
            path.display()
        )),
        error => bad(format!("setns: {error}")),
    })
}

/// Runs `work` in another network namespace, on a thread of its own.
///
/// # Errors
/// When the namespace cannot be entered.
///
/// # Panics
/// When `work` panics.
pub fn within<T: Send>(name: &str, work: impl FnOnce() -> T + Send) -> Result<T> {
    std::thread::scope(|scope| {
        let thread = scope.spawn(|| enter(name).map(|()| work()));
        thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    })
}
