//! Attaches entry programs to devices, and detaches them; other people's programs and filters stay as they are.
//!
//! * `link`: tcx (Linux 6.6) and XDP, by BPF links that are pinned.
//! * `clsact`: before tcx, a filter of the clsact qdisc.
//!
//! Every attachment is noted in the instance's map of devices *before* it is made, so that the next command can clean
//! up after a death in between.

mod clsact;
mod link;
mod pending;

use crate::{
    error::Result,
    records::{self, Attachment, Records},
};
use emptcp_host::qdisc::{CLSACT_EGRESS, CLSACT_INGRESS};
use emptcp_load::{link as bpf_link, pin, program as bpf};
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
    fn from_number(number: u32) -> Option<Self> {
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

    /// In words.
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

/// Where something is attached.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Spot<'a> {
    /// The device's name, for messages.
    pub(crate) device: &'a str,
    /// Its index.
    pub(crate) ifindex: u32,
    /// The direction.
    pub(crate) direction: DeviceDirection,
}

impl Spot<'_> {
    pub(crate) fn key(&self) -> records::SpotKey {
        records::SpotKey {
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

/// Where something of ours is attached.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Hold {
    /// Nowhere.
    Nothing,
    /// To the device of this namespace for which it is noted.
    Here,
    /// To a device that was moved to another network namespace. With the same index rules match there too, and policies
    /// act.
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
    /// What is noted for a spot.
    pub(crate) fn get(&self, spot: Spot<'_>) -> Result<Option<(Kind, Attachment)>> {
        let records = Records::read(self.records)?;
        let record = records.attachments.get(&spot.key());
        Ok(record.and_then(|record| Some((Kind::from_number(record.kind)?, *record))))
    }

    /// Attaches a program; the spot must be free of ours.
    ///
    /// # Errors
    /// When the kernel refuses; then nothing of ours is left there.
    pub(crate) fn attach(&self, spot: Spot<'_>, kind: Kind, program: BorrowedFd<'_>) -> Result<()> {
        let mut record = Attachment {
            kind: kind as u32,
            ..Attachment::default()
        };
        let result = match kind {
            Kind::Tcx | Kind::XdpNative | Kind::XdpGeneric => {
                records::note_attachment(self.records, spot.key(), record)?;
                link::attach(spot, kind, program, &spot.link_path(self.folder))
            }
            Kind::Clsact => {
                record.made_qdisc = !clsact::is_present(spot)?;
                records::note_attachment(self.records, spot.key(), record)?;
                clsact::attach(spot, program).and_then(|(handle, priority)| {
                    (record.handle, record.priority) = (handle, priority);
                    records::note_attachment(self.records, spot.key(), record)
                })
            }
        };
        if result.is_err() {
            self.detach(spot)?;
        }
        result
    }

    /// Detaches what is noted for a spot, and whatever a death has left half-made there.
    pub(crate) fn detach(&self, spot: Spot<'_>) -> Result<()> {
        let Some((kind, record)) = self.get(spot)? else {
            return Ok(());
        };
        match kind {
            Kind::Tcx | Kind::XdpNative | Kind::XdpGeneric => link::detach(&spot.link_path(self.folder))?,
            Kind::Clsact => {
                clsact::detach(spot, &self.entry_programs())?;
                if record.made_qdisc {
                    self.give_back_clsact(spot)?;
                }
            }
        }
        records::forget_attachment(self.records, spot.key())
    }

    /// Removes the qdisc that we made, or leaves that duty to our attachment in the other direction.
    fn give_back_clsact(&self, spot: Spot<'_>) -> Result<()> {
        let noted = Records::read(self.records)?.attachments;
        let other = noted.into_iter().find(|(key, record)| {
            key.ifindex == spot.ifindex && key.direction != spot.direction && record.kind == Kind::Clsact as u32
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
            None => clsact::remove_if_unused(spot),
        }
    }

    /// Whether what is noted is really there.
    pub(crate) fn is_alive(&self, spot: Spot<'_>) -> Result<bool> {
        Ok(self.hold(spot)? == Hold::Here)
    }

    /// Where what is noted for a spot is attached.
    pub(crate) fn hold(&self, spot: Spot<'_>) -> Result<Hold> {
        let Some((kind, record)) = self.get(spot)? else {
            return Ok(Hold::Nothing);
        };
        if kind == Kind::Clsact {
            // A device that is moved loses its qdiscs.
            let is_there = record.handle != 0
                && clsact::is_attached(spot, record.handle, record.priority, &self.entry_programs())?;
            return Ok(if is_there { Hold::Here } else { Hold::Nothing });
        }
        let info = link::info(&spot.link_path(self.folder)).filter(|info| info.ifindex != 0);
        Ok(match info {
            None => Hold::Nothing,
            Some(info) if !link::is_here(info, kind, spot.direction) => Hold::Elsewhere {
                acts: info.ifindex == spot.ifindex,
            },
            Some(info) if info.ifindex == spot.ifindex => Hold::Here,
            // It was away, and came back with another index: no rule knows it.
            Some(_) => Hold::Nothing,
        })
    }

    /// The index of the device of this namespace that has the link of a spot.
    pub(crate) fn device_here(&self, spot: Spot<'_>) -> Result<Option<u32>> {
        let Some((kind, _)) = self.get(spot)?.filter(|(kind, _)| *kind != Kind::Clsact) else {
            return Ok(None);
        };
        let info = link::info(&spot.link_path(self.folder)).filter(|info| info.ifindex != 0);
        Ok(info
            .filter(|info| link::is_here(*info, kind, spot.direction))
            .map(|info| info.ifindex))
    }

    /// Id of the link that holds a spot.
    pub(crate) fn link_id(&self, spot: Spot<'_>) -> Option<u32> {
        link::info(&spot.link_path(self.folder))
            .filter(|info| info.ifindex != 0)
            .map(|info| info.id)
    }

    /// Ids of this instance's entry programs.
    fn entry_programs(&self) -> Vec<u32> {
        let entries = std::fs::read_dir(self.folder).into_iter().flatten().flatten();
        entries
            .filter(|entry| entry.file_name().to_string_lossy().starts_with("entry_"))
            .filter_map(|entry| pin::open(&entry.path()).ok())
            .filter_map(|program| bpf::info(std::os::fd::AsFd::as_fd(&program)).ok())
            .map(|(id, _)| id)
            .collect()
    }
}

/// Whether this kernel has tcx: it answers a question about it. `None` when this process may not ask.
pub(crate) fn offers_tcx() -> Option<bool> {
    // The loopback device is always there.
    match bpf_link::attached_at(1, libbpf_sys::BPF_TCX_INGRESS) {
        Ok(_) => Some(true),
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => None,
        Err(_) => Some(false),
    }
}

/// The same where nothing can be attached without the right to ask.
pub(crate) fn has_tcx() -> bool {
    offers_tcx() == Some(true)
}
