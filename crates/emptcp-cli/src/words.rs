//! Words of the policy language for what the library names by types.

use crate::{session::YELLOW, table::Table, units};
use emptcp::{
    AttachedTo,
    in_force::{DeviceState, Standing},
    manifest::{Hook, Kind},
    model::PolicyStats,
    plan::{Attach, DeviceDirection},
    stale::{Life, InstanceInNamespace},
};
use serde_json::Value;

/// What it is, `?` while it is not known.
pub(crate) fn known(value: Option<impl ToString>) -> String {
    value.map_or_else(|| "?".to_owned(), |value| value.to_string())
}

/// `ingress` or `egress`.
pub(crate) fn direction(direction: DeviceDirection) -> &'static str {
    match direction {
        DeviceDirection::Ingress => "ingress",
        DeviceDirection::Egress => "egress",
    }
}

/// `v0 ingress (tcx)`.
pub(crate) fn attached_to(spot: &AttachedTo) -> String {
    format!("{} {} ({})", spot.device, direction(spot.direction), spot.kind.name())
}

/// As in a policy file.
pub(crate) fn attach(attach: Attach) -> &'static str {
    match attach {
        Attach::Auto => "auto",
        Attach::Tc => "tc",
        Attach::XdpNative => "xdp-native",
        Attach::XdpGeneric => "xdp-generic",
    }
}

/// `selector` or `actor`.
pub(crate) fn kind(kind: Kind) -> &'static str {
    match kind {
        Kind::Selector => "selector",
        Kind::Actor => "actor",
    }
}

/// `xdp, tc ingress, tc egress`.
pub(crate) fn hooks(hooks: &[Hook]) -> String {
    let words = hooks.iter().map(|hook| match hook {
        Hook::Xdp => "xdp",
        Hook::TcIngress => "tc ingress",
        Hook::TcEgress => "tc egress",
    });
    words.collect::<Vec<_>>().join(", ")
}

/// How the devices of a policy stand, in both directions: connections are followed in both.
pub(crate) fn states_of<'a>(policy: &PolicyStats, states: &'a [DeviceState]) -> Vec<&'a DeviceState> {
    states
        .iter()
        .filter(|state| policy.devices.contains(&state.device))
        .collect()
}

/// The devices of a policy; those that do not run it are marked.
pub(crate) fn devices(policy: &PolicyStats, states: &[DeviceState]) -> String {
    let of = |device: &String| {
        let mut off = states
            .iter()
            .filter(|state| state.device == *device && state.state != Standing::Attached);
        let way = |state: &DeviceState| format!("{}: {}", direction(state.direction), state.words());
        match (off.next(), off.next()) {
            (None, _) => match states
                .iter()
                .find_map(|state| state.qdisc.as_ref().filter(|_| state.device == *device))
            {
                Some(qdisc) => format!("{device} (root qdisc {qdisc})"),
                None => device.clone(),
            },
            (Some(one), Some(other)) if one.words() == other.words() => format!("{device} ({})", one.words()),
            (Some(one), None) => format!("{device} ({})", way(one)),
            (Some(one), Some(other)) => format!("{device} ({}, {})", way(one), way(other)),
        }
    };
    policy.devices.iter().map(of).collect::<Vec<_>>().join(", ")
}

/// Who holds a namespace that has no name.
fn held(placed: &InstanceInNamespace) -> String {
    if placed.netns.is_some() || placed.state != Life::Live {
        return String::new();
    }
    let holders: Vec<String> = placed
        .held_by
        .iter()
        .take(3)
        .map(|holder| format!("{} ({})", holder.command, holder.pid))
        .collect();
    match placed.held_by.len() {
        0 => "; it has no name, and no process was seen that holds it: see `lsns -t net`".to_owned(),
        count if count > holders.len() => format!("; held by {} and others: see `lsns -t net`", holders.join(", ")),
        _ => format!("; held by {}", holders.join(", ")),
    }
}

/// No device has the index 0: a subflow that was taken over from a socket has none yet.
pub(crate) fn none_for_0(index: &mut Value) {
    if *index == 0 {
        *index = Value::Null;
    }
}

/// Instances of several network namespaces, one per line.
pub(crate) fn placed(all: &[InstanceInNamespace]) -> String {
    let mut table = Table::new(&["namespace", "name", "instance", "state", ">memory", "policies", "why"]).wrapped();
    for placed in all {
        table.row([
            placed.namespace.to_string(),
            placed.netns.clone().unwrap_or_else(|| "-".to_owned()),
            placed.instance.clone(),
            placed.state.name().to_owned(),
            units::bytes(placed.bytes),
            placed
                .policies
                .as_ref()
                .map_or_else(|| "?".to_owned(), |names| names.join(", ")),
            format!("{}{}", placed.why, held(placed)),
        ]);
    }
    table.render(0)
}

/// Warnings, one per line.
pub(crate) fn warnings(warnings: &[String]) -> String {
    let line = |warning| format!("{YELLOW}warning:{YELLOW:#} {warning}\n");
    warnings.iter().map(line).collect()
}
