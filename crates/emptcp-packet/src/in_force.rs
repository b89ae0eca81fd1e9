//! Whether the devices that a policy set names really run it. A device may go, or come again under its old name with
//! nothing attached, be renamed, or be moved to another network namespace with its programs; others may detach programs
//! and replace qdiscs. The kernel does not report this: it must be queried.

use crate::{
    attach::{Attachments, Hold, HookPoint},
    device::OfPolicy,
    elements::catalog::Catalog,
    error::Result,
    instance::Instance,
    records::Records,
    shape::{self, InPlace},
    store,
};
use emptcp_host::device::Devices;
use emptcp_model::DeviceDirection;
pub use emptcp_model::{DeviceState, Standing};
use emptcp_plan::plan::PolicyPlan;

impl Instance {
    /// State of every device of the policy set in force, in both directions and in the order of the policy file.
    ///
    /// # Errors
    /// [`Error::NothingInForce`](crate::Error::NothingInForce), and when the kernel cannot be asked.
    pub fn devices(&self, catalog: &Catalog) -> Result<Vec<DeviceState>> {
        let (state, devices) = (self.set_in_force()?, Devices::read()?);
        let asked = Asked {
            instance: self,
            attachments: self.attachments()?,
            state: &state,
            devices: &devices,
            catalog,
        };
        let mut found: Vec<DeviceState> = Vec::new();
        for (policy, numbers) in state.plan.policies.iter().zip(&state.allocation.policies) {
            // Both directions: the core also follows connections in the direction without a policy.
            let other = policy.direction.opposite();
            for (device, direction) in policy
                .devices
                .iter()
                .flat_map(|device| [(device, policy.direction), (device, other)])
            {
                let given = Given {
                    policy,
                    class: numbers.class,
                };
                let now = asked.state(device, direction, given)?;
                let known = found
                    .iter_mut()
                    .find(|known| known.device == *device && known.direction == direction);
                match known {
                    // One of several policies may shape.
                    Some(known) if known.state.is_in_force() => *known = now,
                    Some(_) => {}
                    None => found.push(now),
                }
            }
        }
        Ok(found)
    }
}

/// A policy and the minor number of its class.
#[derive(Clone, Copy)]
struct Given<'a> {
    policy: &'a PolicyPlan,
    class: u16,
}

/// What is queried about all devices of a set.
struct Asked<'a> {
    instance: &'a Instance,
    attachments: Attachments<'a>,
    state: &'a store::State,
    devices: &'a Devices,
    catalog: &'a Catalog,
}

impl Asked<'_> {
    fn state(&self, name: &str, direction: DeviceDirection, given: Given<'_>) -> Result<DeviceState> {
        let mut answer = DeviceState {
            device: name.to_owned(),
            direction,
            state: Standing::Gone,
            renamed_to: None,
            moved: false,
            came_back: false,
            qdisc: None,
        };
        let now = self.devices.index(name, &given.policy.name).ok();
        let noted = self.state.interfaces.get(name).copied();
        if let (Some(now), true) = (now, noted.is_none() || now == noted) {
            answer.state = self.standing(name, now, direction, given)?;
            answer.qdisc = self.qdisc(name, now, direction)?;
            return Ok(answer);
        }
        if now.is_some() {
            answer.state = Standing::CreatedAgain;
        }
        let Some(noted) = noted else { return Ok(answer) };
        let point = HookPoint {
            device: name,
            ifindex: noted,
            direction,
        };
        match (self.attachments.hold(point)?, self.devices.name(noted)) {
            (Hold::Here, Some(other)) => {
                answer.renamed_to = Some(other.to_owned());
                answer.qdisc = self.qdisc(other, noted, direction)?;
                if now.is_none() {
                    answer.state = match self.standing(other, noted, direction, given)? {
                        Standing::Attached => Standing::Renamed,
                        state => state,
                    };
                }
            }
            (Hold::Elsewhere { acts }, _) => {
                answer.moved = true;
                if now.is_none() {
                    answer.state = if acts { Standing::Moved } else { Standing::MovedIdle };
                }
            }
            _ => answer.came_back = now.is_some() && self.attachments.device_here(point)? == now,
        }
        Ok(answer)
    }

    fn has_classes(&self, ifindex: u32) -> Result<bool> {
        Ok(Records::read(self.instance.records()?)?.shaped.contains(&ifindex))
    }

    fn qdisc(&self, name: &str, ifindex: u32, direction: DeviceDirection) -> Result<Option<String>> {
        let is_ours = direction == DeviceDirection::Egress && self.has_classes(ifindex)?;
        Ok(if is_ours {
            shape::own_root(name, ifindex).map(str::to_owned)
        } else {
            None
        })
    }

    /// State of a device of this namespace, by its index.
    fn standing(&self, name: &str, ifindex: u32, direction: DeviceDirection, given: Given<'_>) -> Result<Standing> {
        let point = HookPoint {
            device: name,
            ifindex,
            direction,
        };
        if self.attachments.get(point)?.is_none() {
            // An apply records every device that it attaches to, by its index: this one was created later.
            return Ok(Standing::CreatedAgain);
        }
        if !self.attachments.is_alive(point)? {
            return Ok(Standing::NotAttached);
        }
        let has_classes = self.has_classes(ifindex)?;
        if direction != given.policy.direction {
            return Ok(Standing::Attached);
        }
        let device = (name, ifindex);
        let in_place = shape::in_place(given.policy, given.class, self.catalog, device, has_classes);
        Ok(match in_place {
            InPlace::Yes => Standing::Attached,
            InPlace::NoQdisc => Standing::QdiscReplaced,
            InPlace::NoClass => Standing::ClassChanged,
        })
    }
}
