//! The transaction that puts a policy set in force.
//!
//! 1. Everything is checked that can be checked without a change.
//! 2. The bank that is not in force is filled: programs are loaded and verified, rules written, the plan stored.
//! 3. Where another build made the core in force, its programs are [replaced](crate::upgrade), under the old set. Entry
//!    programs are attached to new devices; they run the old set, which does not name these devices. A device that
//!    changes between XDP and tc gets its new hook now, with a program that does nothing.
//! 4. One store switches all devices and directions. Where a device changes its hook, the old hook is halted right
//!    before the switch, and the new one starts right after it.
//! 5. After a grace period the old bank is emptied and devices that are no longer wanted are detached.
//!
//! An error before step 4 undoes what was done; the old set never stops. After step 4 nothing fails: the new set is in
//! force, and what could not be cleaned up is a warning. If the process dies at any point, either set is whole, and the
//! next `apply` or `remove` cleans up.

use crate::{
    adopt, allocation,
    attach::AttachedTo,
    bank::{self, Filling},
    bpffs,
    device::OfPolicy,
    elements::catalog::Catalog,
    entry::Wanted,
    error::{Error, Result},
    fault,
    hooks::{self, Hooks, hook_point_of, kinds_hooks},
    instance::Instance,
    lock::Lock,
    maps::Replaced,
    placement::{self, Placements},
    shape::{Shaped, Shaping},
    stacked, stale,
    store::State,
    takeover::{self, Takeover},
    upgrade::{self, Upgrade},
};
use emptcp_abi::{DevicePair, Generation, feature};
use emptcp_host::device::Devices;
use emptcp_load::grace;
use emptcp_plan::{manifest::Hook, plan::Plan};
use serde::Serialize;
use std::{
    collections::BTreeSet,
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

/// What an apply did.
#[derive(Clone, Debug, Serialize)]
pub struct Applied {
    /// The instance.
    pub instance: String,
    /// The policy set in force.
    pub generation: Generation,
    /// Policies that are in force unchanged: they keep their counters and state.
    pub kept: Vec<String>,
    /// Policies that are new or changed.
    pub changed: Vec<String>,
    /// Policies that are gone.
    pub removed: Vec<String>,
    /// Newly attached.
    pub attached: Vec<AttachedTo>,
    /// Detached.
    pub detached: Vec<AttachedTo>,
    /// Devices with a root qdisc for `mode=shape`.
    pub shaped: Vec<Shaped>,
    /// Element programs loaded.
    pub programs: usize,
    /// Subflows that were already open and are taken over.
    pub adopted: usize,
    /// Warnings.
    pub warnings: Vec<String>,
    /// The instance replaced one whose tables it could not use.
    pub replaced: Option<Former>,
    /// How long it took.
    pub duration: Duration,
}

/// A former instance that a new one with new tables has replaced.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Former {
    /// How long, after the switch, the former instance's programs may have acted too, on devices that have another hook
    /// than before.
    pub both_acted: Duration,
}

/// Puts `plan` in force as instance `name`; `source` is the policy file's text, kept for `show`.
///
/// # Errors
/// See [`Error`]. Whatever was in force before stays in force.
pub fn apply(name: &str, plan: &Plan, source: &str, catalog: &Catalog, options: &ApplyOptions) -> Result<Applied> {
    put(name, plan, source, catalog, options, false)
}

/// As [`apply`]; where that returns [`Error::Layout`], a new instance replaces the existing one. What its tables hold
/// is lost: records, counters, the elements' state.
///
/// # Errors
/// See [`Error`]. Whatever was in force before stays in force.
pub fn replace(name: &str, plan: &Plan, source: &str, catalog: &Catalog, options: &ApplyOptions) -> Result<Applied> {
    put(name, plan, source, catalog, options, true)
}

fn put(
    name: &str,
    plan: &Plan,
    source: &str,
    catalog: &Catalog,
    options: &ApplyOptions,
    may_replace: bool,
) -> Result<Applied> {
    let started = Instant::now();
    let folder = bpffs::folder(name)?;
    bpffs::ensure_bpffs()?;
    let lock = Lock::take()?;
    bpffs::may_change(&folder)?;
    stale::clear(&lock);
    takeover::repair(name, &folder)?;
    let devices = Devices::read()?;
    let plan = &devices.with_real_names(plan)?;
    let placements = placement::decide(plan, &devices, options.clsact)?;
    not_in_use(name, &placements)?;

    let (instance, fresh, takeover) = match open_or_create(name, plan) {
        Err(Error::Layout { .. }) if may_replace => {
            let takeover = Takeover::of(name, &folder)?;
            (Instance::create_beside(name, &plan.tables)?, true, Some(takeover))
        }
        opened => opened.map(|(instance, fresh)| (instance, fresh, None))?,
    };
    let mut transaction = Transaction {
        instance,
        plan,
        source,
        catalog,
        devices: &devices,
        placements: &placements,
        shaping: Shaping::default(),
        hooks: Hooks::default(),
        pins: Vec::new(),
        upgrade: None,
        takeover,
    };
    let prepared = match transaction.prepare(options) {
        Ok(prepared) => prepared,
        Err(error) => return Err(transaction.undo(fresh, error)),
    };
    // Everything before this store can be undone, nothing after it can fail.
    transaction
        .instance
        .switch(prepared.state.generation(), prepared.features(plan));
    let mut failed = transaction.hooks.start_new();
    let taken_over = transaction.finish_takeover(&mut failed);
    let (mut detached, warnings) = transaction.clean_up(&prepared, failed);
    let mut applied = transaction.applied(prepared, Vec::new(), warnings);
    if let Some((former, also)) = taken_over {
        detached.splice(..0, also);
        applied.replaced = Some(former);
    }
    applied.detached = detached;
    applied.duration = started.elapsed();
    Ok(applied)
}

/// Another instance on the same device would count and change packets twice.
pub(crate) fn not_in_use(name: &str, placements: &Placements) -> Result<()> {
    for other in bpffs::instances()?.into_iter().filter(|other| other != name) {
        let Ok(other) = Instance::open_any_version(&other) else {
            continue;
        };
        let points = other.hook_points()?;
        if let Some(placement) = placements.devices.iter().find(|placement| {
            let point = hook_point_of(placement);
            points.contains(&point.key()) && other.attachments().is_ok_and(|a| a.is_alive(point).unwrap_or(false))
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
            // Nothing of it can still be attached: its devices were removed with their namespace.
            bpffs::remove_folder(&instance.folder)?;
        }
        Ok(instance) => {
            instance.check_layout()?;
            return Ok((instance, false));
        }
        Err(Error::NoInstance { .. }) => {}
        Err(error) => return Err(error),
    }
    Instance::create(name, &plan.tables).map(|instance| (instance, true))
}

/// An apply in progress.
struct Transaction<'a> {
    instance: Instance,
    plan: &'a Plan,
    source: &'a str,
    catalog: &'a Catalog,
    devices: &'a Devices,
    placements: &'a Placements,
    shaping: Shaping,
    hooks: Hooks<'a>,
    pins: Vec<Replaced>,
    /// Another build has made the core in force.
    upgrade: Option<Upgrade>,
    /// The instance replaces another one.
    takeover: Option<Takeover>,
}

/// A set that is ready to be switched to.
struct Prepared {
    before: Option<State>,
    state: State,
    programs: usize,
    adopted: usize,
    stacked: BTreeSet<DevicePair>,
}

impl Prepared {
    /// What the core has to do for the set.
    fn features(&self, plan: &Plan) -> u32 {
        plan.features | if self.stacked.is_empty() { 0 } else { feature::STACKED }
    }
}

impl Transaction<'_> {
    /// Everything up to the switch.
    fn prepare(&mut self, options: &ApplyOptions) -> Result<Prepared> {
        let before = fault::step("reading the set in force", || self.instance.state())?;
        fault::step("repairing", || {
            upgrade::repair(&self.instance)?;
            hooks::repair(&self.instance, self.devices, before.as_ref())
        })?;
        let old = before.as_ref().map(|state| (&state.plan, &state.allocation));
        let allocation = allocation::allocate(self.plan, old)?;
        let generation = self.instance.generation().next();
        let tables = self.instance.tables_of_maps()?;

        self.shaping = fault::step("checking the shaping", || {
            Shaping::prepare(self.plan, &allocation, self.catalog, self.devices)
        })?;
        fault::step("taking over from another build", || {
            self.upgrade = Upgrade::begin(&mut self.instance, generation)?;
            Ok(())
        })?;
        let wanted: BTreeSet<Hook> = self.placements.devices.iter().flat_map(kinds_hooks).collect();
        let mut core = Wanted {
            hooks: wanted,
            entries: BTreeSet::new(),
            rules: self.plan.rules.len(),
        };
        if let Some(upgrade) = &self.upgrade {
            core.add(
                upgrade.entries(),
                before.as_ref().map_or(0, |state| state.plan.rules.len()),
            );
        }
        fault::step("loading the core", || {
            self.hooks.load_core(&self.instance, self.placements, core)
        })?;
        let filling = Filling {
            plan: self.plan,
            allocation: &allocation,
            hooks: &self.placements.hooks,
            catalog: self.catalog,
            devices: self.devices,
            shaping: &self.shaping,
        };
        let maps = &mut self.instance.maps;
        let programs = fault::step("filling the bank", || filling.fill(maps, generation.bank()))?;
        let state = State {
            generation: generation.0,
            plan: self.plan.clone(),
            source: self.source.to_owned(),
            allocation,
            tables,
            applied_at: SystemTime::now()
                .duration_since(SystemTime::UNIX_EPOCH)
                .map_or(0, |d| d.as_secs()),
            interfaces: self.placements.interfaces(),
        };
        fault::step("storing the plan", || self.instance.store(&state))?;
        let folder = &self.instance.folder;
        self.instance
            .maps
            .pin_private(folder, &uses(self.plan), &mut self.pins)?;
        let under_policy = self.placements.devices.iter().map(|placement| placement.ifindex);
        let stacked = stacked::pairs(self.devices, &under_policy.collect());
        fault::step("noting stacked devices", || stacked::add(&self.instance.maps, &stacked))?;
        if let Some(takeover) = &self.takeover {
            takeover.begin(&self.instance)?;
        }
        self.shaping.set_up(&self.instance, self.devices)?;
        if let Some(takeover) = &self.takeover {
            takeover.hand_over(&self.instance, self.placements)?;
        }
        self.hooks.attach_new(&self.instance, self.placements, generation)?;
        // After all that can fail, since records of running connections stay: they are correct for the old set too.
        let adopted = if options.adopt {
            fault::step("adopting connections", || adopt::adopt(&self.instance.maps))?
        } else {
            0
        };
        if let Some(upgrade) = &self.upgrade {
            upgrade.exchange(&self.instance)?;
        }
        // From here to the switch and the start of the new hooks, devices that change theirs are not steered.
        self.hooks.halt_former(&self.instance)?;
        fault::point("before", "the switch")?;
        Ok(Prepared {
            before,
            state,
            programs,
            adopted,
            stacked,
        })
    }

    /// The first step after the switch when the instance replaces another one. Returns what was detached.
    fn finish_takeover(&mut self, failed: &mut Vec<Error>) -> Option<(Former, Vec<AttachedTo>)> {
        let takeover = self.takeover.as_ref()?;
        let switched = Instant::now();
        let finished = takeover.finish(&mut self.instance, self.devices);
        let both_acted = match &finished {
            Ok(detached) if detached.is_empty() => Duration::ZERO,
            _ => switched.elapsed(),
        };
        let detached = match finished {
            Ok(detached) => {
                self.takeover = None;
                detached
            }
            Err(error) => {
                failed.push(error);
                Vec::new()
            }
        };
        Some((Former { both_acted }, detached))
    }

    /// Everything after the switch. The new set is in force whatever happens here: a failure becomes a warning.
    fn clean_up(&mut self, prepared: &Prepared, mut failed: Vec<Error>) -> (Vec<AttachedTo>, Vec<String>) {
        failed.extend(fault::point("after", "the switch").err());
        let waited = fault::step("waiting for a grace period", || {
            grace::wait();
            Ok(())
        });
        if waited.is_err() {
            grace::wait();
        }
        failed.extend(waited.err());
        failed.extend(self.hooks.settle(&self.instance));
        let (mut detached, errors) =
            hooks::detach_unwanted(&self.instance, self.placements, self.devices, prepared.before.as_ref());
        detached.extend(self.hooks.changed());
        failed.extend(errors);
        failed.extend(self.shaping.clean_up(&self.instance, self.devices));
        let kept = fault::step("forgetting devices that are not stacked", || {
            stacked::keep(&self.instance.maps, &prepared.stacked)
        });
        failed.extend(kept.err());
        if self.upgrade.is_some() {
            let removed = fault::step("removing the former core", || upgrade::clean_up(&self.instance));
            failed.extend(removed.err());
        }
        let old_bank = prepared.state.generation().next().bank();
        // A hook that could not be taken over still runs it.
        if self.takeover.is_none() {
            let cleared = fault::step("emptying the old bank", || {
                bank::clear_slots(&self.instance.maps, old_bank)
            });
            failed.extend(cleared.err());
        }
        // Removes the state of elements that neither this set nor the former one uses.
        let before = prepared.before.as_ref().map(|state| uses(&state.plan));
        let used = |element: &str| uses(self.plan)(element) || before.as_ref().is_some_and(|uses| uses(element));
        let folder = &self.instance.folder;
        let forgotten = fault::step("removing unused state", || {
            self.instance.maps.forget_private(folder, &used)
        });
        failed.extend(forgotten.err());
        let warning =
            |error: Error| format!("the new policy set is in force, but cleaning up failed: {error}; apply again");
        (detached, failed.into_iter().map(warning).collect())
    }

    fn applied(&self, prepared: Prepared, detached: Vec<AttachedTo>, mut warnings: Vec<String>) -> Applied {
        let (before, allocation) = (prepared.before.as_ref(), &prepared.state.allocation);
        let names = |kept: bool| {
            let policies = self.plan.policies.iter().zip(&allocation.policies);
            policies
                .filter(|(_, numbers)| numbers.kept == kept)
                .map(|(policy, _)| policy.name.clone())
                .collect()
        };
        let still = |name: &str| self.plan.policies.iter().any(|policy| policy.name == name);
        warnings.extend(self.shaping.warnings());
        warnings.extend(before.and_then(|before| before.sizes_that_stay(self.plan)));
        Applied {
            instance: self.instance.name().to_owned(),
            generation: prepared.state.generation(),
            kept: names(true),
            changed: names(false),
            removed: before
                .into_iter()
                .flat_map(|state| &state.plan.policies)
                .filter(|policy| !still(&policy.name))
                .map(|policy| policy.name.clone())
                .collect(),
            attached: self.hooks.attached(),
            detached,
            shaped: self.shaping.qdiscs(),
            programs: prepared.programs,
            adopted: prepared.adopted,
            warnings,
            replaced: None,
            duration: Duration::ZERO,
        }
    }

    /// Undoes this transaction as far as possible. Returns the error, with what could not be undone.
    fn undo(&mut self, fresh: bool, error: Error) -> Error {
        let mut failed = Vec::new();
        if let Some(upgrade) = &mut self.upgrade {
            // Removed below, when nothing runs them any more.
            self.hooks.leave_pins();
            failed.extend(upgrade.take_back(&mut self.instance).err());
        }
        if let Some(takeover) = &self.takeover {
            failed.extend(takeover.take_back(&self.instance).err());
        }
        failed.extend(self.hooks.undo(&self.instance));
        failed.extend(self.shaping.undo(&self.instance));
        // If a hook or qdisc is left, the folder stays: the next command finds them by it.
        if fresh && failed.is_empty() {
            let removed = fault::step("removing the folder", || bpffs::remove_folder(&self.instance.folder));
            failed.extend(removed.err());
        } else {
            let bank = self.instance.generation().next().bank();
            let cleared = fault::step("emptying the bank", || bank::clear_slots(&self.instance.maps, bank));
            failed.extend(cleared.err());
            if self.upgrade.is_some() && failed.is_empty() {
                let removed = fault::step("removing the new core", || upgrade::clean_up(&self.instance));
                failed.extend(removed.err());
            }
            for replaced in self.pins.iter().rev() {
                failed.extend(fault::step("putting back a map", || replaced.put_back()).err());
            }
        }
        if failed.is_empty() {
            return error;
        }
        Error::NotUndone {
            error: Box::new(error),
            left: failed.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "),
            fresh,
        }
    }
}

/// Whether a plan uses an element.
fn uses(plan: &Plan) -> impl Fn(&str) -> bool {
    move |element| {
        let mut nodes = plan.policies.iter().flat_map(|policy| &policy.nodes);
        nodes.any(|node| node.element == element)
    }
}
