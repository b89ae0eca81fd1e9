//! The main flow table from user space: sets of slots with tags, as `bpf/core/flow_table.h` keeps them. Only BPF
//! programs write records.

use crate::{
    error::{OrKernel, Result},
    maps::Maps,
};
use emptcp_abi::{FLOW_WAYS, Flow, FlowKey, FlowSet, Slot, Table};
use emptcp_load::entries;
use emptcp_plan::plan::Tables;
use libbpf_rs::{MapCore, MapFlags, MapHandle};
use std::hash::{BuildHasher, RandomState};
use zerocopy::{FromBytes, IntoBytes};

/// Slots of a table for `flows`: the number of sets is a power of two.
pub(crate) fn slots(flows: u32) -> u32 {
    flows.clamp(FLOW_WAYS, 1 << 26).next_power_of_two()
}

/// Sets of a table for `flows`.
pub(crate) fn sets(flows: u32) -> u32 {
    slots(flows) / FLOW_WAYS
}

/// Table sizes after rounding.
pub(crate) fn rounded(tables: &Tables) -> Tables {
    Tables {
        flows: slots(tables.flows),
        ..*tables
    }
}

/// Writes the secret and the size of a new table.
pub(crate) fn initialise(maps: &Maps) -> Result<()> {
    let sets = maps.get("emptcp_flow_sets")?.max_entries();
    // The keys of a RandomState come from the system's random numbers; a hash with them serves as a random number.
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

/// The secret and the size, which are needed to find a key.
pub(crate) fn description(maps: &Maps) -> Result<Table> {
    Ok(entry(maps.get("emptcp_table")?, 0)?.unwrap_or_default())
}

fn entry<T: FromBytes>(map: &MapHandle, index: u32) -> Result<Option<T>> {
    let value = map
        .lookup(index.as_bytes(), MapFlags::ANY)
        .or_kernel("read the flow table")?;
    Ok(value.and_then(|value| T::read_from_bytes(&value).ok()))
}

/// Slots that are read with one call.
const SLOTS_AT_ONCE: u32 = 4096;

/// If fewer slots of such a block are in use, they are read one by one: a large table may be nearly empty.
const FEW: usize = SLOTS_AT_ONCE as usize / 16;

/// All tags, set by set.
fn tags(maps: &Maps) -> Result<Vec<u8>> {
    let sets = maps.get("emptcp_flow_sets")?;
    let mut tags = Vec::new();
    entries::array(sets, 0, sets.max_entries(), &mut tags)?;
    Ok(tags)
}

/// The records in the table, of which the tags are read.
pub(crate) struct Records<'a> {
    tags: Vec<u8>,
    flows: &'a MapHandle,
}

impl<'a> Records<'a> {
    /// Reads the tags.
    pub(crate) fn read(maps: &'a Maps) -> Result<Self> {
        Ok(Self {
            tags: tags(maps)?,
            flows: maps.get("emptcp_flows")?,
        })
    }

    /// How many there are.
    pub(crate) fn count(&self) -> usize {
        self.tags.iter().filter(|tag| **tag != 0).count()
    }

    /// Calls `take` for each of them: slot, key, record.
    pub(crate) fn for_each(&self, mut take: impl FnMut(u32, &FlowKey, &Flow)) -> Result<()> {
        let mut values = Vec::new();
        for (first, part) in (0..)
            .step_by(SLOTS_AT_ONCE as usize)
            .zip(self.tags.chunks(SLOTS_AT_ONCE as usize))
        {
            let used = || (first..).zip(part).filter(|(_, tag)| **tag != 0).map(|(slot, _)| slot);
            if used().count() < FEW {
                for index in used() {
                    if let Some(slot) = entry::<Slot>(self.flows, index)? {
                        take(index, &slot.key, &slot.flow);
                    }
                }
                continue;
            }
            entries::array(self.flows, first, part.len() as u32, &mut values)?;
            let slots: Vec<&[u8]> = values.chunks_exact(size_of::<Slot>()).collect();
            for index in used() {
                let bytes = slots.get((index - first) as usize);
                if let Some(slot) = bytes.and_then(|bytes| Slot::ref_from_bytes(bytes).ok()) {
                    take(index, &slot.key, &slot.flow);
                }
            }
        }
        Ok(())
    }
}

/// Every record in the table: slot, key, record.
pub(crate) fn records(maps: &Maps) -> Result<Vec<(u32, FlowKey, Flow)>> {
    let read = Records::read(maps)?;
    let mut records = Vec::with_capacity(read.count());
    read.for_each(|slot, key, flow| records.push((slot, *key, *flow)))?;
    Ok(records)
}

/// Records in the table.
pub(crate) fn used(maps: &Maps) -> Result<u64> {
    Ok(Records::read(maps)?.count() as u64)
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
