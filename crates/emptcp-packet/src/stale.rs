//! Instances of all network namespaces, and those that dead namespaces have left: their maps hold memory until somebody
//! removes their pins.
//!
//! An instance is only freed on proof: the kernel says that its namespace is gone (Linux 6.18); or its namespace's
//! number is used by another one (the cookie differs, Linux 5.14); or nobody holds a namespace of that number and all
//! its links have lost their devices. In doubt it stays.

use crate::{
    error::Result,
    identity::{self, Facts},
    instance::Instance,
    place::{self, Lock, UNFINISHED},
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
    /// It does.
    Live,
    /// It does not: proved.
    Dead,
    /// Neither is proved.
    Unknown,
}

impl Life {
    /// In words.
    pub fn name(self) -> &'static str {
        match self {
            Self::Live => "live",
            Self::Dead => "dead",
            Self::Unknown => "cannot tell",
        }
    }
}

/// An instance of any network namespace.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Placed {
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
    /// The kernel's own word.
    lives: Option<bool>,
    /// A namespace with its number is held by somebody.
    held: bool,
    /// That one's cookie.
    cookie: Option<u64>,
    /// All processes were seen.
    complete: bool,
}

fn judge(facts: &Facts, seen: Seen, boot: Option<BootId>) -> (Life, &'static str) {
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
            "nobody was seen to hold its namespace, but not every process could be looked into",
        );
    }
    if facts.detached == 0 {
        // A clsact filter has no link: it may be at work in a namespace that a socket alone holds.
        return (
            Life::Unknown,
            "nobody was seen to hold its namespace, but it has no link that could tell: a socket may hold it",
        );
    }
    (
        Life::Dead,
        "its namespace is gone: nobody holds it, and every device has left its links",
    )
}

/// The instances of all network namespaces, by namespace and name; dead ones are marked.
///
/// # Errors
/// When bpffs cannot be read.
pub fn everywhere() -> Result<Vec<Placed>> {
    let mut all = look(&Namespaces::read(), |_| true)?;
    // One that is being made is none yet.
    all.retain(|placed| placed.state == Life::Dead || !placed.instance.ends_with(UNFINISHED));
    all.iter_mut().for_each(describe);
    Ok(all)
}

fn look(namespaces: &Namespaces, wanted: impl Fn(u64) -> bool) -> Result<Vec<Placed>> {
    let boot = BootId::current();
    let mut all = Vec::new();
    for inode in place::namespaces()?.into_iter().filter(|inode| wanted(*inode)) {
        let (held, cookie) = (namespaces.has(inode), namespaces.cookie(inode));
        for name in place::names_in(&place::folder_of(inode))? {
            let folder = place::folder_of(inode).join(&name);
            let facts = Facts::read(&folder);
            let seen = Seen {
                lives: namespaces::lives(inode, facts.cookie),
                held,
                cookie,
                complete: namespaces.complete,
            };
            let (state, why) = judge(&facts, seen, boot);
            let netns = namespaces
                .name(inode)
                .map(str::to_owned)
                .filter(|_| state == Life::Live);
            let held_by = if netns.is_none() && state == Life::Live {
                namespaces.holders(inode)
            } else {
                Vec::new()
            };
            all.push(Placed {
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

/// Fills in what is only for people.
fn describe(placed: &mut Placed) {
    placed.policies = policies(&placed.instance, &placed.folder);
    placed.bytes = memory(&placed.folder);
}

fn policies(name: &str, folder: &Path) -> Option<Vec<String>> {
    let instance = Instance::open_folder(name, folder.to_owned()).ok()?;
    instance.check_version().ok()?;
    let state = instance.state().ok()??;
    Some(state.plan.policies.into_iter().map(|policy| policy.name).collect())
}

/// What the kernel says that the maps take: `memlock` of their descriptors.
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
    /// Instances of dead namespaces: they are gone now.
    pub freed: Vec<Placed>,
    /// Instances of which it is not known whether their namespace lives: they stay.
    pub unknown: Vec<Placed>,
}

/// Frees the instances that dead network namespaces have left.
///
/// # Errors
/// When bpffs cannot be read or written. The others are freed all the same.
pub fn remove_stale() -> Result<Freed> {
    free(None)
}

/// The same at the beginning of a command that changes something; it holds the lock of the namespace `own`. Failures do
/// not concern that command.
pub(crate) fn clear(own: &Lock) {
    match free(Some(own)) {
        Ok(freed) => {
            for placed in freed.freed {
                tracing::info!("freed {}: {}", placed.folder.display(), placed.why);
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
    let locks: Vec<u64> = place::locks().into_iter().filter(|inode| !is_own(*inode)).collect();
    let folders = place::namespaces()?;
    if locks.is_empty() && folders.iter().all(|inode| is_own(*inode)) {
        return Ok(done);
    }
    let namespaces = Namespaces::read();
    let all = look(&namespaces, |_| true)?;
    done.unknown
        .extend(all.iter().filter(|placed| placed.state == Life::Unknown).cloned());
    done.unknown.iter_mut().for_each(describe);
    let mut dead: Vec<u64> = all
        .iter()
        .filter(|placed| placed.state == Life::Dead)
        .map(|placed| placed.namespace)
        .collect();
    dead.dedup();
    // Whoever holds a lock changes something there: the next command comes back to it.
    let mut held = Vec::new();
    for inode in dead.iter().filter(|inode| !is_own(**inode)) {
        held.extend(Lock::try_take(*inode)?);
    }
    let mut outcome = Ok(());
    if !dead.is_empty() {
        // Judged again under the locks: the number may have come into use, and an `apply` may just have run.
        let locked = |inode: u64| is_own(inode) || held.iter().any(|lock| lock.namespace() == inode);
        let again = look(&Namespaces::read(), |inode| dead.contains(&inode) && locked(inode))?;
        for mut placed in again.into_iter().filter(|placed| placed.state == Life::Dead) {
            describe(&mut placed);
            match place::remove_folder(&placed.folder) {
                Ok(()) => done.freed.push(placed),
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
            // A device went and came again, as a modem's does.
            (facts(7, 0, 2), seen(true, Some(7)), Life::Live),
            (facts(7, 0, 2), seen(true, Some(8)), Life::Dead),
            (facts(7, 0, 0), seen(true, Some(8)), Life::Dead),
            (facts(7, 0, 2), seen(false, None), Life::Dead),
            // clsact has no link.
            (facts(7, 0, 0), seen(false, None), Life::Unknown),
            // Held by a socket alone, or still going.
            (facts(7, 1, 1), seen(false, None), Life::Unknown),
            // Nobody may enter it, or before Linux 5.14.
            (facts(7, 0, 1), seen(true, None), Life::Unknown),
            (facts(0, 0, 0), seen(true, Some(8)), Life::Unknown),
            (facts(0, 1, 0), seen(true, None), Life::Live),
        ] {
            assert_eq!(judge(&facts, seen, BOOT).0, expected, "{facts:?} {seen:?}");
        }
        let unseen = Seen {
            complete: false,
            ..seen(false, None)
        };
        assert_eq!(judge(&facts(7, 0, 2), unseen, BOOT).0, Life::Unknown);
        let told = |lives| Seen { lives, ..unseen };
        assert_eq!(judge(&facts(7, 0, 0), told(Some(true)), BOOT).0, Life::Live);
        assert_eq!(judge(&facts(7, 1, 0), told(Some(false)), BOOT).0, Life::Dead);
        // Whoever is seen to hold it has the last word.
        let held = Seen {
            lives: Some(false),
            ..seen(true, Some(7))
        };
        assert_eq!(judge(&facts(7, 0, 1), held, BOOT).0, Life::Live);
        let (life, _) = judge(&facts(7, 1, 0), seen(true, Some(7)), Some(BootId([9; 4])));
        assert_eq!(life, Life::Dead);
    }
}
