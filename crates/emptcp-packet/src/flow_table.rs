//! The main flow table from user space: sets of slots with tags, as `bpf/core/flow_table.h` keeps them. Only BPF
//! programs write records.

use crate::{
    error::{OrKernel, Result},
    maps::Maps,
};
use emptcp_abi::{FLOW_WAYS, Flow, FlowKey, FlowSet, Slot, Table};
use emptcp_plan::plan::Tables;
use libbpf_rs::{MapCore, MapFlags, MapHandle};
use std::hash::{BuildHasher, RandomState};
use zerocopy::{FromBytes, IntoBytes};

/// Slots for a table that shall hold `flows`: a power of two of sets.
pub(crate) fn slots(flows: u32) -> u32 {
    flows.clamp(FLOW_WAYS, 1 << 26).next_power_of_two()
}

/// Sets of a table that shall hold `flows`.
pub(crate) fn sets(flows: u32) -> u32 {
    slots(flows) / FLOW_WAYS
}

/// Table sizes as they will really be.
pub(crate) fn rounded(tables: &Tables) -> Tables {
    Tables {
        flows: slots(tables.flows),
        ..*tables
    }
}

/// Gives a new table its secret and its size.
pub(crate) fn initialise(maps: &Maps) -> Result<()> {
    let sets = maps.get("emptcp_flow_sets")?.max_entries();
    // The keys of a RandomState come from the system's random numbers; a hash under them is as good as a number.
    let random = RandomState::new();
    let table = Table {
        secret: std::array::from_fn(|word| random.hash_one(word)),
        set_mask: sets - 1,
        ..Table::default()
    };
    maps.get("emptcp_table")?
        .update(0_u32.as_bytes(), table.as_bytes(), MapFlags::ANY)
        .or_kernel("write the description of the flow table")
}

/// What one needs to find a key.
pub(crate) fn description(maps: &Maps) -> Result<Table> {
    Ok(entry(maps.get("emptcp_table")?, 0)?.unwrap_or_default())
}

fn entry<T: FromBytes>(map: &MapHandle, index: u32) -> Result<Option<T>> {
    let value = map
        .lookup(index.as_bytes(), MapFlags::ANY)
        .or_kernel("read the flow table")?;
    Ok(value.and_then(|value| T::read_from_bytes(&value).ok()))
}

/// Every record in the table: slot, key, record.
pub(crate) fn records(maps: &Maps) -> Result<Vec<(u32, FlowKey, Flow)>> {
    let (sets, flows) = (maps.get("emptcp_flow_sets")?, maps.get("emptcp_flows")?);
    let mut records = Vec::new();
    for set in 0..sets.max_entries() {
        let Some(tags) = entry::<FlowSet>(sets, set)? else {
            continue;
        };
        for (way, _) in tags.tag.iter().enumerate().filter(|(_, tag)| **tag != 0) {
            let index = set * FLOW_WAYS + way as u32;
            if let Some(slot) = entry::<Slot>(flows, index)? {
                records.push((index, slot.key, slot.flow));
            }
        }
    }
    Ok(records)
}

/// Records in the table.
pub(crate) fn used(maps: &Maps) -> Result<u64> {
    let sets = maps.get("emptcp_flow_sets")?;
    let mut used = 0;
    for set in 0..sets.max_entries() {
        used += entry::<FlowSet>(sets, set)?
            .unwrap_or_default()
            .tag
            .iter()
            .filter(|tag| **tag != 0)
            .count() as u64;
    }
    Ok(used)
}

/// Forgets every record.
pub(crate) fn clear(maps: &Maps) -> Result<()> {
    let sets = maps.get("emptcp_flow_sets")?;
    for set in 0..sets.max_entries() {
        sets.update(set.as_bytes(), FlowSet::default().as_bytes(), MapFlags::ANY)
            .or_kernel("clear the flow table")?;
    }
    Ok(())
}
