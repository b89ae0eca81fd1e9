//! Converts an event from the kernel's record to the public type. An [`EventReader`](crate::event_reader::EventReader)
//! returns them.

use crate::{flows, names::Names};
use emptcp_abi::{self as abi, EventConnection, EventSubflow, event_kind, side, subflow_change, subflow_unknown};
use emptcp_host::device::Devices;
use emptcp_model::DeviceDirection;
pub use emptcp_model::{Event, EventBody};
use mptcp_wire::{Side, Version};
use zerocopy::FromBytes;

/// The side for a number of [`side`].
fn side_from(number: u8) -> Side {
    if u32::from(number) == side::LOCAL {
        Side::Local
    } else {
        Side::Remote
    }
}

/// Reads an event; `None` for one that this version does not understand.
pub(crate) fn parse(bytes: &[u8], names: &Names, devices: &Devices) -> Option<Event> {
    let (header, rest) = abi::Event::read_from_prefix(bytes).ok()?;
    let body = rest.get(..usize::from(header.body_length))?;
    let body = match u32::from(header.kind) {
        event_kind::CONNECTION => {
            let (event, _) = EventConnection::read_from_prefix(body).ok()?;
            EventBody::Connection {
                connection: event.connection,
                local_token: event.token[0].known(),
                remote_token: event.token[1].known(),
                version: Version::from_number(event.version),
                opened_by: side_from(event.opened_by),
                keys: (event.keys_included != 0).then_some(event.key),
            }
        }
        event_kind::SUBFLOW => {
            let (event, _) = EventSubflow::read_from_prefix(body).ok()?;
            let known = |what: u32| u32::from(event.unknown) & what == 0;
            EventBody::Subflow {
                connection: event.connection.is_known().then_some(event.connection),
                local_token: event.token[0].known(),
                remote_token: event.token[1].known(),
                established: u32::from(event.change) == subflow_change::ESTABLISHED,
                reset: event.reset != 0,
                opened_by: known(subflow_unknown::OPENER).then(|| side_from(event.opened_by)),
                initial: known(subflow_unknown::ROLE).then_some(event.initial != 0),
                backup: event.backup != 0,
                address_ids: known(subflow_unknown::ADDRESS_IDS).then_some(event.address_id),
            }
        }
        event_kind::RECORD => {
            let (flow, _) = abi::Flow::read_from_prefix(body).ok()?;
            // Age and idle time are those of the event, however late it is read.
            EventBody::Record(Box::new(flows::flow(
                &header.key,
                &flow,
                header.time_ns,
                devices,
                names,
            )))
        }
        kind if kind >= event_kind::USER => EventBody::User {
            kind: header.kind,
            body: body.to_vec(),
        },
        _ => return None,
    };
    Some(Event {
        time_ns: header.time_ns,
        flow: header.flow,
        local: header.key.local(),
        remote: header.key.remote(),
        policy: names.by_id.get(&header.policy.0).cloned(),
        policy_id: header.policy,
        direction: DeviceDirection::from_number(u32::from(header.direction)).unwrap_or(DeviceDirection::Ingress),
        body,
    })
}
