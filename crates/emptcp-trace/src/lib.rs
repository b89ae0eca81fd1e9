//! Streaming analysis of Multipath TCP connections in packet captures: both versions of MPTCP, in bounded memory.
//!
//! This crate is the engine. It reads packets and emits records and events. The crate `emptcp-trace-report` makes
//! tables, sentences, pictures and reports from them.
//!
//! # Start here
//!
//! [`Analyzer`] is an iterator of [`Event`]s over a [`Source`]: files ([`source::open`]), a reader
//! ([`source::from_reader`]), packets in memory ([`source::Packets`]), a device ([`live::Device`]), or an
//! implementation of your own.
//!
//! ```
//! use emptcp_trace::{Analyzer, Event, source};
//!
//! # fn main() -> emptcp_trace::Result<()> {
//! # let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/captures/reuse.pcap.zst");
//! let mut versions = Vec::new();
//! for event in Analyzer::new(source::open([path])?) {
//!     if let Event::Connection(connection) = event? {
//!         println!("{} -> {}: {} bytes", connection.client, connection.server, connection.size);
//!         versions.push(connection.version);
//!     }
//! }
//! # assert!(!versions.is_empty());
//! # Ok(())
//! # }
//! ```
//!
//! # Map
//!
//! * [`source`]: sources of packets. `settings.rs`: settings of the analysis.
//! * [`live`]: live packets of a network device.
//! * [`analyzer`]: the analysis, an iterator. It uses `ahead.rs` (reading in another thread), `packet.rs` (one segment,
//!   decoded), `reorder.rs` (packets in the order of time), `engine/` (connections and subflows, packet by packet) and
//!   `stream/` (state about ranges of bytes).
//! * [`event`], [`record`]: the results.
//! * [`compare`]: two captures of the same traffic at two points.
//! * [`split`]: copies one connection to a separate capture.
//! * `direction.rs`, `time.rs`, `identity.rs`, `error.rs`: shared by all of these.
//!
//! A module uses only modules below it:
//!
//! ```text
//! analyzer           compare      split      live
//!    |                  |           |          |
//!  ahead, engine      source     reorder    source
//!    |                  |
//!  stream, reorder, packet, event, settings
//!    |
//!  record
//!    |
//!  identity, direction, time, error
//! ```
//!
//! `compare` and `split` are in this crate because both read packets. `compare` is a second engine whose result is
//! typed figures; `emptcp-trace-report` makes sentences of them. `split` copies frames and must sort them exactly as
//! the analysis does, so it shares that code.

mod ahead;
pub mod analyzer;
pub mod compare;
pub mod direction;
mod engine;
pub mod error;
pub mod event;
pub mod identity;
pub mod live;
mod packet;
pub mod record;
mod reorder;
pub mod settings;
pub mod source;
pub mod split;
mod stream;
pub mod time;

pub use analyzer::Analyzer;
pub use direction::{Direction, PerDirection};
pub use error::{Error, Result};
pub use event::{Event, PacketEvent, Piece, Run};
pub use identity::{ConnectionId, PacketNumber, SubflowId};
pub use settings::{Limits, Order, Settings, Watch};
pub use source::{Frame, Next, Source};
pub use time::{Span, Timestamp};
