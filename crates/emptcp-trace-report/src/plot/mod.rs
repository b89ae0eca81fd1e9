//! Pictures of one connection: data sequence numbers, throughput, round-trip times, window and bytes in flight over
//! time, each subflow in its colour.
//!
//! ```
//! use emptcp_trace::{Analyzer, ConnectionId, Settings, Watch, source};
//! use emptcp_trace_report::plot::{Collector, Section, Quantity, stem};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../emptcp-trace/tests/captures/reuse.pcap.zst");
//! let id = ConnectionId(2);
//! let settings = Settings {
//!     watch: Watch::Connection(id),
//!     ..Settings::default()
//! };
//! let mut collector = Collector::new(id, Section::default());
//! for event in Analyzer::with_settings(source::open([path])?, settings) {
//!     collector.observe(&event?);
//! }
//! let direction = collector.main_direction();
//! let picture = collector.picture(Quantity::Dsn, direction).expect("data went this way");
//! assert_eq!(stem(id, Quantity::Dsn, direction), "connection-2-dsn-s2c");
//! assert!(picture.chart.to_svg().starts_with("<svg"));
//! # Ok(())
//! # }
//! ```
//!
//! * `collector.rs`: reads the events of one watched connection; `lane.rs`: the data of one subflow and direction.
//! * `grid.rs`: values over time in bounded memory, however many packets there are.
//! * `draw.rs`, `times.rs`: charts from that; `moments.rs`: the marks in them; `words.rs`: titles and descriptions.
//! * `xplot.rs`: files for xplot and jPlot, written packet by packet and therefore exact.

mod collector;
mod draw;
mod grid;
mod lane;
mod moments;
#[cfg(test)]
mod tests;
mod times;
mod words;
mod xplot;

pub use collector::Collector;
pub use xplot::Xplot;

use crate::chart::Chart;
use emptcp_trace::{ConnectionId, Direction, Span};

/// The quantity that a picture shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Quantity {
    /// Data sequence numbers: when they were sent, and when they were acknowledged.
    Dsn,
    /// Payload per second.
    Throughput,
    /// Round-trip times, from data to its acknowledgement, as seen at the capture point.
    Rtt,
    /// Bytes in flight, and the window that the receiver announces.
    Window,
}

impl Quantity {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Dsn, Self::Throughput, Self::Rtt, Self::Window];

    /// The name in file names and on the command line.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Dsn => "dsn",
            Self::Throughput => "throughput",
            Self::Rtt => "rtt",
            Self::Window => "window",
        }
    }
}

/// A part of a connection: times since its first packet. Values outside are not kept, so a short section has full
/// resolution.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Section {
    /// Start.
    pub from: Option<Span>,
    /// End.
    pub to: Option<Span>,
}

impl Section {
    fn contains(&self, time: Span) -> bool {
        self.from.is_none_or(|from| from <= time) && self.to.is_none_or(|to| time <= to)
    }
}

/// A picture of one direction, or of both.
#[derive(Clone, Debug)]
pub struct Picture {
    /// The connection.
    pub connection: ConnectionId,
    /// The direction of the data; none for both.
    pub direction: Option<Direction>,
    /// The quantity that it shows.
    pub quantity: Quantity,
    /// The picture.
    pub chart: Chart,
}

/// The name of a file, without its extension: `connection-3-dsn-s2c`, or `connection-3-rtt` for both directions.
#[must_use]
pub fn stem(connection: ConnectionId, quantity: Quantity, direction: impl Into<Option<Direction>>) -> String {
    let direction = direction.into().map(|direction| format!("-{}", direction.name()));
    format!(
        "connection-{connection}-{}{}",
        quantity.name(),
        direction.unwrap_or_default()
    )
}
