//! Data that emptcp's BPF programs and user space share: the Rust mirror of `bpf/include/emptcp/abi.h`.
//!
//! * [`constants`]: sizes, slots and the bits of every enumeration, with their names.
//! * [`flow`]: flow key, flow record, connection, keys.
//! * [`table`]: the main flow table and its hash.
//! * [`rule`]: one rule of the classifier.
//! * [`event`]: the content of the event ring.
//!
//! Ids and sums, which are also public, are those of `emptcp-model`.
//!
//! Every structure has the layout of its C twin. The sizes are asserted when this crate is compiled; a test
//! compiles the header itself and compares every size, offset and number.

pub mod constants;
pub mod event;
pub mod flow;
pub mod rule;
pub mod table;

pub use constants::*;
pub use emptcp_model::{ConnectionId, Counter, FlowId, Generation, PolicyId, Totals};
pub use event::{Event, EventConnection, EventRing, EventSlot, EventSubflow};
pub use flow::{Adoption, Connection, DevicePair, Flow, FlowKey, Keys, Passage, Range, Resolution, Sender, TokenKey};
pub use rule::Rule;
pub use table::{FlowHash, FlowSet, Secret, Slot, Table};
