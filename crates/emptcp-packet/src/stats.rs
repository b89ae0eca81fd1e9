//! Counters: of the core, of every policy and of every element.

use crate::{
    elements::catalog::Catalog,
    error::{OrKernel, Result},
    flow_table,
    instance::Instance,
    maps::Maps,
    store::State,
};
use emptcp_abi::{CORE_COUNTERS, Counter, ELEMENT_COUNTERS, Generation, PolicyId, core_counter};
use emptcp_load::{entries, map::is_lru};
pub use emptcp_model::{ElementStats, NamedCounter, PolicyStats, Stats, TableStats};
use libbpf_rs::{MapCore, MapFlags};
use std::collections::BTreeMap;
use zerocopy::{FromBytes, IntoBytes};

/// The sum over all CPUs of one element counter.
fn counter(maps: &Maps, slot: u32) -> Result<Counter> {
    let values = maps
        .get("emptcp_counters")?
        .lookup_percpu(slot.as_bytes(), MapFlags::ANY)
        .or_kernel("read a counter")?
        .unwrap_or_default();
    let mut sum = Counter::default();
    for value in &values {
        if let Ok((value, _)) = Counter::read_from_prefix(value) {
            sum += value;
        }
    }
    Ok(sum)
}

/// The sums over all CPUs of the core's counters.
pub(crate) fn core(maps: &Maps) -> Result<BTreeMap<String, u64>> {
    let values = maps
        .get("emptcp_scratch")?
        .lookup_percpu(0_u32.as_bytes(), MapFlags::ANY)
        .or_kernel("read the core's counters")?
        .unwrap_or_default();
    let mut sums = [0_u64; CORE_COUNTERS as usize];
    for value in &values {
        if let Ok((counters, _)) = <[u64; CORE_COUNTERS as usize]>::read_from_prefix(value) {
            sums.iter_mut().zip(counters).for_each(|(sum, counter)| *sum += counter);
        }
    }
    Ok(core_counter::ALL
        .iter()
        .map(|(name, index)| (name.to_lowercase(), sums[*index as usize]))
        .collect())
}

/// Counters of a policy set.
pub(crate) fn policies(maps: &Maps, state: &State, catalog: &Catalog) -> Result<Vec<PolicyStats>> {
    let mut policies = Vec::new();
    for (policy, numbers) in state.plan.policies.iter().zip(&state.allocation.policies) {
        let mut elements = Vec::new();
        for (node, own) in policy.nodes.iter().zip(&numbers.nodes) {
            // A removed element keeps running; the names of its counters are unknown.
            let names = catalog
                .element(&node.element)
                .map_or(&[][..], |element| &element.manifest.counters);
            let counters = (own.counters..own.counters + ELEMENT_COUNTERS)
                .zip(names)
                .map(|(slot, named)| {
                    Ok(NamedCounter {
                        name: named.name.clone(),
                        unit: named.unit,
                        counter: counter(maps, slot)?,
                    })
                })
                .collect::<Result<_>>()?;
            elements.push(ElementStats {
                element: node.element.clone(),
                source: node.source.clone(),
                counters,
            });
        }
        policies.push(PolicyStats {
            name: policy.name.clone(),
            id: PolicyId(numbers.id),
            direction: policy.direction,
            devices: policy.devices.clone(),
            matched: counter(maps, numbers.counters)?,
            elements,
        });
    }
    Ok(policies)
}

fn tables(maps: &Maps, core: &BTreeMap<String, u64>) -> Result<Vec<TableStats>> {
    let count = |name: &str| core.get(name).copied().unwrap_or_default();
    let mut tables = Vec::new();
    for name in ["flows", "half_open", "connections", "tokens", "keys"] {
        let map = maps.get(&format!("emptcp_{name}"))?;
        let (used, evicted) = match name {
            "flows" => (flow_table::used(maps)?, Some(count("flow_evicted"))),
            // The kernel's LRU maps do not report evictions.
            _ => (entries::count(map)?, None),
        };
        tables.push(TableStats {
            name: name.to_owned(),
            used,
            size: u64::from(map.max_entries()),
            evicted,
        });
    }
    for (element, name, map) in maps.elements().filter(|(.., map)| is_lru(map)) {
        tables.push(TableStats {
            name: format!("{element}:{name}"),
            used: entries::count(map)?,
            size: u64::from(map.max_entries()),
            evicted: None,
        });
    }
    Ok(tables)
}

impl Instance {
    /// All counters, summed over the CPUs.
    ///
    /// # Errors
    /// When nothing is in force, or the kernel cannot be asked.
    pub fn stats(&self, catalog: &Catalog) -> Result<Stats> {
        let state = self.set_in_force()?;
        let core = core(&self.maps)?;
        Ok(Stats {
            instance: self.name().to_owned(),
            generation: Generation(state.generation),
            devices: self.devices(catalog)?,
            policies: policies(&self.maps, &state, catalog)?,
            tables: tables(&self.maps, &core)?,
            core,
        })
    }
}
