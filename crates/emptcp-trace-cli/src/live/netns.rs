//! Going to another network namespace.

use anyhow::{Context, Result};
use nix::sched::{CloneFlags, setns};
use std::fs::File;
use std::path::{Path, PathBuf};

/// Where iproute2 keeps namespaces.
const NAMED: &str = "/run/netns";

/// Moves this thread, and all that it starts, to a namespace: a name of `ip netns`, a path or a process id.
pub(super) fn enter(name: &str) -> Result<()> {
    let path = match name {
        path if path.contains('/') => PathBuf::from(path),
        process if process.bytes().all(|byte| byte.is_ascii_digit()) && !Path::new(NAMED).join(process).exists() => {
            PathBuf::from(format!("/proc/{process}/ns/net"))
        }
        name => Path::new(NAMED).join(name),
    };
    let file = File::open(&path).with_context(|| {
        format!(
            "network namespace {name}: opening {}; `ip netns list` names them",
            path.display()
        )
    })?;
    setns(file, CloneFlags::CLONE_NEWNET)
        .with_context(|| format!("network namespace {name}: entering it needs the capability CAP_SYS_ADMIN"))
}
