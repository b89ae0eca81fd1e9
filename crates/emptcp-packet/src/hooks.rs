//! The hooks of an apply under way: attaches what is new, detaches what is no longer wanted, puts back what was there.

use crate::{
    attach::{AttachedTo, Attachments, Hold, Kind, Spot},
    entry::{self, Wanted, entry},
    error::{Error, Result},
    exchange::{self, Exchange, Idle},
    fault,
    instance::Instance,
    placement::{Placement, Placements},
    records,
    store::State,
};
use emptcp_abi::Generation;
use emptcp_host::device::Devices;
use emptcp_plan::manifest::Hook;
use std::{os::fd::AsFd, path::PathBuf};

/// What one transaction does to hooks.
#[derive(Default)]
pub(crate) struct Hooks<'a> {
    touched: Vec<Touched<'a>>,
    /// Entry programs that were pinned for it.
    pinned: Vec<PathBuf>,
    idle: Idle,
}

/// A device and direction that the transaction attaches, noted before anything happens to it.
struct Touched<'a> {
    placement: &'a Placement,
    old: Option<Kind>,
    new: Option<Kind>,
    /// How a device comes to another hook than it has.
    change: Option<Change>,
}

/// How a hook takes the place of another one.
enum Change {
    /// Programs of two links are exchanged.
    Exchange(Exchange),
    /// The two exclude each other: for a moment the device has none.
    OneByOne,
}

pub(crate) fn spot_of(placement: &Placement) -> Spot<'_> {
    Spot {
        device: &placement.device,
        ifindex: placement.ifindex,
        direction: placement.direction,
    }
}

/// The hooks of all ways in which a device may be attached.
pub(crate) fn kinds_hooks(placement: &Placement) -> Vec<Hook> {
    placement
        .kinds
        .iter()
        .map(|kind| kind.hook(placement.direction))
        .collect()
}

fn attached_to(placement: &Placement, kind: Kind) -> AttachedTo {
    AttachedTo {
        device: placement.device.clone(),
        direction: placement.direction,
        kind,
    }
}

impl<'a> Hooks<'a> {
    /// Loads what is wanted of the core, and the entry programs that [`attach_new`](Self::attach_new) is going to ask
    /// for first.
    pub(crate) fn load_core(&mut self, instance: &Instance, placements: &Placements, mut wanted: Wanted) -> Result<()> {
        let attachments = instance.attachments()?;
        let entries = &mut wanted.entries;
        for placement in &placements.devices {
            let old = attachments.get(spot_of(placement))?.map(|(kind, _)| kind);
            let Some(first) = placement.kinds.first() else { continue };
            if !old.is_some_and(|kind| placement.kinds.contains(&kind)) {
                entries.insert((first.hook(placement.direction), placement.link_header));
            }
        }
        entry::with_core(instance, wanted, &mut self.pinned)
    }

    /// Attaches where nothing is attached yet, and prepares hooks that change. What runs goes on as it is.
    pub(crate) fn attach_new(
        &mut self,
        instance: &Instance,
        placements: &'a Placements,
        generation: Generation,
    ) -> Result<()> {
        let attachments = instance.attachments()?;
        for placement in &placements.devices {
            let old = attachments.get(spot_of(placement))?.map(|(kind, _)| kind);
            if old.is_some_and(|kind| placement.kinds.contains(&kind)) {
                continue;
            }
            self.touched.push(Touched {
                placement,
                old,
                new: None,
                change: None,
            });
            let Self { touched, pinned, idle } = &mut *self;
            let Some(touched) = touched.last_mut() else { continue };
            if let Some(old) = old {
                fault::step("preparing another hook", || {
                    touched.change = Some(prepare_change(instance, placement, old, generation, pinned, idle)?);
                    Ok(())
                })?;
            } else {
                touched.new = Some(fault::step("attaching", || {
                    attach_best(&attachments, instance, placement, pinned)
                })?);
            }
        }
        Ok(())
    }

    /// The last thing before the switch: hooks that change are halted. What must not wait was done before.
    pub(crate) fn halt_former(&mut self, instance: &Instance) -> Result<()> {
        let attachments = instance.attachments()?;
        let Self { touched, pinned, .. } = self;
        // One by one first, because that takes longest.
        for touched in touched
            .iter_mut()
            .filter(|t| matches!(t.change, Some(Change::OneByOne)))
        {
            let placement = touched.placement;
            fault::step("detaching the former hook", || attachments.detach(spot_of(placement)))?;
            touched.new = Some(fault::step("attaching", || {
                attach_best(&attachments, instance, placement, pinned)
            })?);
        }
        for touched in touched.iter_mut() {
            if let Some(Change::Exchange(exchange)) = &touched.change {
                touched.new = Some(exchange.kind());
                fault::step("halting the former hook", || {
                    exchange.halt_former(&attachments, spot_of(touched.placement))
                })?;
            }
        }
        Ok(())
    }

    /// The first thing after the switch: new hooks begin.
    pub(crate) fn start_new(&self) -> Vec<Error> {
        let mut failed = Vec::new();
        for (_, exchange) in self.exchanges() {
            failed.extend(fault::step("starting the new hook", || exchange.start()).err());
        }
        failed
    }

    /// Later: the former links go.
    pub(crate) fn settle(&self, instance: &Instance) -> Vec<Error> {
        let mut failed = Vec::new();
        for (placement, exchange) in self.exchanges() {
            let settled = fault::step("detaching the former hook", || {
                exchange.settle(&instance.attachments()?, spot_of(placement))
            });
            failed.extend(settled.err());
        }
        failed
    }

    fn exchanges(&self) -> impl Iterator<Item = (&Placement, &Exchange)> {
        self.touched.iter().filter_map(|touched| match &touched.change {
            Some(Change::Exchange(exchange)) => Some((touched.placement, exchange)),
            _ => None,
        })
    }

    /// What was attached.
    pub(crate) fn attached(&self) -> Vec<AttachedTo> {
        let new = |touched: &Touched<'_>| Some(attached_to(touched.placement, touched.new?));
        self.touched.iter().filter_map(new).collect()
    }

    /// Hooks that were given up for others.
    pub(crate) fn changed(&self) -> Vec<AttachedTo> {
        let old = |touched: &Touched<'_>| Some(attached_to(touched.placement, touched.old?));
        self.touched.iter().filter_map(old).collect()
    }

    /// The pins of entry programs stay when this transaction is undone: somebody else removes them.
    pub(crate) fn leave_pins(&mut self) {
        self.pinned.clear();
    }

    /// Puts back what was attached before; returns what could not be put back.
    pub(crate) fn undo(&self, instance: &Instance) -> Vec<Error> {
        let mut failed = Vec::new();
        for touched in self.touched.iter().rev() {
            failed.extend(fault::step("putting back a hook", || touched.put_back(instance)).err());
        }
        if failed.is_empty() {
            // clsact finds its filters by these programs: they go last.
            for path in &self.pinned {
                let removed = fault::step("removing an entry program", || {
                    std::fs::remove_file(path).map_err(|error| Error::io(path, error))
                });
                failed.extend(removed.err());
            }
        }
        failed
    }
}

impl Touched<'_> {
    fn put_back(&self, instance: &Instance) -> Result<()> {
        let attachments = instance.attachments()?;
        let spot = spot_of(self.placement);
        let Some(old) = self.old else {
            return attachments.detach(spot);
        };
        if let Some(Change::Exchange(exchange)) = &self.change {
            let hook = old.hook(self.placement.direction);
            let program = entry(instance, hook, self.placement.link_header, &mut Vec::new())?;
            exchange.take_back(&attachments, spot, program)?;
        }
        let now = attachments.get(spot)?.map(|(kind, _)| kind);
        if now == Some(old) && attachments.is_alive(spot)? {
            return Ok(());
        }
        attachments.detach(spot)?;
        let hook = old.hook(self.placement.direction);
        let program = entry(instance, hook, self.placement.link_header, &mut Vec::new())?;
        attachments.attach(spot, old, program.as_fd())
    }
}

/// After the switch: detaches where nothing is wanted any more. What fails is reported beside what was done.
pub(crate) fn detach_unwanted(
    instance: &Instance,
    placements: &Placements,
    devices: &Devices,
    before: Option<&State>,
) -> (Vec<AttachedTo>, Vec<Error>) {
    let (mut detached, mut failed) = (Vec::new(), Vec::new());
    let known = instance
        .attachments()
        .and_then(|attachments| Ok((attachments, instance.spots()?)));
    let (attachments, spots) = match known {
        Ok(known) => known,
        Err(error) => return (detached, vec![error]),
    };
    for key in spots {
        let wanted = |placement: &Placement| spot_of(placement).key() == key;
        if placements.devices.iter().any(wanted) {
            continue;
        }
        let device = name_of(key.ifindex, devices, before);
        let spot = Spot {
            device,
            ifindex: key.ifindex,
            direction: key.direction,
        };
        let done = fault::step("detaching", || {
            let Some((kind, _)) = attachments.get(spot)? else {
                return Ok(());
            };
            attachments.detach(spot)?;
            detached.push(AttachedTo {
                device: device.to_owned(),
                direction: key.direction,
                kind,
            });
            Ok(())
        });
        failed.extend(done.err());
    }
    (detached, failed)
}

/// The name of a device; of one that was moved to another network namespace, and has none here, the one that it had.
pub(crate) fn name_of<'a>(ifindex: u32, devices: &'a Devices, state: Option<&'a State>) -> &'a str {
    let noted = || state.and_then(|state| state.noted_name(ifindex));
    devices.name(ifindex).or_else(noted).unwrap_or("?")
}

/// Everything slow about a change of hooks: entry programs are loaded, and the new link is attached where that is
/// possible beside the former one.
fn prepare_change(
    instance: &Instance,
    placement: &Placement,
    old: Kind,
    generation: Generation,
    pinned: &mut Vec<PathBuf>,
    idle: &mut Idle,
) -> Result<Change> {
    let attachments = instance.attachments()?;
    for &new in &placement.kinds {
        let program = entry(instance, new.hook(placement.direction), placement.link_header, pinned)?;
        if !exchange::is_possible(old, new) {
            continue;
        }
        match Exchange::prepare(&attachments, spot_of(placement), [old, new], generation, program, idle) {
            Ok(exchange) => return Ok(Change::Exchange(exchange)),
            Err(error) if placement.kinds.last() == Some(&new) => return Err(error),
            Err(_) => {}
        }
    }
    Ok(Change::OneByOne)
}

/// Attaches in the best way that the device allows.
fn attach_best(
    attachments: &Attachments<'_>,
    instance: &Instance,
    placement: &Placement,
    pinned: &mut Vec<PathBuf>,
) -> Result<Kind> {
    let mut result = Err(Error::Conflict {
        device: placement.device.clone(),
        reason: "no hook fits".to_owned(),
    });
    for &kind in &placement.kinds {
        let program = entry(instance, kind.hook(placement.direction), placement.link_header, pinned)?;
        result = attachments
            .attach(spot_of(placement), kind, program.as_fd())
            .map(|()| kind);
        if result.is_ok() {
            break;
        }
    }
    result
}

/// Cleans up after a command that died: attachments that are noted but not there, or there but not wanted.
pub(crate) fn repair(instance: &Instance, devices: &Devices, state: Option<&State>) -> Result<()> {
    exchange::repair(instance, devices)?;
    let attachments = instance.attachments()?;
    for key in instance.spots()? {
        let name = devices.name(key.ifindex);
        let spot = Spot {
            device: name.unwrap_or("?"),
            ifindex: key.ifindex,
            direction: key.direction,
        };
        let wanted = state.is_some_and(|state| is_wanted(state, key.ifindex, name));
        match attachments.hold(spot)? {
            Hold::Here if wanted => {}
            // It obeys where it is until the new set is in force; then it is detached.
            Hold::Elsewhere { .. } if name.is_none() => {}
            // A filter went with its device. A link is detached before its pin goes: without, the kernel does so some
            // time later, and a device that came back with another index would have its program until then.
            _ if name.is_none() && attachments.get(spot)?.is_some_and(|(kind, _)| kind == Kind::Clsact) => {
                records::forget_attachment(instance.records()?, key)?;
            }
            _ => attachments.detach(spot)?,
        }
    }
    Ok(())
}

/// Whether a set was applied to a device, whatever its name is now.
fn is_wanted(state: &State, ifindex: u32, name: Option<&str>) -> bool {
    if !state.interfaces.is_empty() {
        return state.noted_name(ifindex).is_some();
    }
    let mut devices = state.plan.policies.iter().flat_map(|policy| &policy.devices);
    devices.any(|device| Some(device.as_str()) == name)
}
