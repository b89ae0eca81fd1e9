//! Makes the core's maps in the sizes of a plan.

use crate::{
    core_objects::CoreObjects,
    error::Result,
    event_ring, flow_table,
    maps::Maps,
    program::{self, Subject},
};
use emptcp_load::map::Shape;
use emptcp_plan::{manifest::Hook, plan::Tables};

/// Entries of a core map whose size is a setting.
fn entries(name: &str, tables: &Tables) -> Option<u32> {
    match name {
        "emptcp_flows" => Some(flow_table::slots(tables.flows)),
        "emptcp_flow_sets" => Some(flow_table::sets(tables.flows)),
        "emptcp_half_open" => Some(tables.half_open),
        "emptcp_connections" | "emptcp_keys" => Some(tables.connections),
        "emptcp_tokens" => Some(tables.connections.saturating_mul(2)),
        "emptcp_events" => Some(event_ring::slots(tables).saturating_mul(event_ring::cpus())),
        "emptcp_event_rings" => Some(event_ring::cpus()),
        _ => None,
    }
}

/// The maps of the core's programs, once per program that declares them, with their number of entries.
pub(crate) fn shapes(tables: &Tables) -> Result<Vec<Shape>> {
    let mut shapes = Vec::new();
    for (element, tc) in CoreObjects::current().all_for_tc() {
        let subject = Subject {
            element,
            policy: None,
            hook: Hook::TcIngress,
        };
        shapes.extend(Shape::all(&program::open(tc, subject)?));
    }
    for shape in &mut shapes {
        shape.entries = entries(&shape.name, tables).unwrap_or(shape.entries);
    }
    Ok(shapes)
}

/// Makes the core's maps.
pub(crate) fn create(tables: &Tables) -> Result<Maps> {
    let maps = Maps::create(tables.state, &shapes(tables)?)?;
    flow_table::initialise(&maps)?;
    event_ring::initialise(&maps)?;
    Ok(maps)
}

/// The same, as small as possible: for tests of the kernel.
pub(crate) fn small() -> Result<Maps> {
    create(&Tables {
        flows: 64,
        half_open: 64,
        connections: 64,
        state: 64,
        events: 4096,
    })
}
