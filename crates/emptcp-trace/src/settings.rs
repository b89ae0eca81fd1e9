//! What can be chosen about an analysis.

use crate::{ConnectionId, Span};

/// Whose packets are given out one by one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Watch {
    /// Nobody's.
    #[default]
    Nothing,
    /// Those of one connection.
    Connection(ConnectionId),
    /// Everybody's.
    Everything,
}

/// Whether packets are put in the order of time before they are analysed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Order {
    /// When the source says that it may be out of order: several interfaces, or files side by side.
    #[default]
    Auto,
    /// Always.
    ByTime,
    /// Never.
    AsCaptured,
}

/// Bounds of memory. Where one is met, [`Capped`](crate::record::Capped) counts it, and the connection says so.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Connections at a time; beyond, the one idle for longest is given out.
    pub connections: usize,
    /// Subflows of one connection.
    pub subflows: usize,
    /// MP_JOIN that wait for their connection.
    pub orphans: usize,
    /// Intervals of data sequence numbers per direction.
    pub intervals: usize,
    /// Bytes below the DATA_ACK, and below the TCP acknowledgement, that are remembered.
    pub history: u64,
    /// Mappings per direction of a subflow.
    pub mappings: usize,
    /// Segments timed at once per direction of a subflow.
    pub rtt: usize,
    /// Packets held to be put in order.
    pub reorder_packets: usize,
    /// For how long they are held.
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

/// What can be chosen about an analysis.
#[derive(Clone, Copy, Debug)]
pub struct Settings {
    /// Whose packets are given out one by one.
    pub watch: Watch,
    /// Whether [`Event::Mark`](crate::Event) is given out.
    pub marks: bool,
    /// Whether packets are put in order.
    pub order: Order,
    /// A connection without a packet for so long is over.
    pub idle: Span,
    /// A connection that ended is kept for so long, for its last packets.
    pub linger: Span,
    /// Data that waits, unacknowledged, for so long without progress is a stall; a hand-over is one when it lasts so long.
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
