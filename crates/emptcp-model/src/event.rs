//! Events: what policies report while traffic runs.

use crate::{ConnectionId, DeviceDirection, Flow, FlowId, PolicyId};
use mptcp_wire::{AddressId, Key, Side, Token, Version};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};
use std::net::SocketAddr;

/// The content of an event.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum EventBody {
    /// `get_connect`: a connection.
    Connection {
        /// Its id.
        connection: ConnectionId,
        /// Token of the local host, `None` unknown.
        local_token: Option<Token>,
        /// Token of the remote host.
        remote_token: Option<Token>,
        /// MPTCP version, `None` unknown.
        version: Option<Version>,
        /// The side that sent the SYN.
        opened_by: Side,
        /// Keys of the local and the remote host, if the policy requests them by `keys=yes`; `--json` shows them.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        keys: Option<[Key; 2]>,
    },
    /// `get_subflow`: a subflow was established or closed.
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
        /// The side that sent the SYN, `None` unknown.
        opened_by: Option<Side>,
        /// Opened with MP_CAPABLE, not with MP_JOIN; `None` unknown.
        initial: Option<bool>,
        /// One side requested backup.
        backup: bool,
        /// MPTCP address ids, local and remote; `None` unknown.
        address_ids: Option<[AddressId; 2]>,
    },
    /// `record`: a subflow's record. In JSON its end points are those of the event.
    Record(#[serde(serialize_with = "without_end_points")] Box<Flow>),
    /// An event of a custom element.
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
    /// The policy that emitted it; `None` when it is not in force any more.
    pub policy: Option<String>,
    /// Its stable id.
    pub policy_id: PolicyId,
    /// Direction of the packet.
    pub direction: DeviceDirection,
    /// Its content.
    #[serde(flatten)]
    pub body: EventBody,
}

impl<'de> Deserialize<'de> for Event {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        /// The end points belong to the event and to the record in it: both read the same members. The body comes
        /// first, because reading it leaves the members in place.
        #[derive(Deserialize)]
        struct Members {
            time_ns: String,
            flow: FlowId,
            policy: Option<String>,
            policy_id: PolicyId,
            direction: DeviceDirection,
            #[serde(flatten)]
            body: EventBody,
            #[serde(flatten)]
            ends: Ends,
        }

        #[derive(Deserialize)]
        struct Ends {
            local: SocketAddr,
            remote: SocketAddr,
        }

        let members = Members::deserialize(deserializer)?;
        let time = members.time_ns.parse();
        Ok(Self {
            time_ns: time.map_err(|_| D::Error::custom("`time_ns` is not a decimal number in a string"))?,
            flow: members.flow,
            local: members.ends.local,
            remote: members.ends.remote,
            policy: members.policy,
            policy_id: members.policy_id,
            direction: members.direction,
            body: members.body,
        })
    }
}

fn decimal<S: Serializer>(number: &u64, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(number)
}

/// Members would otherwise occur twice in the object.
fn without_end_points<S: Serializer>(flow: &Flow, serializer: S) -> Result<S::Ok, S::Error> {
    use serde::ser::SerializeStruct;
    let Flow {
        id,
        local: _,
        remote: _,
        state,
        role,
        opened_by,
        flags,
        version,
        device,
        ifindex,
        connection,
        local_token,
        remote_token,
        age_ms,
        idle_ms,
        sent,
        received,
        policies,
    } = flow;
    let mut members = serializer.serialize_struct("Flow", 16)?;
    members.serialize_field("id", id)?;
    members.serialize_field("state", state)?;
    members.serialize_field("role", role)?;
    members.serialize_field("opened_by", opened_by)?;
    members.serialize_field("flags", flags)?;
    members.serialize_field("version", version)?;
    members.serialize_field("device", device)?;
    members.serialize_field("ifindex", &(*ifindex != 0).then_some(ifindex))?;
    members.serialize_field("connection", connection)?;
    members.serialize_field("local_token", local_token)?;
    members.serialize_field("remote_token", remote_token)?;
    members.serialize_field("age_ms", age_ms)?;
    members.serialize_field("idle_ms", idle_ms)?;
    members.serialize_field("sent", sent)?;
    members.serialize_field("received", received)?;
    members.serialize_field("policies", policies)?;
    members.end()
}
