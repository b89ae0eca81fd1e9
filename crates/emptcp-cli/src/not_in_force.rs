//! Devices that do not run their policies, as an error.

use crate::{table::Table, words};
use emptcp::in_force::{DeviceState, Standing};
use serde::Serialize;
use std::fmt;

/// A device of an instance.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Device {
    pub(crate) instance: String,
    #[serde(flatten)]
    pub(crate) state: DeviceState,
}

/// Devices that do not run their policies; empty: nothing is in force at all.
#[derive(Debug)]
pub(crate) struct NotInForce(pub(crate) Vec<Device>);

impl NotInForce {
    /// These devices as text.
    pub(crate) fn shown(&self) -> String {
        table(&self.0)
    }
}

impl fmt::Display for NotInForce {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_empty() {
            return write!(
                f,
                "no policy is in force here; `emptcp apply FILE` puts a file in force"
            );
        }
        let has = |state| self.0.iter().any(|device| device.state.state == state);
        write!(
            f,
            "{} not run the policies in force; `emptcp apply FILE` puts them in force again",
            match self.0.len() {
                1 => "1 device and direction does".to_owned(),
                count => format!("{count} devices and directions do"),
            }
        )?;
        if has(Standing::Gone) {
            write!(f, ", when the missing device exists again or is left out of the file")?;
        }
        if has(Standing::Moved) || has(Standing::MovedIdle) {
            write!(f, ", when the device that was moved is back or left out of the file")?;
        }
        if self.0.iter().any(|device| device.state.moved) {
            write!(
                f,
                "; programs on a device that was moved to another network namespace are detached by `emptcp remove`, or by \
                 `emptcp apply` of a file that leaves the device out"
            )?;
        }
        if has(Standing::QdiscReplaced) {
            write!(f, ", after the other qdisc is removed (`tc qdisc del dev DEVICE root`)")?;
        }
        Ok(())
    }
}

impl std::error::Error for NotInForce {}

/// Devices and whether they run their policies, as text.
pub(crate) fn table(devices: &[Device]) -> String {
    let mut table = Table::new(&["instance", "device", "direction", "state"]);
    for device in devices {
        table.row([
            device.instance.clone(),
            device.state.device.clone(),
            words::direction(device.state.direction).to_owned(),
            device.state.words(),
        ]);
    }
    if table.is_empty() {
        String::new()
    } else {
        table.render(0)
    }
}
