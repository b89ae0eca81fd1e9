//! A new instance replaces one whose tables this build cannot use: all is prepared in a second folder beside it, and
//! one store switches all devices.
//!
//! 1. The new instance is made and filled in the folder `NAME_new`, as in a first apply.
//! 2. The links and filters of the former instance get the core program `handover`, which jumps to the former entry
//!    program while no policy set of the new instance is in force, and to the new one from then on. Devices that have
//!    another hook than before are attached beside it.
//! 3. The store that puts the first policy set of the new instance in force.
//! 4. The new entry programs replace `handover`, what the new instance does not need is detached, and the folders are
//!    exchanged.
//!
//! The new instance has a mark until all that is done. If the process dies, the next command sees the mark and the
//! policy set, and finishes: it goes back before the store, forwards after it.

use crate::{
    attach::{AttachedTo, Attachments, HookPoint, Kind},
    bpffs, core_programs,
    entry::entry,
    entry_pins::{self, Pinned},
    error::{Error, OrKernel, Result},
    fault,
    hooks::hook_point_of,
    instance::Instance,
    maps::{self, CoreNumber},
    placement::Placements,
    records::{self, HookPointKey, Records},
};
use emptcp_abi::SLOT_FIRST_ELEMENT;
use emptcp_host::device::Devices;
use emptcp_load::{grace, pin};
use libbpf_rs::MapHandle;
use std::{
    fs,
    os::fd::{AsFd, OwnedFd},
    path::{Path, PathBuf},
};

/// The folder in which the new instance is made.
pub(crate) fn beside(folder: &Path) -> PathBuf {
    let name = folder.file_name().unwrap_or_default().to_string_lossy();
    folder.with_file_name(format!("{name}{}", bpffs::UNFINISHED))
}

/// The pins of `handover` are in the folder of the former instance, among those of its entry programs: there it is
/// found as the program that its devices run.
fn number(position: u32) -> CoreNumber {
    CoreNumber(u32::MAX - position)
}

/// Slot of the former entry program, in the first bank of the new instance, which its first policy set does not use.
fn slot(position: u32) -> u32 {
    SLOT_FIRST_ELEMENT + 2 * position
}

/// Two instances of one name: the former one, and the one that replaces it.
pub(crate) struct Takeover {
    folder: PathBuf,
    records: MapHandle,
}

impl Takeover {
    /// The instance in `folder` is the former one.
    pub(crate) fn of(name: &str, folder: &Path) -> Result<Self> {
        let records = records::pinned(folder)?.ok_or_else(|| Error::State {
            instance: name.to_owned(),
            detail: "nothing says any more where it is attached".to_owned(),
        })?;
        Ok(Self {
            folder: folder.to_owned(),
            records,
        })
    }

    fn former(&self) -> Attachments<'_> {
        Attachments {
            folder: &self.folder,
            records: &self.records,
        }
    }

    /// Marks the new instance, and records in it the devices with a root qdisc of the former one.
    pub(crate) fn begin(&self, new: &Instance) -> Result<()> {
        for ifindex in Records::read(&self.records)?.shaped {
            records::note_shaped(new.records()?, ifindex)?;
        }
        records::mark_takeover(new.records()?)
    }

    /// Gives every device whose hook stays `handover`, which still jumps to the former entry program.
    pub(crate) fn hand_over(&self, new: &Instance, placements: &Placements) -> Result<()> {
        let (former, attachments) = (self.former(), new.attachments()?);
        let mut position = 0;
        for placement in &placements.devices {
            let point = hook_point_of(placement);
            let Some((kind, record)) = former.get(point)?.filter(|(kind, _)| placement.kinds.contains(kind)) else {
                continue;
            };
            let Some(running) = former.running(point)? else {
                continue;
            };
            if !former.is_alive(point)? {
                continue;
            }
            let what = (kind.hook(placement.direction), placement.link_header);
            let chain = new.maps.chain(what.0)?;
            let running = emptcp_load::program::by_id(running).or_kernel("open a program")?;
            let own = entry(new, what.0, what.1, &mut Vec::new())?;
            maps::set_slot(chain, slot(position), running.as_fd())?;
            maps::set_slot(chain, slot(position) + 1, own.as_fd())?;
            let handover = core_programs::load_handover(&new.maps, what.0, slot(position))?;
            let path = self.folder.join(entry_pins::file(what, number(position)));
            let _ = fs::remove_file(&path);
            pin::add(handover.as_fd(), &path).or_kernel("pin the handover")?;
            // Recorded before it is done.
            records::note_attachment(new.records()?, point.key(), record)?;
            if kind != Kind::Clsact {
                attachments.share_link(point, &former)?;
            }
            fault::step("handing over", || former.exchange(point, handover.as_fd()))?;
            position += 1;
        }
        Ok(())
    }

    /// The hook points that run `handover`, each with its position.
    fn handed_over(&self, new: &Instance) -> Result<Vec<(u32, HookPointKey)>> {
        let pinned = Pinned::all(&self.folder);
        let mut found = Vec::new();
        for key in new.hook_points()? {
            let running = self.former().running(anywhere(key))?;
            let known = pinned.iter().find(|pinned| Some(pinned.id) == running);
            let position = known.map(|pinned| u32::MAX - pinned.core.0);
            found.extend(
                position
                    .filter(|position| *position < 4096)
                    .map(|position| (position, key)),
            );
        }
        Ok(found)
    }

    fn end_handover(&self, new: &Instance, next: u32) -> Result<()> {
        let records = Records::read(&self.records)?;
        for (position, key) in self.handed_over(new)? {
            let Some(record) = records.attachments.get(&key) else {
                continue;
            };
            let Some(kind) = Kind::from_number(record.kind) else {
                continue;
            };
            let chain = new.maps.chain(kind.hook(key.direction))?;
            let program: Option<OwnedFd> = maps::program_in(chain, slot(position) + next)?;
            if let Some(program) = program {
                fault::step("ending the handover", || {
                    self.former().exchange(anywhere(key), program.as_fd())
                })?;
            }
        }
        Ok(())
    }

    /// Whether both instances have recorded the same link or filter.
    fn is_shared(&self, new: &Instance, key: HookPointKey) -> Result<bool> {
        let (former, attachments, point) = (self.former(), new.attachments()?, anywhere(key));
        Ok(match (former.get(point)?, attachments.get(point)?) {
            (Some((Kind::Clsact, former)), Some((Kind::Clsact, own))) => former == own,
            (Some(_), Some(_)) => {
                let link = former.link_id(point);
                link.is_some() && link == attachments.link_id(point)
            }
            _ => false,
        })
    }

    /// Before the switch: the former entry programs run again, and what the new instance has attached is detached. Its
    /// folder stays.
    pub(crate) fn take_back(&self, new: &Instance) -> Result<()> {
        self.end_handover(new, 0)?;
        for key in new.hook_points()? {
            if !self.is_shared(new, key)? {
                new.attachments()?.detach(anywhere(key))?;
            }
            records::forget_attachment(new.records()?, key)?;
        }
        grace::wait();
        for pinned in Pinned::all(&self.folder) {
            if u32::MAX - pinned.core.0 < 4096 {
                let path = self.folder.join(entry_pins::file(pinned.what, pinned.core));
                fs::remove_file(&path).map_err(|error| Error::io(&path, error))?;
            }
        }
        Ok(())
    }

    /// After the switch: only the new entry programs run. Detaches what the new instance does not have, and replaces
    /// the former folder by its own. Returns what was detached.
    pub(crate) fn finish(&self, new: &mut Instance, devices: &Devices) -> Result<Vec<AttachedTo>> {
        self.end_handover(new, 1)?;
        let mut detached = Vec::new();
        for pending in self.former().pending() {
            pending.detach()?;
        }
        for key in Records::read(&self.records)?.attachments.into_keys() {
            if self.is_shared(new, key)? {
                // The link or filter belongs to the new instance from here on.
                records::forget_attachment(&self.records, key)?;
                continue;
            }
            let point = HookPoint {
                device: devices.name(key.ifindex).unwrap_or("?"),
                ..anywhere(key)
            };
            let Some((kind, _)) = self.former().get(point)? else {
                continue;
            };
            fault::step("detaching the former hook", || self.former().detach(point))?;
            detached.push(AttachedTo {
                device: point.device.to_owned(),
                direction: key.direction,
                kind,
            });
        }
        // The former chains are removed when no packet is in their programs any more.
        grace::wait();
        fault::step("exchanging the folders", || {
            put_in_place(&beside(&self.folder), &self.folder)
        })?;
        new.folder.clone_from(&self.folder);
        records::forget_takeover(new.records()?)?;
        Ok(detached)
    }
}

fn anywhere(key: HookPointKey) -> HookPoint<'static> {
    HookPoint {
        device: "?",
        ifindex: key.ifindex,
        direction: key.direction,
    }
}

/// Replaces a folder by another.
fn put_in_place(new: &Path, old: &Path) -> Result<()> {
    if bpffs::exchange(new, old)? {
        return bpffs::remove_folder(new);
    }
    // For a moment neither exists; a command that finds the mark continues.
    bpffs::remove_folder(old)?;
    fs::rename(new, old).map_err(|error| Error::io(old, error))
}

/// Finishes an interrupted takeover. Called under the lock, before a command reads the instance.
pub(crate) fn repair(name: &str, folder: &Path) -> Result<()> {
    let beside = beside(folder);
    if !beside.exists() {
        return Ok(());
    }
    let is_marked = |folder: &Path| -> Result<bool> {
        let records = records::pinned(folder)?;
        records.map_or(Ok(false), |records| Ok(Records::read(&records)?.takes_over))
    };
    if is_marked(folder)? {
        // The folders are already exchanged; nothing is attached by the former instance alone.
        bpffs::remove_folder(&beside)?;
        return records::pinned(folder)?.map_or(Ok(()), |records| records::forget_takeover(&records));
    }
    if !is_marked(&beside)? {
        // Interrupted while it was made, by a replacement or by a first apply: nothing of it is attached yet.
        return bpffs::remove_folder(&beside);
    }
    let mut new = Instance::open_folder(name, beside.clone())?;
    if !folder.exists() {
        fs::rename(&beside, folder).map_err(|error| Error::io(folder, error))?;
        return records::forget_takeover(new.records()?);
    }
    let takeover = Takeover::of(name, folder)?;
    if new.generation().is_known() {
        return takeover.finish(&mut new, &Devices::read()?).map(drop);
    }
    takeover.take_back(&new)?;
    bpffs::remove_folder(&beside)
}
