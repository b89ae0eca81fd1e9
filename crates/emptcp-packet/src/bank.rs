//! Fills one bank of the chains and of the rules: everything is loaded and verified here, before any packet reaches it.

use crate::{
    allocation::Allocation,
    device::OfPolicy,
    elements::catalog::{Catalog, Element},
    error::{Error, OrKernel, Result},
    maps::{self, HOOKS, Maps},
    program::{Fill, Presence, Subject},
    rules,
    shape::{Given, Shaping},
};
use emptcp_abi::{BANK_SLOTS, CORE_COUNTERS, Counter, ELEMENT_COUNTERS, SLOT_END, SLOT_LAST_ELEMENT, SLOT_SLOW_PATH};
use emptcp_host::device::Devices;
use emptcp_plan::{
    manifest::{Hook, Need},
    plan::{Node, Plan, PolicyPlan, Target, Value},
};
use libbpf_rs::{MapCore, MapFlags};
use std::{collections::BTreeSet, os::fd::AsFd};
use zerocopy::IntoBytes;

const _: () = assert!(CORE_COUNTERS > 0 && SLOT_LAST_ELEMENT < SLOT_SLOW_PATH);

/// A policy set to be written to a bank.
pub(crate) struct Filling<'a> {
    /// The plan.
    pub(crate) plan: &'a Plan,
    /// Its numbers.
    pub(crate) allocation: &'a Allocation,
    /// For each policy, the hooks where it must run.
    pub(crate) hooks: &'a [BTreeSet<Hook>],
    /// The elements.
    pub(crate) catalog: &'a Catalog,
    /// The devices.
    pub(crate) devices: &'a Devices,
    /// The classes of nodes that want one.
    pub(crate) shaping: &'a Shaping,
}

impl Filling<'_> {
    /// Loads everything into `bank`, which must not be in force. Returns the number of programs.
    pub(crate) fn fill(&self, maps: &mut Maps, bank: u32) -> Result<usize> {
        clear_slots(maps, bank)?;
        self.zero_counters(maps)?;
        maps.write_rules(bank, &rules::bank(self.plan, self.devices)?)?;
        let mut programs = 0;
        for (position, policy) in self.plan.policies.iter().enumerate() {
            for &hook in &self.hooks[position] {
                for node in 0..policy.nodes.len() {
                    self.load_node(maps, bank, position, node, hook)?;
                    programs += 1;
                }
            }
        }
        Ok(programs)
    }

    fn load_node(&self, maps: &mut Maps, bank: u32, position: usize, index: usize, hook: Hook) -> Result<()> {
        let policy = &self.plan.policies[position];
        let numbers = &self.allocation.policies[position];
        let node = &policy.nodes[index];
        let slot = |target: Target| match target {
            Target::End => SLOT_END,
            Target::Node(next) => bank * BANK_SLOTS + numbers.nodes[next].slot,
        };
        let integer = |value: u32| Value::Integer(u64::from(value));
        let own = numbers.nodes[index];
        let element = self.catalog.element(&node.element)?;
        let fills = [
            Fill {
                variable: "arguments",
                members: self.arguments(policy, node)?,
                presence: Presence::Exact,
            },
            Fill {
                variable: "emptcp_next",
                members: vec![
                    ("on_match", integer(slot(node.on_match))),
                    ("on_miss", integer(slot(node.on_miss))),
                ],
                presence: Presence::Required,
            },
            Fill {
                variable: "emptcp_self",
                members: vec![
                    ("counters", integer(own.counters)),
                    ("policy", integer(numbers.id)),
                    ("instance", integer(own.instance)),
                    ("flags", integer(u32::from(node.first_actor))),
                    ("policy_counters", integer(numbers.counters)),
                    ("counters_used", integer(element.manifest.counters.len() as u32)),
                ],
                presence: Presence::Required,
            },
            class_of(element, self.shaping.given(position, index)),
        ];
        let object = element.object(hook).ok_or_else(|| Error::NoProgram {
            policy: policy.name.clone(),
            element: node.element.clone(),
            hook,
            direction: policy.direction.name().to_owned(),
        })?;
        let subject = Subject {
            element: &node.element,
            policy: Some(&policy.name),
            hook,
        };
        let loaded = element.load(object, subject, &fills, maps)?;
        maps.adopt(&node.element, loaded.made);
        maps::set_slot(maps.chain(hook)?, bank * BANK_SLOTS + own.slot, loaded.program.as_fd())
    }

    fn arguments<'n>(&self, policy: &PolicyPlan, node: &'n Node) -> Result<Vec<(&'n str, Value)>> {
        node.arguments
            .iter()
            .map(|(name, value)| {
                let value = match value {
                    Value::Device(device) => Value::Integer(u64::from(self.devices.index(device, &policy.name)?)),
                    value => value.clone(),
                };
                Ok((name.as_str(), value))
            })
            .collect()
    }

    /// Clears the counters of a former policy, so that they do not count for a new one.
    fn zero_counters(&self, maps: &Maps) -> Result<()> {
        let map = maps.get("emptcp_counters")?;
        let cpus = libbpf_rs::num_possible_cpus().or_kernel("count the CPUs")?;
        let zero = vec![Counter::default().as_bytes().to_vec(); cpus];
        for policy in self.allocation.policies.iter().filter(|policy| !policy.kept) {
            for base in policy.nodes.iter().map(|node| node.counters).chain([policy.counters]) {
                for slot in base..base + ELEMENT_COUNTERS {
                    map.update_percpu(slot.as_bytes(), &zero, MapFlags::ANY)
                        .or_kernel("clear a counter")?;
                }
            }
        }
        Ok(())
    }
}

/// `struct emptcp_class`, for an element that requests one.
fn class_of(element: &Element, given: Given) -> Fill<'static> {
    let number = |value: u64| Value::Integer(value);
    Fill {
        variable: "emptcp_class",
        members: vec![
            ("handle", number(given.handle.into())),
            ("departure", number(given.departure.into())),
            ("watched", number(given.watched.into())),
            ("rate", number(given.rate)),
        ],
        presence: match element.manifest.needs.contains(&Need::Class) {
            true => Presence::Required,
            false => Presence::Optional,
        },
    }
}

/// Takes all elements out of a bank; the core's programs stay.
pub(crate) fn clear_slots(maps: &Maps, bank: u32) -> Result<()> {
    for hook in HOOKS {
        let chain = maps.chain(hook)?;
        let first = bank * BANK_SLOTS;
        for slot in first..=first + SLOT_LAST_ELEMENT {
            match chain.delete(slot.as_bytes()) {
                Ok(()) => {}
                Err(error) if error.kind() == libbpf_rs::ErrorKind::NotFound => {}
                Err(error) => return Err(Error::libbpf("clear a chain", error)),
            }
        }
    }
    Ok(())
}
