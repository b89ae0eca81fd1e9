//! Links that wait for a switch. A device that changes its hook gets its new link beforehand, with a program that does
//! nothing. The name of its pin has the policy set, so that the next command can finish an interrupted switch.

use super::{Attachments, HookPoint, Kind, link};
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
    fn new(folder: &Path, point: HookPoint<'_>, kind: Kind, generation: Generation) -> Self {
        let (ifindex, direction) = (point.ifindex, point.direction);
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

    /// Replaces the program of the link.
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
    /// Attaches a program for the next policy set, beside what the hook point has.
    ///
    /// # Errors
    /// When the kernel refuses; then nothing of it is left.
    pub(crate) fn attach_pending(
        &self,
        point: HookPoint<'_>,
        kind: Kind,
        generation: Generation,
        program: BorrowedFd<'_>,
    ) -> Result<Pending> {
        let pending = Pending::new(self.folder, point, kind, generation);
        link::attach(point, kind, program, &pending.path)?;
        Ok(pending)
    }

    /// All links that wait.
    pub(crate) fn pending(&self) -> Vec<Pending> {
        let entries = fs::read_dir(self.folder).into_iter().flatten().flatten();
        entries.filter_map(|entry| Pending::read(entry.path())).collect()
    }

    /// Replaces the program of the link of a hook point.
    ///
    /// # Errors
    /// When there is no such link, or the device is gone.
    pub(crate) fn run(&self, point: HookPoint<'_>, program: BorrowedFd<'_>) -> Result<()> {
        run(&point.link_path(self.folder), program)
    }

    /// Replaces what the hook point has by a link that waited.
    ///
    /// # Errors
    /// When the former one cannot be detached; another call continues.
    pub(crate) fn settle(&self, point: HookPoint<'_>, pending: &Pending) -> Result<()> {
        let path = point.link_path(self.folder);
        match self.get(point)? {
            Some((Kind::Clsact, _)) => self.detach(point)?,
            _ => link::detach(&path)?,
        }
        let record = Attachment {
            kind: pending.kind as u32,
            ..Attachment::default()
        };
        records::note_attachment(self.records, point.key(), record)?;
        fs::rename(&pending.path, &path).map_err(|error| Error::io(&pending.path, error))
    }
}

fn run(path: &Path, program: BorrowedFd<'_>) -> Result<()> {
    let link = pin::open(path).or_kernel(format!("open the link at {}", path.display()))?;
    bpf_link::update(link.as_fd(), program).or_kernel("exchange the program of a link")
}
