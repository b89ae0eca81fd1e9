//! Removes an instance and everything that belongs to it.

use crate::{
    allocation::Allocation,
    attach::{AttachedTo, Attachments, Hold, HookPoint},
    bank, bpffs,
    error::{Error, Result},
    identity,
    instance::Instance,
    lock::Lock,
    records::{self, HookPointKey, Records},
    shape::Shaping,
    stale,
    store::State,
    takeover,
};
use emptcp_abi::{RULES, Rule};
use emptcp_host::device::Devices;
use emptcp_plan::plan::Plan;
use serde::Serialize;
use std::{collections::BTreeMap, path::Path};

/// What a removal did.
#[derive(Clone, Debug, Serialize)]
pub struct Removed {
    /// The instance.
    pub instance: String,
    /// Detached.
    pub detached: Vec<AttachedTo>,
    /// Devices whose root qdisc for `mode=shape` was removed: those of the instance, and those without any record.
    pub unshaped: Vec<String>,
}

/// Detaches an instance and removes everything that belongs to it, even if parts of it are lost. It is found by its
/// records; a root qdisc whose record is lost, by its handle and its classes.
///
/// # Errors
/// [`Error::NoInstance`](crate::Error::NoInstance) when it does not exist and has left nothing.
pub fn remove(name: &str) -> Result<Removed> {
    let folder = bpffs::folder(name)?;
    let there = bpffs::exists(&folder, name);
    if there.is_err() && !left_something(name, &folder, &there) {
        there?;
    }
    let lock = Lock::take()?;
    bpffs::may_change(&folder)?;
    stale::clear(&lock);
    takeover::repair(name, &folder)?;
    let mut removed = Removed {
        instance: name.to_owned(),
        detached: Vec::new(),
        unshaped: Vec::new(),
    };
    let devices = Devices::read()?;
    // An instance that another namespace has left is not attached to anything here.
    let records = match identity::is_of_another_namespace(&folder) {
        true => None,
        false => records::pinned(&folder)?,
    };
    if let Some(records) = &records {
        let noted = take_out_of_force(name);
        let attachments = Attachments {
            folder: &folder,
            records,
        };
        removed.detached = detach_all(&attachments, &devices, noted.as_ref())?;
    }
    removed.unshaped = Shaping::remove_all(name, records.as_ref(), &devices)?;
    bpffs::remove_folder(&folder).map_err(|error| Error::HalfRemoved {
        instance: removed.instance.clone(),
        error: Box::new(error),
    })?;
    Ok(removed)
}

/// Whether an instance that is not there has left a root qdisc.
fn left_something(name: &str, folder: &Path, there: &Result<()>) -> bool {
    let orphaned = || Shaping::orphaned(name, &Devices::read()?);
    matches!(there, Err(Error::NoInstance { .. }))
        && (takeover::beside(folder).exists() || orphaned().is_ok_and(|devices| !devices.is_empty()))
}

/// Detaches all devices at once, as in an apply. If the instance cannot be opened, or its state cannot be read, they
/// are detached one by one. Returns what was in force.
fn take_out_of_force(name: &str) -> Option<State> {
    let instance = match Instance::open(name) {
        Ok(instance) => instance,
        Err(error) => {
            tracing::debug!("{error}");
            return None;
        }
    };
    let noted = instance.state().ok().flatten();
    if let Err(error) = put_nothing_in_force(&instance) {
        tracing::warn!("{error}");
    }
    noted
}

/// Detaches everything that is recorded. `noted`: what was in force.
fn detach_all(attachments: &Attachments<'_>, devices: &Devices, noted: Option<&State>) -> Result<Vec<AttachedTo>> {
    // An interrupted apply has left these.
    for pending in attachments.pending() {
        pending.detach()?;
    }
    let mut detached = Vec::new();
    for HookPointKey { ifindex, direction } in Records::read(attachments.records)?.attachments.into_keys() {
        let mut point = HookPoint {
            device: "?",
            ifindex,
            direction,
        };
        let Some((kind, _)) = attachments.get(point)? else {
            continue;
        };
        let elsewhere = matches!(attachments.hold(point)?, Hold::Elsewhere { .. });
        let name = if elsewhere {
            // It has no name here: its former name.
            Some(noted.and_then(|state| state.noted_name(ifindex)).unwrap_or("?"))
        } else {
            devices.name(ifindex)
        };
        let Some(device) = name else { continue };
        point.device = device;
        attachments.detach(point)?;
        detached.push(AttachedTo {
            device: device.to_owned(),
            direction,
            kind,
        });
    }
    Ok(detached)
}

/// Switches to a set without policies.
fn put_nothing_in_force(instance: &Instance) -> Result<()> {
    let generation = instance.generation().next();
    bank::clear_slots(&instance.maps, generation.bank())?;
    instance
        .maps
        .write_rules(generation.bank(), &[Rule::STOP; RULES as usize])?;
    let state = State {
        generation: generation.0,
        plan: Plan::default(),
        source: String::new(),
        allocation: Allocation {
            next: instance.state()?.map_or(1, |state| state.allocation.next),
            ..Allocation::default()
        },
        tables: instance.tables_of_maps()?,
        applied_at: 0,
        interfaces: BTreeMap::new(),
    };
    instance.store(&state)?;
    instance.switch(generation, 0);
    Ok(())
}
