//! The transaction that puts a policy set in force.
//!
//! 1. Everything is checked that can be checked without a change.
//! 2. The bank that is not in force is filled: programs are loaded and verified, rules written, the plan stored.
//! 3. Entry programs are attached to new devices; they see the old set, which does not want these devices.
//! 4. One store switches all devices and directions.
//! 5. After a grace period the old bank is emptied and devices that are no longer wanted are detached.
//!
//! An error before step 4 undoes what was done; the old set never stops. After it nothing fails: what could not be cleaned
//! up is a warning, and the next `apply` tries again. A death at any point leaves either set, and
//! the next `apply` or `remove` cleans up.

use crate::{
    adopt,
    allocation::{self, Allocation},
    attach::{self, Attachments, Kind, Spot},
    bank::{self, Filling},
    catalog::Catalog,
    device::Devices,
    error::{Error, OrKernel, Result},
    fault, ffi, flow_table,
    instance::Instance,
    maps::hook_file_name,
    place::{self, Lock},
    placement::{self, Placement, Placements},
    shape::Shaping,
    stale,
    store::{self, DeviceKey, State},
};
use emptcp_abi::Generation;
use emptcp_plan::{
    manifest::Hook,
    plan::{Direction, Plan},
};
use serde::Serialize;
use std::{
    collections::BTreeSet,
    os::fd::{AsFd, OwnedFd},
    time::{Duration, Instant, SystemTime},
};

/// How to apply.
#[derive(Clone, Copy, Debug)]
pub struct ApplyOptions {
    /// Take over connections of this host that already run.
    pub adopt: bool,
    /// Use clsact even where the kernel has tcx.
    pub clsact: bool,
}

impl Default for ApplyOptions {
    fn default() -> Self {
        Self {
            adopt: true,
            clsact: false,
        }
    }
}

/// A device and direction in a result.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
pub struct AttachedTo {
    /// The device.
    pub device: String,
    /// The direction.
    pub direction: Direction,
    /// How.
    pub kind: Kind,
}

/// What an apply did.
#[derive(Clone, Debug, Serialize)]
pub struct Applied {
    /// The instance.
    pub instance: String,
    /// The policy set in force.
    pub generation: Generation,
    /// Policies that are in force unchanged: their counters and state went on.
    pub kept: Vec<String>,
    /// Policies that are new or changed.
    pub changed: Vec<String>,
    /// Policies that are gone.
    pub removed: Vec<String>,
    /// Newly attached.
    pub attached: Vec<AttachedTo>,
    /// Detached.
    pub detached: Vec<AttachedTo>,
    /// Element programs loaded.
    pub programs: usize,
    /// Subflows taken over that already ran.
    pub adopted: usize,
    /// What the user should know.
    pub warnings: Vec<String>,
    /// How long it took.
    pub duration: Duration,
}

/// Puts `plan` in force as instance `name`; `source` is the policy file's text, kept for `show`.
///
/// # Errors
/// See [`Error`]. Whatever was in force before stays in force.
pub fn apply(name: &str, plan: &Plan, source: &str, catalog: &Catalog, options: &ApplyOptions) -> Result<Applied> {
    let started = Instant::now();
    place::folder(name)?;
    place::ensure_bpffs()?;
    let lock = Lock::take()?;
    stale::clear(&lock);
    let devices = Devices::read()?;
    let placements = placement::place(plan, &devices, options.clsact)?;
    not_in_use(name, &placements)?;

    let (instance, fresh) = open_or_create(name, plan)?;
    let mut transaction = Transaction {
        instance,
        plan,
        source,
        catalog,
        devices: &devices,
        placements: &placements,
        shaping: Shaping::default(),
        attached: Vec::new(),
        changed: Vec::new(),
    };
    match transaction.run(options) {
        Ok(mut applied) => {
            applied.duration = started.elapsed();
            Ok(applied)
        }
        Err(error) => {
            transaction.undo(fresh);
            Err(error)
        }
    }
}

/// Another instance on the same device would count and change packets twice.
pub(crate) fn not_in_use(name: &str, placements: &Placements) -> Result<()> {
    for other in place::instances()?.into_iter().filter(|other| other != name) {
        let Ok(other) = Instance::open(&other) else { continue };
        let spots = other.spots()?;
        if let Some(placement) = placements.devices.iter().find(|placement| {
            let spot = spot_of(placement);
            spots.iter().any(|(key, _)| *key == spot.key())
                && other.attachments().is_ok_and(|a| a.is_alive(spot).unwrap_or(false))
        }) {
            return Err(Error::DeviceInUse {
                device: placement.device.clone(),
                instance: other.name().to_owned(),
            });
        }
    }
    Ok(())
}

fn open_or_create(name: &str, plan: &Plan) -> Result<(Instance, bool)> {
    match Instance::open_any(name) {
        Ok(instance) if instance.is_of_another_namespace()? => {
            // Nothing of it can be attached any more: its devices went with their namespace.
            place::remove_folder(&instance.folder)?;
        }
        Ok(instance) => {
            instance.check_build()?;
            return Ok((instance, false));
        }
        Err(Error::NoInstance { .. }) => {}
        Err(error) => return Err(error),
    }
    Instance::create(name, &plan.tables).map(|instance| (instance, true))
}

pub(crate) fn spot_of(placement: &Placement) -> Spot<'_> {
    Spot {
        device: &placement.device,
        ifindex: placement.ifindex,
        direction: placement.direction,
    }
}

/// An apply under way.
struct Transaction<'a> {
    instance: Instance,
    plan: &'a Plan,
    source: &'a str,
    catalog: &'a Catalog,
    devices: &'a Devices,
    placements: &'a Placements,
    shaping: Shaping,
    /// What this transaction has attached.
    attached: Vec<(&'a Placement, Kind)>,
    /// Where it has changed the hook: the former one.
    changed: Vec<(&'a Placement, Kind)>,
}

impl<'a> Transaction<'a> {
    fn run(&mut self, options: &ApplyOptions) -> Result<Applied> {
        let before = self.instance.state()?;
        repair(&self.instance, self.devices, before.as_ref())?;
        let old = before.as_ref().map(|state| (&state.plan, &state.allocation));
        let allocation = allocation::allocate(self.plan, old)?;
        let generation = self.instance.generation().next();
        let tables = self.instance.tables_of_maps()?;

        self.shaping = Shaping::prepare(self.plan, &allocation, self.catalog, self.devices)?;
        let hooks: BTreeSet<Hook> = self.placements.devices.iter().flat_map(kinds_hooks).collect();
        bank::ensure_core(&self.instance.maps, &hooks)?;
        let filling = Filling {
            plan: self.plan,
            allocation: &allocation,
            hooks: &self.placements.hooks,
            catalog: self.catalog,
            devices: self.devices,
            shaping: &self.shaping,
        };
        fault::point("fill")?;
        let programs = filling.fill(&mut self.instance.maps, generation.bank())?;
        let state = State {
            generation: generation.0,
            plan: self.plan.clone(),
            source: self.source.to_owned(),
            allocation,
            tables,
            applied_at: SystemTime::now()
                .duration_since(SystemTime::UNIX_EPOCH)
                .map_or(0, |d| d.as_secs()),
        };
        fault::point("store")?;
        store::write(self.instance.states()?, generation.bank(), &state)?;
        let used = |element: &str| {
            let plans = before.iter().map(|state| &state.plan).chain([self.plan]);
            plans
                .flat_map(|plan| &plan.policies)
                .flat_map(|policy| &policy.nodes)
                .any(|node| node.element == element)
        };
        let folder = self.instance.folder.clone();
        fault::point("pin")?;
        self.instance.maps.pin_private(&folder, &used)?;
        let adopted = if options.adopt {
            adopt::adopt(&self.instance)?
        } else {
            0
        };
        fault::point("set_up")?;
        self.shaping.set_up(&self.instance)?;
        fault::point("attach")?;
        self.attach_new()?;
        fault::point("switch")?;

        self.instance.switch(generation, self.plan.features);

        let mut warnings = Vec::new();
        let detached = self.clean_up(generation, &mut warnings);
        let mut applied = self.applied(
            generation,
            before.as_ref(),
            &state.allocation,
            programs,
            adopted,
            detached,
        );
        applied.warnings.append(&mut warnings);
        Ok(applied)
    }

    /// Takes away what the former set leaves behind. The new set is in force: whatever goes wrong here is a warning.
    fn clean_up(&mut self, generation: Generation, warnings: &mut Vec<String>) -> Vec<AttachedTo> {
        let mut warn = |what: &str, result: Result<()>| {
            if let Err(error) = result {
                warnings.push(format!(
                    "the new policy set is in force, but {what}: {error}; run `emptcp apply` again to try once more"
                ));
            }
        };
        if !ffi::grace_period() {
            std::thread::sleep(Duration::from_millis(50));
        }
        let mut detached = Vec::new();
        let result = fault::point("detach").and_then(|()| self.detach_unwanted(&mut detached));
        warn("a device that it does not name could not be detached", result);
        detached.extend(
            self.changed
                .iter()
                .map(|&(placement, kind)| attached_to(placement, kind)),
        );
        let result = fault::point("shape").and_then(|()| self.shaping.clean_up(&self.instance, self.devices));
        warn("the shaping of the former set could not be taken away", result);
        let result =
            fault::point("clear").and_then(|()| bank::clear_slots(&self.instance.maps, generation.next().bank()));
        warn("the programs of the former set could not be freed", result);
        detached
    }

    /// Attaches where nothing fitting is attached yet.
    fn attach_new(&mut self) -> Result<()> {
        let attachments = self.instance.attachments()?;
        for placement in &self.placements.devices {
            let spot = spot_of(placement);
            match attachments.get(spot)? {
                Some((kind, _)) if placement.kinds.contains(&kind) => continue,
                // The hook changes. For a moment the device has none: with both, packets would be counted twice.
                Some((old, _)) => {
                    attachments.detach(spot)?;
                    let attached = attach_best(&attachments, &self.instance, placement);
                    if attached.is_err() {
                        let program = entry(&self.instance, old.hook(placement.direction), placement.link_header)?;
                        attachments.attach(spot, old, program.as_fd())?;
                    }
                    self.attached.push((placement, attached?));
                    self.changed.push((placement, old));
                }
                None => {
                    let kind = attach_best(&attachments, &self.instance, placement)?;
                    self.attached.push((placement, kind));
                }
            }
        }
        Ok(())
    }

    /// Goes on with the others when one cannot be detached, and returns the last error.
    fn detach_unwanted(&self, detached: &mut Vec<AttachedTo>) -> Result<()> {
        let attachments = self.instance.attachments()?;
        let mut outcome = Ok(());
        for (key, direction) in self.instance.spots()? {
            if self
                .placements
                .devices
                .iter()
                .any(|placement| spot_of(placement).key() == key)
            {
                continue;
            }
            let device = self.devices.name(key.ifindex).unwrap_or("?");
            let spot = Spot {
                device,
                ifindex: key.ifindex,
                direction,
            };
            let result = attachments.get(spot).and_then(|found| {
                let Some((kind, _)) = found else { return Ok(()) };
                attachments.detach(spot)?;
                detached.push(AttachedTo {
                    device: device.to_owned(),
                    direction,
                    kind,
                });
                Ok(())
            });
            if result.is_err() {
                outcome = result;
            }
        }
        outcome
    }

    fn applied(
        &self,
        generation: Generation,
        before: Option<&State>,
        allocation: &Allocation,
        programs: usize,
        adopted: usize,
        detached: Vec<AttachedTo>,
    ) -> Applied {
        let names = |kept: bool| {
            let policies = self.plan.policies.iter().zip(&allocation.policies);
            policies
                .filter(|(_, numbers)| numbers.kept == kept)
                .map(|(policy, _)| policy.name.clone())
                .collect()
        };
        let still = |name: &str| self.plan.policies.iter().any(|policy| policy.name == name);
        let mut warnings = Vec::new();
        if let Some(before) = before.filter(|before| before.tables != flow_table::rounded(&self.plan.tables)) {
            warnings.push(format!(
                "the tables keep the sizes with which the instance was made ({} flows, {} half-open, {} connections, \
                 {} states, {} bytes of events); `emptcp remove` and apply to change them",
                before.tables.flows,
                before.tables.half_open,
                before.tables.connections,
                before.tables.state,
                before.tables.events
            ));
        }
        Applied {
            instance: self.instance.name().to_owned(),
            generation,
            kept: names(true),
            changed: names(false),
            removed: before
                .iter()
                .flat_map(|state| &state.plan.policies)
                .filter(|policy| !still(&policy.name))
                .map(|policy| policy.name.clone())
                .collect(),
            attached: self
                .attached
                .iter()
                .map(|&(placement, kind)| attached_to(placement, kind))
                .collect(),
            detached,
            programs,
            adopted,
            warnings,
            duration: Duration::ZERO,
        }
    }

    /// Takes back what was prepared. Failures here are left to the next command, which repairs.
    fn undo(&mut self, fresh: bool) {
        if let Ok(attachments) = self.instance.attachments() {
            for (placement, _) in &self.attached {
                if let Err(error) = attachments.detach(spot_of(placement)) {
                    tracing::warn!("undo: {error}");
                }
            }
            for &(placement, old) in &self.changed {
                let spot = spot_of(placement);
                let program = entry(&self.instance, old.hook(placement.direction), placement.link_header);
                let back = program.and_then(|program| attachments.attach(spot, old, program.as_fd()));
                if let Err(error) = back {
                    tracing::warn!("undo: {error}");
                }
            }
        }
        if let Err(error) = self.shaping.undo(&self.instance) {
            tracing::warn!("undo: {error}");
        }
        let result = if fresh {
            place::remove_folder(&self.instance.folder)
        } else {
            bank::clear_slots(&self.instance.maps, self.instance.generation().next().bank())
        };
        if let Err(error) = result {
            tracing::warn!("undo: {error}");
        }
    }
}

fn attached_to(placement: &Placement, kind: Kind) -> AttachedTo {
    AttachedTo {
        device: placement.device.clone(),
        direction: placement.direction,
        kind,
    }
}

/// The hooks of all ways in which a device may be attached.
pub(crate) fn kinds_hooks(placement: &Placement) -> Vec<Hook> {
    placement
        .kinds
        .iter()
        .map(|kind| kind.hook(placement.direction))
        .collect()
}

/// Attaches in the best way that the device allows.
fn attach_best(attachments: &Attachments<'_>, instance: &Instance, placement: &Placement) -> Result<Kind> {
    let mut result = Err(Error::Conflict {
        device: placement.device.clone(),
        reason: "no hook fits".to_owned(),
    });
    for &kind in &placement.kinds {
        let program = entry(instance, kind.hook(placement.direction), placement.link_header)?;
        result = attachments
            .attach(spot_of(placement), kind, program.as_fd())
            .map(|()| kind);
        if result.is_ok() {
            break;
        }
    }
    result
}

/// The entry program of a hook and kind of link: loaded once per instance and pinned.
fn entry(instance: &Instance, hook: Hook, link_header: u32) -> Result<OwnedFd> {
    let path = instance
        .folder
        .join(format!("entry_{}_{link_header}", hook_file_name(hook)));
    if let Ok(program) = ffi::pinned(&path) {
        return Ok(program);
    }
    let program = bank::load_entry(&instance.maps, hook, link_header)?;
    ffi::pin(program.as_fd(), &path).or_kernel("pin the entry program")?;
    Ok(program)
}

/// Cleans up after a command that died: attachments that are noted but not there, or there but not wanted.
fn repair(instance: &Instance, devices: &Devices, state: Option<&State>) -> Result<()> {
    let attachments = instance.attachments()?;
    for (key, direction) in instance.spots()? {
        let name = devices.name(key.ifindex);
        let spot = Spot {
            device: name.unwrap_or("?"),
            ifindex: key.ifindex,
            direction,
        };
        let wanted = state.is_some_and(|state| {
            name.is_some_and(|name| {
                state
                    .plan
                    .policies
                    .iter()
                    .any(|p| p.devices.iter().any(|device| device == name))
            })
        });
        if name.is_none() {
            store::drop_device(instance.records()?, key)?;
            let _ = std::fs::remove_file(instance.folder.join(format!(
                "link_{}_{}",
                key.ifindex,
                crate::error::direction_name(direction)
            )));
        } else if !wanted || !attachments.is_alive(spot)? {
            attachments.detach(spot)?;
        }
    }
    Ok(())
}

/// A key that no attachment uses: the shaping of a device is noted under it.
pub(crate) fn shape_key(ifindex: u32) -> DeviceKey {
    let unused = 2;
    debug_assert!(attach::direction_from(unused).is_none());
    DeviceKey {
        ifindex,
        direction: unused,
    }
}
