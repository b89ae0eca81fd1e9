//! The main flow table: sets of slots with one-byte tags, and the hash that chooses them.

use crate::{
    constants::{FLOW_WAYS, SECRETS},
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

/// `struct emptcp_table`: the secret and the size, which are needed to find a key.
#[derive(Clone, Copy, Debug, Default, Eq, FromBytes, Immutable, IntoBytes, KnownLayout, PartialEq)]
#[repr(C)]
pub struct Table {
    /// Key of the hash, random for each instance.
    pub secret: Secret,
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

    /// The way of its set that a key takes if it is free.
    pub fn home(self) -> u32 {
        (self.0 >> 53) as u32 % FLOW_WAYS
    }

    /// The key's tag, never 0.
    pub fn tag(self) -> u8 {
        u8::max((self.0 >> 56) as u8, 1)
    }
}

/// The key of the hash: random, one for each instance.
pub type Secret = [u64; SECRETS as usize];

impl FlowKey {
    /// The hash that `emptcp_flow_hash()` in `bpf/core/flow_table.h` computes.
    pub fn hash(&self, secret: &Secret) -> FlowHash {
        // As the kernel loads them: in memory order.
        let word = |bytes: &[u8; 16], index: usize| {
            let bytes: [u8; 4] = std::array::from_fn(|i| bytes[4 * index + i]);
            u32::from_ne_bytes(bytes)
        };
        let product = |pair: usize, a: u32, b: u32| {
            let (low, high) = (secret[pair] as u32, (secret[pair] >> 32) as u32);
            u64::from(a.wrapping_add(low)).wrapping_mul(u64::from(b.wrapping_add(high)))
        };
        let (local, remote) = (&self.local, &self.remote);
        let port = |bytes: [u8; 2]| u32::from(u16::from_ne_bytes(bytes));
        let mut sum = product(3, word(local, 3), word(remote, 3));
        sum = sum.wrapping_add(product(4, port(self.local_port), port(self.remote_port)));
        if local[..12] != [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff] {
            for pair in 0..3 {
                sum = sum.wrapping_add(product(pair, word(local, pair), word(remote, pair)));
            }
        }
        FlowHash(mixed(sum ^ secret[5]))
    }
}

/// Every bit of the result depends on every bit of `hash`.
fn mixed(mut hash: u64) -> u64 {
    for _ in 0..2 {
        hash = (hash ^ hash >> 32).wrapping_mul(0xd6e8_feb8_6659_fd93);
    }
    hash ^ hash >> 32
}

const _: () = assert!(size_of::<FlowSet>() == 8);
const _: () = assert!(size_of::<Slot>() == size_of::<Flow>() + size_of::<FlowKey>() + 4);
const _: () = assert!(size_of::<Table>() == 56);
