//! One subflow: a row of the table `subflows`.

use super::RttSummary;
use crate::{ConnectionId, PerDirection, Span, SubflowId, Timestamp};
use mptcp_wire::AddressId;
use mptcp_wire::mptcp::ResetReason;
use serde::ser::SerializeMap;
use serde::{Serialize, Serializer};
use std::net::SocketAddr;

/// How a subflow was opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub enum Kind {
    /// MP_CAPABLE: the initial subflow.
    #[serde(rename = "MPC")]
    Initial,
    /// MP_JOIN.
    #[serde(rename = "JOIN")]
    Join,
    /// The capture has no packet of its handshake.
    #[serde(rename = "UNKNOWN")]
    Unknown,
}

/// The first answer to the SYN of a subflow.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Answer {
    /// A SYN+ACK with the option.
    SynAck,
    /// A SYN+ACK without it.
    SynAckWithoutOption,
    /// A SYN+ACK with the option as the SYN had it.
    SynAckMirrored,
    /// A RST.
    Rst,
}

/// The side of the connection that sent the SYN.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Opener {
    /// The client of the connection.
    Client,
    /// Its server.
    Server,
}

/// One subflow.
#[derive(Clone, Debug, Serialize)]
pub struct Subflow {
    /// Its connection.
    pub conn_id: ConnectionId,
    /// Its number in the connection.
    pub sf_id: SubflowId,
    /// MP_CAPABLE or MP_JOIN.
    pub kind: Kind,
    /// The side that sent the SYN; the client where that is unknown.
    pub opened_by: Opener,
    /// At the client of the connection; written as `client` and `client_port`.
    #[serde(flatten, serialize_with = "client")]
    pub client: SocketAddr,
    /// At the server of the connection; written as `server` and `server_port`.
    #[serde(flatten, serialize_with = "server")]
    pub server: SocketAddr,
    /// Address identifiers that client and server gave in MP_JOIN.
    #[serde(serialize_with = "super::wire::both_address_ids")]
    pub address_ids: [Option<AddressId>; 2],
    /// The first SYN.
    pub t_syn: Timestamp,
    /// The third packet of the handshake.
    pub t_est: Option<Timestamp>,
    /// The last packet.
    pub t_last: Timestamp,
    /// `t_syn` after the first SYN of the connection.
    pub join_delay: Span,
    /// How the SYN was answered; none when no answer was captured.
    pub answer: Option<Answer>,
    /// The handshake completed with MPTCP options. For a subflow whose handshake was not captured: it carried DSS.
    pub established: bool,
    /// Backup, by MP_JOIN or the last MP_PRIO of either side.
    pub backup: bool,
    /// Both HMACs of MP_JOIN are right; none when they or the keys were not seen.
    pub hmac_ok: Option<bool>,
    /// SYN and SYN+ACK that were sent again.
    pub syn_retx: u32,
    /// Payload, bytes, each TCP sequence number once.
    pub payload: PerDirection<u64>,
    /// Payload that no subflow had carried before, bytes.
    pub new_dsn: PerDirection<u64>,
    /// Bytes carried again at the same TCP sequence number.
    pub retx: PerDirection<u64>,
    /// Packets with such bytes.
    pub retx_pkts: PerDirection<u64>,
    /// Bytes that it carried after another subflow.
    pub reinj: PerDirection<u64>,
    /// Packets with such bytes.
    pub reinj_pkts: PerDirection<u64>,
    /// Bytes that another subflow carried after this one.
    pub reinj_caused: PerDirection<u64>,
    /// Bytes that it carried again at a new TCP sequence number.
    pub same_dsn: PerDirection<u64>,
    /// Payload without a mapping, bytes.
    pub unmapped: PerDirection<u64>,
    /// Packets.
    pub pkts: PerDirection<u64>,
    /// Bytes from the IP header on.
    pub ip_bytes: PerDirection<u64>,
    /// From data to its acknowledgement, by the direction of the data.
    pub rtt: PerDirection<RttSummary>,
    /// SYN to SYN+ACK and SYN+ACK to ACK, milliseconds; none when the first of the two was sent again.
    pub hs_rtt: [Option<f64>; 2],
    /// First payload.
    pub t_first_data: PerDirection<Option<Timestamp>>,
    /// Last payload.
    pub t_last_data: PerDirection<Option<Timestamp>>,
    /// A FIN was seen.
    pub fin: PerDirection<bool>,
    /// A RST was seen.
    pub rst: PerDirection<bool>,
    /// Packets that the capture has again; they are in no other figure.
    pub captured_twice: PerDirection<u64>,
    /// Payload that was acknowledged, but is not in the capture, bytes.
    pub not_captured: PerDirection<u64>,
    /// Packets of which the capture has only a part.
    pub cut_short: PerDirection<u64>,
    /// Packets larger than the maximum segment size: merged, or not split yet, by an offload of the capturing host.
    pub aggregates: PerDirection<u64>,
    /// The capture has only one direction of it.
    pub one_direction: bool,
    /// T in MP_TCPRST: it may help to try again later.
    pub rst_transient: Option<bool>,
    /// The reason in MP_TCPRST.
    #[serde(serialize_with = "super::wire::optional_reason")]
    pub rst_reason: Option<ResetReason>,
}

fn client<S: Serializer>(address: &SocketAddr, serializer: S) -> Result<S::Ok, S::Error> {
    parts(["client", "client_port"], address, serializer)
}

fn server<S: Serializer>(address: &SocketAddr, serializer: S) -> Result<S::Ok, S::Error> {
    parts(["server", "server_port"], address, serializer)
}

/// Address and port separately, so that `client` means the same in the tables of connections and of subflows.
fn parts<S: Serializer>(names: [&str; 2], address: &SocketAddr, serializer: S) -> Result<S::Ok, S::Error> {
    let [ip, port] = names;
    let mut map = serializer.serialize_map(Some(2))?;
    map.serialize_entry(ip, &address.ip())?;
    map.serialize_entry(port, &address.port())?;
    map.end()
}
