//! The analysis of synthetic packets, one subject for each file.
//!
//! `peers.rs` makes the packets. The other files are about handshakes, joins, mappings, retransmissions, ends,
//! fallback, handovers, limits, and random packets (`random.rs`).

mod again;
mod ending;
mod fallback;
mod handover;
mod handshake;
mod joins;
mod limits;
mod mappings;
mod peers;
mod random;
