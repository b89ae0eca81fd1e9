//! A device that changes between XDP and tc while its policies go on.
//!
//! With both hooks active packets would be counted twice; with none of them no policy acts. So the new link is attached
//! beforehand with a program that does nothing. At the switch only programs are exchanged, which needs no grace period:
//! the former link gets the empty program, one store puts the set in force, the new link gets the entry program.

use crate::{
    attach::{Attachments, HookPoint, Kind, Pending},
    baseline::Baseline,
    entry::entry,
    error::Result,
    instance::Instance,
};
use emptcp_abi::Generation;
use emptcp_host::device::Devices;
use emptcp_plan::manifest::Hook;
use std::{
    collections::BTreeMap,
    os::fd::{AsFd, OwnedFd},
    sync::Arc,
};

/// One device and direction that waits for the switch.
pub(crate) struct Exchange {
    pending: Pending,
    /// Replaces the former entry program; `None` for a filter, which is detached instead.
    idle: Option<Arc<Baseline>>,
    entry: OwnedFd,
}

/// Programs that do nothing, one for each hook. All devices share them: the kernel's XDP dispatcher waits for a grace
/// period when a program is attached to its first device, or detached from its last one (`bpf_dispatcher_change_prog`).
#[derive(Default)]
pub(crate) struct Idle(BTreeMap<Hook, Arc<Baseline>>);

impl Idle {
    fn at(&mut self, hook: Hook) -> Result<Arc<Baseline>> {
        if let Some(idle) = self.0.get(&hook) {
            return Ok(Arc::clone(idle));
        }
        let idle = Arc::new(Baseline::new(hook)?);
        self.0.insert(hook, Arc::clone(&idle));
        Ok(idle)
    }
}

/// Whether both can be attached at the same time: one of them is XDP, and the new one is a link.
pub(crate) fn is_possible(old: Kind, new: Kind) -> bool {
    let is_xdp = |kind: Kind| matches!(kind, Kind::XdpNative | Kind::XdpGeneric);
    is_xdp(old) != is_xdp(new) && new != Kind::Clsact
}

impl Exchange {
    /// Attaches the new link, which does nothing yet.
    pub(crate) fn prepare(
        attachments: &Attachments<'_>,
        point: HookPoint<'_>,
        [old, new]: [Kind; 2],
        generation: Generation,
        entry: OwnedFd,
        idle: &mut Idle,
    ) -> Result<Self> {
        let mut idle = |kind: Kind| idle.at(kind.hook(point.direction));
        let former = if old == Kind::Clsact { None } else { Some(idle(old)?) };
        let pending = attachments.attach_pending(point, new, generation, idle(new)?.program())?;
        Ok(Self {
            pending,
            idle: former,
            entry,
        })
    }

    /// The new hook.
    pub(crate) fn kind(&self) -> Kind {
        self.pending.kind
    }

    /// Right before the switch: the former hook gets the empty program.
    pub(crate) fn halt_former(&self, attachments: &Attachments<'_>, point: HookPoint<'_>) -> Result<()> {
        match &self.idle {
            Some(idle) => attachments.run(point, idle.program()),
            None => attachments.detach(point),
        }
    }

    /// Right after the switch: the new hook starts.
    pub(crate) fn start(&self) -> Result<()> {
        self.pending.run(self.entry.as_fd())
    }

    /// After the switch: the former link is detached. Starts the new hook once more, in case that failed.
    pub(crate) fn settle(&self, attachments: &Attachments<'_>, point: HookPoint<'_>) -> Result<()> {
        self.start()?;
        attachments.settle(point, &self.pending)
    }

    /// Instead of the switch: the former link gets its entry program again, and the new one is detached.
    pub(crate) fn take_back(&self, attachments: &Attachments<'_>, point: HookPoint<'_>, former: OwnedFd) -> Result<()> {
        if self.idle.is_some() {
            attachments.run(point, former.as_fd())?;
        }
        self.pending.detach()
    }
}

/// Finishes an interrupted change: forwards if the set for which a link waits is in force, back otherwise.
pub(crate) fn repair(instance: &Instance, devices: &Devices) -> Result<()> {
    let attachments = instance.attachments()?;
    for pending in attachments.pending() {
        let Some(device) = devices.iter().find(|device| device.index == pending.ifindex) else {
            pending.detach()?;
            continue;
        };
        let point = HookPoint {
            device: devices.name(device.index).unwrap_or("?"),
            ifindex: device.index,
            direction: pending.direction,
        };
        let program = |kind: Kind| -> Result<OwnedFd> {
            let hook: Hook = kind.hook(pending.direction);
            entry(instance, hook, device.link_header, &mut Vec::new())
        };
        if pending.generation == instance.generation() {
            pending.run(program(pending.kind)?.as_fd())?;
            attachments.settle(point, &pending)?;
            continue;
        }
        if let Some((kind, _)) = attachments.get(point)?
            && kind != Kind::Clsact
            && attachments.is_alive(point)?
        {
            attachments.run(point, program(kind)?.as_fd())?;
        }
        pending.detach()?;
    }
    Ok(())
}
