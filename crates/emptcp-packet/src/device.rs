//! The devices that policies name.

use crate::error::{Error, Result};
use emptcp_host::device::{Device, Devices};
use emptcp_plan::plan::Plan;
use std::collections::BTreeMap;

/// Finds devices by the names that policies use.
pub(crate) trait OfPolicy {
    /// A device by name; `policy` wants it.
    fn wanted(&self, name: &str, policy: &str) -> Result<&Device>;

    /// The plan with primary names of devices instead of alternative ones.
    fn with_real_names(&self, plan: &Plan) -> Result<Plan>;

    /// A device's index; `policy` wants it.
    fn index(&self, name: &str, policy: &str) -> Result<u32> {
        self.wanted(name, policy).map(|device| device.index)
    }
}

impl OfPolicy for Devices {
    fn wanted(&self, name: &str, policy: &str) -> Result<&Device> {
        self.get(name).ok_or_else(|| Error::UnknownDevice {
            policy: policy.to_owned(),
            device: name.to_owned(),
            present: self
                .iter()
                .map(|device| device.name.as_str())
                .collect::<Vec<_>>()
                .join(", "),
        })
    }

    fn with_real_names(&self, plan: &Plan) -> Result<Plan> {
        for policy in &plan.policies {
            let mut named: BTreeMap<&str, &str> = BTreeMap::new();
            for name in &policy.devices {
                let own = self.own_name(name).unwrap_or(name);
                if let Some(other) = named.insert(own, name).filter(|other| other != name) {
                    return Err(Error::SameDevice {
                        policy: policy.name.clone(),
                        device: own.to_owned(),
                        names: [other.to_owned(), name.clone()],
                    });
                }
            }
        }
        let mut plan = plan.clone();
        plan.rename_devices(|name| self.own_name(name).map(str::to_owned));
        Ok(plan)
    }
}

/// The plan with the names of the devices themselves where it has alternative ones (`ip link property add ...
/// altname`), as [`apply()`](crate::apply()) keeps it.
///
/// # Errors
/// When the kernel cannot be asked for its devices, and [`Error::SameDevice`] when a policy names one twice.
pub fn with_real_names(plan: &Plan) -> Result<Plan> {
    Devices::read()?.with_real_names(plan)
}
