//! Links that wait for a switch. A device that changes its hook gets its new link beforehand, with a program that does
//! nothing; its pin says for which policy set, so that the next command can end what a death has interrupted.

use super::{Attachments, Kind, Spot, link};
use crate::{
    error::{Error, OrKernel, Result},
    records::{self, Attachment},
};
use emptcp_abi::Generation;
use emptcp_load::{link as bpf_link, pin};
use emptcp_plan::plan::DeviceDirection;
use std::{
    fs,
    os::fd::{AsFd, BorrowedFd},
    path::{Path, PathBuf},
};

const PREFIX: &str = "next_";

/// A link that waits.
#[derive(Clone, Debug)]
pub(crate) struct Pending {
    /// Index of its device.
    pub(crate) ifindex: u32,
    /// Its direction.
    pub(crate) direction: DeviceDirection,
    /// How it is attached.
    pub(crate) kind: Kind,
    /// The policy set for which it waits.
    pub(crate) generation: Generation,
    path: PathBuf,
}

impl Pending {
    fn new(folder: &Path, spot: Spot<'_>, kind: Kind, generation: Generation) -> Self {
        let (ifindex, direction) = (spot.ifindex, spot.direction);
        let name = format!(
            "{PREFIX}{ifindex}_{}_{}_{}",
            direction.name(),
            kind as u32,
            generation.0
        );
        Self {
            ifindex,
            direction,
            kind,
            generation,
            path: folder.join(name),
        }
    }

    fn read(path: PathBuf) -> Option<Self> {
        let words: Vec<&str> = path.file_name()?.to_str()?.strip_prefix(PREFIX)?.split('_').collect();
        let &[ifindex, direction, kind, generation] = words.as_slice() else {
            return None;
        };
        let direction = [DeviceDirection::Ingress, DeviceDirection::Egress]
            .into_iter()
            .find(|known| known.name() == direction)?;
        Some(Self {
            ifindex: ifindex.parse().ok()?,
            direction,
            kind: Kind::from_number(kind.parse().ok()?)?,
            generation: Generation(generation.parse().ok()?),
            path,
        })
    }

    /// Gives the link another program.
    ///
    /// # Errors
    /// When the device is gone.
    pub(crate) fn run(&self, program: BorrowedFd<'_>) -> Result<()> {
        run(&self.path, program)
    }

    /// Detaches the link.
    ///
    /// # Errors
    /// When the kernel refuses.
    pub(crate) fn detach(&self) -> Result<()> {
        link::detach(&self.path)
    }
}

impl Attachments<'_> {
    /// Attaches a program for a policy set to come, beside what the spot has.
    ///
    /// # Errors
    /// When the kernel refuses; then nothing of it is left.
    pub(crate) fn attach_pending(
        &self,
        spot: Spot<'_>,
        kind: Kind,
        generation: Generation,
        program: BorrowedFd<'_>,
    ) -> Result<Pending> {
        let pending = Pending::new(self.folder, spot, kind, generation);
        link::attach(spot, kind, program, &pending.path)?;
        Ok(pending)
    }

    /// All links that wait.
    pub(crate) fn pending(&self) -> Vec<Pending> {
        let entries = fs::read_dir(self.folder).into_iter().flatten().flatten();
        entries.filter_map(|entry| Pending::read(entry.path())).collect()
    }

    /// Gives the link of a spot another program.
    ///
    /// # Errors
    /// When there is no such link, or the device is gone.
    pub(crate) fn run(&self, spot: Spot<'_>, program: BorrowedFd<'_>) -> Result<()> {
        run(&spot.link_path(self.folder), program)
    }

    /// Puts a link that waited in the place of what the spot has.
    ///
    /// # Errors
    /// When the former one cannot be detached; another call goes on where this one ended.
    pub(crate) fn settle(&self, spot: Spot<'_>, pending: &Pending) -> Result<()> {
        let path = spot.link_path(self.folder);
        match self.get(spot)? {
            Some((Kind::Clsact, _)) => self.detach(spot)?,
            _ => link::detach(&path)?,
        }
        let record = Attachment {
            kind: pending.kind as u32,
            ..Attachment::default()
        };
        records::note_attachment(self.records, spot.key(), record)?;
        fs::rename(&pending.path, &path).map_err(|error| Error::io(&pending.path, error))
    }
}

fn run(path: &Path, program: BorrowedFd<'_>) -> Result<()> {
    let link = pin::open(path).or_kernel(format!("open the link at {}", path.display()))?;
    bpf_link::update(link.as_fd(), program).or_kernel("exchange the program of a link")
}
