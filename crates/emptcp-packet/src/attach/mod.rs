//! Attaches entry programs to devices, and detaches them; programs and filters of others stay as they are.
//!
//! * `link`: tcx (Linux 6.6) and XDP, by BPF links that are pinned.
//! * `clsact`: before tcx, a filter of the clsact qdisc.
//!
//! Every attachment is noted in the instance's map of devices *before* it is made, so that the next command can clean
//! up if the process dies in between.

mod clsact;
mod link;
mod pending;

use crate::{
    entry_pins::Pinned,
    error::Result,
    records::{self, Attachment, Records},
};
use emptcp_host::qdisc::{CLSACT_EGRESS, CLSACT_INGRESS};
use emptcp_load::link as bpf_link;
use emptcp_plan::{manifest::Hook, plan::DeviceDirection};
use libbpf_rs::MapHandle;
pub(crate) use pending::Pending;
use serde::{Deserialize, Serialize};
use std::{
    io,
    os::fd::BorrowedFd,
    path::{Path, PathBuf},
};

/// How a program is attached.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
#[repr(u32)]
pub enum Kind {
    /// tcx, by a link.
    Tcx = 1,
    /// A filter of the clsact qdisc.
    Clsact = 2,
    /// XDP in the driver.
    XdpNative = 3,
    /// XDP in the stack.
    XdpGeneric = 4,
}

impl Kind {
    pub(crate) fn from_number(number: u32) -> Option<Self> {
        [Self::Tcx, Self::Clsact, Self::XdpNative, Self::XdpGeneric]
            .into_iter()
            .find(|kind| *kind as u32 == number)
    }

    /// The chain that its entry program uses.
    pub(crate) fn hook(self, direction: DeviceDirection) -> Hook {
        match (self, direction) {
            (Self::XdpNative | Self::XdpGeneric, _) => Hook::Xdp,
            (_, DeviceDirection::Ingress) => Hook::TcIngress,
            (_, DeviceDirection::Egress) => Hook::TcEgress,
        }
    }

    /// The name in messages.
    pub fn name(self) -> &'static str {
        match self {
            Self::Tcx => "tcx",
            Self::Clsact => "clsact",
            Self::XdpNative => "native XDP",
            Self::XdpGeneric => "generic XDP",
        }
    }
}

/// A device and direction in a result.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
pub struct AttachedTo {
    /// The device.
    pub device: String,
    /// The direction.
    pub direction: DeviceDirection,
    /// How.
    pub kind: Kind,
}

/// A hook point: a device and a direction.
#[derive(Clone, Copy, Debug)]
pub(crate) struct HookPoint<'a> {
    /// The device's name, for messages.
    pub(crate) device: &'a str,
    /// Its index.
    pub(crate) ifindex: u32,
    /// The direction.
    pub(crate) direction: DeviceDirection,
}

impl HookPoint<'_> {
    pub(crate) fn key(&self) -> records::HookPointKey {
        records::HookPointKey {
            ifindex: self.ifindex,
            direction: self.direction,
        }
    }

    fn clsact_parent(&self) -> u32 {
        match self.direction {
            DeviceDirection::Ingress => CLSACT_INGRESS,
            DeviceDirection::Egress => CLSACT_EGRESS,
        }
    }

    fn link_path(&self, folder: &Path) -> PathBuf {
        let direction = self.direction;
        folder.join(format!("link_{}_{direction}", self.ifindex))
    }
}

/// Where a program of ours is attached.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Hold {
    /// Nowhere.
    Nothing,
    /// To the device of this namespace for which it is noted.
    Here,
    /// To a device that was moved to another network namespace. If it has the same index there, the rules match and
    /// policies act.
    Elsewhere {
        /// It has the same index there.
        acts: bool,
    },
}

/// The attachments of one instance.
pub(crate) struct Attachments<'a> {
    /// The instance's folder.
    pub(crate) folder: &'a Path,
    /// Its map of devices.
    pub(crate) records: &'a MapHandle,
}

impl Attachments<'_> {
    /// The record of a hook point.
    pub(crate) fn get(&self, point: HookPoint<'_>) -> Result<Option<(Kind, Attachment)>> {
        let records = Records::read(self.records)?;
        let record = records.attachments.get(&point.key());
        Ok(record.and_then(|record| Some((Kind::from_number(record.kind)?, *record))))
    }

    /// Attaches a program; none of ours may be attached to the hook point.
    ///
    /// # Errors
    /// When the kernel refuses; then nothing of ours is left there.
    pub(crate) fn attach(&self, point: HookPoint<'_>, kind: Kind, program: BorrowedFd<'_>) -> Result<()> {
        let mut record = Attachment {
            kind: kind as u32,
            ..Attachment::default()
        };
        let result = match kind {
            Kind::Tcx | Kind::XdpNative | Kind::XdpGeneric => {
                records::note_attachment(self.records, point.key(), record)?;
                link::attach(point, kind, program, &point.link_path(self.folder))
            }
            Kind::Clsact => {
                record.made_qdisc = !clsact::is_present(point)?;
                records::note_attachment(self.records, point.key(), record)?;
                clsact::attach(point, program).and_then(|(handle, priority)| {
                    (record.handle, record.priority) = (handle, priority);
                    records::note_attachment(self.records, point.key(), record)
                })
            }
        };
        if result.is_err() {
            self.detach(point)?;
        }
        result
    }

    /// Detaches what is recorded for a hook point, and what an interrupted command has left there.
    pub(crate) fn detach(&self, point: HookPoint<'_>) -> Result<()> {
        let Some((kind, record)) = self.get(point)? else {
            return Ok(());
        };
        match kind {
            Kind::Tcx | Kind::XdpNative | Kind::XdpGeneric => link::detach(&point.link_path(self.folder))?,
            Kind::Clsact => {
                clsact::detach(point, &self.entry_programs())?;
                if record.made_qdisc {
                    self.give_back_clsact(point)?;
                }
            }
        }
        records::forget_attachment(self.records, point.key())
    }

    /// Removes the qdisc that we made. While our other direction is attached, the record of that one takes over the
    /// duty.
    fn give_back_clsact(&self, point: HookPoint<'_>) -> Result<()> {
        let noted = Records::read(self.records)?.attachments;
        let other = noted.into_iter().find(|(key, record)| {
            key.ifindex == point.ifindex && key.direction != point.direction && record.kind == Kind::Clsact as u32
        });
        match other {
            Some((key, record)) => records::note_attachment(
                self.records,
                key,
                Attachment {
                    made_qdisc: true,
                    ..record
                },
            ),
            None => clsact::remove_if_unused(point),
        }
    }

    /// Whether what is recorded is really attached.
    pub(crate) fn is_alive(&self, point: HookPoint<'_>) -> Result<bool> {
        Ok(self.hold(point)? == Hold::Here)
    }

    /// Where the program that is recorded for a hook point is attached.
    pub(crate) fn hold(&self, point: HookPoint<'_>) -> Result<Hold> {
        let Some((kind, record)) = self.get(point)? else {
            return Ok(Hold::Nothing);
        };
        if kind == Kind::Clsact {
            // A device that is moved loses its qdiscs.
            let is_there = record.handle != 0
                && clsact::is_attached(point, record.handle, record.priority, &self.entry_programs())?;
            return Ok(if is_there { Hold::Here } else { Hold::Nothing });
        }
        let info = link::info(&point.link_path(self.folder)).filter(|info| info.ifindex != 0);
        Ok(match info {
            None => Hold::Nothing,
            Some(info) if !link::is_here(info, kind, point.direction) => Hold::Elsewhere {
                acts: info.ifindex == point.ifindex,
            },
            Some(info) if info.ifindex == point.ifindex => Hold::Here,
            // It was moved away and came back with another index: no rule matches it.
            Some(_) => Hold::Nothing,
        })
    }

    /// The index of the device of this namespace that has the link of a hook point.
    pub(crate) fn device_here(&self, point: HookPoint<'_>) -> Result<Option<u32>> {
        let Some((kind, _)) = self.get(point)?.filter(|(kind, _)| *kind != Kind::Clsact) else {
            return Ok(None);
        };
        let info = link::info(&point.link_path(self.folder)).filter(|info| info.ifindex != 0);
        Ok(info
            .filter(|info| link::is_here(*info, kind, point.direction))
            .map(|info| info.ifindex))
    }

    /// Id of the link of a hook point.
    pub(crate) fn link_id(&self, point: HookPoint<'_>) -> Option<u32> {
        link::info(&point.link_path(self.folder))
            .filter(|info| info.ifindex != 0)
            .map(|info| info.id)
    }

    /// The program that a hook point runs.
    pub(crate) fn running(&self, point: HookPoint<'_>) -> Result<Option<u32>> {
        let Some((kind, record)) = self.get(point)? else {
            return Ok(None);
        };
        if kind == Kind::Clsact {
            return clsact::running(point, record.handle, record.priority);
        }
        let info = link::info(&point.link_path(self.folder));
        Ok(info.filter(|info| info.ifindex != 0).map(|info| info.program))
    }

    /// Atomically replaces the program that a hook point runs.
    ///
    /// # Errors
    /// When nothing is attached there, or the device is gone.
    pub(crate) fn exchange(&self, point: HookPoint<'_>, program: BorrowedFd<'_>) -> Result<()> {
        match self.get(point)? {
            Some((Kind::Clsact, record)) => clsact::exchange(point, record.handle, record.priority, program),
            _ => self.run(point, program),
        }
    }

    /// Pins the link that another instance has at a hook point.
    pub(crate) fn share_link(&self, point: HookPoint<'_>, other: &Attachments<'_>) -> Result<()> {
        link::share(&point.link_path(other.folder), &point.link_path(self.folder))
    }

    /// Ids of this instance's entry programs.
    fn entry_programs(&self) -> Vec<u32> {
        let pinned = Pinned::all(self.folder);
        pinned.into_iter().map(|program| program.id).collect()
    }
}

/// Whether this kernel has tcx: it answers a query about it. `None` when this process may not ask.
pub(crate) fn offers_tcx() -> Option<bool> {
    // The loopback device is always there.
    match bpf_link::attached_at(1, libbpf_sys::BPF_TCX_INGRESS) {
        Ok(_) => Some(true),
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => None,
        Err(_) => Some(false),
    }
}

/// The same for callers that cannot attach anything without the right to ask.
pub(crate) fn has_tcx() -> bool {
    offers_tcx() == Some(true)
}
