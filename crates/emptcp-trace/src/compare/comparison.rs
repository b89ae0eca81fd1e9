//! The result of a comparison.

use super::clock::Clock;
use super::delay::Delay;
use super::option::OptionName;
use super::packet::Stage;
use super::reader::Capture;
use crate::{ConnectionId, PacketNumber, PerDirection, SubflowId, Timestamp};
use mptcp_wire::{Token, Version};
use serde::Serialize;
use std::net::SocketAddr;

/// The whole comparison.
#[derive(Clone, Debug, Serialize)]
pub struct Comparison {
    /// How the clocks differ.
    pub clock: Clock,
    /// The first capture.
    pub a: Capture,
    /// The second.
    pub b: Capture,
    /// When both captures ran, by A's clock; none when they never did at once.
    pub overlap: Option<(Timestamp, Timestamp)>,
    /// Packets that were given up before the window was over, because too many waited. When it is not 0, losses are
    /// upper bounds.
    pub exceeded: u64,
    /// Packets of subflows beyond the limit.
    pub not_followed: u64,
    /// MPTCP connections in the order of A, then those that only B has; then MP_JOINs without a connection and plain
    /// TCP.
    pub connections: Vec<ComparedConnection>,
}

/// What kind of connection or subflow it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub enum ComparedKind {
    /// MP_CAPABLE; in a subflow: the initial one.
    #[serde(rename = "MPC")]
    Capable,
    /// MP_JOIN; as a connection: one whose token is that of no connection.
    #[serde(rename = "JOIN")]
    Join,
    /// No MPTCP option in either capture.
    #[serde(rename = "TCP")]
    Tcp,
}

/// A connection.
#[derive(Clone, Debug, Serialize)]
pub struct ComparedConnection {
    /// Its number in A, as the other commands have it; none when it is not one of MPTCP, or is not in A.
    pub conn_id: Option<ConnectionId>,
    /// How it was opened.
    pub kind: ComparedKind,
    /// The version of MPTCP; written as 0 or 1.
    #[serde(serialize_with = "crate::record::optional_version")]
    pub version: Option<Version>,
    /// Tokens of client and server, 8 hexadecimal digits.
    #[serde(serialize_with = "crate::record::tokens")]
    pub tokens: [Option<Token>; 2],
    /// Its subflows, in the order of their first packets.
    pub subflows: Vec<ComparedSubflow>,
}

/// Addresses and ports as one capture has them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct EndsAt {
    /// At the client of the connection.
    pub client: SocketAddr,
    /// At its server.
    pub server: SocketAddr,
    /// The first packet.
    pub first_packet: PacketNumber,
    /// When it passed, by this capture's clock.
    pub t_first: Timestamp,
}

/// A subflow.
#[derive(Clone, Debug, Serialize)]
pub struct ComparedSubflow {
    /// Its number in the connection.
    pub sf_id: SubflowId,
    /// Its number in the list of pairs.
    pub number: usize,
    /// How it was opened.
    pub kind: ComparedKind,
    /// The client of the connection sent the SYN.
    pub opened_by_client: bool,
    /// Its addresses in A; none when A does not have it.
    pub a: Option<EndsAt>,
    /// Its addresses in B; none when B does not have it.
    pub b: Option<EndsAt>,
    /// Addresses or ports differ.
    pub translated: bool,
    /// Initial sequence number at B less that at A, modulo 2^32; none when one of them was not seen.
    pub isn_shift: PerDirection<Option<u32>>,
    /// Which capture is nearer to the client.
    pub client_at: super::Point,
    /// The figures of each direction.
    pub directions: PerDirection<ComparedDirection>,
}

/// Packets that only one capture has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Unpaired {
    /// Packets.
    pub packets: u64,
    /// Those of them that carry payload.
    pub data_packets: u64,
    /// Payload, bytes, also of packets that arrived in part.
    pub bytes: u64,
    /// Those of them that are RST.
    pub resets: u64,
    /// The first of the packets.
    pub first: Option<PacketNumber>,
    /// The first RST among them.
    pub first_reset: Option<PacketNumber>,
    /// The first SYN or SYN+ACK among them.
    pub first_handshake: Option<PacketNumber>,
    /// Further packets, which passed while the other capture did not run; not counted above.
    pub outside: u64,
}

/// One direction of a subflow. "Sent" is what the capture nearer to the sender has, "arrived" what the other one has;
/// retransmissions count as packets of their own.
#[derive(Clone, Debug, Default, Serialize)]
pub struct ComparedDirection {
    /// Packets in A and in B.
    pub packets: [u64; 2],
    /// Packets with payload, in A and in B.
    pub data_packets: [u64; 2],
    /// Payload in A and in B, bytes.
    pub bytes: [u64; 2],
    /// Packets that were sent and did not arrive.
    pub lost: Unpaired,
    /// Packets that arrived and were not sent: the capture missed them, or something between made them.
    pub appeared: Unpaired,
    /// Pairs of packets with the same borders.
    pub same: u64,
    /// Pairs of packets of which one was cut or joined: segmentation offload, or a middlebox that does the same.
    pub resegmented: u64,
    /// One-way delay, milliseconds.
    pub delay: Delay,
    /// Packets that arrived after one that was sent later.
    pub reordered: u64,
    /// By how many packets a packet was late at most.
    pub reorder_extent: u64,
    /// Routers between: time to live when sent less when arrived, smallest and largest.
    pub hops: Option<(i16, i16)>,
    /// TCP options.
    pub options: Vec<OptionComparison>,
    /// Header fields that differ.
    pub fields: Vec<FieldChange>,
    /// The payload.
    pub payload: PayloadComparison,
}

/// Two copies of a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Example {
    /// The packet in A.
    pub a: PacketNumber,
    /// The packet in B.
    pub b: PacketNumber,
}

/// A TCP option in the packets of one stage.
#[derive(Clone, Debug, Serialize)]
pub struct OptionComparison {
    /// The option.
    pub option: OptionName,
    /// The kind of packets that it is in.
    pub stage: Stage,
    /// How often it is in A and in B.
    pub seen: [u64; 2],
    /// Packets that were sent with it and arrived without it.
    pub removed: u64,
    /// The first such packet.
    pub first_removed: Option<Example>,
    /// Packets that were sent without it and arrived with it.
    pub added: u64,
    /// The first such packet.
    pub first_added: Option<Example>,
    /// Packets that arrived with another content of it.
    pub changed: u64,
    /// The fields of the content that differ.
    pub fields: Vec<FieldChange>,
}

/// A field that differs between two copies.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct FieldChange {
    /// Its name; for header fields, one of [`field`](super::field).
    pub field: &'static str,
    /// Packets in which it differs.
    pub packets: u64,
    /// The first of them.
    pub first: Example,
    /// Its value there in A.
    pub at_a: String,
    /// Its value there in B.
    pub at_b: String,
}

/// Payload of packets that begin at the same byte, as far as both captures have it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct PayloadComparison {
    /// Packets compared.
    pub compared: u64,
    /// Packets that differ.
    pub changed: u64,
    /// The first of them.
    pub first: Option<Example>,
    /// Its first difference is between these bytes of its payload, counted from 0.
    pub between: Option<(u32, u32)>,
}
