//! Two captures of the same traffic, taken at two points: what was lost, delayed, reordered and changed between them.
//!
//! # Map
//!
//! * `reader.rs`, `packet.rs`: TCP segments of a capture, in the order of time, and the data kept of each.
//! * `flows.rs`, `flow.rs`: match subflows of A and B: by addresses and ports or, where those were translated, by the
//!   handshake.
//! * `pending.rs`: matches packets of A and B: by the bytes that they carry.
//! * `pair.rs`, `option.rs`: differences between two copies. `tally.rs`, `delay.rs`: counts.
//! * `clock.rs`: how much the clocks differ.
//! * `comparer.rs`: the loop that reads both. `build.rs`, `comparison.rs`: the result.
//!
//! # Memory
//!
//! Packets wait for their copy for [`CompareSettings::window`]; at most [`CompareSettings::packets`] of them wait, and
//! packets beyond that are counted. All other state is bounded per subflow, and there are at most
//! [`CompareSettings::subflows`].

mod build;
mod clock;
mod comparer;
mod comparison;
mod delay;
mod flow;
mod flows;
mod option;
mod packet;
mod pair;
mod pending;
mod reader;
mod tally;
#[cfg(test)]
mod testing;
#[cfg(test)]
mod tests;

pub use clock::{Clock, ClockOffset, Method};
pub use comparer::{PairedPacket, compare, compare_with};
pub use comparison::{
    ComparedConnection, ComparedDirection, ComparedKind, ComparedSubflow, Comparison, EndsAt, Example, FieldChange,
    OptionComparison, PayloadComparison, Unpaired,
};
pub use delay::Delay;
pub use option::OptionName;
pub use packet::Stage;
pub use reader::Capture;
pub use tally::field;

use crate::Span;
use serde::Serialize;

/// One of the two points of observation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub enum Point {
    /// The first capture.
    A,
    /// The second.
    B,
}

impl Point {
    /// Both, in order.
    pub const BOTH: [Self; 2] = [Self::A, Self::B];

    /// The other one.
    #[must_use]
    pub fn other(self) -> Self {
        match self {
            Self::A => Self::B,
            Self::B => Self::A,
        }
    }

    /// `A` or `B`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::A => "A",
            Self::B => "B",
        }
    }

    /// 0 for A, 1 for B: its index in a pair of figures.
    #[must_use]
    pub fn index(self) -> usize {
        usize::from(self == Self::B)
    }
}

/// Settings of a comparison.
#[derive(Clone, Copy, Debug)]
pub struct CompareSettings {
    /// The difference of the clocks.
    pub clock: ClockOffset,
    /// How long, in capture time, a packet waits for its copy.
    pub window: Span,
    /// The most packets that wait.
    pub packets: usize,
    /// The most subflows that are followed; packets of others are counted.
    pub subflows: usize,
}

impl Default for CompareSettings {
    fn default() -> Self {
        Self {
            clock: ClockOffset::Auto,
            window: Span::from_seconds(10),
            packets: 1_000_000,
            subflows: 65_536,
        }
    }
}
