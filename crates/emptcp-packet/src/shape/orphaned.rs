//! Root qdiscs of ours that outlived their instance: its folder in bpffs was lost, or a map in it.

use super::root::{holds_only_ours, own_root};
use crate::{bpffs, error::Result, records};
use emptcp_host::device::Devices;
use std::collections::BTreeSet;

/// Devices with a root qdisc of ours that no instance of this network namespace has a record of. A qdisc is ours if it
/// has our handle and holds only what we add. `name`: the instance to be removed, which may have lost its records. If
/// another instance has lost its records, the result is empty.
pub(super) fn devices(devices: &Devices, name: &str) -> Result<Vec<String>> {
    let mut ours = Vec::new();
    for device in devices.iter() {
        if own_root(&device.name, device.index).is_some() && holds_only_ours(device.index)? {
            ours.push(device);
        }
    }
    if !ours.is_empty() {
        let remembered = remembered(name)?;
        ours.retain(|device| {
            let remembered = remembered.as_ref();
            remembered.is_some_and(|remembered| !remembered.contains(&device.index))
        });
    }
    Ok(ours.into_iter().map(|device| device.name.clone()).collect())
}

/// Interface indices of the devices that an instance of this network namespace has shaped; `None` when one other than
/// `name` has no records.
fn remembered(name: &str) -> Result<Option<BTreeSet<u32>>> {
    let mut remembered = BTreeSet::new();
    for instance in bpffs::instances()? {
        match records::pinned(&bpffs::folder(&instance)?)? {
            Some(map) => remembered.extend(records::Records::read(&map)?.shaped),
            None if instance == name => {}
            None => return Ok(None),
        }
    }
    Ok(Some(remembered))
}
