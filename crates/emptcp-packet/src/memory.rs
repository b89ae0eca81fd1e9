//! Memory that the tables of a policy set take, and memory that is available.

use crate::{
    elements::catalog::Catalog,
    error::Result,
    event_ring,
    instance::Instance,
    program::{self, Subject},
    tables,
};
pub use emptcp_host::memory::available;
use emptcp_load::map::Shape;
use emptcp_plan::{
    manifest::Hook,
    plan::{Node, Plan},
};
use std::collections::{BTreeMap, BTreeSet};

/// Bytes that the kernel will take for the tables of this plan: those of the core, and those of its elements.
///
/// # Errors
/// When the plan uses an element that is not in `catalog`, or whose program cannot be read.
pub fn needed(plan: &Plan, catalog: &Catalog) -> Result<u64> {
    sum(plan, catalog, None)
}

/// Bytes that the kernel will take for this plan in addition to the tables of `instance`. Those keep their sizes;
/// elements that it does not use yet add tables.
///
/// # Errors
/// As [`needed`]; also when the kernel cannot be queried about its tables.
pub fn needed_beside(plan: &Plan, catalog: &Catalog, instance: &Instance) -> Result<u64> {
    sum(plan, catalog, Some(instance))
}

fn sum(plan: &Plan, catalog: &Catalog, instance: Option<&Instance>) -> Result<u64> {
    let states = match instance {
        Some(instance) => instance.tables_of_maps()?.state,
        None => plan.tables.state,
    };
    let is_there = |element: &str, map: &str| {
        let mut there = instance.into_iter().flat_map(|instance| instance.maps.elements());
        there.any(|(of, name, _)| (of, name) == (element, map))
    };
    let cpus = event_ring::cpus();
    let subject = |element| Subject {
        element,
        policy: None,
        hook: Hook::TcIngress,
    };
    let shapes = tables::shapes(&plan.tables)?.into_iter();
    let core: BTreeMap<_, _> = shapes.map(|map| (map.name.clone(), map.bytes(cpus))).collect();
    let mut sum: u64 = match instance {
        Some(_) => 0,
        None => core.values().sum(),
    };
    let nodes = plan.policies.iter().flat_map(|policy| &policy.nodes);
    let elements: BTreeSet<_> = nodes.map(|Node { element, .. }| element.as_str()).collect();
    for name in elements {
        let element = catalog.element(name)?;
        // All variants of an element share its tables.
        let object = [Hook::TcIngress, Hook::TcEgress, Hook::Xdp]
            .into_iter()
            .find_map(|hook| element.object(hook));
        let Some(object) = object else { continue };
        for mut map in Shape::all(&program::open(object, subject(name))?) {
            if core.contains_key(&map.name) || is_there(name, &map.name) {
                continue;
            }
            if map.name.starts_with("state") {
                map.entries = states;
            }
            sum += map.bytes(cpus);
        }
    }
    Ok(sum)
}
