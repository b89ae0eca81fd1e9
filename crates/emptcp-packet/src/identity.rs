//! Identity of the network namespace that made an instance, as the instance's pins show it.

use crate::records::{DEVICES_MAP, Records};
use emptcp_host::{boot::BootId, namespace};
use emptcp_load::{link, pin};
use libbpf_rs::MapHandle;
use std::{
    fs,
    os::fd::AsFd,
    path::{Path, PathBuf},
};

/// What the instance's pins show.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Facts {
    /// Cookie of its namespace, 0 where the kernel had none.
    pub(crate) cookie: u64,
    /// The boot in which it was made.
    pub(crate) boot: Option<BootId>,
    /// Links that are attached to a device, and those that could not be queried.
    pub(crate) attached: usize,
    /// Links whose device is gone.
    pub(crate) detached: usize,
}

impl Facts {
    /// Queries the kernel about everything that is pinned in the folder.
    pub(crate) fn read(folder: &Path) -> Self {
        let mut facts = Self::default();
        let map = MapHandle::from_pinned_path(folder.join(format!("map_{DEVICES_MAP}")));
        if let Some(map) = map.ok()
            && let Ok(records) = Records::read(&map)
        {
            facts.cookie = records.origin.map_or(0, |origin| origin.cookie);
            facts.boot = records.boot;
        }
        for link in pins(folder, "link_") {
            let info = pin::open(&link).and_then(|link| link::info(link.as_fd()));
            match info {
                Ok(info) if info.ifindex == 0 => facts.detached += 1,
                _ => facts.attached += 1,
            }
        }
        facts
    }

    /// It was made in another boot.
    pub(crate) fn is_of_another_boot(&self, boot: Option<BootId>) -> bool {
        self.boot.is_some_and(|made| boot.is_some_and(|now| now != made))
    }

    /// The devices of all links are gone.
    pub(crate) fn has_lost_all_devices(&self) -> bool {
        self.attached == 0 && self.detached > 0
    }
}

/// Whether an instance of this namespace, by its folder, was left by another namespace.
pub(crate) fn is_of_another_namespace(folder: &Path) -> bool {
    let facts = Facts::read(folder);
    if facts.is_of_another_boot(BootId::current()) {
        return true;
    }
    match namespace::cookie() {
        Some(here) if facts.cookie != 0 => here != facts.cookie,
        // On kernels without cookies, only links without devices show it. They may belong to this namespace after all:
        // then counters are lost, but the tables of another namespace are never used.
        _ => facts.has_lost_all_devices(),
    }
}

/// Pins in the folder of an instance with this prefix.
pub(crate) fn pins(folder: &Path, prefix: &str) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    entries
        .filter(|entry| entry.file_name().to_string_lossy().starts_with(prefix))
        .map(|entry| entry.path())
        .collect()
}
