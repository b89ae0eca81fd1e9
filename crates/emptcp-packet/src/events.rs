//! What events say. An [`EventReader`](crate::event_reader::EventReader) hands them out.

use crate::{flows::FlowEntry, names::Names};
use emptcp_abi::{
    ConnectionId, Event as Header, EventConnection, EventSubflow, Flow, FlowId, PolicyId, direction, event_kind, side,
    subflow_change, subflow_unknown,
};
use emptcp_host::device::Devices;
use emptcp_plan::plan::Direction;
use mptcp_wire::{AddressId, Key, Side, Token, Version};
use serde::{Serialize, Serializer};
use std::net::SocketAddr;
use zerocopy::FromBytes;

/// What an event says.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum Body {
    /// `get_connect`: a connection.
    Connection {
        /// Its number.
        connection: ConnectionId,
        /// Token of the local host, `None` unknown.
        local_token: Option<Token>,
        /// Token of the remote host.
        remote_token: Option<Token>,
        /// MPTCP version, `None` unknown.
        version: Option<Version>,
        /// Who sent the SYN.
        opened_by: Side,
        /// Keys of the local and the remote host, when the policy asked for them by `keys=yes`; `--json` shows them.
        #[serde(skip_serializing_if = "Option::is_none")]
        keys: Option<[Key; 2]>,
    },
    /// `get_subflow`: a subflow came or went.
    Subflow {
        /// Its connection, `None` unknown.
        connection: Option<ConnectionId>,
        /// Token of the local host, `None` unknown.
        local_token: Option<Token>,
        /// Token of the remote host.
        remote_token: Option<Token>,
        /// It was established; otherwise it was closed.
        established: bool,
        /// Closed by RST.
        reset: bool,
        /// Who sent the SYN, `None` unknown.
        opened_by: Option<Side>,
        /// Opened with MP_CAPABLE, not with MP_JOIN; `None` unknown.
        initial: Option<bool>,
        /// One side asked for backup.
        backup: bool,
        /// MPTCP address ids, local and remote; `None` unknown.
        address_ids: Option<[AddressId; 2]>,
    },
    /// `record`: a subflow's record.
    Record(Box<FlowEntry>),
    /// An operator's own event.
    User {
        /// Its kind, from 64 on.
        kind: u16,
        /// Its body.
        body: Vec<u8>,
    },
}

/// One event.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Event {
    /// CLOCK_MONOTONIC, ns; a decimal string in JSON, since it passes 2^53 after 104 days.
    #[serde(serialize_with = "decimal")]
    pub time_ns: u64,
    /// The subflow.
    pub flow: FlowId,
    /// Address and port on this side of the device.
    pub local: SocketAddr,
    /// Address and port on the other side.
    pub remote: SocketAddr,
    /// The policy that spoke; `None` when it is not in force any more.
    pub policy: Option<String>,
    /// Its stable id.
    pub policy_id: PolicyId,
    /// Direction of the packet.
    pub direction: Direction,
    /// What it says.
    #[serde(flatten)]
    pub body: Body,
}

fn decimal<S: Serializer>(number: &u64, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(number)
}

/// Which side a number of [`side`] means.
fn side_from(number: u8) -> Side {
    if u32::from(number) == side::LOCAL {
        Side::Local
    } else {
        Side::Remote
    }
}

/// Reads an event; `None` for one that this version does not understand.
pub(crate) fn parse(bytes: &[u8], names: &Names, devices: &Devices) -> Option<Event> {
    let (header, rest) = Header::read_from_prefix(bytes).ok()?;
    let body = rest.get(..usize::from(header.body_length))?;
    let body = match u32::from(header.kind) {
        event_kind::CONNECTION => {
            let (event, _) = EventConnection::read_from_prefix(body).ok()?;
            Body::Connection {
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
            Body::Subflow {
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
            let (flow, _) = Flow::read_from_prefix(body).ok()?;
            // Age and idle time are those of the event, however late it is read.
            Body::Record(Box::new(FlowEntry::new(
                &header.key,
                &flow,
                header.time_ns,
                devices,
                names,
            )))
        }
        kind if kind >= event_kind::USER => Body::User {
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
        direction: if u32::from(header.direction) == direction::EGRESS {
            Direction::Egress
        } else {
            Direction::Ingress
        },
        body,
    })
}
