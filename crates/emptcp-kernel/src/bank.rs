//! Fills one bank of the chains and of the rules: everything is loaded and verified here, before any packet sees it.

use crate::{
    allocation::Allocation,
    catalog::Catalog,
    device::OfPolicy,
    embedded,
    error::{Error, OrKernel, Result},
    flow_table,
    load::{self, Fill, Presence, Who},
    maps::{HOOKS, Maps},
    rules,
    shape::Shaping,
    words::direction_name,
};
use emptcp_abi::{
    BANK_SLOTS, CORE_COUNTERS, Counter, ELEMENT_COUNTERS, SLOT_END, SLOT_LAST_ELEMENT, SLOT_NEXT_POLICY,
    SLOT_SLOW_PATH, direction,
};
use emptcp_host::device::Devices;
use emptcp_plan::{
    manifest::Hook,
    plan::{Node, Plan, PolicyPlan, Target, Value},
};
use libbpf_rs::{MapCore, MapFlags, MapHandle};
use std::{
    collections::BTreeSet,
    os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd},
};
use zerocopy::IntoBytes;

const _: () = assert!(CORE_COUNTERS > 0 && SLOT_LAST_ELEMENT < SLOT_SLOW_PATH);

/// Puts a program into a slot of a chain.
fn set_slot(chain: &MapHandle, slot: u32, program: BorrowedFd<'_>) -> Result<()> {
    chain
        .update(slot.as_bytes(), program.as_raw_fd().as_bytes(), MapFlags::ANY)
        .or_kernel(format!("put a program into slot {slot} of a chain"))
}

pub(crate) fn core_object(name: &str, hook: Hook) -> Result<&'static [u8]> {
    let (_, tc, xdp) = embedded::CORE
        .iter()
        .find(|(core, ..)| *core == name)
        .ok_or_else(|| Error::Mismatch {
            element: name.to_owned(),
            hook: "core".to_owned(),
            detail: "this build has no such core program".to_owned(),
        })?;
    Ok(if hook == Hook::Xdp { xdp } else { tc })
}

/// The direction of packets at a hook, as the core calls it.
fn direction_of(hook: Hook) -> u32 {
    if hook == Hook::TcEgress {
        direction::EGRESS
    } else {
        direction::INGRESS
    }
}

/// Loads the program that is attached to devices.
pub(crate) fn load_entry(maps: &Maps, hook: Hook, link_header: u32) -> Result<OwnedFd> {
    let table = flow_table::description(maps)?;
    let fill = Fill {
        variable: "emptcp_entry_config",
        members: vec![
            ("direction", Value::Integer(u64::from(direction_of(hook)))),
            ("link_header", Value::Integer(u64::from(link_header))),
            ("secret_0", Value::Integer(table.secret[0])),
            ("secret_1", Value::Integer(table.secret[1])),
            ("secret_2", Value::Integer(table.secret[2])),
            ("secret_3", Value::Integer(table.secret[3])),
            ("secret_4", Value::Integer(table.secret[4])),
            ("secret_5", Value::Integer(table.secret[5])),
            ("set_mask", Value::Integer(u64::from(table.set_mask))),
        ],
        presence: Presence::Required,
    };
    let who = Who {
        element: "entry",
        policy: None,
        hook,
    };
    Ok(load::load(core_object("entry", hook)?, who, &[fill], maps)?.program)
}

/// Puts the core's programs into the chains of these hooks, where they are not yet. The verifier takes its time for
/// each hook: they are loaded side by side.
pub(crate) fn ensure_core(maps: &Maps, hooks: &BTreeSet<Hook>) -> Result<()> {
    std::thread::scope(|scope| {
        let loads: Vec<_> = hooks
            .iter()
            .map(|&hook| scope.spawn(move || ensure_core_at(maps, hook)))
            .collect();
        loads
            .into_iter()
            .try_for_each(|load| load.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)))
    })
}

fn ensure_core_at(maps: &Maps, hook: Hook) -> Result<()> {
    let chain = maps.chain(hook)?;
    let slots = [
        ("slow_path", SLOT_SLOW_PATH),
        ("next_policy", SLOT_NEXT_POLICY),
        ("next_policy", BANK_SLOTS + SLOT_NEXT_POLICY),
    ];
    for (name, slot) in slots {
        if chain
            .lookup(slot.as_bytes(), MapFlags::ANY)
            .or_kernel("read a chain")?
            .is_some()
        {
            continue;
        }
        let who = Who {
            element: name,
            policy: None,
            hook,
        };
        let loaded = load::load(core_object(name, hook)?, who, &[], maps)?;
        set_slot(chain, slot, loaded.program.as_fd())?;
    }
    Ok(())
}

/// A policy set on its way into a bank.
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
    /// How policies with `mode=shape` reach their class.
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
            Fill {
                variable: "emptcp_shape",
                members: vec![
                    ("class", integer(self.shaping.class(position))),
                    ("edt", integer(u32::from(self.shaping.edt(position)))),
                    ("watch", integer(u32::from(self.shaping.watches(position)))),
                ],
                presence: Presence::Optional,
            },
        ];
        let object = element.object(hook).ok_or_else(|| Error::NoProgram {
            policy: policy.name.clone(),
            element: node.element.clone(),
            hook,
            direction: direction_name(policy.direction).to_owned(),
        })?;
        let who = Who {
            element: &node.element,
            policy: Some(&policy.name),
            hook,
        };
        let loaded = element.load(object, who, &fills, maps)?;
        maps.adopt(&node.element, loaded.private);
        set_slot(maps.chain(hook)?, bank * BANK_SLOTS + own.slot, loaded.program.as_fd())
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

    /// Counters that a former policy has left behind must not be counted for a new one.
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
