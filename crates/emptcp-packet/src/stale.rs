//! Instances of all network namespaces, and those that dead namespaces have left: their maps hold memory until their
//! pins are removed.
//!
//! An instance is only freed on proof: the kernel says that its namespace is gone (Linux 6.18); or its namespace's
//! number is used by another one (the cookie differs, Linux 5.14); or no process holds a namespace of that number and
//! the devices of all its links are gone. In doubt it stays.

use crate::{
    bpffs::{self, UNFINISHED},
    error::Result,
    identity::{self, Facts},
    instance::Instance,
    lock::{self, Lock},
};
use emptcp_host::{
    boot::BootId,
    namespaces::{self, Holder, Namespaces},
};
use emptcp_load::pin;
use serde::Serialize;
use std::{
    fs,
    os::fd::AsRawFd,
    path::{Path, PathBuf},
};

/// Whether an instance's namespace lives.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Life {
    /// It lives.
    Live,
    /// Proved dead.
    Dead,
    /// Neither is proved.
    Unknown,
}

impl Life {
    /// The name in messages.
    pub fn name(self) -> &'static str {
        match self {
            Self::Live => "live",
            Self::Dead => "dead",
            Self::Unknown => "unknown",
        }
    }
}

/// An instance of any network namespace.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct InstanceInNamespace {
    /// Inode number of the namespace.
    pub namespace: u64,
    /// Its name in `ip netns`, if it has one.
    pub netns: Option<String>,
    /// The instance.
    pub instance: String,
    /// Whether the namespace lives.
    pub state: Life,
    /// How that is known, or why it is not.
    pub why: &'static str,
    /// Processes that hold the namespace, at most 8; only of one that lives and has no name.
    pub held_by: Vec<Holder>,
    /// Names of its policies; absent when they cannot be read.
    pub policies: Option<Vec<String>>,
    /// Memory of its maps, in bytes, as the kernel counts it.
    pub bytes: u64,
    /// Its folder in bpffs.
    #[serde(skip)]
    pub folder: PathBuf,
}

/// What is known about the namespace of an instance.
#[derive(Clone, Copy, Debug)]
struct Seen {
    /// The kernel's own answer.
    lives: Option<bool>,
    /// A process holds a namespace with its number.
    held: bool,
    /// The cookie of that namespace.
    cookie: Option<u64>,
    /// All processes could be inspected.
    complete: bool,
}

fn life_of(facts: &Facts, seen: Seen, boot: Option<BootId>) -> (Life, &'static str) {
    if facts.is_of_another_boot(boot) {
        return (Life::Dead, "it was made in another boot");
    }
    if seen.lives == Some(true) {
        return (Life::Live, "its namespace lives");
    }
    if seen.held {
        return match seen.cookie.filter(|_| facts.cookie != 0) {
            Some(cookie) if cookie == facts.cookie => (Life::Live, "its namespace lives"),
            Some(_) => (
                Life::Dead,
                "its namespace is gone, and another one has its number: the cookies differ",
            ),
            None if facts.attached > 0 => (Life::Live, "it is attached to a device, and its number is in use"),
            None => (
                Life::Unknown,
                "a namespace has its number, but its cookie is not known: it may be another one",
            ),
        };
    }
    if seen.lives == Some(false) {
        return (Life::Dead, "its namespace is gone: the kernel says so");
    }
    if facts.attached > 0 {
        return (
            Life::Unknown,
            "it is attached to a device, but no process, mount or open file holds its namespace: a socket may",
        );
    }
    if !seen.complete {
        return (
            Life::Unknown,
            "no process was found that holds its namespace, but not all could be inspected",
        );
    }
    if facts.detached == 0 {
        // A clsact filter has no link: it may run in a namespace that only a socket holds.
        return (
            Life::Unknown,
            "no process was found that holds its namespace, but it has no link as proof: a socket may hold it",
        );
    }
    (
        Life::Dead,
        "its namespace is gone: no process holds it, and the devices of all its links are gone",
    )
}

/// The instances of all network namespaces, by namespace and name; dead ones are marked.
///
/// # Errors
/// When bpffs cannot be read.
pub fn everywhere() -> Result<Vec<InstanceInNamespace>> {
    let mut all = look(&Namespaces::read(), |_| true)?;
    // An unfinished one is not listed.
    all.retain(|found| found.state == Life::Dead || !found.instance.ends_with(UNFINISHED));
    all.iter_mut().for_each(describe);
    Ok(all)
}

fn look(namespaces: &Namespaces, wanted: impl Fn(u64) -> bool) -> Result<Vec<InstanceInNamespace>> {
    let boot = BootId::current();
    let mut all = Vec::new();
    for inode in bpffs::namespaces()?.into_iter().filter(|inode| wanted(*inode)) {
        let (held, cookie) = (namespaces.has(inode), namespaces.cookie(inode));
        for name in bpffs::names_in(&bpffs::folder_of(inode))? {
            let folder = bpffs::folder_of(inode).join(&name);
            let facts = Facts::read(&folder);
            let seen = Seen {
                lives: namespaces::lives(inode, facts.cookie),
                held,
                cookie,
                complete: namespaces.complete,
            };
            let (state, why) = life_of(&facts, seen, boot);
            let netns = namespaces
                .name(inode)
                .map(str::to_owned)
                .filter(|_| state == Life::Live);
            let held_by = if netns.is_none() && state == Life::Live {
                namespaces.holders(inode)
            } else {
                Vec::new()
            };
            all.push(InstanceInNamespace {
                namespace: inode,
                netns,
                held_by,
                policies: None,
                bytes: 0,
                instance: name,
                state,
                why,
                folder,
            });
        }
    }
    Ok(all)
}

/// Fills in the fields that only the output needs.
fn describe(found: &mut InstanceInNamespace) {
    found.policies = policies(&found.instance, &found.folder);
    found.bytes = memory(&found.folder);
}

fn policies(name: &str, folder: &Path) -> Option<Vec<String>> {
    let instance = Instance::open_folder(name, folder.to_owned()).ok()?;
    instance.check_version().ok()?;
    let state = instance.state().ok()??;
    Some(state.plan.policies.into_iter().map(|policy| policy.name).collect())
}

/// The memory of the maps, as `memlock` of their descriptors shows it.
fn memory(folder: &Path) -> u64 {
    let of = |path: &PathBuf| {
        let map = pin::open(path).ok()?;
        let text = fs::read_to_string(format!("/proc/self/fdinfo/{}", map.as_raw_fd())).ok()?;
        let bytes = text.lines().find_map(|line| line.strip_prefix("memlock:"))?;
        bytes.trim().parse::<u64>().ok()
    };
    identity::pins(folder, "map_").iter().filter_map(of).sum()
}

/// What [`remove_stale`] did.
#[derive(Clone, Debug, Serialize)]
pub struct Freed {
    /// Instances of dead namespaces: they were removed.
    pub freed: Vec<InstanceInNamespace>,
    /// Instances of which it is not known whether their namespace lives: they stay.
    pub unknown: Vec<InstanceInNamespace>,
}

/// Frees the instances that dead network namespaces have left.
///
/// # Errors
/// When bpffs cannot be read or written. The others are still freed.
pub fn remove_stale() -> Result<Freed> {
    free(None)
}

/// The same at the beginning of a command that changes something; it holds the lock of the namespace `own`. Failures do
/// not affect that command.
pub(crate) fn clear(own: &Lock) {
    match free(Some(own)) {
        Ok(freed) => {
            for found in freed.freed {
                tracing::info!("freed {}: {}", found.folder.display(), found.why);
            }
        }
        Err(error) => tracing::debug!("instances of dead namespaces: {error}"),
    }
}

fn free(own: Option<&Lock>) -> Result<Freed> {
    let mut done = Freed {
        freed: Vec::new(),
        unknown: Vec::new(),
    };
    let is_own = |inode: u64| own.is_some_and(|lock| lock.namespace() == inode);
    let locks: Vec<u64> = lock::namespaces().into_iter().filter(|inode| !is_own(*inode)).collect();
    let folders = bpffs::namespaces()?;
    if locks.is_empty() && folders.iter().all(|inode| is_own(*inode)) {
        return Ok(done);
    }
    let namespaces = Namespaces::read();
    let all = look(&namespaces, |_| true)?;
    done.unknown
        .extend(all.iter().filter(|found| found.state == Life::Unknown).cloned());
    done.unknown.iter_mut().for_each(describe);
    let mut dead: Vec<u64> = all
        .iter()
        .filter(|found| found.state == Life::Dead)
        .map(|found| found.namespace)
        .collect();
    dead.dedup();
    // A process that holds a lock changes something there: the next command tries again.
    let mut held = Vec::new();
    for inode in dead.iter().filter(|inode| !is_own(**inode)) {
        held.extend(Lock::try_take(*inode)?);
    }
    let mut outcome = Ok(());
    if !dead.is_empty() {
        // Checked again under the locks: the number may be in use now, and an `apply` may just have run.
        let locked = |inode: u64| is_own(inode) || held.iter().any(|lock| lock.namespace() == inode);
        let again = look(&Namespaces::read(), |inode| dead.contains(&inode) && locked(inode))?;
        for mut found in again.into_iter().filter(|found| found.state == Life::Dead) {
            describe(&mut found);
            match bpffs::remove_folder(&found.folder) {
                Ok(()) => done.freed.push(found),
                Err(error) => outcome = Err(error),
            }
        }
    }
    drop(held);
    for inode in locks.into_iter().filter(|inode| !namespaces.has(*inode)) {
        if let Ok(Some(lock)) = Lock::try_take(inode) {
            lock.discard();
        }
    }
    outcome.map(|()| done)
}

#[cfg(test)]
mod tests {
    use super::*;

    const BOOT: Option<BootId> = Some(BootId([1, 2, 3, 4]));

    fn facts(cookie: u64, attached: usize, detached: usize) -> Facts {
        Facts {
            cookie,
            boot: BOOT,
            attached,
            detached,
        }
    }

    fn seen(held: bool, cookie: Option<u64>) -> Seen {
        Seen {
            lives: None,
            held,
            cookie,
            complete: true,
        }
    }

    #[test]
    fn only_what_is_proved_dead_is_dead() {
        for (facts, seen, expected) in [
            (facts(7, 1, 0), seen(true, Some(7)), Life::Live),
            // A device was removed and created again, as a modem's.
            (facts(7, 0, 2), seen(true, Some(7)), Life::Live),
            (facts(7, 0, 2), seen(true, Some(8)), Life::Dead),
            (facts(7, 0, 0), seen(true, Some(8)), Life::Dead),
            (facts(7, 0, 2), seen(false, None), Life::Dead),
            // clsact has no link.
            (facts(7, 0, 0), seen(false, None), Life::Unknown),
            // Held only by a socket, or still being removed.
            (facts(7, 1, 1), seen(false, None), Life::Unknown),
            // It cannot be entered, or the kernel is older than Linux 5.14.
            (facts(7, 0, 1), seen(true, None), Life::Unknown),
            (facts(0, 0, 0), seen(true, Some(8)), Life::Unknown),
            (facts(0, 1, 0), seen(true, None), Life::Live),
        ] {
            assert_eq!(life_of(&facts, seen, BOOT).0, expected, "{facts:?} {seen:?}");
        }
        let unseen = Seen {
            complete: false,
            ..seen(false, None)
        };
        assert_eq!(life_of(&facts(7, 0, 2), unseen, BOOT).0, Life::Unknown);
        let answered = |lives| Seen { lives, ..unseen };
        assert_eq!(life_of(&facts(7, 0, 0), answered(Some(true)), BOOT).0, Life::Live);
        assert_eq!(life_of(&facts(7, 1, 0), answered(Some(false)), BOOT).0, Life::Dead);
        // A process that holds it is decisive.
        let held = Seen {
            lives: Some(false),
            ..seen(true, Some(7))
        };
        assert_eq!(life_of(&facts(7, 0, 1), held, BOOT).0, Life::Live);
        let (life, _) = life_of(&facts(7, 1, 0), seen(true, Some(7)), Some(BootId([9; 4])));
        assert_eq!(life, Life::Dead);
    }
}
