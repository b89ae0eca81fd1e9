//! What an apply would do, without changes: for `emptcp apply --dry-run`.

use crate::{
    allocation,
    apply::{ApplyOptions, not_in_use},
    attach::{AttachedTo, HookPoint, Kind},
    bank::Filling,
    bpffs, core_programs,
    device::OfPolicy,
    elements::catalog::Catalog,
    error::{Error, Result},
    hooks::{self, hook_point_of, kinds_hooks},
    instance::Instance,
    maps::Maps,
    placement::{self, Placement, Placements},
    shape::{Shaped, Shaping},
    store::State,
    tables,
};
use emptcp_host::device::Devices;
use emptcp_plan::{manifest::Hook, plan::Plan};
use serde::Serialize;
use std::collections::BTreeSet;

/// What an apply would do.
#[derive(Clone, Debug, Serialize)]
pub struct Preview {
    /// Where the instance would be attached, and how. If several kinds are possible on a physical device, the best one:
    /// only an attempt shows whether the driver supports it.
    pub attachments: Vec<AttachedTo>,
    /// Those of them that would be new.
    pub attached: Vec<AttachedTo>,
    /// What would be detached: it is no longer needed, or another hook replaces it.
    pub detached: Vec<AttachedTo>,
    /// Devices that would have a root qdisc for `mode=shape`.
    pub shaped: Vec<Shaped>,
    /// Devices whose root qdisc of ours would be removed.
    pub unshaped: Vec<String>,
    /// Element programs that were loaded and verified for this preview, then unloaded.
    pub programs: usize,
    /// Warnings.
    pub warnings: Vec<String>,
}

/// Checks all that can be checked without a change: devices, other instances, whether policies on one device agree, and
/// every program by the verifier.
///
/// # Errors
/// Those of an apply, except for what only attaching can show.
pub fn preview(name: &str, plan: &Plan, catalog: &Catalog, options: &ApplyOptions) -> Result<Preview> {
    look_ahead(name, plan, catalog, options, false)
}

/// The same for [`replace`](crate::replace).
///
/// # Errors
/// Those of a replacement, except for what only attaching can show.
pub fn preview_replace(name: &str, plan: &Plan, catalog: &Catalog, options: &ApplyOptions) -> Result<Preview> {
    look_ahead(name, plan, catalog, options, true)
}

fn look_ahead(
    name: &str,
    plan: &Plan,
    catalog: &Catalog,
    options: &ApplyOptions,
    may_replace: bool,
) -> Result<Preview> {
    bpffs::folder(name)?;
    let devices = Devices::read()?;
    let plan = &devices.with_real_names(plan)?;
    let placements = placement::decide(plan, &devices, options.clsact)?;
    not_in_use(name, &placements)?;
    let mut replaced = None;
    let instance = match Instance::open_any_version(name) {
        Ok(instance) => match instance.check_layout() {
            Ok(()) => Some(instance),
            Err(Error::Layout { detail, .. }) if may_replace => {
                replaced = Some(detail);
                None
            }
            Err(error) => return Err(error),
        },
        Err(Error::NoInstance { .. }) => None,
        Err(error) => return Err(error),
    };
    // The tables of an instance stay as they are: no memory for a second set is needed.
    let maps = match &instance {
        Some(_) => tables::small()?,
        None => tables::create(&plan.tables)?,
    };
    let (programs, shaping) = rehearse(plan, catalog, &devices, &placements, maps)?;
    let mut warnings = shaping.warnings();
    warnings.extend(replaced.map(|detail| {
        format!(
            "a new instance would take the place of the one that is there, whose records, counters and state of elements would be \
             lost: {detail}"
        )
    }));
    let (mut attachments, mut attached, mut detached) = (Vec::new(), Vec::new(), Vec::new());
    for placement in &placements.devices {
        let kind = match &instance {
            Some(instance) => kept(instance, placement)?,
            None => None,
        };
        let point = kind.or(placement.kinds.first().copied()).map(|kind| AttachedTo {
            device: placement.device.clone(),
            direction: placement.direction,
            kind,
        });
        attached.extend(point.clone().filter(|_| kind.is_none()));
        attachments.extend(point);
    }
    let mut unshaped = Vec::new();
    if let Some(instance) = &instance {
        let state = instance.state()?;
        detached = detachments(instance, &placements, &devices, state.as_ref())?;
        unshaped = shaping.would_remove(instance, &devices)?;
        warnings.extend(state.and_then(|state| state.sizes_that_stay(plan)));
    }
    Ok(Preview {
        attachments,
        attached,
        detached,
        shaped: shaping.would_make()?,
        unshaped,
        programs,
        warnings,
    })
}

/// How the device is attached, if that can stay.
fn kept(instance: &Instance, placement: &Placement) -> Result<Option<Kind>> {
    let attached = instance.attachments()?.get(hook_point_of(placement))?;
    Ok(attached
        .map(|(kind, _)| kind)
        .filter(|kind| placement.kinds.contains(kind)))
}

/// What would be detached.
fn detachments(
    instance: &Instance,
    placements: &Placements,
    devices: &Devices,
    state: Option<&State>,
) -> Result<Vec<AttachedTo>> {
    let attachments = instance.attachments()?;
    let mut detached = Vec::new();
    for key in instance.hook_points()? {
        let device = hooks::name_of(key.ifindex, devices, state);
        let point = HookPoint {
            device,
            ifindex: key.ifindex,
            direction: key.direction,
        };
        let Some((kind, _)) = attachments.get(point)? else {
            continue;
        };
        let stays = |placement: &Placement| hook_point_of(placement).key() == key && placement.kinds.contains(&kind);
        if !placements.devices.iter().any(stays) {
            detached.push(AttachedTo {
                device: device.to_owned(),
                direction: key.direction,
                kind,
            });
        }
    }
    Ok(detached)
}

/// Loads everything into private maps. Returns the number of programs, and how devices would be shaped.
fn rehearse(
    plan: &Plan,
    catalog: &Catalog,
    devices: &Devices,
    placements: &Placements,
    mut maps: Maps,
) -> Result<(usize, Shaping)> {
    let allocation = allocation::allocate(plan, None)?;
    let shaping = Shaping::prepare(plan, &allocation, catalog, devices)?;
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
    Ok((filling.fill(&mut maps, 0)?, shaping))
}
