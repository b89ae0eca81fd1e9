//! Words of the policy language for types of the library.

use crate::{session::YELLOW, table::Table, units};
use emptcp::{
    AttachedTo,
    in_force::{DeviceState, Standing},
    manifest::{Hook, Kind},
    model::PolicyStats,
    plan::{Attach, DeviceDirection},
    stale::{InstanceInNamespace, Life},
};

/// The value, or `?` if it is unknown.
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
pub(crate) fn attached_to(attached: &AttachedTo) -> String {
    format!(
        "{} {} ({})",
        attached.device,
        direction(attached.direction),
        attached.kind.name()
    )
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

/// The states of the devices of a policy, in both directions: connections are followed in both.
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
        let with_direction = |state: &DeviceState| format!("{}: {}", direction(state.direction), state.words());
        match (off.next(), off.next()) {
            (None, _) => match states
                .iter()
                .find_map(|state| state.qdisc.as_ref().filter(|_| state.device == *device))
            {
                Some(qdisc) => format!("{device} (root qdisc {qdisc})"),
                None => device.clone(),
            },
            (Some(one), Some(other)) if one.words() == other.words() => format!("{device} ({})", one.words()),
            (Some(one), None) => format!("{device} ({})", with_direction(one)),
            (Some(one), Some(other)) => format!("{device} ({}, {})", with_direction(one), with_direction(other)),
        }
    };
    policy.devices.iter().map(of).collect::<Vec<_>>().join(", ")
}

/// The processes that hold a namespace without a name.
fn holders(found: &InstanceInNamespace) -> String {
    if found.netns.is_some() || found.state != Life::Live {
        return String::new();
    }
    let holders: Vec<String> = found
        .held_by
        .iter()
        .take(3)
        .map(|holder| format!("{} ({})", holder.command, holder.pid))
        .collect();
    match found.held_by.len() {
        0 => "; it has no name, and no process was found that holds it: see `lsns -t net`".to_owned(),
        count if count > holders.len() => format!("; held by {} and others: see `lsns -t net`", holders.join(", ")),
        _ => format!("; held by {}", holders.join(", ")),
    }
}

/// Instances of several network namespaces, one per line.
pub(crate) fn instances(all: &[InstanceInNamespace]) -> String {
    let mut table = Table::new(&["namespace", "name", "instance", "state", ">memory", "policies", "why"]).wrapped();
    for found in all {
        table.row([
            found.namespace.to_string(),
            found.netns.clone().unwrap_or_else(|| "-".to_owned()),
            found.instance.clone(),
            found.state.name().to_owned(),
            units::bytes(found.bytes),
            found
                .policies
                .as_ref()
                .map_or_else(|| "?".to_owned(), |names| names.join(", ")),
            format!("{}{}", found.why, holders(found)),
        ]);
    }
    table.render(0)
}

/// Warnings, one per line.
pub(crate) fn warnings(warnings: &[String]) -> String {
    let line = |warning| format!("{YELLOW}warning:{YELLOW:#} {warning}\n");
    warnings.iter().map(line).collect()
}
