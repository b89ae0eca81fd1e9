//! Devices that were moved to this network namespace with the programs of an instance of another one.

use crate::{
    attach::{Attachments, HookPoint},
    bpffs,
    error::Result,
    identity,
    records::{DEVICES_MAP, Records},
};
use emptcp_host::{device::Devices, namespace, namespaces::Namespaces};
use emptcp_load::{link, pin};
use emptcp_plan::plan::DeviceDirection;
use libbpf_rs::MapHandle;
use serde::Serialize;
use std::{os::fd::AsFd, path::Path};

/// A device and direction of this namespace with the programs of an instance of another namespace.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
pub struct MovedHere {
    /// The device, by its name here.
    pub device: String,
    /// The direction.
    pub direction: DeviceDirection,
    /// Inode number of the other namespace.
    pub namespace: u64,
    /// The other namespace's name in `ip netns`, if it has one.
    pub netns: Option<String>,
    /// The instance there.
    pub instance: String,
    /// The device kept its index, so that the policies act; otherwise no rule matches it.
    pub acts: bool,
}

/// Queries all instances of other namespaces. One that cannot be read is skipped: commands in that namespace report it.
///
/// # Errors
/// When bpffs cannot be read, or the kernel not be asked for its devices.
pub fn moved_here() -> Result<Vec<MovedHere>> {
    let (own, devices) = (namespace::inode()?, Devices::read()?);
    let mut found = Vec::new();
    for namespace in bpffs::namespaces()?.into_iter().filter(|inode| *inode != own) {
        let folder = bpffs::folder_of(namespace);
        for instance in bpffs::names_in(&folder)? {
            for (device, direction, acts) in in_folder(&folder.join(&instance), &devices).unwrap_or_default() {
                found.push(MovedHere {
                    device,
                    direction,
                    namespace,
                    netns: None,
                    instance: instance.clone(),
                    acts,
                });
            }
        }
    }
    // Reading all processes is slow: only when there is something to report.
    if !found.is_empty() {
        let namespaces = Namespaces::read();
        for moved in &mut found {
            moved.netns = namespaces.name(moved.namespace).map(str::to_owned);
        }
    }
    Ok(found)
}

fn in_folder(folder: &Path, devices: &Devices) -> Result<Vec<(String, DeviceDirection, bool)>> {
    let may_be_here = |link: &std::path::PathBuf| {
        let info = pin::open(link).and_then(|link| link::info(link.as_fd()));
        info.is_ok_and(|info| devices.name(info.ifindex).is_some())
    };
    if !identity::pins(folder, "link_").iter().any(may_be_here) {
        return Ok(Vec::new());
    }
    let Ok(records) = MapHandle::from_pinned_path(folder.join(format!("map_{DEVICES_MAP}"))) else {
        return Ok(Vec::new());
    };
    let attachments = Attachments {
        folder,
        records: &records,
    };
    let mut found = Vec::new();
    for key in Records::read(&records)?.attachments.into_keys() {
        let point = HookPoint {
            device: "?",
            ifindex: key.ifindex,
            direction: key.direction,
        };
        if let Some(ifindex) = attachments.device_here(point)?
            && let Some(name) = devices.name(ifindex)
        {
            found.push((name.to_owned(), key.direction, ifindex == key.ifindex));
        }
    }
    Ok(found)
}
