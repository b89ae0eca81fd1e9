//! Sums of packets and bytes, and what one step of a counter stands for.

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

/// What one step of a counter stands for.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Unit {
    /// Segments on the wire: an aggregate counts as what it holds. `emptcp_count` counts them, and their bytes.
    #[default]
    Segments,
    /// Packets as the hook sees them: an aggregate is one.
    Packets,
    /// What happened once, whatever the packet holds. `emptcp_count_event` counts it, without bytes.
    Events,
}

impl Unit {
    /// All units.
    pub const ALL: [Self; 3] = [Self::Segments, Self::Packets, Self::Events];

    /// As in `element.toml` and at the head of a column.
    pub fn word(self) -> &'static str {
        match self {
            Self::Segments => "segments",
            Self::Packets => "packets",
            Self::Events => "events",
        }
    }
}
