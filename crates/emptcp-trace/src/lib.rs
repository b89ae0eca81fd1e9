//! What happened in a Multipath TCP connection: streaming analysis of packet captures, both versions of MPTCP, in bounded memory.
//!
//! # Map
//!
//! * [`source`]: where packets come from. `settings.rs`: what can be chosen.
//! * [`analyzer`]: the analysis, an iterator. Beneath it: `packet.rs` (one segment, decoded), `reorder.rs` (packets in the order of
//!   time), `engine/` (connections and subflows, packet by packet), `stream/` (what is remembered about bytes).
//! * [`event`], [`record`]: what comes out.
//! * [`output`]: what came out as text, JSON, CSV and Parquet.
//! * [`report`]: tables and figures about many connections, as a page.
//! * [`explain`]: the story of one connection in sentences. [`plot`]: pictures of it, and xplot files. [`split`]: a capture of its own.
//! * [`compare`]: two captures of the same traffic at two points.
//! * [`live`]: packets of a device while they pass.
//! * [`chart`]: pictures as SVG and PNG.
//! * `direction.rs`, `time.rs`, `identity.rs`, `error.rs`: what all of these share.

pub mod analyzer;
pub mod chart;
pub mod compare;
pub mod direction;
mod engine;
pub mod error;
pub mod event;
pub mod explain;
pub mod identity;
pub mod live;
pub mod output;
mod packet;
pub mod plot;
pub mod record;
mod reorder;
pub mod report;
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
