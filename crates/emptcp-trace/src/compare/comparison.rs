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
    /// The time that both captures cover, by A's clock; none when they do not overlap.
    pub overlap: Option<(Timestamp, Timestamp)>,
    /// Packets that were discarded before the window was over, because too many waited. If it is not 0, losses are
    /// upper bounds.
    pub exceeded: u64,
    /// Packets of subflows beyond the limit.
    pub not_followed: u64,
    /// MPTCP connections in the order of A, then those only in B, then MP_JOINs without a connection and plain TCP.
    pub connections: Vec<ComparedConnection>,
}

/// What kind of connection or subflow it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub enum ComparedKind {
    /// MP_CAPABLE; in a subflow: the initial one.
    #[serde(rename = "MPC")]
    Capable,
    /// MP_JOIN; as a connection: its token belongs to no known connection.
    #[serde(rename = "JOIN")]
    Join,
    /// No MPTCP option in either capture.
    #[serde(rename = "TCP")]
    Tcp,
}

/// A connection.
#[derive(Clone, Debug, Serialize)]
pub struct ComparedConnection {
    /// Its number in A, as in the other commands; none for other connections than MPTCP, or when it is not in A.
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

/// Addresses and ports in one capture.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct EndsAt {
    /// At the client of the connection.
    pub client: SocketAddr,
    /// At its server.
    pub server: SocketAddr,
    /// The first packet.
    pub first_packet: PacketNumber,
    /// Its time, by this capture's clock.
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
    /// Initial sequence number at B minus that at A, modulo 2^32; none when one of them was not seen.
    pub isn_shift: PerDirection<Option<u32>>,
    /// Which capture is nearer to the client.
    pub client_at: super::Point,
    /// The figures of each direction.
    pub directions: PerDirection<ComparedDirection>,
}

/// Packets in only one capture.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Unpaired {
    /// Packets.
    pub packets: u64,
    /// Those of them that carry payload.
    pub data_packets: u64,
    /// Payload in bytes, also the missing part of packets that arrived in part.
    pub bytes: u64,
    /// Those of them that are RST.
    pub resets: u64,
    /// The first of the packets.
    pub first: Option<PacketNumber>,
    /// The first RST among them.
    pub first_reset: Option<PacketNumber>,
    /// The first SYN or SYN+ACK among them.
    pub first_handshake: Option<PacketNumber>,
    /// Further packets outside the time of the other capture; not counted above.
    pub outside: u64,
}

/// One direction of a subflow. "Sent" means in the capture nearer to the sender, "arrived" in the other one.
/// Retransmissions count as separate packets.
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
    /// Packets that arrived and were not sent: the capture missed them, or they were inserted on the path.
    pub appeared: Unpaired,
    /// Pairs of packets with the same borders.
    pub same: u64,
    /// Pairs of packets with different borders: segmentation offload, or a middlebox that resegments.
    pub resegmented: u64,
    /// One-way delay, milliseconds.
    pub delay: Delay,
    /// Packets that arrived after one that was sent later.
    pub reordered: u64,
    /// The most packets by which one was late.
    pub reorder_extent: u64,
    /// Routers between the points: time to live when sent minus when arrived, smallest and largest.
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

/// A TCP option in packets of one kind.
#[derive(Clone, Debug, Serialize)]
pub struct OptionComparison {
    /// The option.
    pub option: OptionName,
    /// The kind of packets that it is in.
    pub stage: Stage,
    /// Number of packets with it in A and in B.
    pub seen: [u64; 2],
    /// Packets that were sent with it and arrived without it.
    pub removed: u64,
    /// The first such packet.
    pub first_removed: Option<Example>,
    /// Packets that were sent without it and arrived with it.
    pub added: u64,
    /// The first such packet.
    pub first_added: Option<Example>,
    /// Packets in which its content changed.
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
    /// Its value in A in the first packet.
    pub at_a: String,
    /// Its value in B in the first packet.
    pub at_b: String,
}

/// Payload of packets that begin at the same byte, as far as both captures contain it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct PayloadComparison {
    /// Packets compared.
    pub compared: u64,
    /// Packets that differ.
    pub changed: u64,
    /// The first of them.
    pub first: Option<Example>,
    /// The range of payload bytes, counted from 0, that contains its first difference.
    pub between: Option<(u32, u32)>,
}
