//! `emptcp check --in-force`.

use crate::{
    advice,
    not_in_force::{Device, NotInForce, table},
    session::{GREEN, Session},
};
use anyhow::Result;
use emptcp::ErrorKind;
use serde_json::json;

/// Fails when a device of the policies in force does not run them.
pub(crate) fn check(session: &Session) -> Result<()> {
    let catalog = crate::commands::catalog()?;
    let mut devices = Vec::new();
    for instance in session.instances()? {
        let states = match instance.devices(&catalog) {
            Ok(states) => states,
            Err(error) if error.kind() == ErrorKind::NoInstance => Vec::new(),
            // The others are still checked.
            Err(error) if error.kind() == ErrorKind::NothingInForce => {
                session.warn(&advice::in_full(&error));
                Vec::new()
            }
            Err(error) => return Err(error.into()),
        };
        devices.extend(states.into_iter().map(|state| Device {
            instance: instance.name().to_owned(),
            state,
        }));
    }
    let off: Vec<Device> = devices
        .iter()
        .filter(|device| !device.state.state.is_in_force())
        .cloned()
        .collect();
    if devices.is_empty() || !off.is_empty() {
        return Err(NotInForce(off).into());
    }
    if session.wants_json() {
        return session.print_json(&json!({ "devices": devices }));
    }
    Ok(session.print(&format!(
        "{}\n{GREEN}ok{GREEN:#}: {} in force\n",
        table(&devices),
        match devices.len() {
            1 => "1 device and direction has its policies".to_owned(),
            count => format!("{count} devices and directions have their policies"),
        }
    ))?)
}
