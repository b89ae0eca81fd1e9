//! Takes an instance out of force and removes everything that belongs to it.

use crate::{
    allocation::Allocation,
    attach::{AttachedTo, Hold, Spot},
    bank,
    error::{Error, Result},
    instance::Instance,
    place::{self, Lock},
    records::SpotKey,
    shape::Shaping,
    stale,
    store::{self, State},
};
use emptcp_abi::{RULES, Rule};
use emptcp_host::device::Devices;
use emptcp_plan::plan::Plan;
use serde::Serialize;
use std::collections::BTreeMap;

/// What a removal did.
#[derive(Clone, Debug, Serialize)]
pub struct Removed {
    /// The instance.
    pub instance: String,
    /// Detached.
    pub detached: Vec<AttachedTo>,
}

/// Detaches an instance and removes everything that belongs to it.
///
/// # Errors
/// [`Error::NoInstance`](crate::Error::NoInstance) when there is none of that name.
pub fn remove(name: &str) -> Result<Removed> {
    let folder = place::folder(name)?;
    place::exists(&folder, name)?;
    let lock = Lock::take()?;
    place::may_change(&folder)?;
    stale::clear(&lock);
    let mut removed = Removed {
        instance: name.to_owned(),
        detached: Vec::new(),
    };
    if let Ok(instance) = Instance::open_any_version(name) {
        let devices = Devices::read()?;
        let noted = instance.check_version().and_then(|()| instance.state()).ok().flatten();
        // All devices at once, as in an apply. An instance whose state cannot be read is detached one by one.
        if let Err(error) = instance.check_version().and_then(|()| put_nothing_in_force(&instance)) {
            tracing::warn!("{error}");
        }
        let attachments = instance.attachments()?;
        // Left by an apply that died.
        for pending in attachments.pending() {
            pending.detach()?;
        }
        for SpotKey { ifindex, direction } in instance.spots()? {
            let mut spot = Spot {
                device: "?",
                ifindex,
                direction,
            };
            let Some((kind, _)) = attachments.get(spot)? else {
                continue;
            };
            let elsewhere = matches!(attachments.hold(spot)?, Hold::Elsewhere { .. });
            let name = if elsewhere {
                // It has no name here: the one that it had.
                Some(
                    noted
                        .as_ref()
                        .and_then(|state| state.noted_name(ifindex))
                        .unwrap_or("?"),
                )
            } else {
                devices.name(ifindex)
            };
            let Some(device) = name else { continue };
            spot.device = device;
            attachments.detach(spot)?;
            removed.detached.push(AttachedTo {
                device: device.to_owned(),
                direction,
                kind,
            });
        }
        Shaping::remove_all(&instance, &devices)?;
    }
    place::remove_folder(&folder).map_err(|error| Error::HalfRemoved {
        instance: removed.instance.clone(),
        error: Box::new(error),
    })?;
    Ok(removed)
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
    store::write(instance.states()?, generation.bank(), &state)?;
    instance.switch(generation, 0);
    Ok(())
}
