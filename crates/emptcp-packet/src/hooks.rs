//! The hooks of an apply in progress: attaches new hooks, detaches unneeded ones, restores former ones.

use crate::{
    attach::{AttachedTo, Attachments, Hold, HookPoint, Kind},
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

/// Changes of hooks in one transaction.
#[derive(Default)]
pub(crate) struct Hooks<'a> {
    touched: Vec<Touched<'a>>,
    /// Entry programs that it pinned.
    pinned: Vec<PathBuf>,
    idle: Idle,
}

/// A device and direction that the transaction attaches, noted before anything happens to it.
struct Touched<'a> {
    placement: &'a Placement,
    old: Option<Kind>,
    new: Option<Kind>,
    /// How a device changes its hook, if it does.
    change: Option<Change>,
}

/// How a hook replaces another one.
enum Change {
    /// Programs of two links are exchanged.
    Exchange(Exchange),
    /// The two hooks exclude each other: for a moment the device has none.
    OneByOne,
}

pub(crate) fn hook_point_of(placement: &Placement) -> HookPoint<'_> {
    HookPoint {
        device: &placement.device,
        ifindex: placement.ifindex,
        direction: placement.direction,
    }
}

/// The hooks of all kinds of attachment that a device may get.
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
    /// Loads the core programs that are needed, and the entry programs that [`attach_new`](Self::attach_new) tries
    /// first.
    pub(crate) fn load_core(&mut self, instance: &Instance, placements: &Placements, mut wanted: Wanted) -> Result<()> {
        let attachments = instance.attachments()?;
        let entries = &mut wanted.entries;
        for placement in &placements.devices {
            let old = attachments.get(hook_point_of(placement))?.map(|(kind, _)| kind);
            let Some(first) = placement.kinds.first() else { continue };
            if !old.is_some_and(|kind| placement.kinds.contains(&kind)) {
                entries.insert((first.hook(placement.direction), placement.link_header));
            }
        }
        entry::with_core(instance, wanted, &mut self.pinned)
    }

    /// Attaches where nothing is attached yet, and prepares hooks that change. What is attached keeps running.
    pub(crate) fn attach_new(
        &mut self,
        instance: &Instance,
        placements: &'a Placements,
        generation: Generation,
    ) -> Result<()> {
        let attachments = instance.attachments()?;
        for placement in &placements.devices {
            let old = attachments.get(hook_point_of(placement))?.map(|(kind, _)| kind);
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

    /// The last step before the switch: hooks that change are halted. Slow work was done before.
    pub(crate) fn halt_former(&mut self, instance: &Instance) -> Result<()> {
        let attachments = instance.attachments()?;
        let Self { touched, pinned, .. } = self;
        // One by one first, because that takes longest.
        for touched in touched
            .iter_mut()
            .filter(|t| matches!(t.change, Some(Change::OneByOne)))
        {
            let placement = touched.placement;
            fault::step("detaching the former hook", || {
                attachments.detach(hook_point_of(placement))
            })?;
            touched.new = Some(fault::step("attaching", || {
                attach_best(&attachments, instance, placement, pinned)
            })?);
        }
        for touched in touched.iter_mut() {
            if let Some(Change::Exchange(exchange)) = &touched.change {
                touched.new = Some(exchange.kind());
                fault::step("halting the former hook", || {
                    exchange.halt_former(&attachments, hook_point_of(touched.placement))
                })?;
            }
        }
        Ok(())
    }

    /// The first step after the switch: new hooks start.
    pub(crate) fn start_new(&self) -> Vec<Error> {
        let mut failed = Vec::new();
        for (_, exchange) in self.exchanges() {
            failed.extend(fault::step("starting the new hook", || exchange.start()).err());
        }
        failed
    }

    /// Later: the former links are detached.
    pub(crate) fn settle(&self, instance: &Instance) -> Vec<Error> {
        let mut failed = Vec::new();
        for (placement, exchange) in self.exchanges() {
            let settled = fault::step("detaching the former hook", || {
                exchange.settle(&instance.attachments()?, hook_point_of(placement))
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

    /// Hooks that were replaced by others.
    pub(crate) fn changed(&self) -> Vec<AttachedTo> {
        let old = |touched: &Touched<'_>| Some(attached_to(touched.placement, touched.old?));
        self.touched.iter().filter_map(old).collect()
    }

    /// Keeps the pins of entry programs when this transaction is undone: the caller removes them.
    pub(crate) fn leave_pins(&mut self) {
        self.pinned.clear();
    }

    /// Restores what was attached before; returns what could not be restored.
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
        let point = hook_point_of(self.placement);
        let Some(old) = self.old else {
            return attachments.detach(point);
        };
        if let Some(Change::Exchange(exchange)) = &self.change {
            let hook = old.hook(self.placement.direction);
            let program = entry(instance, hook, self.placement.link_header, &mut Vec::new())?;
            exchange.take_back(&attachments, point, program)?;
        }
        let now = attachments.get(point)?.map(|(kind, _)| kind);
        if now == Some(old) && attachments.is_alive(point)? {
            return Ok(());
        }
        attachments.detach(point)?;
        let hook = old.hook(self.placement.direction);
        let program = entry(instance, hook, self.placement.link_header, &mut Vec::new())?;
        attachments.attach(point, old, program.as_fd())
    }
}

/// After the switch: detaches where no policy needs a hook any more. Returns what was detached and what failed.
pub(crate) fn detach_unwanted(
    instance: &Instance,
    placements: &Placements,
    devices: &Devices,
    before: Option<&State>,
) -> (Vec<AttachedTo>, Vec<Error>) {
    let (mut detached, mut failed) = (Vec::new(), Vec::new());
    let known = instance
        .attachments()
        .and_then(|attachments| Ok((attachments, instance.hook_points()?)));
    let (attachments, points) = match known {
        Ok(known) => known,
        Err(error) => return (detached, vec![error]),
    };
    for key in points {
        let wanted = |placement: &Placement| hook_point_of(placement).key() == key;
        if placements.devices.iter().any(wanted) {
            continue;
        }
        let device = name_of(key.ifindex, devices, before);
        let point = HookPoint {
            device,
            ifindex: key.ifindex,
            direction: key.direction,
        };
        let done = fault::step("detaching", || {
            let Some((kind, _)) = attachments.get(point)? else {
                return Ok(());
            };
            attachments.detach(point)?;
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

/// The name of a device. A device that was moved to another network namespace has none here: then its former name.
pub(crate) fn name_of<'a>(ifindex: u32, devices: &'a Devices, state: Option<&'a State>) -> &'a str {
    let noted = || state.and_then(|state| state.noted_name(ifindex));
    devices.name(ifindex).or_else(noted).unwrap_or("?")
}

/// The slow part of a change of hooks: loads entry programs, and attaches the new link where that is possible beside
/// the former one.
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
        match Exchange::prepare(
            &attachments,
            hook_point_of(placement),
            [old, new],
            generation,
            program,
            idle,
        ) {
            Ok(exchange) => return Ok(Change::Exchange(exchange)),
            Err(error) if placement.kinds.last() == Some(&new) => return Err(error),
            Err(_) => {}
        }
    }
    Ok(Change::OneByOne)
}

/// Attaches by the best kind that the device allows.
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
            .attach(hook_point_of(placement), kind, program.as_fd())
            .map(|()| kind);
        if result.is_ok() {
            break;
        }
    }
    result
}

/// Cleans up after an interrupted command: attachments that are recorded but missing, or present but not needed.
pub(crate) fn repair(instance: &Instance, devices: &Devices, state: Option<&State>) -> Result<()> {
    exchange::repair(instance, devices)?;
    let attachments = instance.attachments()?;
    for key in instance.hook_points()? {
        let name = devices.name(key.ifindex);
        let point = HookPoint {
            device: name.unwrap_or("?"),
            ifindex: key.ifindex,
            direction: key.direction,
        };
        let wanted = state.is_some_and(|state| is_wanted(state, key.ifindex, name));
        match attachments.hold(point)? {
            Hold::Here if wanted => {}
            // Its policies act where it is until the new set is in force; then it is detached.
            Hold::Elsewhere { .. } if name.is_none() => {}
            // A filter was removed with its device. A link is detached before its pin is removed: otherwise the kernel
            // detaches it some time later, and a device that came back with another index would run its program until
            // then.
            _ if name.is_none() && attachments.get(point)?.is_some_and(|(kind, _)| kind == Kind::Clsact) => {
                records::forget_attachment(instance.records()?, key)?;
            }
            _ => attachments.detach(point)?,
        }
    }
    Ok(())
}

/// Whether a set was applied to a device, even if it was renamed.
fn is_wanted(state: &State, ifindex: u32, name: Option<&str>) -> bool {
    if !state.interfaces.is_empty() {
        return state.noted_name(ifindex).is_some();
    }
    let mut devices = state.plan.policies.iter().flat_map(|policy| &policy.devices);
    devices.any(|device| Some(device.as_str()) == name)
}
