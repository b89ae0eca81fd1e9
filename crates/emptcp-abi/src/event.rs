//! Events and their rings.

use crate::{EVENT_WORDS, flow::FlowKey};
use emptcp_model::{ConnectionId, FlowId, PolicyId};
use mptcp_wire::{AddressId, Key, Token};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

/// `struct emptcp_event`: the header of every event; `body_length` bytes follow.
#[derive(Clone, Copy, Debug, Eq, FromBytes, Immutable, IntoBytes, KnownLayout, PartialEq)]
#[repr(C)]
pub struct Event {
    /// CLOCK_MONOTONIC, ns.
    pub time_ns: u64,
    /// The subflow.
    pub flow: FlowId,
    /// Its addresses.
    pub key: FlowKey,
    /// The policy that emitted it.
    pub policy: PolicyId,
    /// One of [`crate::event_kind`], or of a custom element from `event_kind::USER` on.
    pub kind: u16,
    /// Bytes after this header.
    pub body_length: u16,
    /// One of [`crate::direction`].
    pub direction: u8,
    /// Zero.
    pub reserved: [u8; 3],
}

/// `struct emptcp_event_ring`: the ring of one CPU.
#[derive(Clone, Copy, Debug, Default, Eq, FromBytes, Immutable, IntoBytes, KnownLayout, PartialEq)]
#[repr(C)]
pub struct EventRing {
    /// Number of the next event of this CPU.
    pub next: u64,
    /// Slots of each CPU's ring, the same for all.
    pub slots: u64,
    /// Programs that take a number just now.
    pub writers: u64,
    /// Zero.
    pub reserved: [u64; 5],
}

/// `struct emptcp_event_slot`: room for one event.
#[derive(Clone, Copy, Debug, Eq, FromBytes, Immutable, IntoBytes, KnownLayout, PartialEq)]
#[repr(C)]
pub struct EventSlot {
    /// 0: never used; 2n + 1: event n is being written; 2n + 2: it is complete.
    pub sequence: u64,
    /// Over all members except `reserved`: [`EventSlot::sum`].
    pub checksum: u64,
    /// Bytes of the event, header included.
    pub length: u32,
    /// Zero.
    pub reserved: u32,
    /// The event.
    pub words: [u64; EVENT_WORDS as usize],
}

impl EventSlot {
    /// The checksum that the content should have: `emptcp_event_sum()` of bpf/include/emptcp/event.h.
    pub fn sum(&self) -> u64 {
        let step = |sum: u64, word: u64| {
            let sum = (sum ^ word).wrapping_mul(0x9e37_79b9_7f4a_7c15);
            sum ^ sum >> 32
        };
        let start = step(self.sequence, u64::from(self.length));
        self.words.iter().fold(start, |sum, word| step(sum, *word))
    }

    /// Sequence of a slot whose event `number` is complete.
    pub fn complete(number: u64) -> u64 {
        2 * number + 2
    }
}

/// `struct emptcp_event_connection`. No `Debug`: keys appear in no log by accident.
#[derive(Clone, Copy, Eq, FromBytes, Immutable, IntoBytes, KnownLayout, PartialEq)]
#[repr(C)]
pub struct EventConnection {
    /// The connection.
    pub connection: ConnectionId,
    /// Tokens, by [`crate::side`]; 0 unknown.
    pub token: [Token; 2],
    /// MPTCP version.
    pub version: u8,
    /// The side that sent the SYN: one of [`crate::side`].
    pub opened_by: u8,
    /// Whether `key` is filled.
    pub keys_included: u8,
    /// Zero.
    pub reserved: [u8; 5],
    /// Keys, by [`crate::side`], only when the policy asks for them.
    pub key: [Key; 2],
}

/// `struct emptcp_event_subflow`.
#[derive(Clone, Copy, Debug, Default, Eq, FromBytes, Immutable, IntoBytes, KnownLayout, PartialEq)]
#[repr(C)]
pub struct EventSubflow {
    /// The connection.
    pub connection: ConnectionId,
    /// Tokens, by [`crate::side`]; 0 unknown.
    pub token: [Token; 2],
    /// One of [`crate::subflow_change`].
    pub change: u8,
    /// The side that sent the SYN: one of [`crate::side`].
    pub opened_by: u8,
    /// Opened with MP_CAPABLE.
    pub initial: u8,
    /// Backup, requested by either side.
    pub backup: u8,
    /// MPTCP address ids, by [`crate::side`].
    pub address_id: [AddressId; 2],
    /// Closed by RST.
    pub reset: u8,
    /// Bits of [`crate::subflow_unknown`].
    pub unknown: u8,
}

const _: () = assert!(size_of::<Event>() == 64);
const _: () = assert!(size_of::<EventRing>() == 64);
const _: () = assert!(size_of::<EventSlot>() == 600);
const _: () = assert!(size_of::<EventConnection>() == 40);
const _: () = assert!(size_of::<EventSubflow>() == 24);
