//! The rules of `docs/flow-records.md` for flow records, in plain Rust: packets in, records out.
//!
//! It is written from that page and from RFC 8684, 9293, 5961, 7323 and 6298, not from the BPF programs, and it parses
//! packets with `mptcp-wire`, not with their parser. So two independent implementations of one page can be compared,
//! packet by packet. It is not optimised.
//!
//! * [`packet`]: parses a frame.
//! * [`times`]: the time of a packet, on both clocks of the programs.
//! * [`record`]: a record, its two sides, a connection.
//! * [`numbers`]: acceptable segments, and the run of those that are not.
//! * [`one_direction`]: subflows of which only one side's segments pass.
//! * [`update`]: what an acceptable segment changes in its record.
//! * [`data`]: data sequence numbers and connections.
//! * [`model`]: beginnings and ends: the table of records.

pub mod data;
pub mod model;
pub mod numbers;
pub mod one_direction;
pub mod packet;
pub mod record;
pub mod times;
pub mod update;

pub use model::{Counters, Model, Outcome, Sampled};
pub use mptcp_wire::{FourTuple, Side};
pub use packet::Packet;
pub use record::{Connection, Fin, Numbers, Record, Sender, State};
pub use times::Times;
