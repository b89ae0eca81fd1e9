//! `rate_limit mode=shape`: a class of an HTB qdisc per policy, or nothing to set up where the device has `fq`.
//! `mode=auto` uses `fq` where all devices of the policy have it, and sets nothing up.
//!
//! The program chooses the class by `skb->priority`, or sets the time of departure for `fq`. The qdisc is ours alone:
//! it is only added in the place of a default of the kernel, and refused where somebody has set up another one.

mod left;
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
use emptcp_plan::plan::{DeviceDirection, Plan, PolicyPlan, Value};
use libbpf_rs::MapHandle;
use root::{MAJOR, QDISC, Root, holds_only_ours, present_classes, remove_classes, remove_root, root_kind, root_of, tc};
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};

/// What the queue of a class takes, in time at its rate.
const QUEUE_MS: u64 = 100;
/// The queue takes this many of the largest aggregates, however low the rate. One that does not fit is refused as a
/// whole, as often as TCP tries it again: BBR, which takes its first bursts for the rate, then waits for its probe
/// timer.
const QUEUE_AGGREGATES: u64 = 2;

/// How one policy is shaped.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
struct Policy {
    class: u32,
    edt: bool,
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
    /// By interface index, the qdisc whose place ours took.
    made: BTreeMap<u32, Option<String>>,
    /// Policies whose rate each of their devices has for itself.
    apart: Vec<String>,
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
    /// The kind of the kernel's own qdisc whose place it takes; `None` when it was made before, or there was none.
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
            let (rate, shared) = match wish(policy, catalog)? {
                Wish::None => continue,
                Wish::IfFree => {
                    shaping.policies[position].edt =
                        policy.direction == DeviceDirection::Egress && all_fq(policy, devices)?;
                    continue;
                }
                Wish::Shape { rate, shared } => (rate, shared),
            };
            if policy.direction == DeviceDirection::Ingress {
                return Err(Error::Shape {
                    device: policy.devices.join(", "),
                    reason: format!(
                        "policy `{}` is at ingress; only egress can be shaped: use mode=police",
                        policy.name
                    ),
                });
            }
            let minor = allocation.policies[position].class;
            let mut roots = Vec::new();
            for name in &policy.devices {
                let index = devices.index(name, &policy.name)?;
                let root = root_of(name, index)?;
                roots.push(root);
                if root != Root::Fq {
                    let (_, classes) = shaping
                        .devices
                        .entry(index)
                        .or_insert_with(|| (name.clone(), Classes::new()));
                    classes.insert(minor, rate);
                }
            }
            let edt = roots.iter().all(|root| *root == Root::Fq);
            if !edt && roots.contains(&Root::Fq) {
                return Err(Error::Shape {
                    device: policy.devices.join(", "),
                    reason: format!(
                        "policy `{}` covers devices with and without `fq`; write one policy for each kind",
                        policy.name
                    ),
                });
            }
            if !edt && shared && policy.devices.len() > 1 {
                shaping.apart.push(policy.name.clone());
            }
            shaping.policies[position] = Policy {
                class: if edt {
                    0
                } else {
                    u32::from(MAJOR) << 16 | u32::from(minor)
                },
                edt,
            };
        }
        Ok(shaping)
    }

    /// The class of a policy, as `skb->priority` wants it; 0 without.
    pub(crate) fn class(&self, policy: usize) -> u32 {
        self.policies.get(policy).map_or(0, |policy| policy.class)
    }

    /// Whether a policy sets the time of departure.
    pub(crate) fn edt(&self, policy: usize) -> bool {
        self.policies.get(policy).is_some_and(|policy| policy.edt)
    }

    /// Whether the programs of a policy see if the qdisc that it needs is still there: the kernel must let them read
    /// its memory, which it does not in lockdown.
    pub(crate) fn watches(&self, policy: usize) -> bool {
        (self.edt(policy) || self.class(policy) != 0) && emptcp_load::kernel::programs_read_kernel_memory()
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
                // An instance that lost its folder has left it: it is this one's now.
                Root::Ours if !shaped_devices(records)?.contains(&index) => {
                    if !holds_only_ours(index)? {
                        return Err(root::somebody_s(name, "htb", MAJOR));
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

    /// What the user should know of these classes.
    pub(crate) fn warnings(&self) -> Vec<String> {
        let warning = |policy: &String| {
            format!(
                "policy `{policy}`: each of its devices has the rate for itself, for a class of HTB belongs to one device; \
                 {SHARE}"
            )
        };
        self.apart.iter().map(warning).collect()
    }

    /// Takes back a set-up whose policy set does not come into force; returns what could not be taken back.
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
    /// network namespace remembers any more. Returns the devices that had one.
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
        for device in Self::left(name, devices)? {
            root::delete(&device)?;
            removed.push(device);
        }
        Ok(removed)
    }

    /// Devices with a root qdisc of ours that no instance of this network namespace remembers; `name` is to be removed.
    pub(crate) fn left(name: &str, devices: &Devices) -> Result<Vec<String>> {
        left::devices(devices, name)
    }
}

/// What a policy wants of the device.
enum Wish {
    /// Nothing.
    None,
    /// `mode=auto`: whatever needs no set-up.
    IfFree,
    /// `mode=shape`, with this rate in bits per second; `shared`: by subflows that may be on several devices.
    Shape { rate: u64, shared: bool },
}

/// How several devices come to share a rate.
const SHARE: &str = "use mode=police, or write one policy for each device with its part of the rate";

/// What is doubtful about the shaping of a plan, as far as it can be told without the devices.
///
/// # Errors
/// When the plan uses an element that is not in `catalog`.
pub fn doubts(plan: &Plan, catalog: &Catalog) -> Result<Vec<String>> {
    let mut doubts = Vec::new();
    for policy in plan.policies.iter().filter(|policy| policy.devices.len() > 1) {
        if matches!(wish(policy, catalog)?, Wish::Shape { shared: true, .. }) {
            doubts.push(format!(
                "policy `{}`: unless its devices have fq, each has the rate for itself, for a class of HTB belongs to one \
                 device; {SHARE}",
                policy.name
            ));
        }
    }
    Ok(doubts)
}

/// What the queue of a class takes. `aggregate`: most bytes that TCP hands to the device as one packet; the headers of
/// its segments count in the queue too, up to an eighth.
fn queue_bytes(rate: u64, aggregate: u32) -> u64 {
    let framed = u64::from(aggregate) * 9 / 8;
    (rate / 8 * QUEUE_MS / 1000).max(QUEUE_AGGREGATES * framed)
}

fn shaped_devices(records: &MapHandle) -> Result<BTreeSet<u32>> {
    Ok(Records::read(records)?.shaped)
}

fn all_fq(policy: &PolicyPlan, devices: &Devices) -> Result<bool> {
    for name in &policy.devices {
        // Whatever else is there is nobody's business as long as nothing is set up.
        if !root_of(name, devices.index(name, &policy.name)?).is_ok_and(|root| root == Root::Fq) {
            return Ok(false);
        }
    }
    Ok(true)
}

fn wish(policy: &PolicyPlan, catalog: &Catalog) -> Result<Wish> {
    let mut wish = Wish::None;
    for node in policy.nodes.iter().filter(|node| node.element == "rate_limit") {
        let manifest = &catalog.element(&node.element)?.manifest;
        let integer = |name: &str| {
            node.arguments.iter().find_map(|(argument, value)| match value {
                Value::Integer(value) if argument == name => Some(*value),
                _ => None,
            })
        };
        let choice = |name: &str| {
            let argument = manifest.arguments.iter().find(|argument| argument.name == name)?;
            argument
                .values
                .get(usize::try_from(integer(name)?).ok()?)
                .map(String::as_str)
        };
        match choice("mode") {
            Some("shape") => {
                return Ok(Wish::Shape {
                    rate: integer("rate").unwrap_or_default(),
                    shared: matches!(choice("per"), Some("connection" | "policy")),
                });
            }
            Some("auto") => wish = Wish::IfFree,
            _ => {}
        }
    }
    Ok(wish)
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
