//! How much memory the tables of a policy set take, and how much there is.

use crate::{
    catalog::Catalog,
    embedded,
    error::Result,
    event_ring,
    load::{self, Who, is_section},
    tables,
};
pub use emptcp_host::memory::available;
use emptcp_plan::{
    manifest::Hook,
    plan::{Node, Plan},
};
use libbpf_rs::{MapType, OpenObject};
use std::collections::{BTreeMap, BTreeSet};

/// Bytes that the kernel will take for the tables of this plan: those of the core, and those of its elements.
///
/// # Errors
/// When the plan uses an element that is not in `catalog`, or whose program cannot be read.
pub fn needed(plan: &Plan, catalog: &Catalog) -> Result<u64> {
    let cpus = event_ring::cpus();
    let who = |element| Who {
        element,
        policy: None,
        hook: Hook::TcIngress,
    };
    let mut core = BTreeMap::new();
    for (name, tc, _) in embedded::CORE {
        for map in tables(&load::open(tc, who(name))?) {
            let entries = tables::entries(&map.name, &plan.tables).unwrap_or(map.entries);
            core.insert(map.name.clone(), map.bytes(entries, cpus));
        }
    }
    let mut sum = core.values().sum();
    let nodes = plan.policies.iter().flat_map(|policy| &policy.nodes);
    let elements: BTreeSet<_> = nodes.map(|Node { element, .. }| element.as_str()).collect();
    for name in elements {
        let element = catalog.element(name)?;
        // All variants of an element share its tables.
        let object = [Hook::TcIngress, Hook::TcEgress, Hook::Xdp]
            .into_iter()
            .find_map(|hook| element.object(hook));
        let Some(object) = object else { continue };
        for map in tables(&load::open(object, who(name))?) {
            if core.contains_key(&map.name) {
                continue;
            }
            let is_state = map.name.starts_with("state");
            let entries = if is_state { plan.tables.state } else { map.entries };
            sum += map.bytes(entries, cpus);
        }
    }
    Ok(sum)
}

struct Table {
    name: String,
    kind: MapType,
    key: u64,
    value: u64,
    entries: u32,
}

fn tables(object: &OpenObject) -> Vec<Table> {
    let table = |map: libbpf_rs::OpenMap<'_>| Table {
        name: map.name().to_string_lossy().into_owned(),
        kind: map.map_type(),
        key: u64::from(map.key_size()),
        value: u64::from(map.value_size()),
        entries: map.max_entries(),
    };
    object.maps().map(table).filter(|map| !is_section(&map.name)).collect()
}

impl Table {
    /// As `map_mem_usage` of kernel/bpf/arraymap.c and hashtab.c counts: an element of a hash table has a header of 48
    /// bytes, a bucket 16.
    fn bytes(&self, entries: u32, cpus: u32) -> u64 {
        let (key, value) = (self.key.next_multiple_of(8), self.value.next_multiple_of(8));
        let (entries, cpus) = (u64::from(entries), u64::from(cpus));
        let hash = |element| entries * element + entries.next_power_of_two() * 16;
        match self.kind {
            MapType::PercpuArray => entries * value * cpus,
            MapType::ProgArray => entries * 8,
            MapType::Hash | MapType::LruHash => hash(48 + key + value),
            MapType::PercpuHash | MapType::LruPercpuHash => hash(48 + key + 8 + value * cpus),
            _ => entries * value,
        }
    }
}
