//! Another build of emptcp takes over an instance: the tables keep their content, every program is replaced.
//!
//! Two builds with the same layout can share tables, the control word, the rules and the secret of the flow table.
//! Entry program, slow path and chains jump to each other and always come from one build. So the new build gets chains
//! of its own, a *core* with a number:
//!
//! 1. It makes new chains. In the bank in force their heads are the programs of the former build. These continue in the
//!    former chain, so that the policy set in force is the same for either entry program. The new set is loaded into
//!    the other bank.
//! 2. On each device in turn the new entry program replaces the former one; each exchange is atomic. In between some
//!    devices run the former core and some the new one, all with the policy set in force.
//! 3. One store puts the new set in force, as in every apply. The record of its bank names its core: so if the process
//!    dies at any point, either set is in force with the right core.
//! 4. After a grace period the former chains and entry programs are removed.

use crate::{
    attach::{Attachments, HookPoint},
    core_objects::CoreObjects,
    entry_pins::{For, Pinned},
    error::{Error, Result},
    fault, identity,
    instance::Instance,
    maps::{self, Chains, CoreNumber},
    records::{Core, HookPointKey},
    tables,
};
use emptcp_abi::{BANK_SLOTS, Generation, POLICIES};
use emptcp_load::grace;
use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    os::fd::AsFd,
    path::PathBuf,
};

/// A takeover in progress.
#[derive(Debug)]
pub(crate) struct Upgrade {
    former: Core,
    chains: Option<Chains>,
    /// What the entry programs that run were loaded for.
    entries: BTreeSet<For>,
}

impl Upgrade {
    /// Prepares the instance for the core of this build. From here on the instance loads into new chains, which no
    /// program uses yet. If this build made the core in force, there is nothing to do.
    pub(crate) fn begin(instance: &mut Instance, next: Generation) -> Result<Option<Self>> {
        if instance.is_of_this_build() {
            return Ok(None);
        }
        let mut upgrade = Self {
            former: instance.core,
            chains: None,
            entries: BTreeSet::new(),
        };
        let started = upgrade.start(instance, next);
        match started {
            Ok(()) => Ok(Some(upgrade)),
            Err(error) => {
                for failed in [upgrade.take_back(instance), clean_up(instance)] {
                    if let Err(error) = failed {
                        tracing::warn!("{error}");
                    }
                }
                Err(error)
            }
        }
    }

    fn start(&mut self, instance: &mut Instance, next: Generation) -> Result<()> {
        let running = Running::read(instance)?;
        self.entries = running.points.values().filter_map(|id| running.what(*id)).collect();
        let sizes = instance.tables_of_maps()?;
        instance.maps.complete(&instance.folder, &tables::shapes(&sizes)?)?;
        instance.core = Core {
            number: CoreNumber(next.0),
            build: CoreObjects::current().fingerprint(),
        };
        let chains = instance.maps.renew_chains(&instance.folder, instance.core.number)?;
        let first = instance.generation().bank() * BANK_SLOTS;
        for (hook, former) in chains.iter() {
            for slot in first..first + POLICIES {
                if let Some(head) = maps::program_in(former, slot)? {
                    maps::set_slot(instance.maps.chain(hook)?, slot, head.as_fd())?;
                }
            }
        }
        self.chains = Some(chains);
        Ok(())
    }

    /// The entry programs that must be loaded to replace those that run.
    pub(crate) fn entries(&self) -> impl Iterator<Item = For> {
        self.entries.iter().copied()
    }

    /// Exchanges the entry programs of all devices. Everything that the new ones need is loaded.
    pub(crate) fn exchange(&self, instance: &Instance) -> Result<()> {
        match exchange(instance)?.first() {
            None => Ok(()),
            Some(key) => Err(Error::State {
                instance: instance.name().to_owned(),
                detail: format!(
                    "no entry program fits the one that the device with index {} runs",
                    key.ifindex
                ),
            }),
        }
    }

    /// All devices run the former core again. [`clean_up`] removes what it no longer needs.
    pub(crate) fn take_back(&mut self, instance: &mut Instance) -> Result<()> {
        instance.core = self.former;
        if let Some(chains) = self.chains.take() {
            instance.maps.put_back_chains(chains);
        }
        // The rest was attached by this apply, and is detached.
        exchange(instance).map(drop)
    }
}

/// The programs that devices run, by their ids.
struct Running {
    points: BTreeMap<HookPointKey, u32>,
    pinned: Vec<Pinned>,
}

impl Running {
    fn read(instance: &Instance) -> Result<Self> {
        let attachments = instance.attachments()?;
        let mut points = BTreeMap::new();
        for key in instance.hook_points()? {
            if let Some(id) = attachments.running(point(key))? {
                points.insert(key, id);
            }
        }
        Ok(Self {
            points,
            pinned: Pinned::all(&instance.folder),
        })
    }

    fn what(&self, id: u32) -> Option<For> {
        let known = self.pinned.iter().find(|pinned| pinned.id == id);
        known.map(|pinned| pinned.what)
    }
}

fn point(key: HookPointKey) -> HookPoint<'static> {
    HookPoint {
        device: "?",
        ifindex: key.ifindex,
        direction: key.direction,
    }
}

/// Replaces entry programs of other cores by those of the instance's core, at every hook point. Returns the hook points
/// for which it has none.
fn exchange(instance: &Instance) -> Result<Vec<HookPointKey>> {
    let attachments: Attachments<'_> = instance.attachments()?;
    let running = Running::read(instance)?;
    let own = |pinned: &&Pinned| pinned.core == instance.core.number;
    let mut left = Vec::new();
    for (key, id) in &running.points {
        let Some(what) = running.what(*id) else { continue };
        let Some(wanted) = running.pinned.iter().filter(own).find(|pinned| pinned.what == what) else {
            left.push(*key);
            continue;
        };
        if wanted.id != *id {
            fault::step("exchanging an entry program", || {
                attachments.exchange(point(*key), wanted.program.as_fd())
            })?;
        }
    }
    Ok(left)
}

/// Pins of cores other than that of the instance.
fn left_over(instance: &Instance) -> Vec<PathBuf> {
    let pins = ["map_", "entry_"].map(|prefix| identity::pins(&instance.folder, prefix));
    let is_numbered = |name: &str| name.starts_with("map_emptcp_chain") || name.starts_with("entry_");
    let is_other = |path: &PathBuf| {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let (name, number) = CoreNumber::of_file(&name);
        is_numbered(name) && number != instance.core.number
    };
    pins.into_iter().flatten().filter(is_other).collect()
}

/// Removes the chains and entry programs of other cores, when no packet is in them any more.
pub(crate) fn clean_up(instance: &Instance) -> Result<()> {
    let pins = left_over(instance);
    if pins.is_empty() {
        return Ok(());
    }
    grace::wait();
    // A chain is emptied with its last pin. Entry programs jump to it: their pins are removed first.
    let (entries, chains): (Vec<_>, Vec<_>) = pins.into_iter().partition(|path| {
        path.file_name()
            .is_some_and(|name| name.to_string_lossy().starts_with("entry_"))
    });
    for path in entries.into_iter().chain(chains) {
        fs::remove_file(&path).map_err(|error| Error::io(&path, error))?;
    }
    Ok(())
}

/// Cleans up after an interrupted takeover: all devices run the core of the policy set in force.
pub(crate) fn repair(instance: &Instance) -> Result<()> {
    if left_over(instance).is_empty() {
        return Ok(());
    }
    for key in exchange(instance)? {
        instance.attachments()?.detach(point(key))?;
    }
    clean_up(instance)
}
