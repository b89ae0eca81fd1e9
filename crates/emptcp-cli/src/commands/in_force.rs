//! `emptcp check --in-force`.

use crate::{
    not_in_force::{Device, NotInForce, table},
    session::{GREEN, Session},
};
use anyhow::Result;
use emptcp::{Error, Instance};
use serde_json::json;

/// Fails when a device of the policies in force does not run them.
pub(crate) fn check(session: &Session) -> Result<()> {
    session.enter_netns()?;
    let catalog = crate::commands::catalog()?;
    let names = match session.named_instance() {
        Some(name) => vec![name.to_owned()],
        None => Instance::list()?,
    };
    let mut devices = Vec::new();
    for instance in names {
        let states = match Instance::open(&instance).and_then(|open| open.devices(&catalog)) {
            Ok(states) => states,
            Err(Error::NoInstance { .. }) => Vec::new(),
            // The others are looked at all the same.
            Err(error @ Error::NothingInForce { .. }) => {
                session.warn(&error);
                Vec::new()
            }
            Err(error) => return Err(error.into()),
        };
        devices.extend(states.into_iter().map(|state| Device {
            instance: instance.clone(),
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
