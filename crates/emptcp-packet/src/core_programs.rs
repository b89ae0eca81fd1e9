//! The core's own programs: entry, slow path, next policy and the rest of `bpf/core`.

use crate::{
    core_objects::CoreObjects,
    error::{Error, OrKernel, Result},
    flow_table,
    maps::{self, Maps},
    program::{self, Fill, Presence, Subject},
};
use emptcp_abi::{BANK_SLOTS, RULES, SLOT_NEXT_POLICY, SLOT_SLOW_PATH, direction};
use emptcp_plan::{manifest::Hook, plan::Value};
use libbpf_rs::{MapCore, MapFlags};
use std::{
    collections::BTreeSet,
    os::fd::{AsFd, OwnedFd},
    panic,
    thread::{self, ScopedJoinHandle},
};
use zerocopy::IntoBytes;

/// The direction of packets at a hook, as a number of the core.
fn direction_of(hook: Hook) -> u32 {
    if hook == Hook::TcEgress {
        direction::EGRESS
    } else {
        direction::INGRESS
    }
}

/// Loads the program that is attached to devices.
pub(crate) fn load_entry(maps: &Maps, hook: Hook, link_header: u32) -> Result<OwnedFd> {
    entry_of(CoreObjects::current(), maps, hook, link_header)
}

fn entry_of(core: CoreObjects, maps: &Maps, hook: Hook, link_header: u32) -> Result<OwnedFd> {
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
    load(core, "entry", maps, hook, &[fill])
}

/// Up to this many rules, a smaller slow path is built, which the verifier checks faster.
const FEW_RULES: u32 = 32;

/// A chain whose slow path supports the maximum number of rules has it in this slot too. Nothing jumps here.
const SLOT_ALL_RULES: u32 = BANK_SLOTS + SLOT_SLOW_PATH;

/// Puts the core's programs into the chains of these hooks, unless they are there, for a plan with this many rules.
/// Loads entry programs for hooks and lengths of the link header, in their order. Programs are loaded in parallel,
/// because the verifier is slow.
pub(crate) fn ensure(
    maps: &Maps,
    hooks: &BTreeSet<Hook>,
    rules: usize,
    entries: &[(Hook, u32)],
) -> Result<Vec<OwnedFd>> {
    let core = CoreObjects::current();
    thread::scope(|scope| {
        let chains: Vec<_> = hooks
            .iter()
            .map(|&hook| scope.spawn(move || ensure_at(core, maps, hook, rules)))
            .collect();
        let entries: Vec<_> = entries
            .iter()
            .map(|&(hook, link_header)| scope.spawn(move || entry_of(core, maps, hook, link_header)))
            .collect();
        chains.into_iter().try_for_each(outcome)?;
        entries.into_iter().map(outcome).collect()
    })
}

fn outcome<T>(thread: ScopedJoinHandle<'_, Result<T>>) -> Result<T> {
    thread.join().unwrap_or_else(|panic| panic::resume_unwind(panic))
}

fn ensure_at(core: CoreObjects, maps: &Maps, hook: Hook, rules: usize) -> Result<()> {
    let chain = maps.chain(hook)?;
    let is_filled = |slot: u32| {
        let program = chain.lookup(slot.as_bytes(), MapFlags::ANY);
        Ok::<_, Error>(program.or_kernel("read a chain")?.is_some())
    };
    let few = rules <= FEW_RULES as usize;
    if !is_filled(if few { SLOT_SLOW_PATH } else { SLOT_ALL_RULES })? {
        let program = load_slow_path(core, maps, hook, if few { FEW_RULES } else { RULES })?;
        maps::set_slot(chain, SLOT_SLOW_PATH, program.as_fd())?;
        if !few {
            maps::set_slot(chain, SLOT_ALL_RULES, program.as_fd())?;
        }
    }
    for slot in [SLOT_NEXT_POLICY, BANK_SLOTS + SLOT_NEXT_POLICY] {
        if !is_filled(slot)? {
            let program = load(core, "next_policy", maps, hook, &[])?;
            maps::set_slot(chain, slot, program.as_fd())?;
        }
    }
    Ok(())
}

fn load_slow_path(core: CoreObjects, maps: &Maps, hook: Hook, rules: u32) -> Result<OwnedFd> {
    let fill = Fill {
        variable: "emptcp_slow_path_config",
        members: vec![("rule_steps", Value::Integer(rules.into()))],
        presence: Presence::Required,
    };
    load(core, "slow_path", maps, hook, &[fill])
}

/// Loads the program that leads to the program in `slot`, and to the one in the next slot when a policy set is in
/// force.
pub(crate) fn load_handover(maps: &Maps, hook: Hook, slot: u32) -> Result<OwnedFd> {
    let fill = Fill {
        variable: "emptcp_handover_config",
        members: vec![("slot", Value::Integer(slot.into()))],
        presence: Presence::Required,
    };
    load(CoreObjects::current(), "handover", maps, hook, &[fill])
}

fn load(core: CoreObjects, name: &str, maps: &Maps, hook: Hook, fills: &[Fill<'_>]) -> Result<OwnedFd> {
    let subject = Subject {
        element: name,
        policy: None,
        hook,
    };
    Ok(program::load(core.object(name, hook)?, subject, fills, maps)?.program)
}
