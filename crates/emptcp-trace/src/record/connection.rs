//! One connection: a row of the table `connections`.

use super::{MarkKind, RttSummary, Subflow};
use crate::{ConnectionId, PerDirection, Span, Timestamp};
use mptcp_wire::{Token, Version};
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::sync::Arc;

/// How a connection ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum End {
    /// A DATA_FIN in both directions, each acknowledged.
    DataFin,
    /// MP_FASTCLOSE.
    Fastclose,
    /// Fell back to TCP and ended as TCP does.
    Fallback,
    /// The first SYN was answered by a RST.
    Refused,
    /// No packet on any subflow for the idle time.
    Idle,
    /// Still open when the capture ended.
    Eot,
}

/// Where a connection stopped being Multipath TCP.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Fallback {
    /// MP_FAIL: a checksum was wrong on the only subflow.
    MpFail,
    /// A mapping of length 0, infinite, was sent.
    InfiniteMapping,
    /// The SYN+ACK had no MP_CAPABLE.
    SynAckWithoutOption,
    /// The third ACK, or the first data, had no option.
    AckWithoutOption,
    /// The SYN+ACK repeated the MP_CAPABLE of the SYN: a host, or something on the path, that copies options.
    SynAckMirrored,
    /// The SYN was sent again without MP_CAPABLE.
    SynAgainWithoutOption,
    /// Data came without mapping after some had come with one.
    DssDisappeared,
    /// A DSS checksum did not fit its data (seen where whole payloads were captured).
    WrongChecksum,
    /// One side went on with DSS after the other had fallen back.
    OneSided,
    /// No SYN+ACK or no third ACK was captured, so it is unknown.
    Incomplete,
}

/// The hash that makes tokens and initial data sequence numbers from keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Hash {
    /// Version 0.
    Sha1,
    /// Version 1.
    Sha256,
}

/// Where on the path the capture was taken, from the timing of the first handshake.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Vantage {
    /// Near the client: losses towards the client are not seen as retransmissions.
    Client,
    /// Near the server: losses towards the server are not seen as retransmissions.
    Server,
    /// Between, or unknown.
    Middle,
}

/// One connection, with all its figures when it is emitted.
#[derive(Clone, Debug, Serialize)]
pub struct Connection {
    /// Its number.
    pub conn_id: ConnectionId,
    /// The file, or files, that it was captured in.
    pub trace: Arc<str>,
    /// The first SYN with MP_CAPABLE.
    pub t0: Timestamp,
    /// The last packet on any subflow.
    pub t_end: Timestamp,
    /// `t_end - t0`.
    pub dur: Span,
    /// From `t0` to the last DATA_ACK that advanced: what mptcptrace calls the duration.
    pub dur_dack: Option<Span>,
    /// How it ended.
    pub end: End,
    /// The version of MPTCP; written as 0 or 1.
    #[serde(serialize_with = "super::wire::version")]
    pub version: Version,
    /// The hash that tokens are made with.
    pub hash: Hash,
    /// Tokens of client and server, 8 hexadecimal digits; none where the key was not seen.
    #[serde(serialize_with = "super::wire::tokens")]
    pub tokens: [Option<Token>; 2],
    /// The address that opened it.
    pub client: IpAddr,
    /// The destination address of its SYN.
    pub server: IpAddr,
    /// The destination port of its SYN.
    pub port: u16,
    /// A of MP_CAPABLE, from either side: checksums are in use.
    pub flag_a: bool,
    /// C of MP_CAPABLE, from either side: no joins to that side's initial address.
    pub flag_c: bool,
    /// Both keys were seen, and the third ACK with MP_CAPABLE or a DSS.
    pub complete: bool,
    /// Subflows whose handshake completed with MPTCP options, the initial one included.
    pub sf_est: u32,
    /// Subflows that were attempted.
    pub sf_att: u32,
    /// The most subflows that were open at once.
    pub sf_max_conc: u32,
    /// Payload, bytes, each data sequence number once.
    pub data: PerDirection<u64>,
    /// 1 when a DATA_FIN was seen.
    pub fin: PerDirection<u64>,
    /// Bytes acknowledged at the data level, DATA_FIN included.
    pub dacked: PerDirection<u64>,
    /// `data` and `fin` of both directions, bytes.
    pub size: u64,
    /// Bytes that a subflow carried after another subflow had carried them.
    pub reinj: PerDirection<u64>,
    /// Packets with such bytes.
    pub reinj_pkts: PerDirection<u64>,
    /// Bytes that a subflow carried again at the same TCP sequence number.
    pub retx: PerDirection<u64>,
    /// Packets with such bytes.
    pub retx_pkts: PerDirection<u64>,
    /// Bytes that a subflow carried again at a new TCP sequence number.
    pub same_dsn: PerDirection<u64>,
    /// Payload without a mapping, bytes.
    pub unmapped: PerDirection<u64>,
    /// Bytes acknowledged at the data level, but not in the capture.
    pub loss: PerDirection<u64>,
    /// Packets with data below the highest data sequence number, seen for the first time.
    pub ooo_pkts: PerDirection<u64>,
    /// Bytes in them.
    pub ooo: PerDirection<u64>,
    /// Packets on all subflows.
    pub pkts: PerDirection<u64>,
    /// Bytes on all subflows from the IP header on.
    pub ip_bytes: PerDirection<u64>,
    /// From data sent to its DATA_ACK, at the data level.
    pub mptcp_rtt: PerDirection<RttSummary>,
    /// The longest time that data waited, unacknowledged, without progress.
    pub longest_stall: PerDirection<Span>,
    /// ADD_ADDR announcements (each address once).
    pub add_addr: PerDirection<u64>,
    /// How many of them the other side echoed (version 1).
    pub add_addr_echo: PerDirection<u64>,
    /// Subflows opened to an address that this side announced.
    pub add_addr_joined: PerDirection<u64>,
    /// REMOVE_ADDR, address identifiers.
    pub remove_addr: PerDirection<u64>,
    /// MP_PRIO, changes.
    pub mp_prio: PerDirection<u64>,
    /// Handovers: how often the data moved from one subflow to another and did not return.
    pub handovers: u32,
    /// Where it fell back, if it did.
    pub fallback: BTreeSet<Fallback>,
    /// What else happened to it.
    pub events: BTreeSet<MarkKind>,
    /// MPTCP options by subtype.
    pub options: BTreeMap<&'static str, u64>,
    /// Where the capture was taken.
    pub vantage: Vantage,
    /// Begins in the capture without its first SYN: with the third ACK, or in the middle (`mid_stream`).
    pub partial: bool,
    /// The capture has no packet of its first handshake. Subflows are found by their DSS, and belong together as far as
    /// their data sequence numbers and DATA_ACKs show it. `client` is the end with the higher port.
    pub mid_stream: bool,
    /// Goes on after an idle time that ended an earlier record.
    pub continued: bool,
    /// A memory limit was reached: byte counts are lower bounds.
    pub truncated: bool,
    /// Data was acknowledged that is not in the capture: byte counts are lower bounds.
    pub lossy_capture: bool,
    /// Packets that the capture has again; they are in no other figure.
    pub captured_twice: PerDirection<u64>,
    /// Payload that was acknowledged on its subflow, but is not in the capture, bytes.
    pub not_captured: PerDirection<u64>,
    /// Packets of which the capture has only a part.
    pub cut_short: PerDirection<u64>,
    /// Packets larger than the maximum segment size: merged, or not split yet, by an offload of the capturing host.
    pub aggregates: PerDirection<u64>,
    /// How often the time went back, or jumped ahead of the TCP timestamps, from a packet of it to the next one.
    pub clock_steps: u32,
    /// MPTCP options that are malformed, or have a length that is not allowed there.
    pub malformed_options: PerDirection<u64>,
    /// No key was seen: data sequence numbers count from the first that was.
    pub dsn_relative: bool,
    /// Its subflows.
    pub subflows: Vec<Subflow>,
}

impl Connection {
    /// Whether its byte counts are lower bounds, which are printed with `>=`.
    #[must_use]
    pub fn is_lower_bound(&self) -> bool {
        self.truncated || self.lossy_capture
    }
}
