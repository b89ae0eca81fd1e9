//! Devices under policy of which one is on top of another: a bridge and its port, a VLAN device and its parent, a bond
//! and its slave, a macvlan and the device below. The BPF half is `bpf/core/stacked.h`.

use crate::{
    error::{OrKernel, Result},
    maps::Maps,
};
use emptcp_abi::DevicePair;
use emptcp_host::device::Devices;
use libbpf_rs::{MapCore, MapFlags};
use std::collections::{BTreeMap, BTreeSet};
use zerocopy::{FromBytes, IntoBytes};

/// Pairs of these devices of which one is on top of the other, with any number of devices between them.
pub(crate) fn pairs(devices: &Devices, under_policy: &BTreeSet<u32>) -> BTreeSet<DevicePair> {
    let mut above: BTreeMap<u32, Vec<u32>> = BTreeMap::new();
    for device in devices.iter() {
        above.entry(device.index).or_default().extend(device.upper);
        if let Some(lower) = device.lower {
            above.entry(lower).or_default().push(device.index);
        }
    }
    let mut pairs = BTreeSet::new();
    for &lower in under_policy {
        let mut seen = BTreeSet::from([lower]);
        let mut next = vec![lower];
        while let Some(device) = next.pop() {
            for &upper in above.get(&device).into_iter().flatten() {
                if seen.insert(upper) {
                    next.push(upper);
                    if under_policy.contains(&upper) {
                        pairs.insert(DevicePair { upper, lower });
                    }
                }
            }
        }
    }
    pairs
}

/// Adds these pairs to the core's map.
pub(crate) fn add(maps: &Maps, pairs: &BTreeSet<DevicePair>) -> Result<()> {
    let map = maps.get("emptcp_stacked")?;
    for pair in pairs {
        map.update(pair.as_bytes(), 1_u32.as_bytes(), MapFlags::ANY)
            .or_kernel("note devices that are on top of each other")?;
    }
    Ok(())
}

/// Removes all pairs but these.
pub(crate) fn keep(maps: &Maps, pairs: &BTreeSet<DevicePair>) -> Result<()> {
    let map = maps.get("emptcp_stacked")?;
    let known: Vec<_> = map.keys().collect();
    for key in known {
        if !DevicePair::read_from_bytes(&key).is_ok_and(|pair| pairs.contains(&pair)) {
            map.delete(&key)
                .or_kernel("forget devices that were on top of each other")?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use emptcp_host::device::Device;

    #[test]
    fn a_device_is_on_top_of_all_that_are_below_its_lower_devices_and_of_no_sibling() {
        let device = |index: u32, upper: Option<u32>, lower: Option<u32>| Device {
            name: format!("d{index}"),
            index,
            link_header: 14,
            physical: false,
            aggregate: 65_536,
            upper,
            lower,
        };
        // 2 and 3 are slaves of the bond 4, 5 is a VLAN of it and a port of the bridge 6.
        let devices = [
            device(2, Some(4), None),
            device(3, Some(4), None),
            device(4, None, None),
            device(5, Some(6), Some(4)),
            device(6, None, None),
        ];
        let devices = devices.into_iter().collect();
        let found = pairs(&devices, &BTreeSet::from([2, 3, 5, 6]));
        let wanted = [(5, 2), (5, 3), (6, 2), (6, 3), (6, 5)].map(|(upper, lower)| DevicePair { upper, lower });
        assert_eq!(found, BTreeSet::from(wanted));
    }
}
