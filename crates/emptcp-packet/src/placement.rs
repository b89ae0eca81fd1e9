//! Decides at which hooks devices are attached, so that all policies can run.

use crate::{
    attach::{self, Kind},
    device::OfPolicy,
    error::{Error, Result},
};
use emptcp_host::device::Devices;
use emptcp_plan::{
    manifest::Hook,
    plan::{Attach, DeviceDirection, Plan},
};
use std::collections::{BTreeMap, BTreeSet};

/// One device and direction that the policy set needs.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Placement {
    /// The device's name.
    pub(crate) device: String,
    /// Its index.
    pub(crate) ifindex: u32,
    /// Bytes before the IP header.
    pub(crate) link_header: u32,
    /// The direction.
    pub(crate) direction: DeviceDirection,
    /// Possible kinds of attachment, the best one first.
    pub(crate) kinds: Vec<Kind>,
}

/// The result.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(crate) struct Placements {
    /// Devices and directions. Both directions of a device are attached, because the state of a subflow can only be
    /// followed with both.
    pub(crate) devices: Vec<Placement>,
    /// For each policy, the hooks where its chain must be loaded.
    pub(crate) hooks: Vec<BTreeSet<Hook>>,
}

impl Placements {
    /// Interface indices of the devices, by name.
    pub(crate) fn interfaces(&self) -> BTreeMap<String, u32> {
        let devices = self.devices.iter();
        devices
            .map(|placement| (placement.device.clone(), placement.ifindex))
            .collect()
    }
}

/// Decides for a plan. `clsact`: do not use tcx even where it exists.
pub(crate) fn decide(plan: &Plan, devices: &Devices, clsact: bool) -> Result<Placements> {
    let tc = if !clsact && attach::has_tcx() {
        Kind::Tcx
    } else {
        Kind::Clsact
    };
    let mut wanted: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
    for (position, policy) in plan.policies.iter().enumerate() {
        for device in &policy.devices {
            devices.wanted(device, &policy.name)?;
            wanted.entry(device).or_default().push(position);
        }
    }
    let mut placements = Placements {
        devices: Vec::new(),
        hooks: vec![BTreeSet::new(); plan.policies.len()],
    };
    for (name, policies) in wanted {
        let device = devices.wanted(name, &plan.policies[policies[0]].name)?;
        let ingress: Vec<usize> = policies
            .iter()
            .copied()
            .filter(|p| plan.policies[*p].direction == DeviceDirection::Ingress)
            .collect();
        let kinds = ingress_kinds(plan, name, &ingress, device.physical, tc)?;
        for kind in &kinds {
            for policy in &ingress {
                placements.hooks[*policy].insert(kind.hook(DeviceDirection::Ingress));
            }
        }
        for policy in policies
            .iter()
            .filter(|p| plan.policies[**p].direction == DeviceDirection::Egress)
        {
            placements.hooks[*policy].insert(Hook::TcEgress);
        }
        for (direction, kinds) in [(DeviceDirection::Ingress, kinds), (DeviceDirection::Egress, vec![tc])] {
            placements.devices.push(Placement {
                device: name.to_owned(),
                ifindex: device.index,
                link_header: device.link_header,
                direction,
                kinds,
            });
        }
    }
    Ok(placements)
}

/// Ingress of a device is either tc or XDP.
fn ingress_kinds(plan: &Plan, device: &str, policies: &[usize], physical: bool, tc: Kind) -> Result<Vec<Kind>> {
    let conflict = |reason: String| Error::Conflict {
        device: device.to_owned(),
        reason,
    };
    let mut asked: Option<(Kind, &str)> = None;
    for policy in policies.iter().map(|p| &plan.policies[*p]) {
        let kind = match policy.attach {
            Attach::Auto => continue,
            Attach::Tc => tc,
            Attach::XdpNative => Kind::XdpNative,
            Attach::XdpGeneric => Kind::XdpGeneric,
        };
        match asked {
            Some((other, name)) if other != kind => {
                return Err(conflict(format!(
                    "policy `{name}` asks for {} and policy `{}` for {}; ingress of a device has only one of them",
                    other.name(),
                    policy.name,
                    kind.name()
                )));
            }
            _ => asked = Some((kind, &policy.name)),
        }
    }
    let cannot = |hook: Hook| {
        policies
            .iter()
            .map(|p| &plan.policies[*p])
            .find(|policy| !policy.hooks.contains(&hook))
    };
    if let Some((kind, name)) = asked {
        if let Some(policy) = cannot(kind.hook(DeviceDirection::Ingress)) {
            return Err(conflict(format!(
                "policy `{name}` asks for {}, where an element of policy `{}` cannot run",
                kind.name(),
                policy.name
            )));
        }
        return Ok(vec![kind]);
    }
    let mut kinds = Vec::new();
    if physical && !policies.is_empty() && cannot(Hook::Xdp).is_none() {
        kinds.push(Kind::XdpNative);
    }
    if cannot(Hook::TcIngress).is_none() {
        kinds.push(tc);
    }
    if kinds.is_empty() {
        let only = cannot(Hook::TcIngress).map_or("", |policy| policy.name.as_str());
        return Err(conflict(format!(
            "policy `{only}` can only run at XDP, which this device does not offer; try attach = \"xdp-generic\""
        )));
    }
    Ok(kinds)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::plans;

    fn devices() -> Devices {
        Devices::from_indices([("v0", 7), ("v1", 8)])
    }

    #[test]
    fn a_virtual_device_gets_tc_in_both_directions() {
        let plan = plans::on("v0", &[Attach::Auto]);
        let placements = decide(&plan, &devices(), true).unwrap();
        let kinds: Vec<_> = placements
            .devices
            .iter()
            .map(|p| (p.direction, p.kinds.clone()))
            .collect();
        assert_eq!(
            kinds,
            [
                (DeviceDirection::Ingress, vec![Kind::Clsact]),
                (DeviceDirection::Egress, vec![Kind::Clsact])
            ]
        );
        assert_eq!(placements.hooks, [BTreeSet::from([Hook::TcIngress])]);
    }

    #[test]
    fn a_physical_device_prefers_native_xdp_and_can_fall_back() {
        let plan = plans::on("v0", &[Attach::Auto]);
        assert_eq!(
            ingress_kinds(&plan, "v0", &[0], true, Kind::Tcx).unwrap(),
            [Kind::XdpNative, Kind::Tcx]
        );
    }

    #[test]
    fn two_policies_that_exclude_each_other_are_both_named() {
        let plan = plans::on("v0", &[Attach::Tc, Attach::XdpGeneric]);
        let error = decide(&plan, &devices(), true).unwrap_err().to_string();
        assert!(
            error.contains("`p0`") && error.contains("`p1`") && error.contains("v0"),
            "{error}"
        );
    }

    #[test]
    fn a_device_that_is_not_there_is_named() {
        let error = decide(&plans::on("nope", &[Attach::Auto]), &devices(), true).unwrap_err();
        assert!(
            matches!(error, Error::UnknownDevice { ref device, .. } if device == "nope"),
            "{error}"
        );
    }
}
