//! Whether the devices that a policy set names really run it. A device may go, or come again under its old name with
//! nothing attached; others may detach programs and replace qdiscs. Nobody tells us: the kernel must be asked.

use crate::{attach::Spot, catalog::Catalog, device::Devices, error::Result, instance::Instance, shape, store};
use emptcp_plan::plan::{Direction, PolicyPlan};
use serde::Serialize;

/// How a device stands to the policies that name it.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Standing {
    /// It runs them.
    Attached,
    /// There is no device of this name in this network namespace.
    Gone,
    /// The programs were detached.
    NotAttached,
    /// Another device has the name now: it was created again, or renamed.
    CreatedAgain,
    /// The programs run, but somebody has replaced the root qdisc that `mode=shape` needs.
    QdiscReplaced,
}

impl Standing {
    /// In words.
    pub fn name(self) -> &'static str {
        match self {
            Self::Attached => "attached",
            Self::Gone => "gone",
            Self::NotAttached => "not attached",
            Self::CreatedAgain => "created again, not attached",
            Self::QdiscReplaced => "qdisc replaced, not shaped",
        }
    }
}

/// A device and direction of the policy set in force.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
pub struct DeviceState {
    /// The device, as the policy file names it.
    pub device: String,
    /// The direction.
    pub direction: Direction,
    /// How it stands.
    pub state: Standing,
}

impl Instance {
    /// How every device of the policy set in force stands, in both directions and in the order of the policy file; none before the first set.
    ///
    /// # Errors
    /// When the kernel cannot be asked.
    pub fn devices(&self, catalog: &Catalog) -> Result<Vec<DeviceState>> {
        let (Some(state), devices) = (self.state()?, Devices::read()?) else {
            return Ok(Vec::new());
        };
        let mut found: Vec<DeviceState> = Vec::new();
        for policy in &state.plan.policies {
            // Both directions: the core follows connections in the one that no policy is for.
            let other = match policy.direction {
                Direction::Ingress => Direction::Egress,
                Direction::Egress => Direction::Ingress,
            };
            for (device, direction) in policy
                .devices
                .iter()
                .flat_map(|device| [(device, policy.direction), (device, other)])
            {
                let now = self.standing(device, direction, policy, &devices, catalog)?;
                let known = found
                    .iter_mut()
                    .find(|known| known.device == *device && known.direction == direction);
                match known {
                    // One of several policies may shape.
                    Some(known) if known.state == Standing::Attached => known.state = now,
                    Some(_) => {}
                    None => found.push(DeviceState {
                        device: device.clone(),
                        direction,
                        state: now,
                    }),
                }
            }
        }
        Ok(found)
    }

    fn standing(
        &self,
        name: &str,
        direction: Direction,
        policy: &PolicyPlan,
        devices: &Devices,
        catalog: &Catalog,
    ) -> Result<Standing> {
        let Ok(ifindex) = devices.index(name, &policy.name) else {
            return Ok(Standing::Gone);
        };
        let spot = Spot {
            device: name,
            ifindex,
            direction,
        };
        let attachments = self.attachments()?;
        if attachments.get(spot)?.is_none() {
            // An apply notes every device that it attaches to, by its index: this one came later.
            return Ok(Standing::CreatedAgain);
        }
        if !attachments.is_alive(spot)? {
            return Ok(Standing::NotAttached);
        }
        let records = store::devices(self.records()?)?;
        let has_classes = records.iter().any(|(key, _)| *key == shape::key(ifindex));
        Ok(
            if direction != policy.direction || shape::is_in_place(policy, catalog, name, ifindex, has_classes) {
                Standing::Attached
            } else {
                Standing::QdiscReplaced
            },
        )
    }
}
