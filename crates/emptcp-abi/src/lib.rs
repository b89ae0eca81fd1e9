//! What emptcp's BPF programs and user space share: the Rust mirror of `bpf/include/emptcp/abi.h`.
//!
//! * [`constants`]: sizes, slots and the bits of every enumeration, with their names.
//! * [`ids`]: newtypes, so that a flow id, a policy id and an interface index cannot be mixed up.
//! * [`flow`]: flow key, flow record, connection, keys.
//! * [`table`]: the main flow table and its hash.
//! * [`rule`]: one rule of the classifier.
//! * [`event`]: what comes out of the event ring.
//!
//! Every structure has the layout of its C twin. The sizes are asserted when this crate is compiled; a test
//! compiles the header itself and compares every size, offset and number.

pub mod constants;
pub mod event;
pub mod flow;
pub mod ids;
pub mod rule;
pub mod table;

pub use constants::*;
pub use event::{Event, EventConnection, EventRing, EventSlot, EventSubflow};
pub use flow::{
    Adoption, Connection, Counter, DevicePair, Flow, FlowKey, Keys, Passage, Range, Resolution, Sender, TokenKey,
    Totals,
};
pub use ids::{ConnectionId, FlowId, Generation, PolicyId};
pub use rule::Rule;
pub use table::{FlowHash, FlowSet, Secret, Slot, Table};
