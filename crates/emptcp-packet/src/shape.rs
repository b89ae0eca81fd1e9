//! What elements with `needs = ["class"]` get: a class of an HTB qdisc, one for each policy, or departure times where
//! the device has `fq`, which needs no set-up. The `element.toml` of an element defines which of them a use requests
//! ([`ClassRequest`]).
//!
//! The program chooses the class by `skb->priority`, or sets the time of departure for `fq` (`emptcp/class.h`). The
//! qdisc is ours alone: it only replaces a default of the kernel. On a device with any other root qdisc, shaping is
//! refused.

mod orphaned;
mod root;

pub(crate) use root::{InPlace, in_place, own_root};

use crate::{
    allocation::Allocation,
    device::OfPolicy,
    elements::catalog::Catalog,
    error::{Error, Result},
    fault,
    instance::Instance,
    records::{self, Records},
};
use emptcp_host::device::Devices;
use emptcp_plan::{
    ClassRequest,
    plan::{DeviceDirection, Plan, PolicyPlan},
};
use libbpf_rs::MapHandle;
use root::{MAJOR, QDISC, Root, holds_only_ours, present_classes, remove_classes, remove_root, root_kind, root_of, tc};
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};

/// Length of the queue of a class, in time at its rate.
const QUEUE_MS: u64 = 100;
/// The queue holds at least this many of the largest aggregates, however low the rate. An aggregate that does not fit
/// is dropped as a whole, at every retransmission: BBR, which estimates the rate from its first bursts, then waits for
/// its probe timer.
const QUEUE_AGGREGATES: u64 = 2;

/// How one policy is shaped.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
struct Policy {
    /// Handle of its class.
    class: u32,
    /// All its devices have `fq`.
    departure: bool,
    /// For each node that requests a class, its rate in bits per second.
    rates: BTreeMap<usize, u64>,
}

/// The class of one use of an element: `struct emptcp_class` of the SDK.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(crate) struct Given {
    /// Handle of its class, a value for `skb->priority`; 0 without a class.
    pub(crate) handle: u32,
    /// It sets the time of departure.
    pub(crate) departure: bool,
    /// Its program can check that its qdisc still exists: for that it reads kernel memory, which lockdown forbids.
    pub(crate) watched: bool,
    /// Bits per second.
    pub(crate) rate: u64,
}

/// The classes of one device: minor number to rate in bits per second.
type Classes = BTreeMap<u16, u64>;

/// Shaping of a policy set.
#[derive(Debug, Default)]
pub(crate) struct Shaping {
    policies: Vec<Policy>,
    /// By interface index: the device's name and its classes.
    devices: BTreeMap<u32, (String, Classes)>,
    /// Classes that were there before.
    before: BTreeMap<u32, Vec<u16>>,
    /// By interface index, the qdisc that ours replaced.
    made: BTreeMap<u32, Option<String>>,
    /// Policies whose devices do not share the rate, and what could be written instead.
    apart: Vec<(String, String)>,
}

/// A device with a root qdisc of ours.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
pub struct Shaped {
    /// The device.
    pub device: String,
    /// Kind and handle of the root qdisc.
    pub qdisc: String,
    /// This apply made it, or would; otherwise a former one did.
    pub made: bool,
    /// The kind of the kernel's own qdisc that it replaces; `None` if it was made before, or there was none.
    pub replaces: Option<String>,
}

impl Shaping {
    /// Finds the policies that shape, and checks that their devices can be shaped. Changes nothing.
    pub(crate) fn prepare(plan: &Plan, allocation: &Allocation, catalog: &Catalog, devices: &Devices) -> Result<Self> {
        let mut shaping = Self {
            policies: vec![Policy::default(); plan.policies.len()],
            ..Self::default()
        };
        for (position, policy) in plan.policies.iter().enumerate() {
            shaping.policies[position].rates = rates(policy, catalog)?;
            let (rate, shared, instead) = match request(policy, catalog)? {
                ClassRequest::None => continue,
                ClassRequest::IfFree { .. } => {
                    let at_egress = policy.direction == DeviceDirection::Egress;
                    shaping.policies[position].departure = at_egress && all_fq(policy, devices)?;
                    continue;
                }
                ClassRequest::Required { rate, shared, instead } => (rate, shared, instead),
            };
            let otherwise = |join: &str| instead.map(|instead| format!("{join} {instead}")).unwrap_or_default();
            if policy.direction == DeviceDirection::Ingress {
                return Err(Error::Shape {
                    device: policy.devices.join(", "),
                    reason: format!(
                        "policy `{}` is at ingress; only egress can be shaped{}",
                        policy.name,
                        otherwise(": use")
                    ),
                });
            }
            let minor = allocation.policies[position].class;
            let mut roots = Vec::new();
            for name in &policy.devices {
                let index = devices.index(name, &policy.name)?;
                let root = root_of(name, index).map_err(|error| match error {
                    Error::Shape { device, reason } => Error::Shape {
                        device,
                        reason: reason + &otherwise(", or use"),
                    },
                    error => error,
                })?;
                roots.push(root);
                if root != Root::Fq {
                    let (_, classes) = shaping
                        .devices
                        .entry(index)
                        .or_insert_with(|| (name.clone(), Classes::new()));
                    classes.insert(minor, rate);
                }
            }
            let departure = roots.iter().all(|root| *root == Root::Fq);
            if !departure && roots.contains(&Root::Fq) {
                return Err(Error::Shape {
                    device: policy.devices.join(", "),
                    reason: format!(
                        "policy `{}` covers devices with and without `fq`; write one policy for each kind",
                        policy.name
                    ),
                });
            }
            if !departure && shared && policy.devices.len() > 1 {
                shaping.apart.push((policy.name.clone(), share(instead)));
            }
            let shaped = &mut shaping.policies[position];
            shaped.departure = departure;
            shaped.class = match departure {
                true => 0,
                false => u32::from(MAJOR) << 16 | u32::from(minor),
            };
        }
        Ok(shaping)
    }

    /// The class of a node of a policy.
    pub(crate) fn given(&self, policy: usize, node: usize) -> Given {
        let Some((policy, rate)) = self
            .policies
            .get(policy)
            .and_then(|policy| Some((policy, *policy.rates.get(&node)?)))
        else {
            return Given::default();
        };
        Given {
            handle: policy.class,
            departure: policy.departure,
            watched: (policy.departure || policy.class != 0) && emptcp_load::kernel::programs_read_kernel_memory(),
            rate,
        }
    }

    /// Makes qdiscs and classes; those of the set in force stay.
    pub(crate) fn set_up(&mut self, instance: &Instance, devices: &Devices) -> Result<()> {
        for (&index, (name, classes)) in &self.devices {
            let records = instance.records()?;
            match root_of(name, index)? {
                Root::Default => {
                    records::note_shaped(records, index)?;
                    self.made.insert(index, root_kind(index));
                    let handle = format!("{MAJOR:x}:");
                    let add = ["qdisc", "add", "dev", name, "root", "handle", &handle, "htb"];
                    fault::step("adding a qdisc", || tc(name, &add))?;
                }
                // An instance that lost its folder has left it: this one takes it over.
                Root::Ours if !shaped_devices(records)?.contains(&index) => {
                    if !holds_only_ours(index)? {
                        return Err(root::not_ours(name, "htb", MAJOR));
                    }
                    records::note_shaped(records, index)?;
                }
                Root::Ours | Root::Fq => {}
            }
            self.before.insert(index, present_classes(name)?);
            for (minor, rate) in classes {
                let (class, root) = (format!("{MAJOR:x}:{minor:x}"), format!("{MAJOR:x}:"));
                let rate_text = format!("{rate}bit");
                let add = [
                    "class", "replace", "dev", name, "parent", &root, "classid", &class, "htb", "rate", &rate_text,
                ];
                let add = [&add[..], &["burst", "16k", "cburst", "16k", "quantum", "1514"]].concat();
                fault::step("adding a class", || tc(name, &add))?;
                let limit = queue_bytes(*rate, devices.aggregate(index)).to_string();
                tc(
                    name,
                    &[
                        "qdisc", "replace", "dev", name, "parent", &class, "bfifo", "limit", &limit,
                    ],
                )?;
            }
        }
        Ok(())
    }

    /// The qdiscs that this set needs, after the set-up.
    pub(crate) fn qdiscs(&self) -> Vec<Shaped> {
        let shaped = self.devices.iter().map(|(index, (device, _))| Shaped {
            device: device.clone(),
            qdisc: QDISC.to_owned(),
            made: self.made.contains_key(index),
            replaces: self.made.get(index).cloned().flatten(),
        });
        shaped.collect()
    }

    /// The same before the set-up: what it would make.
    pub(crate) fn would_make(&self) -> Result<Vec<Shaped>> {
        let shaped = self.devices.iter().map(|(&index, (device, _))| {
            let made = root_of(device, index)? == Root::Default;
            Ok(Shaped {
                device: device.clone(),
                qdisc: QDISC.to_owned(),
                made,
                replaces: made.then(|| root_kind(index)).flatten(),
            })
        });
        shaped.collect()
    }

    /// Devices whose root qdisc an apply of this set would remove: no policy needs it any more.
    pub(crate) fn would_remove(&self, instance: &Instance, devices: &Devices) -> Result<Vec<String>> {
        let unused = |index: &u32| !self.devices.contains_key(index);
        let shaped = shaped_devices(instance.records()?)?.into_iter().filter(unused);
        let named = shaped.filter_map(|index| devices.name(index).map(|name| (name, index)));
        let removed = named.filter(|(name, index)| own_root(name, *index).is_some());
        Ok(removed.map(|(name, _)| name.to_owned()).collect())
    }

    /// Warnings about these classes.
    pub(crate) fn warnings(&self) -> Vec<String> {
        let warning = |(policy, share): &(String, String)| {
            format!(
                "policy `{policy}`: each of its devices has the rate for itself, for a class of HTB belongs to one device; \
                 {share}"
            )
        };
        self.apart.iter().map(warning).collect()
    }

    /// Undoes a set-up whose policy set does not come into force; returns what could not be undone.
    pub(crate) fn undo(&self, instance: &Instance) -> Vec<Error> {
        let mut failed = Vec::new();
        for (index, (name, classes)) in &self.devices {
            if self.made.contains_key(index) {
                let removed = fault::step("removing a qdisc", || remove_root(name, *index, instance.records()?));
                failed.extend(removed.err());
            } else if let Some(before) = self.before.get(index) {
                let ours = |minor: u16| classes.contains_key(&minor) && !before.contains(&minor);
                failed.extend(remove_classes(name, ours));
            }
        }
        failed
    }

    /// After the switch: removes classes and qdiscs that no policy uses any more; returns what could not be removed.
    pub(crate) fn clean_up(&self, instance: &Instance, devices: &Devices) -> Vec<Error> {
        let shaped = fault::step("listing the shaped devices", || {
            let records = instance.records()?;
            Ok((records, shaped_devices(records)?))
        });
        let (records, shaped) = match shaped {
            Ok(shaped) => shaped,
            Err(error) => return vec![error],
        };
        let mut failed = Vec::new();
        for index in shaped {
            match (devices.name(index), self.devices.get(&index)) {
                (None, _) => failed.extend(records::forget_shaped(records, index).err()),
                (Some(name), None) => {
                    let removed = fault::step("removing a qdisc", || remove_root(name, index, records));
                    failed.extend(removed.err());
                }
                (Some(name), Some((_, classes))) => {
                    failed.extend(remove_classes(name, |minor| !classes.contains_key(&minor)));
                }
            }
        }
        failed
    }

    /// Removes the root qdiscs that the instance `name` has made, by its `records`, and those that no instance of this
    /// network namespace has a record of. Returns the devices that had one.
    pub(crate) fn remove_all(name: &str, records: Option<&MapHandle>, devices: &Devices) -> Result<Vec<String>> {
        let mut removed = Vec::new();
        if let Some(records) = records {
            for index in shaped_devices(records)? {
                match devices.name(index) {
                    Some(device) => {
                        removed.extend(own_root(device, index).map(|_| device.to_owned()));
                        remove_root(device, index, records)?;
                    }
                    None => records::forget_shaped(records, index)?,
                }
            }
        }
        for device in Self::orphaned(name, devices)? {
            root::delete(&device)?;
            removed.push(device);
        }
        Ok(removed)
    }

    /// Devices with a root qdisc of ours that no instance of this network namespace has a record of; `name` is to be
    /// removed.
    pub(crate) fn orphaned(name: &str, devices: &Devices) -> Result<Vec<String>> {
        orphaned::devices(devices, name)
    }
}

/// Advice: how several devices can share a rate.
fn share(instead: Option<&str>) -> String {
    let use_that = instead.map(|instead| format!("use {instead}, or ")).unwrap_or_default();
    format!("{use_that}write one policy for each device with its part of the rate")
}

/// Warnings about the shaping of a plan, as far as they can be known without the devices.
///
/// # Errors
/// When the plan uses an element that is not in `catalog`.
pub fn shaping_warnings(plan: &Plan, catalog: &Catalog) -> Result<Vec<String>> {
    let mut warnings = Vec::new();
    for policy in plan.policies.iter().filter(|policy| policy.devices.len() > 1) {
        if let ClassRequest::Required {
            shared: true, instead, ..
        } = request(policy, catalog)?
        {
            warnings.push(format!(
                "policy `{}`: unless its devices have fq, each has the rate for itself, for a class of HTB belongs to one \
                 device; {}",
                policy.name,
                share(instead)
            ));
        }
    }
    Ok(warnings)
}

/// Bytes that the queue of a class holds. `aggregate`: most bytes that TCP hands to the device as one packet; the
/// headers of its segments count in the queue too, up to an eighth.
fn queue_bytes(rate: u64, aggregate: u32) -> u64 {
    let framed = u64::from(aggregate) * 9 / 8;
    (rate / 8 * QUEUE_MS / 1000).max(QUEUE_AGGREGATES * framed)
}

fn shaped_devices(records: &MapHandle) -> Result<BTreeSet<u32>> {
    Ok(Records::read(records)?.shaped)
}

fn all_fq(policy: &PolicyPlan, devices: &Devices) -> Result<bool> {
    for name in &policy.devices {
        // Any other qdisc does not matter as long as nothing has to be set up.
        if !root_of(name, devices.index(name, &policy.name)?).is_ok_and(|root| root == Root::Fq) {
            return Ok(false);
        }
    }
    Ok(true)
}

/// What a policy requests from the queue of its devices: what one of its nodes requires, else what one can use.
fn request<'c>(policy: &PolicyPlan, catalog: &'c Catalog) -> Result<ClassRequest<'c>> {
    let mut request = ClassRequest::None;
    for node in &policy.nodes {
        match catalog.element(&node.element)?.manifest.class_request(&node.arguments) {
            ClassRequest::None => {}
            free @ ClassRequest::IfFree { .. } => request = free,
            required @ ClassRequest::Required { .. } => return Ok(required),
        }
    }
    Ok(request)
}

/// The nodes of a policy that request a class, and their rates.
fn rates(policy: &PolicyPlan, catalog: &Catalog) -> Result<BTreeMap<usize, u64>> {
    let mut rates = BTreeMap::new();
    for (position, node) in policy.nodes.iter().enumerate() {
        match catalog.element(&node.element)?.manifest.class_request(&node.arguments) {
            ClassRequest::None => {}
            ClassRequest::IfFree { rate } | ClassRequest::Required { rate, .. } => drop(rates.insert(position, rate)),
        }
    }
    Ok(rates)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_queue_of_a_class_takes_two_aggregates_with_their_headers_or_a_tenth_of_a_second() {
        assert_eq!(queue_bytes(100_000_000, 65_536), 1_250_000);
        for (rate, aggregate) in [(1, 65_536), (4_000_000, 65_536), (4_000_000, 524_280)] {
            let segments = u64::from(aggregate) / 1220;
            assert!(
                queue_bytes(rate, aggregate) >= 2 * (u64::from(aggregate) + segments * 94),
                "{rate}"
            );
        }
    }
}
