//! Sums of packets and bytes, and the unit of a counter.

use serde::{Deserialize, Serialize};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

/// Packets and TCP payload bytes: `struct emptcp_counter`.
#[derive(
    Clone, Copy, Debug, Default, Deserialize, Eq, FromBytes, Immutable, IntoBytes, KnownLayout, PartialEq, Serialize,
)]
#[repr(C)]
pub struct Counter {
    /// Wire segments: an aggregate counts as its `gso_segs`.
    pub packets: u64,
    /// TCP payload bytes.
    pub bytes: u64,
}

impl std::ops::AddAssign for Counter {
    fn add_assign(&mut self, other: Self) {
        self.packets = self.packets.wrapping_add(other.packets);
        self.bytes = self.bytes.wrapping_add(other.bytes);
    }
}

/// What subflows carried, both directions: `struct emptcp_totals`.
#[derive(Clone, Copy, Debug, Default, Eq, FromBytes, Immutable, IntoBytes, KnownLayout, PartialEq)]
#[repr(C)]
pub struct Totals {
    /// Segments.
    pub packets: u64,
    /// Payload bytes.
    pub bytes: u64,
    /// Retransmitted segments.
    pub retransmissions: u64,
}

/// The unit of a counter.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Unit {
    /// Segments on the wire: an aggregate counts as its segments. `emptcp_count` counts them, and their bytes.
    #[default]
    Segments,
    /// Packets as the hook sees them: an aggregate is one.
    Packets,
    /// Events: one per packet, also for an aggregate. `emptcp_count_event` counts them, without bytes.
    Events,
}

impl Unit {
    /// All units.
    pub const ALL: [Self; 3] = [Self::Segments, Self::Packets, Self::Events];

    /// The name in `element.toml` and in a column's heading.
    pub fn word(self) -> &'static str {
        match self {
            Self::Segments => "segments",
            Self::Packets => "packets",
            Self::Events => "events",
        }
    }
}
