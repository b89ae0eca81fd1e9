//! Settings of an analysis.

use crate::{ConnectionId, Span};

/// The connections whose packets are emitted, as [`Event::Packet`](crate::Event).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Watch {
    /// None.
    #[default]
    Nothing,
    /// One connection.
    Connection(ConnectionId),
    /// All connections.
    Everything,
}

/// Whether packets are sorted by time before the analysis.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Order {
    /// When the source may be out of order: several interfaces, or parallel files.
    #[default]
    Auto,
    /// Always.
    ByTime,
    /// Never.
    AsCaptured,
}

/// Memory limits. When one is reached, [`Capped`](crate::record::Capped) counts it, and the connection is marked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Connections at a time; beyond the limit, the one with the longest idle time is ended and emitted.
    pub connections: usize,
    /// Subflows of one connection.
    pub subflows: usize,
    /// Subflows with an MP_JOIN that wait for their connection.
    pub orphans: usize,
    /// Intervals of data sequence numbers per direction.
    pub intervals: usize,
    /// Bytes below the DATA_ACK, and below the TCP acknowledgement, that are remembered.
    pub history: u64,
    /// Mappings per direction of a subflow.
    pub mappings: usize,
    /// Segments timed at once per direction of a subflow.
    pub rtt: usize,
    /// Packets held to be sorted by time.
    pub reorder_packets: usize,
    /// How long they are held, in capture time.
    pub reorder_span: Span,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections: 1_000_000,
            subflows: 1024,
            orphans: 65_536,
            intervals: 16_384,
            history: 4 << 20,
            mappings: 4096,
            rtt: 65_536,
            reorder_packets: 65_536,
            reorder_span: Span::from_seconds(1),
        }
    }
}

/// Settings of an analysis.
///
/// ```
/// use emptcp_trace::{Limits, Settings, Span};
///
/// // For a small machine: at most 1000 connections at a time, over after a minute without a packet.
/// let settings = Settings {
///     idle: Span::from_seconds(60),
///     limits: Limits { connections: 1000, ..Limits::default() },
///     ..Settings::default()
/// };
/// assert_eq!(settings.limits.subflows, 1024);
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Settings {
    /// The connections whose packets are emitted.
    pub watch: Watch,
    /// Whether [`Event::Mark`](crate::Event) is emitted.
    pub marks: bool,
    /// Whether packets are put in order.
    pub order: Order,
    /// A connection ends after this time without a packet.
    pub idle: Span,
    /// A connection that ended is kept for this long, for its last packets.
    pub linger: Span,
    /// Data that stays unacknowledged for this long without progress is a stall. Data that moves to another subflow for
    /// this long is a handover.
    pub stall: Span,
    /// Bounds of memory.
    pub limits: Limits,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            watch: Watch::Nothing,
            marks: true,
            order: Order::Auto,
            idle: Span::from_seconds(5000),
            linger: Span::from_seconds(60),
            stall: Span::from_seconds(1),
            limits: Limits::default(),
        }
    }
}
