//! What the analysis gives out while it reads.

use crate::record::{Connection, Mark, Totals};
use crate::{ConnectionId, Direction, PacketNumber, Span, SubflowId, Timestamp};
use mptcp_wire::mptcp::MptcpOption;
use smallvec::SmallVec;

/// What a byte of payload was when it passed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Piece {
    /// New to the connection.
    New,
    /// Seen before at the same TCP sequence number on this subflow.
    Retransmission,
    /// New to this subflow, seen before on another.
    Reinjection {
        /// The subflow that carried it first.
        of: SubflowId,
    },
    /// Seen before on this subflow at another TCP sequence number.
    SameSubflow,
    /// Without a mapping.
    Unmapped,
}

/// A run of payload bytes of one kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Run {
    /// Data sequence number of the first byte, counted from 0 for the first byte of the connection; none when unmapped.
    pub dsn: Option<u64>,
    /// Bytes.
    pub length: u32,
    /// What they are.
    pub piece: Piece,
}

/// A packet of a connection that is watched.
#[derive(Clone, Debug)]
pub struct PacketEvent {
    /// The packet.
    pub number: PacketNumber,
    /// When.
    pub t: Timestamp,
    /// Its connection.
    pub conn_id: ConnectionId,
    /// Its subflow.
    pub sf_id: SubflowId,
    /// Which way it goes.
    pub dir: Direction,
    /// TCP flags.
    pub flags: mptcp_wire::tcp::Flags,
    /// TCP sequence number, counted from 0 for the SYN.
    pub sequence: u64,
    /// TCP acknowledgement number, counted likewise; none without ACK.
    pub acknowledgement: Option<u64>,
    /// Bytes of payload.
    pub payload: u32,
    /// The receive window that it announces, scaled, bytes.
    pub window: u64,
    /// Bytes of this direction and subflow sent and not yet acknowledged, after this packet.
    pub in_flight: u64,
    /// The payload in pieces.
    pub runs: SmallVec<[Run; 2]>,
    /// DATA_ACK, counted from 0 for the first byte.
    pub data_ack: Option<u64>,
    /// The round-trip time that this acknowledgement gives for the other direction.
    pub rtt: Option<Span>,
    /// Its MPTCP options that are well-formed.
    pub options: SmallVec<[MptcpOption; 2]>,
}

/// What the analysis gives out while it reads.
#[derive(Clone, Debug)]
pub enum Event {
    /// A packet of a connection that is watched ([`Settings::watch`](crate::Settings)); comes before its marks.
    Packet(Box<PacketEvent>),
    /// Something happened.
    Mark(Mark),
    /// A connection is over and will not be spoken of again.
    Connection(Box<Connection>),
    /// A live source has nothing now; it is this late.
    Quiet(Timestamp),
    /// The source is at its end; nothing follows.
    End(Box<Totals>),
}
