//! The core's own programs: entry, slow path, next policy and the rest of `bpf/core`.

use crate::{
    error::{Error, OrKernel, Result},
    flow_table,
    maps::{self, Maps},
    program::{self, Fill, Presence, Who},
};
use emptcp_abi::{BANK_SLOTS, SLOT_NEXT_POLICY, SLOT_SLOW_PATH, direction};
use emptcp_load::embedded;
use emptcp_plan::{manifest::Hook, plan::Value};
use libbpf_rs::{MapCore, MapFlags};
use std::{
    collections::BTreeSet,
    os::fd::{AsFd, OwnedFd},
};
use zerocopy::IntoBytes;

/// The object of a core program for a hook.
pub(crate) fn object(name: &str, hook: Hook) -> Result<&'static [u8]> {
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
    Ok(program::load(object("entry", hook)?, who, &[fill], maps)?.program)
}

/// Puts the core's programs into the chains of these hooks, where they are not yet. The verifier takes its time for
/// each hook: they are loaded side by side.
pub(crate) fn ensure(maps: &Maps, hooks: &BTreeSet<Hook>) -> Result<()> {
    std::thread::scope(|scope| {
        let loads: Vec<_> = hooks
            .iter()
            .map(|&hook| scope.spawn(move || ensure_at(maps, hook)))
            .collect();
        loads
            .into_iter()
            .try_for_each(|load| load.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)))
    })
}

fn ensure_at(maps: &Maps, hook: Hook) -> Result<()> {
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
        let loaded = program::load(object(name, hook)?, who, &[], maps)?;
        maps::set_slot(chain, slot, loaded.program.as_fd())?;
    }
    Ok(())
}
