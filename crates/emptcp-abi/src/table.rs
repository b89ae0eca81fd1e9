//! The main flow table: sets of slots with one-byte tags, and the hash that chooses them.

use crate::{
    constants::FLOW_WAYS,
    flow::{Flow, FlowKey},
};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

/// `struct emptcp_flow_set`: a tag for each slot of a set, 0 for a free one.
#[derive(Clone, Copy, Debug, Default, Eq, FromBytes, Immutable, IntoBytes, KnownLayout, PartialEq)]
#[repr(C)]
pub struct FlowSet {
    /// Tags by way.
    pub tag: [u8; FLOW_WAYS as usize],
}

/// `struct emptcp_slot`: a record and its key.
#[derive(Clone, Copy, Debug, Eq, FromBytes, Immutable, IntoBytes, KnownLayout, PartialEq)]
#[repr(C)]
pub struct Slot {
    /// The record.
    pub flow: Flow,
    /// Its key.
    pub key: FlowKey,
    /// Zero.
    pub reserved: u32,
}

/// `struct emptcp_table`: what one needs to find a key.
#[derive(Clone, Copy, Debug, Default, Eq, FromBytes, Immutable, IntoBytes, KnownLayout, PartialEq)]
#[repr(C)]
pub struct Table {
    /// Key of the hash, random for each instance.
    pub secret: u64,
    /// Number of sets less one.
    pub set_mask: u32,
    /// Zero.
    pub reserved: u32,
}

/// A key's hash under the secret of an instance.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct FlowHash(u64);

impl FlowHash {
    /// The set where the key belongs.
    pub fn set(self, mask: u32) -> u32 {
        self.0 as u32 & mask
    }

    /// The way of its set that a key takes when it is free.
    pub fn home(self) -> u32 {
        (self.0 >> 53) as u32 % FLOW_WAYS
    }

    /// The key's tag, never 0.
    pub fn tag(self) -> u8 {
        u8::max((self.0 >> 56) as u8, 1)
    }
}

/// One step of the hash, as `hash_step()` in `bpf/core/flow_table.h`.
fn step(hash: u64, word: u64) -> u64 {
    let hash = (hash ^ word).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    hash ^ hash >> 32
}

impl FlowKey {
    /// The hash that `emptcp_flow_hash()` computes in the kernel.
    pub fn hash(&self, secret: u64) -> FlowHash {
        // As the kernel loads them: in the order in which the bytes lie in memory.
        let word = |bytes: &[u8; 16], index: usize| {
            let bytes: [u8; 4] = std::array::from_fn(|i| bytes[4 * index + i]);
            u64::from(u32::from_ne_bytes(bytes))
        };
        let (local, remote) = (&self.local, &self.remote);
        let mut hash = step(secret, word(local, 3) << 32 | word(remote, 3));
        if local[..12] != [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff] {
            hash = step(hash, word(local, 0) << 32 | word(local, 1));
            hash = step(hash, word(remote, 0) << 32 | word(remote, 1));
            hash = step(hash, word(local, 2) << 32 | word(remote, 2));
        }
        let port = |bytes: [u8; 2]| u64::from(u16::from_ne_bytes(bytes));
        FlowHash(step(hash, port(self.local_port) << 16 | port(self.remote_port)))
    }
}

const _: () = assert!(size_of::<FlowSet>() == 8);
const _: () = assert!(size_of::<Slot>() == size_of::<Flow>() + size_of::<FlowKey>() + 4);
const _: () = assert!(size_of::<Table>() == 16);
