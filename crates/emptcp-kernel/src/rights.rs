//! What this process may do: its capabilities, and the folders that a change writes to.

use crate::error::Error;
use nix::{
    fcntl::AtFlags,
    unistd::{AccessFlags, Uid, faccessat, geteuid},
};
use std::{
    fs, io,
    os::unix::fs::{MetadataExt, PermissionsExt},
    path::Path,
};

/// Capabilities by their numbers in linux/capability.h.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[repr(u32)]
pub(crate) enum Capability {
    NetAdmin = 12,
    SysAdmin = 21,
    Perfmon = 38,
    Bpf = 39,
}

/// Whether this thread has a capability in effect.
pub(crate) fn has(capability: Capability) -> bool {
    let status = fs::read_to_string("/proc/thread-self/status").unwrap_or_default();
    let effective = status.lines().find_map(|line| line.strip_prefix("CapEff:"));
    effective
        .and_then(|text| u64::from_str_radix(text.trim(), 16).ok())
        .is_some_and(|bits| bits >> capability as u32 & 1 == 1)
}

/// Whether this thread has what loading and attaching take.
fn has_all() -> bool {
    [Capability::Bpf, Capability::Perfmon, Capability::NetAdmin]
        .into_iter()
        .all(has)
}

/// Why something cannot be made in `folder`, which need not exist yet; `None` when it can.
pub(crate) fn unwritable(folder: &Path) -> Option<String> {
    let parts = folder.ancestors().collect::<Vec<_>>();
    // Downwards: a folder that may not be entered hides what is below it.
    let mut last = None;
    for part in parts.into_iter().rev() {
        match fs::metadata(part) {
            Ok(_) => last = Some(part),
            Err(_) => break,
        }
    }
    let there = last?;
    let flags = AccessFlags::W_OK | AccessFlags::X_OK;
    if faccessat(nix::fcntl::AT_FDCWD, there, flags, AtFlags::AT_EACCESS).is_ok() {
        return None;
    }
    let owner = fs::metadata(there).ok()?;
    let of = |uid: u32| {
        if Uid::from_raw(uid).is_root() {
            "root".to_owned()
        } else {
            format!("user {uid}")
        }
    };
    Some(format!(
        "{} may not write in {} (of {}, mode {:o})",
        of(geteuid().as_raw()),
        there.display(),
        of(owner.uid()),
        owner.permissions().mode() & 0o7777
    ))
}

/// An error about one of the folders that a change uses. Whoever has all capabilities is told about folders, not about
/// capabilities.
pub(crate) fn refused(path: &Path, source: io::Error, folders: &[&Path]) -> Error {
    if source.kind() != io::ErrorKind::PermissionDenied || !has_all() {
        return Error::io(path, source);
    }
    let missing: Vec<String> = folders.iter().filter_map(|folder| unwritable(folder)).collect();
    if missing.is_empty() {
        return Error::io(path, source);
    }
    let names: Vec<String> = folders.iter().map(|folder| folder.display().to_string()).collect();
    Error::Io {
        path: path.to_owned(),
        source: io::Error::new(
            io::ErrorKind::PermissionDenied,
            format!(
                "{}; CAP_BPF, CAP_PERFMON and CAP_NET_ADMIN are there, what is missing is the right to write in {}",
                missing.join(", "),
                names.join(" and ")
            ),
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whoever_may_write_somewhere_is_told_so() {
        let folder = std::env::temp_dir();
        assert_eq!(unwritable(&folder.join("a/b")), None);
        if !crate::testing::is_root() {
            let words = unwritable(Path::new("/proc/sys/emptcp")).unwrap();
            assert!(words.contains("may not write in /proc/sys"), "{words}");
        }
    }
}
