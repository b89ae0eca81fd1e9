//! What an apply would do, without a change: for `emptcp apply --dry-run`.

use crate::{
    allocation,
    apply::{ApplyOptions, not_in_use},
    attach::{AttachedTo, Kind},
    bank::Filling,
    core_programs,
    device::OfPolicy,
    elements::catalog::Catalog,
    error::{Error, Result},
    hooks::{kinds_hooks, spot_of},
    instance::Instance,
    place,
    placement::{self, Placement, Placements},
    shape::Shaping,
    tables,
};
use emptcp_host::device::Devices;
use emptcp_plan::{manifest::Hook, plan::Plan};
use serde::Serialize;
use std::collections::BTreeSet;

/// What an apply would do.
#[derive(Clone, Debug, Serialize)]
pub struct Preview {
    /// Where the instance would be attached, and how. Where a physical device has several ways, the best one: whether
    /// its driver takes it is only seen when it is tried.
    pub attachments: Vec<AttachedTo>,
    /// Element programs that were loaded and verified for this preview, and are gone again.
    pub programs: usize,
    /// What the user should know.
    pub warnings: Vec<String>,
}

/// Checks all that can be checked without a change: devices, other instances, what the policies ask of a device
/// together, and every program by the verifier.
///
/// # Errors
/// Those of an apply, except for what only attaching can show.
pub fn preview(name: &str, plan: &Plan, catalog: &Catalog, options: &ApplyOptions) -> Result<Preview> {
    place::folder(name)?;
    let devices = Devices::read()?;
    let plan = &devices.with_real_names(plan)?;
    let placements = placement::place(plan, &devices, options.clsact)?;
    not_in_use(name, &placements)?;
    let (programs, warnings) = rehearse(plan, catalog, &devices, &placements)?;
    let instance = match Instance::open(name) {
        Ok(instance) => Some(instance),
        Err(Error::NoInstance { .. }) => None,
        Err(error) => return Err(error),
    };
    let mut attachments = Vec::new();
    for placement in &placements.devices {
        let kind = match &instance {
            Some(instance) => kept(instance, placement)?,
            None => None,
        };
        attachments.extend(kind.or(placement.kinds.first().copied()).map(|kind| AttachedTo {
            device: placement.device.clone(),
            direction: placement.direction,
            kind,
        }));
    }
    Ok(Preview {
        attachments,
        programs,
        warnings,
    })
}

/// How the device is attached, when that can stay.
fn kept(instance: &Instance, placement: &Placement) -> Result<Option<Kind>> {
    let attached = instance.attachments()?.get(spot_of(placement))?;
    Ok(attached
        .map(|(kind, _)| kind)
        .filter(|kind| placement.kinds.contains(kind)))
}

/// Loads everything into maps that nobody else sees. Returns the number of programs, and warnings.
fn rehearse(
    plan: &Plan,
    catalog: &Catalog,
    devices: &Devices,
    placements: &Placements,
) -> Result<(usize, Vec<String>)> {
    let allocation = allocation::allocate(plan, None)?;
    let shaping = Shaping::prepare(plan, &allocation, catalog, devices)?;
    let mut maps = tables::create(&plan.tables)?;
    let entries: BTreeSet<(Hook, u32)> = placements
        .devices
        .iter()
        .flat_map(|placement| {
            kinds_hooks(placement)
                .into_iter()
                .map(|hook| (hook, placement.link_header))
        })
        .collect();
    let hooks = entries.iter().map(|(hook, _)| *hook).collect();
    core_programs::ensure(&maps, &hooks, plan.rules.len(), &Vec::from_iter(entries))?;
    let filling = Filling {
        plan,
        allocation: &allocation,
        hooks: &placements.hooks,
        catalog,
        devices,
        shaping: &shaping,
    };
    Ok((filling.fill(&mut maps, 0)?, shaping.warnings()))
}
