//! Subflows.

use crate::{ConnectionId, FlowId, FlowState, SubflowRole};
use mptcp_wire::{AddressId, DataSequenceNumber, Side, Token, Version};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::net::SocketAddr;

/// What one side of a subflow has sent.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
pub struct SenderStats {
    /// Wire segments.
    pub packets: u64,
    /// Payload bytes, retransmissions included.
    pub bytes: u64,
    /// Retransmitted segments.
    pub retransmissions: u32,
    /// Smoothed round trip from the device to this side's peer and back, microseconds; `None` not measured.
    pub rtt_us: Option<u32>,
    /// Least round trip, microseconds.
    pub rtt_min_us: Option<u32>,
    /// Advertised receive window in bytes; `None` when the scale is not known.
    pub window: Option<u32>,
    /// MPTCP address id, when known.
    pub address_id: Option<AddressId>,
    /// Lowest and one past the highest data sequence number mapped.
    pub dsn: Option<(DataSequenceNumber, DataSequenceNumber)>,
}

/// One subflow, as an instance knows it.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub struct Flow {
    /// Its id.
    pub id: FlowId,
    /// Address and port on this side of the device.
    pub local: SocketAddr,
    /// Address and port on the other side.
    pub remote: SocketAddr,
    /// Its state.
    pub state: FlowState,
    /// Initial or joined; `None` if the handshake was not seen and no socket of this host reports it.
    pub role: Option<SubflowRole>,
    /// The side that sent the SYN; `None` if the handshake was not seen and no socket of this host reports it.
    pub opened_by: Option<Side>,
    /// Flags as words: `initial`, `joined`, `backup_local`, `partial`...
    pub flags: Vec<String>,
    /// MPTCP version, `None` unknown.
    pub version: Option<Version>,
    /// The device where it was first seen.
    pub device: Option<String>,
    /// Interface index of that device; 0 when it was taken over from a socket and no packet was seen yet.
    #[serde(serialize_with = "null_for_zero", deserialize_with = "zero_for_null")]
    pub ifindex: u32,
    /// Its connection, `None` unknown.
    pub connection: Option<ConnectionId>,
    /// Token of the local host.
    pub local_token: Option<Token>,
    /// Token of the remote host.
    pub remote_token: Option<Token>,
    /// Milliseconds since the first packet.
    pub age_ms: u64,
    /// Milliseconds since the last packet.
    pub idle_ms: u64,
    /// What the local side has sent.
    pub sent: SenderStats,
    /// What the remote side has sent.
    pub received: SenderStats,
    /// Names of the policies that match it, those of egress before those of ingress, each once, as determined at its
    /// last packet in each direction. A direction without a packet since the policy set was replaced adds none.
    pub policies: Vec<String>,
}

impl Flow {
    /// Retransmitted segments of both sides.
    pub fn retransmissions(&self) -> u64 {
        u64::from(self.sent.retransmissions) + u64::from(self.received.retransmissions)
    }

    /// Established and not yet closed by both sides or by RST.
    pub fn is_live(&self) -> bool {
        self.state.is_live()
    }

    /// Not established yet: the end of its handshake is missing, or, if it was first seen in mid-stream, its other
    /// direction.
    pub fn is_half_open(&self) -> bool {
        self.state.is_half_open()
    }
}

/// Null for the index 0, which no device has.
#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde passes it by reference")]
fn null_for_zero<S: Serializer>(index: &u32, serializer: S) -> Result<S::Ok, S::Error> {
    Some(index).filter(|index| **index != 0).serialize(serializer)
}

/// See [`null_for_zero`].
fn zero_for_null<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u32, D::Error> {
    Option::deserialize(deserializer).map(Option::unwrap_or_default)
}
