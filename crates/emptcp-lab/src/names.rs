//! Names of namespaces: unique among processes and labs, and sufficient to identify their owner.

use std::collections::BTreeSet;
use std::path::Path;
use std::process;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU32, Ordering};

use crate::error::{LabError, Result};
use crate::netns::{NETNS_DIRECTORY, NetworkNamespace};

/// Every namespace of ours begins with this; the process id, the lab's number and the role follow.
const PREFIX: &str = "emptcp-lab-";

/// Namespaces that this process created and has not removed yet: a signal handler must remove them.
static LIVE: Mutex<BTreeSet<String>> = Mutex::new(BTreeSet::new());

/// The common part of all names of one lab, e.g. `emptcp-lab-4711-2f3a9c`.
pub(crate) fn unique_stem() -> String {
    static COUNTER: AtomicU32 = AtomicU32::new(0);
    let count = COUNTER.fetch_add(1, Ordering::Relaxed);
    // The random part distinguishes labs of two processes with the same id (after a wrap-around of ids).
    format!("{PREFIX}{}-{count}{:04x}", process::id(), rand::random::<u16>())
}

/// The namespaces of one lab. Dropping removes them, in a panic as well.
#[derive(Debug, Default)]
pub(crate) struct NamespaceGuard {
    names: Vec<String>,
}

impl NamespaceGuard {
    /// Creates a namespace, to be removed on drop.
    pub(crate) fn create(&mut self, name: String) -> Result<NetworkNamespace> {
        live().insert(name.clone());
        let made = NetworkNamespace::create(&name);
        if made.is_ok() {
            self.names.push(name);
        } else {
            live().remove(&name);
        }
        made
    }
}

impl Drop for NamespaceGuard {
    fn drop(&mut self) {
        for name in &self.names {
            // Either this guard or the signal handler takes the name from the set, and then removes the namespace.
            if live().remove(name)
                && let Err(error) = NetworkNamespace::remove(name)
            {
                tracing::warn!(%error, name, "a namespace could not be removed; `Lab::sweep` removes it later");
            }
        }
    }
}

fn live() -> std::sync::MutexGuard<'static, BTreeSet<String>> {
    LIVE.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
}

/// Removes every namespace that this process still has.
pub(crate) fn remove_all_live() {
    let names = std::mem::take(&mut *live());
    for name in names {
        if let Err(error) = NetworkNamespace::remove(&name) {
            tracing::warn!(%error, name, "a namespace could not be removed");
        }
    }
}

/// Removes the namespaces of labs whose process is dead and returns their names.
pub(crate) fn sweep() -> Result<Vec<String>> {
    let entries = match std::fs::read_dir(NETNS_DIRECTORY) {
        Ok(entries) => entries,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(LabError::system(format!("listing {NETNS_DIRECTORY}"), error)),
    };
    let mut removed = Vec::new();
    for entry in entries.flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        let Some(owner) = owner_of(&name) else { continue };
        if Path::new("/proc").join(owner.to_string()).exists() {
            continue;
        }
        // Two sweeps at once are harmless: the second does not find the name.
        match NetworkNamespace::remove(&name) {
            Ok(()) => removed.push(name),
            Err(error) => tracing::debug!(%error, name, "not removed, perhaps by another sweep"),
        }
    }
    Ok(removed)
}

/// The process that made the namespace `name`, or `None` if the name is not exactly of our form.
fn owner_of(name: &str) -> Option<u32> {
    let mut parts = name.strip_prefix(PREFIX)?.splitn(3, '-');
    let owner = parts.next()?.parse().ok()?;
    let number = parts.next()?;
    let role = parts.next()?;
    (number.len() >= 5 && number.bytes().all(|byte| byte.is_ascii_hexdigit()) && !role.is_empty()).then_some(owner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_tells_its_owner_and_foreign_names_have_none() {
        let name = format!("{}-client", unique_stem());
        assert_eq!(owner_of(&name), Some(process::id()));
        for foreign in [
            "emptcp-client",
            "emptcp-lab-x-01234-client",
            "emptcp-lab-12-zzzzz-a",
            "emptcp-lab-12-01234",
            "red",
        ] {
            assert_eq!(owner_of(foreign), None, "{foreign}");
        }
    }

    #[test]
    fn two_labs_of_one_process_have_different_names() {
        assert_ne!(unique_stem(), unique_stem());
    }
}
