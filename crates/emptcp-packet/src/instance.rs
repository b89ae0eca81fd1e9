//! An instance: a set of policies in force in one network namespace, with everything that belongs to it pinned under
//! one folder of bpffs. No process needs to run for it.

use crate::{
    attach::{Attachments, Hold, HookPoint, Kind},
    bpffs,
    core_objects::CoreObjects,
    error::{Error, OrKernel, Result},
    event_ring, identity,
    maps::{CoreNumber, Maps},
    records::{self, Core, DEVICES_MAP, Origin, Records},
    store::{self, STATE_MAP, State},
    tables,
};
use emptcp_abi::{ABI_VERSION, Generation, PolicyId};
use emptcp_host::{boot::BootId, device::Devices};
use emptcp_load::{entries, mapping::Control, pin};
use emptcp_plan::plan::{DeviceDirection, Plan, Tables};
use libbpf_rs::{MapCore, MapHandle};
use serde::Serialize;
use std::{
    os::fd::AsFd,
    path::{Path, PathBuf},
};

/// The default name of an instance.
pub const DEFAULT: &str = "default";

/// An installed instance, open.
#[derive(Debug)]
pub struct Instance {
    name: String,
    pub(crate) folder: PathBuf,
    pub(crate) maps: Maps,
    pub(crate) control: Control,
    /// The core programs that are in force.
    pub(crate) core: Core,
}

/// One device and direction of an instance.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct AttachmentInfo {
    /// The device's name; absent when it is gone.
    pub device: Option<String>,
    /// Its index.
    pub ifindex: u32,
    /// The direction.
    pub direction: DeviceDirection,
    /// How.
    pub kind: Kind,
    /// Id of the BPF link, for tcx and XDP.
    pub link: Option<u32>,
    /// Whether it is still attached.
    pub alive: bool,
    /// The device was moved to another network namespace, together with the programs.
    pub moved: bool,
    /// The device that has the programs but not the index that they match: it was moved away and came back.
    pub came_back: Option<String>,
}

/// What is in force.
#[derive(Clone, Debug, Serialize)]
pub struct Shown {
    /// The instance.
    pub name: String,
    /// Its folder in bpffs.
    pub folder: PathBuf,
    /// The number of the policy set.
    pub generation: Generation,
    /// Seconds since 1970 when it was applied.
    pub applied_at: u64,
    /// The policy file as the user wrote it.
    pub source: String,
    /// The compiled plan.
    pub plan: Plan,
    /// Stable ids of the policies, in the order of the plan.
    pub policy_ids: Vec<PolicyId>,
    /// Sizes with which the tables were made.
    pub tables: Tables,
    /// Devices.
    pub attachments: Vec<AttachmentInfo>,
}

impl Instance {
    /// Names of the instances in this network namespace.
    ///
    /// # Errors
    /// When bpffs cannot be read.
    pub fn list() -> Result<Vec<String>> {
        let mut names = bpffs::instances()?;
        names.retain(|name| !matches!(Self::open(name), Err(Error::NoInstance { .. })));
        Ok(names)
    }

    /// Opens an installed instance.
    ///
    /// # Errors
    /// [`Error::NoInstance`] when it does not exist here; [`Error::OtherBuild`] when another emptcp made it and this
    /// one would misread its maps. Also without the rights to open its maps.
    pub fn open(name: &str) -> Result<Self> {
        let instance = Self::open_any_version(name)?;
        instance.check_version()?;
        Ok(instance)
    }

    /// As [`Instance::open`], but accepts other versions: only to list its devices and to remove it.
    pub(crate) fn open_any_version(name: &str) -> Result<Self> {
        let instance = Self::open_any(name)?;
        if instance.is_of_another_namespace()? {
            return Err(Error::NoInstance { name: name.to_owned() });
        }
        Ok(instance)
    }

    /// As [`Instance::open`], but accepts one that another namespace has left.
    pub(crate) fn open_any(name: &str) -> Result<Self> {
        let folder = bpffs::folder(name)?;
        bpffs::exists(&folder, name)?;
        Self::open_folder(name, folder)
    }

    pub(crate) fn open_folder(name: &str, folder: PathBuf) -> Result<Self> {
        let maps = Maps::open(&folder, &Tables::default(), CoreNumber::default())?;
        let control = Control::map(maps.get("emptcp_control")?.as_fd()).or_kernel("map the control word")?;
        let mut instance = Self {
            name: name.to_owned(),
            folder,
            maps,
            control,
            core: Core::default(),
        };
        // Another version may have other maps: what is still possible with it needs no sizes.
        if instance.check_version().is_ok() {
            let tables = instance.tables_of_maps()?;
            instance.core = instance.core_in_force()?;
            instance.maps = Maps::open(&instance.folder, &tables, instance.core.number)?;
        }
        Ok(instance)
    }

    /// The core with which the policy set in force runs.
    fn core_in_force(&self) -> Result<Core> {
        let records = Records::read(self.records()?)?;
        let made = Core {
            number: CoreNumber::default(),
            build: records.origin.map_or(0, |origin| origin.build),
        };
        Ok(records.cores[self.generation().bank() as usize].unwrap_or(made))
    }

    /// Makes the maps of a new instance, without programs and devices. It appears in one step.
    pub(crate) fn create(name: &str, tables: &Tables) -> Result<Self> {
        let folder = bpffs::folder(name)?;
        let unfinished = Self::create_beside(name, tables)?.folder;
        if let Err(error) = std::fs::rename(&unfinished, &folder) {
            let _ = bpffs::remove_folder(&unfinished);
            return Err(Error::io(&folder, error));
        }
        Self::open_folder(name, folder)
    }

    /// The same in another folder, which other commands ignore.
    pub(crate) fn create_beside(name: &str, tables: &Tables) -> Result<Self> {
        bpffs::ensure_bpffs()?;
        let folder = bpffs::folder(name)?;
        // bpffs reserves dots; no instance has an underscore in its name.
        let unfinished = folder.with_file_name(format!("{name}{}", bpffs::UNFINISHED));
        bpffs::remove_folder(&unfinished)?;
        std::fs::create_dir_all(&unfinished).map_err(|error| bpffs::refused(&unfinished, error))?;
        if let Err(error) = Self::create_in(&unfinished, tables) {
            let _ = bpffs::remove_folder(&unfinished);
            return Err(error);
        }
        Self::open_folder(name, unfinished)
    }

    fn create_in(folder: &Path, tables: &Tables) -> Result<()> {
        let maps = tables::create(tables)?;
        maps.pin(folder)?;
        for bank in 0..2 {
            maps.write_rules(bank, &[emptcp_abi::Rule::STOP; emptcp_abi::RULES as usize])?;
        }
        let records = records::create_map()?;
        let origin = Origin {
            state_entries: tables.state,
            cookie: emptcp_host::namespace::cookie().unwrap_or_default(),
            build: CoreObjects::current().fingerprint(),
        };
        records::note_origin(&records, origin, ABI_VERSION, BootId::current())?;
        for (name, map) in [(STATE_MAP, store::create_map()?), (DEVICES_MAP, records)] {
            pin::add(map.as_fd(), &folder.join(format!("map_{name}"))).or_kernel(format!("pin `{name}`"))?;
        }
        Ok(())
    }

    /// Which build made it, and in which network namespace.
    fn origin(&self) -> Result<Option<Origin>> {
        Ok(Records::read(self.records()?)?.origin)
    }

    /// The actual sizes of the tables.
    pub(crate) fn tables_of_maps(&self) -> Result<Tables> {
        let entries = |name: &str| self.maps.get(name).map(MapCore::max_entries);
        let origin = self.origin()?;
        Ok(Tables {
            flows: entries("emptcp_flows")?,
            half_open: entries("emptcp_half_open")?,
            connections: entries("emptcp_connections")?,
            state: origin.map_or(Tables::default().state, |origin| origin.state_entries),
            events: event_ring::bytes(&self.maps)?,
        })
    }

    /// Maps of another version must not be read.
    pub(crate) fn check_version(&self) -> Result<()> {
        let made_by = Records::read(self.records()?)?.version;
        if made_by == Some(ABI_VERSION) {
            return Ok(());
        }
        let theirs = made_by.map_or_else(|| "before 3".to_owned(), |version| version.to_string());
        Err(Error::OtherBuild {
            instance: self.name.clone(),
            detail: format!(
                "another version of emptcp made its tables (ABI version {theirs}; this one has {ABI_VERSION}), and its policies \
                 go on as they are"
            ),
        })
    }

    /// Checks that this build can use the tables and the policy set of the instance.
    ///
    /// # Errors
    /// [`Error::Layout`] when it cannot, with the reason.
    pub(crate) fn check_layout(&self) -> Result<()> {
        let other = |detail: String| Error::Layout {
            instance: self.name.clone(),
            detail,
        };
        self.check_version().map_err(|error| match error {
            Error::OtherBuild { detail, .. } => other(detail),
            error => error,
        })?;
        if let Some(misfit) = self.maps.misfit(&tables::shapes(&self.tables_of_maps()?)?) {
            return Err(other(misfit));
        }
        self.state().map(drop).map_err(|error| match error {
            Error::State { detail, .. } => other(format!("its policy set cannot be read: {detail}")),
            error => error,
        })
    }

    /// Whether the core programs in force are those of this build.
    pub(crate) fn is_of_this_build(&self) -> bool {
        self.core.build == CoreObjects::current().fingerprint()
    }

    /// Stores a policy set, and the core that it runs with, in its bank, which is not in force.
    pub(crate) fn store(&self, state: &State) -> Result<()> {
        let bank = state.generation().bank();
        store::write(self.states()?, bank, state)?;
        records::note_core(self.records()?, bank, self.core)
    }

    /// Whether a namespace that is gone, and whose number is in use again, has left the folder.
    pub(crate) fn is_of_another_namespace(&self) -> Result<bool> {
        Ok(identity::is_of_another_namespace(&self.folder))
    }

    /// Whether `other` is the same instance, and not a newer one of the same name.
    ///
    /// # Errors
    /// When the kernel cannot be asked.
    pub fn is_same_as(&self, other: &Self) -> Result<bool> {
        let id = |instance: &Self| {
            let control = instance.maps.get("emptcp_control")?.info();
            control.map(|info| info.info.id).or_kernel("ask about a map")
        };
        Ok(id(self)? == id(other)?)
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The number of the policy set in force; 0 before the first.
    pub fn generation(&self) -> Generation {
        Generation(self.control.load() as u32)
    }

    /// Puts a policy set in force, on all devices at once.
    pub(crate) fn switch(&self, generation: Generation, features: u32) {
        self.control.store(u64::from(features) << 32 | u64::from(generation.0));
    }

    pub(crate) fn records(&self) -> Result<&MapHandle> {
        self.maps.get(DEVICES_MAP)
    }

    pub(crate) fn states(&self) -> Result<&MapHandle> {
        self.maps.get(STATE_MAP)
    }

    pub(crate) fn attachments(&self) -> Result<Attachments<'_>> {
        Ok(Attachments {
            folder: &self.folder,
            records: self.records()?,
        })
    }

    /// The policy set in force, `None` before the first.
    pub(crate) fn state(&self) -> Result<Option<State>> {
        // If another process switches twice while we read, we read again.
        for _ in 0..10 {
            let generation = self.generation();
            if !generation.is_known() {
                return Ok(None);
            }
            let state = store::read(self.states()?, generation.bank(), &self.name);
            match state {
                Ok(state) if state.generation == generation.0 => return Ok(Some(state)),
                result if self.generation() == generation => {
                    result?;
                    return Err(Error::State {
                        instance: self.name.clone(),
                        detail: "it belongs to another policy set".to_owned(),
                    });
                }
                _ => {}
            }
        }
        Err(Error::State {
            instance: self.name.clone(),
            detail: "it changes all the time".to_owned(),
        })
    }

    /// The policy set in force.
    pub(crate) fn set_in_force(&self) -> Result<State> {
        let state = self.state()?.filter(State::has_policies);
        state.ok_or_else(|| Error::NothingInForce {
            instance: self.name.clone(),
        })
    }

    /// Whether policies are in force: neither its first `apply` nor its removal is in progress or was interrupted.
    ///
    /// # Errors
    /// [`Error::NothingInForce`] when none is, or when the state cannot be read.
    pub fn is_in_force(&self) -> Result<()> {
        self.set_in_force().map(drop)
    }

    /// Where the instance is attached.
    ///
    /// # Errors
    /// When the kernel cannot be asked.
    pub fn attached(&self) -> Result<Vec<AttachmentInfo>> {
        let devices = Devices::read()?;
        let attachments = self.attachments()?;
        let mut infos = Vec::new();
        for records::HookPointKey { ifindex, direction } in self.hook_points()? {
            let name = devices.name(ifindex);
            let point = HookPoint {
                device: name.unwrap_or("?"),
                ifindex,
                direction,
            };
            let Some((kind, _)) = attachments.get(point)? else {
                continue;
            };
            let hold = attachments.hold(point)?;
            let other = match hold {
                Hold::Nothing => attachments.device_here(point)?.filter(|index| *index != ifindex),
                _ => None,
            };
            let came_back = other.and_then(|index| devices.name(index));
            infos.push(AttachmentInfo {
                device: name.map(str::to_owned),
                ifindex,
                direction,
                kind,
                link: attachments.link_id(point),
                alive: name.is_some() && hold == Hold::Here,
                moved: matches!(hold, Hold::Elsewhere { .. }),
                came_back: came_back.map(str::to_owned),
            });
        }
        Ok(infos)
    }

    /// Every recorded hook point, in order.
    pub(crate) fn hook_points(&self) -> Result<Vec<records::HookPointKey>> {
        Ok(Records::read(self.records()?)?.attachments.into_keys().collect())
    }

    /// What is in force.
    ///
    /// # Errors
    /// When nothing is in force yet, or the state cannot be read.
    pub fn show(&self) -> Result<Shown> {
        let state = self.set_in_force()?;
        Ok(Shown {
            name: self.name.clone(),
            folder: self.folder.clone(),
            generation: Generation(state.generation),
            applied_at: state.applied_at,
            policy_ids: state
                .allocation
                .policies
                .iter()
                .map(|policy| PolicyId(policy.id))
                .collect(),
            source: state.source,
            plan: state.plan,
            tables: state.tables,
            attachments: self.attached()?,
        })
    }

    /// Calls `take` with key and value of every entry of a hash table that exists during the whole call.
    pub(crate) fn for_each_entry(&self, map: &str, take: impl FnMut(&[u8], &[u8])) -> Result<()> {
        Ok(entries::for_each(self.maps.get(map)?, take)?)
    }
}
