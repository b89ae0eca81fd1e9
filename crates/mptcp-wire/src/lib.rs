//! Views and builders for TCP and Multipath TCP, RFC 6824 (version 0) and RFC 8684 (version 1).
//!
//! # Guarantee
//!
//! No function panics, whatever the bytes: no public function indexes, unwraps, or does arithmetic that can overflow
//! (the compiler lints below deny all three). There is no `unsafe`, no allocation and no `std`. `new_checked` makes a
//! view: it checks that the fixed header and everything that its length fields cover is inside the slice, so the
//! accessors cannot fail. Invalid input gives an [`Error`] with the header or option, the value found and the values
//! expected.
//!
//! # Map
//!
//! * [`segment`]: parses a whole frame and locates its TCP segment. Start here to read packets.
//! * [`builder`]: [`PacketBuilder`], a complete frame with correct checksums. Start here to make packets.
//! * [`link`], [`ethernet`] (with VLAN tags), [`ipv4`], [`ipv6`] (with extension headers), [`tcp`]: one header each,
//!   a `View` (zero-copy) and a `Repr` (owned fields, `parse` and `emit`).
//! * [`encapsulation`]: tags, labels and tunnels around the IP packet; [`Segment::parse_innermost`] opens them.
//!   `wireless.rs` (802.11, radiotap) and `erf.rs` are link headers that take a file.
//! * [`tcp::option`]: TCP options and the iterator over an option area.
//! * [`mptcp`]: the MPTCP options, one file per subtype.
//! * [`types`], [`sequence`]: separate types for keys, tokens, identifiers and sequence numbers, each with one form as
//!   text and, with the feature `serde`, in JSON. With the feature `zerocopy` they can be parts of structures in raw
//!   memory.
//! * [`crypto`]: tokens, initial data sequence numbers and HMACs of both versions.
//! * [`checksum`]: the Internet checksum, the TCP and DSS checksums, incremental updates.
//! * [`error`], [`list`], `stage` (of the handshake): what all of these share.
//!
//! # Example
//!
//! ```
//! use mptcp_wire::{LinkType, PacketBuilder, Segment, mptcp, tcp::Flags};
//!
//! let mut buffer = [0; 128];
//! let length = PacketBuilder::new("10.0.0.1:4000".parse().unwrap(), "10.0.0.2:80".parse().unwrap())
//!     .flags(Flags::ACK)
//!     .mptcp(mptcp::MpPrio { backup: true, address_id: None })
//!     .build(&mut buffer)
//!     .unwrap();
//! let segment = Segment::parse(&buffer[..length], LinkType::Ethernet).unwrap();
//! assert!(segment.checksum_is_valid());
//! let option = segment.mptcp_options().next().unwrap().unwrap();
//! assert_eq!(option, mptcp::MpPrio { backup: true, address_id: None }.into());
//! ```
#![no_std]
#![forbid(unsafe_code)]
// Checks the guarantee above. Tests may panic, because that is how they fail.
#![cfg_attr(
    not(test),
    deny(
        clippy::arithmetic_side_effects,
        clippy::expect_used,
        clippy::indexing_slicing,
        clippy::panic,
        clippy::unreachable,
        clippy::unwrap_used
    )
)]

#[cfg(test)]
extern crate std;

pub mod builder;
mod bytes;
pub mod checksum;
pub mod crypto;
pub mod encapsulation;
mod erf;
pub mod error;
pub mod ethernet;
pub mod ipv4;
pub mod ipv6;
pub mod link;
mod link_name;
pub mod list;
pub mod mptcp;
pub mod segment;
pub mod sequence;
mod stage;
pub mod tcp;
mod text;
pub mod types;
mod wireless;

pub use builder::PacketBuilder;
pub use error::{Error, Result};
pub use link::{LinkType, UnknownLink};
pub use segment::Segment;
pub use sequence::{DataSequenceNumber, Idsn, SequenceNumber, SubflowSequenceNumber, WireDataSequenceNumber};
pub use text::InvalidText;
pub use types::{AddressId, FourTuple, IpVersion, JoinHmac, Key, Nonce, Side, Token, TruncatedHmac, Version};
