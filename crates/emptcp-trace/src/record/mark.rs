//! An event at one moment: a row of the table `events`.

use super::{Evidence, Fallback};
use crate::{ConnectionId, Direction, PacketNumber, SubflowId, Timestamp};
use mptcp_wire::AddressId;
use mptcp_wire::mptcp::ResetReason;
use serde::Serialize;
use std::net::IpAddr;

/// What happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum MarkKind {
    /// The first SYN of a subflow.
    Syn,
    /// A SYN or SYN+ACK was sent again.
    SynRetransmission,
    /// The handshake of a subflow completed with MPTCP options.
    Established,
    /// A FIN, the first of its direction.
    Fin,
    /// A RST.
    Rst,
    /// A packet carried payload again at the same TCP sequence number.
    Retransmission,
    /// A packet carried payload that another subflow, `other_sf`, had carried.
    Reinjection,
    /// A packet carried payload again, on the same subflow, at a new TCP sequence number.
    SameDsn,
    /// ADD_ADDR.
    AddAddr,
    /// The echo of an ADD_ADDR.
    AddAddrEcho,
    /// REMOVE_ADDR.
    RemoveAddr,
    /// MP_PRIO: the subflow becomes backup, or regular again.
    MpPrio,
    /// MP_FAIL.
    MpFail,
    /// MP_FASTCLOSE.
    MpFastclose,
    /// MP_TCPRST, the reason of a RST.
    MpTcprst,
    /// DATA_FIN, the first of its direction.
    DataFin,
    /// The connection fell back to TCP.
    Fallback,
    /// The data moved from subflow `other_sf` to a subflow that was opened after it had gone silent.
    BreakBeforeMake,
    /// The data moved from subflow `other_sf` to one that was already open.
    MakeBeforeBreak,
    /// Data waited, unacknowledged, for more than a second; `bytes` in flight.
    Stall,
    /// A second, different key of the same host.
    KeyChanged,
    /// Version 1 with tokens of version 0.
    V1WithSha1,
    /// The HMAC of an MP_JOIN or ADD_ADDR is wrong.
    WrongHmac,
    /// The same bytes were sent again after a fallback that only one side made: the stream may be corrupt.
    StreamCorruptionSuspected,
    /// The connection ended.
    End,
}

/// More about it, by kind.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Detail {
    /// ADD_ADDR and its echo.
    Address {
        /// Its identifier.
        #[serde(serialize_with = "super::wire::address_id")]
        id: AddressId,
        /// The address; written as `ip`.
        #[serde(rename = "ip")]
        address: Option<IpAddr>,
        /// Its port, when it has one.
        port: Option<u16>,
    },
    /// REMOVE_ADDR.
    AddressIds(#[serde(serialize_with = "super::wire::address_ids")] Vec<AddressId>),
    /// MP_PRIO, MP_JOIN.
    Backup(bool),
    /// MP_TCPRST.
    Reason(#[serde(serialize_with = "super::wire::reason")] ResetReason),
    /// Where it fell back.
    Fallback(Fallback),
    /// A stall or a handover: the time without progress.
    Gap(crate::Span),
    /// How the connection ended.
    End(super::End),
}

/// One event.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Mark {
    /// The connection.
    pub conn_id: ConnectionId,
    /// The subflow; none when it concerns the connection.
    pub sf_id: Option<SubflowId>,
    /// When that was.
    pub t: Timestamp,
    /// The packet that shows it.
    pub packet: PacketNumber,
    /// Which way that packet went.
    pub dir: Direction,
    /// What happened.
    pub kind: MarkKind,
    /// The bytes that it concerns; 0 where that has no meaning.
    pub bytes: u64,
    /// The other subflow, where there is one: the one that carried the bytes first, or that the data moved away from.
    pub other_sf: Option<SubflowId>,
    /// More, by kind.
    pub detail: Option<Detail>,
    /// What it rests on. Empty for what `packet` alone shows.
    pub evidence: Evidence,
}
