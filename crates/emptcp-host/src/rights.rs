//! Rights of this process: its capabilities, and the folders that a change writes to.

use crate::files;
use nix::{
    fcntl::AtFlags,
    unistd::{AccessFlags, Uid, faccessat, geteuid},
};
use std::{
    fmt, fs,
    os::unix::fs::{MetadataExt, PermissionsExt},
    path::Path,
};

/// Capabilities by their numbers in linux/capability.h.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[repr(u32)]
pub enum Capability {
    /// Devices, queueing disciplines, attaching of programs.
    NetAdmin = 12,
    /// Namespaces, mounts.
    SysAdmin = 21,
    /// Programs that use pointers freely.
    Perfmon = 38,
    /// Programs and maps.
    Bpf = 39,
}

impl fmt::Display for Capability {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NetAdmin => "CAP_NET_ADMIN",
            Self::SysAdmin => "CAP_SYS_ADMIN",
            Self::Perfmon => "CAP_PERFMON",
            Self::Bpf => "CAP_BPF",
        })
    }
}

/// Whether this thread has a capability in effect. CAP_SYS_ADMIN includes CAP_BPF and CAP_PERFMON (`bpf_capable` and
/// `perfmon_capable` of include/linux/capability.h).
pub fn has(capability: Capability) -> bool {
    let status = files::read_lossy("/proc/thread-self/status").unwrap_or_default();
    let effective = status.lines().find_map(|line| line.strip_prefix("CapEff:"));
    let bits = effective.and_then(|text| u64::from_str_radix(text.trim(), 16).ok());
    let is_set = |capability: Capability| bits.is_some_and(|bits| bits >> capability as u32 & 1 == 1);
    is_set(capability) || matches!(capability, Capability::Bpf | Capability::Perfmon) && is_set(Capability::SysAdmin)
}

/// Those of `needed` that this thread lacks.
fn missing(needed: &[Capability]) -> Vec<Capability> {
    needed.iter().copied().filter(|capability| !has(*capability)).collect()
}

/// Why capabilities of a user namespace are not enough.
pub const NOT_THE_FIRST: &str = "its capabilities are those of a user namespace, BPF asks for those of the first one";

/// `PROC_USER_INIT_INO` of the kernel: rights in the first user namespace count everywhere.
const FIRST_USER_NAMESPACE: &str = "user:[4026531837]";

/// Whether this thread is outside of the first user namespace, or this is unknown.
pub fn in_user_namespace() -> bool {
    !fs::read_link("/proc/thread-self/ns/user").is_ok_and(|link| link == Path::new(FIRST_USER_NAMESPACE))
}

/// `A, B and C`.
pub fn listed(capabilities: &[Capability]) -> String {
    let names: Vec<String> = capabilities.iter().map(ToString::to_string).collect();
    match names.split_last() {
        Some((last, [])) => last.clone(),
        Some((last, others)) => format!("{} and {last}", others.join(", ")),
        None => String::new(),
    }
}

/// `A is`, `A and B are`.
fn are(capabilities: &[Capability]) -> String {
    let verb = if capabilities.len() == 1 { "is" } else { "are" };
    format!("{} {verb}", listed(capabilities))
}

/// `A is missing`, `A and B are missing`; `None` when none of `needed` is.
pub fn lack(needed: &[Capability]) -> Option<String> {
    let missing = missing(needed);
    (!missing.is_empty()).then(|| format!("{} missing", are(&missing)))
}

/// Why the kernel may have refused an operation that needs these capabilities, and what to do.
pub fn advice(needed: &[Capability]) -> String {
    match lack(needed) {
        Some(lack) => format!("{lack}; run as root with all capabilities, or with {}", listed(needed)),
        None if in_user_namespace() => format!("{NOT_THE_FIRST}; run it outside"),
        None => format!(
            "{} there: a security module, seccomp or the lockdown of the kernel can forbid it",
            are(needed)
        ),
    }
}

/// Why no file can be made in `folder`, which need not exist yet; `None` if it can.
pub fn unwritable(folder: &Path) -> Option<String> {
    let parts = folder.ancestors().collect::<Vec<_>>();
    // From the root down: a folder that may not be entered hides its content.
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
    Some(who_may_not("write in", there))
}

/// `user 7 may not enter /a (of root, mode 700)`.
fn who_may_not(verb: &str, path: &Path) -> String {
    let of = |uid: u32| {
        if Uid::from_raw(uid).is_root() {
            "root".to_owned()
        } else {
            format!("user {uid}")
        }
    };
    let owner = fs::metadata(path).map_or_else(
        |_| String::new(),
        |owner| {
            format!(
                " (of {}, mode {:o})",
                of(owner.uid()),
                owner.permissions().mode() & 0o7777
            )
        },
    );
    format!("{} may not {verb} {}{owner}", of(geteuid().as_raw()), path.display())
}

/// What this process lacks to use a refused path, and what to do.
pub fn advice_on(path: &Path) -> String {
    let may = |part: &Path, flags| faccessat(nix::fcntl::AT_FDCWD, part, flags, AtFlags::AT_EACCESS).is_ok();
    let mut parents: Vec<_> = path
        .ancestors()
        .skip(1)
        .filter(|part| !part.as_os_str().is_empty())
        .collect();
    parents.reverse();
    let closed = parents.into_iter().find(|part| !may(part, AccessFlags::X_OK));
    let (verb, part) = closed.map_or(("use", path), |part| ("enter", part));
    let to_do = if geteuid().is_root() {
        "give root the right to it, or run with all capabilities"
    } else {
        "run as root"
    };
    format!("{}; {to_do}", who_may_not(verb, part))
}

/// What this process lacks to change something in `folders`, and what to do; `None` when it may write in all of them.
///
/// `needed`: capabilities that the change also needs.
pub fn advice_on_folders(needed: &[Capability], folders: &[&Path]) -> Option<String> {
    let closed: Vec<String> = folders.iter().filter_map(|folder| unwritable(folder)).collect();
    let names: Vec<String> = folders.iter().map(|folder| folder.display().to_string()).collect();
    let rest = match lack(needed) {
        Some(lack) => format!("{lack} as well; run as root"),
        None => format!(
            "{} are there, what is missing is the right to write in {}",
            listed(needed),
            names.join(" and ")
        ),
    };
    (!closed.is_empty()).then(|| format!("{}; {rest}", closed.join(", ")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn capabilities_are_listed_as_in_a_sentence() {
        const LOADING: [Capability; 3] = [Capability::Bpf, Capability::Perfmon, Capability::NetAdmin];
        assert_eq!(listed(&LOADING), "CAP_BPF, CAP_PERFMON and CAP_NET_ADMIN");
        assert_eq!(listed(&LOADING[1..]), "CAP_PERFMON and CAP_NET_ADMIN");
        assert_eq!(listed(&LOADING[..1]), "CAP_BPF");
    }

    #[test]
    fn a_writable_folder_is_not_reported() {
        let folder = std::env::temp_dir();
        assert_eq!(unwritable(&folder.join("a/b")), None);
        if !crate::testing::is_root() {
            let words = unwritable(Path::new("/proc/sys/emptcp")).unwrap();
            assert!(words.contains("may not write in /proc/sys"), "{words}");
        }
    }
}
