//! What the analysis emits while it reads.

use crate::record::{Connection, Mark, Stray, Totals};
use crate::{ConnectionId, Direction, PacketNumber, Span, SubflowId, Timestamp};
use mptcp_wire::mptcp::MptcpOption;
use smallvec::SmallVec;

/// The kind of a run of payload bytes: new, or sent before.
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
    /// Data sequence number of the first byte, as an offset: 0 for the first byte of the connection. It is not the
    /// number on the wire ([`DataSequenceNumber`](mptcp_wire::DataSequenceNumber)). None when unmapped.
    pub dsn: Option<u64>,
    /// Length, bytes.
    pub length: u32,
    /// The kind of the bytes.
    pub piece: Piece,
}

/// A packet of a connection that is watched.
#[derive(Clone, Debug)]
pub struct PacketEvent {
    /// The packet.
    pub number: PacketNumber,
    /// When it was captured.
    pub t: Timestamp,
    /// Its connection.
    pub conn_id: ConnectionId,
    /// Its subflow.
    pub sf_id: SubflowId,
    /// Its direction.
    pub dir: Direction,
    /// TCP flags.
    pub flags: mptcp_wire::tcp::Flags,
    /// TCP sequence number, counted from 0 for the SYN.
    pub sequence: u64,
    /// TCP acknowledgement number, counted from 0 for the SYN of the other direction; none without ACK.
    pub acknowledgement: Option<u64>,
    /// Bytes of payload.
    pub payload: u32,
    /// The receive window that it announces, scaled, bytes.
    pub window: u64,
    /// Bytes of this direction and subflow sent and not yet acknowledged, after this packet.
    pub in_flight: u64,
    /// The payload in runs of one kind, in the order of their bytes.
    pub runs: SmallVec<[Run; 2]>,
    /// DATA_ACK, as an offset: 0 for the first byte of the connection.
    pub data_ack: Option<u64>,
    /// The round-trip time that this acknowledgement gives for the other direction.
    pub rtt: Option<Span>,
    /// Its MPTCP options that are well-formed.
    pub options: SmallVec<[MptcpOption; 2]>,
}

/// What the analysis emits while it reads.
///
/// Marks of all connections, and the packets of one that is watched:
///
/// ```
/// use emptcp_trace::record::MarkKind;
/// use emptcp_trace::{Analyzer, ConnectionId, Event, Settings, Watch, source};
///
/// # fn main() -> emptcp_trace::Result<()> {
/// # let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/captures/reuse.pcap.zst");
/// let settings = Settings {
///     watch: Watch::Connection(ConnectionId(1)),
///     ..Settings::default()
/// };
/// let (mut fastclosed, mut packets) = (Vec::new(), 0);
/// for event in Analyzer::with_settings(source::open([path])?, settings) {
///     match event? {
///         Event::Mark(mark) if mark.kind == MarkKind::MpFastclose => fastclosed.push(mark.conn_id),
///         Event::Packet(packet) => {
///             assert_eq!(packet.conn_id, ConnectionId(1));
///             packets += 1;
///         }
///         _ => {}
///     }
/// }
/// assert!(fastclosed.iter().all(|id| *id == ConnectionId(1)) && packets > 100);
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub enum Event {
    /// A packet of a connection that is watched (`Settings::watch`); comes before its marks.
    Packet(Box<PacketEvent>),
    /// An event at one moment: a row of the table `events`.
    Mark(Mark),
    /// A connection is over: its record. No later event is about it.
    Connection(Box<Connection>),
    /// An option of a packet that belongs to no connection: a row of the table `strays`.
    Stray(Box<Stray>),
    /// A live source has no packet now; this is the current time.
    Quiet(Timestamp),
    /// The source is at its end; nothing follows.
    End(Box<Totals>),
}
