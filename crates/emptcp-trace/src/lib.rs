//! What happened in a Multipath TCP connection: streaming analysis of packet captures, both versions of MPTCP, in bounded memory.
//!
//! # Map
//!
//! * [`source`]: where packets come from. `settings.rs`: what can be chosen.
//! * [`analyzer`]: the analysis, an iterator. Beneath it: `packet.rs` (one segment, decoded), `reorder.rs` (packets in the order of
//!   time), `engine/` (connections and subflows, packet by packet), `stream/` (what is remembered about bytes).
//! * [`event`], [`record`]: what comes out.
//! * [`live`]: packets of a device while they pass.
//! * [`compare`]: two captures of the same traffic at two points.
//! * `direction.rs`, `time.rs`, `identity.rs`, `error.rs`: what all of these share.

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
