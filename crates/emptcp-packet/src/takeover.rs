//! An instance takes the place of one whose tables this build cannot use: all is prepared in a second folder beside it,
//! and one store switches all devices.
//!
//! 1. The new instance is made and filled in the folder `NAME_new`, as in a first apply.
//! 2. The links and filters of the former instance get the core program `handover`, which goes on to the former entry
//!    program while no policy set of the new instance is in force, and to the new one from then on. Devices that have
//!    another hook than before are attached beside it.
//! 3. The store that puts the first policy set of the new instance in force.
//! 4. The new entry programs take the place of `handover`, what the new instance has no use for is detached, and the
//!    folders are exchanged.
//!
//! The new instance has a mark until all that is done. By the mark and by its policy set the next command ends what a
//! death has interrupted: backwards before the store, forwards after it.

use crate::{
    attach::{AttachedTo, Attachments, Kind, Spot},
    core_programs,
    entry::entry,
    entry_pins::{self, Pinned},
    error::{Error, OrKernel, Result},
    fault,
    hooks::spot_of,
    instance::Instance,
    maps::{self, CoreNumber},
    place,
    placement::Placements,
    records::{self, Records, SpotKey},
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
    folder.with_file_name(format!("{name}{}", place::UNFINISHED))
}

/// The pins of `handover` are in the folder of the former instance, among those of its entry programs: whoever looks
/// there finds what its devices run.
fn number(position: u32) -> CoreNumber {
    CoreNumber(u32::MAX - position)
}

/// Slot of the former entry program, in the first bank of the new instance, which its first policy set does not use.
fn slot(position: u32) -> u32 {
    SLOT_FIRST_ELEMENT + 2 * position
}

/// Two instances of one name: the former one, and the one that takes its place.
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

    /// Marks the new instance, and lets it know which devices have a root qdisc of the former one.
    pub(crate) fn begin(&self, new: &Instance) -> Result<()> {
        for ifindex in Records::read(&self.records)?.shaped {
            records::note_shaped(new.records()?, ifindex)?;
        }
        records::mark_takeover(new.records()?)
    }

    /// Every device whose hook stays gets `handover`, which still leads to the former entry program.
    pub(crate) fn hand_over(&self, new: &Instance, placements: &Placements) -> Result<()> {
        let (former, attachments) = (self.former(), new.attachments()?);
        let mut position = 0;
        for placement in &placements.devices {
            let spot = spot_of(placement);
            let Some((kind, record)) = former.get(spot)?.filter(|(kind, _)| placement.kinds.contains(kind)) else {
                continue;
            };
            let Some(running) = former.running(spot)? else { continue };
            if !former.is_alive(spot)? {
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
            // Noted before it is done.
            records::note_attachment(new.records()?, spot.key(), record)?;
            if kind != Kind::Clsact {
                attachments.share_link(spot, &former)?;
            }
            fault::step("handing over", || former.exchange(spot, handover.as_fd()))?;
            position += 1;
        }
        Ok(())
    }

    /// What runs `handover`: its position, and where.
    fn handed_over(&self, new: &Instance) -> Result<Vec<(u32, SpotKey)>> {
        let pinned = Pinned::all(&self.folder);
        let mut found = Vec::new();
        for key in new.spots()? {
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

    /// Whether both instances have noted the same link or filter.
    fn is_shared(&self, new: &Instance, key: SpotKey) -> Result<bool> {
        let (former, attachments, spot) = (self.former(), new.attachments()?, anywhere(key));
        Ok(match (former.get(spot)?, attachments.get(spot)?) {
            (Some((Kind::Clsact, former)), Some((Kind::Clsact, own))) => former == own,
            (Some(_), Some(_)) => {
                let link = former.link_id(spot);
                link.is_some() && link == attachments.link_id(spot)
            }
            _ => false,
        })
    }

    /// Before the switch: the former entry programs run again, and what the new instance has attached goes. Its folder
    /// stays.
    pub(crate) fn take_back(&self, new: &Instance) -> Result<()> {
        self.end_handover(new, 0)?;
        for key in new.spots()? {
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

    /// After the switch: the new entry programs stand alone. Detaches what the new instance does not have, and puts its
    /// folder into the place of the former one. Returns what was detached.
    pub(crate) fn finish(&self, new: &mut Instance, devices: &Devices) -> Result<Vec<AttachedTo>> {
        self.end_handover(new, 1)?;
        let mut detached = Vec::new();
        for pending in self.former().pending() {
            pending.detach()?;
        }
        for key in Records::read(&self.records)?.attachments.into_keys() {
            if self.is_shared(new, key)? {
                // The link or filter is the new instance's from here on.
                records::forget_attachment(&self.records, key)?;
                continue;
            }
            let spot = Spot {
                device: devices.name(key.ifindex).unwrap_or("?"),
                ..anywhere(key)
            };
            let Some((kind, _)) = self.former().get(spot)? else {
                continue;
            };
            fault::step("detaching the former hook", || self.former().detach(spot))?;
            detached.push(AttachedTo {
                device: spot.device.to_owned(),
                direction: key.direction,
                kind,
            });
        }
        // No packet is in the former programs any more when their chains go.
        grace::wait();
        fault::step("exchanging the folders", || {
            put_in_place(&beside(&self.folder), &self.folder)
        })?;
        new.folder.clone_from(&self.folder);
        records::forget_takeover(new.records()?)?;
        Ok(detached)
    }
}

fn anywhere(key: SpotKey) -> Spot<'static> {
    Spot {
        device: "?",
        ifindex: key.ifindex,
        direction: key.direction,
    }
}

/// Puts a folder into the place of another, which goes.
fn put_in_place(new: &Path, old: &Path) -> Result<()> {
    if place::exchange(new, old)? {
        return place::remove_folder(new);
    }
    // For a moment there is none of the two; whoever finds the mark goes on.
    place::remove_folder(old)?;
    fs::rename(new, old).map_err(|error| Error::io(old, error))
}

/// Ends what a death has interrupted. Called under the lock, before a command looks at the instance.
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
        // The folders are exchanged already; nothing is attached by the former one alone.
        place::remove_folder(&beside)?;
        return records::pinned(folder)?.map_or(Ok(()), |records| records::forget_takeover(&records));
    }
    if !is_marked(&beside)? {
        return Ok(());
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
    place::remove_folder(&beside)
}
