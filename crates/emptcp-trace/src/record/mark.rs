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
    /// MP_PRIO: the subflow becomes backup, or regular again. One with the identifier of an address (version 0) gives a
    /// mark for each subflow of that address; `other_sf` is then the subflow that carried it.
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
    /// From this packet on, no packet of this direction of the subflow has an MPTCP option. Earlier ones had; the
    /// connection was not over.
    OptionsStopped,
    /// An MPTCP option is malformed, or its length is not allowed there.
    MalformedOption,
    /// Payload was acknowledged that is not in the capture; `bytes` of it.
    NotCaptured,
    /// The clock of the capture went back, or jumped ahead of the TCP timestamps, before this packet.
    ClockStep,
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
    /// MP_JOIN.
    Backup(bool),
    /// MP_PRIO.
    Priority {
        /// The subflow becomes backup.
        backup: bool,
        /// The identifier of the address that it is about (version 0), if it names one.
        #[serde(serialize_with = "super::wire::optional_address_id")]
        address_id: Option<AddressId>,
    },
    /// MP_TCPRST.
    Reset {
        /// T: it may help to try again later.
        transient: bool,
        /// Why.
        #[serde(serialize_with = "super::wire::reason")]
        reason: ResetReason,
    },
    /// An option that is malformed.
    Malformed(Malformed),
    /// A step of the clock: the time between the two packets by the clock, minus what it should have been.
    Step(crate::Span),
    /// Where it fell back.
    Fallback(Fallback),
    /// A stall or a handover: the time without progress.
    Gap(crate::Span),
    /// How the connection ended.
    End(super::End),
}

/// An MPTCP option that is malformed, or whose length is not allowed where it is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Malformed {
    /// The option, `MP_CAPABLE` for example; `TCP option` when the list of options itself is damaged.
    pub option: &'static str,
    /// Its subtype; none where the option is too short to have one.
    pub subtype: Option<u8>,
    /// Its length byte; none where that is cut off.
    pub length: Option<u8>,
    /// The lengths that are allowed, or what else is expected.
    pub expected: String,
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
