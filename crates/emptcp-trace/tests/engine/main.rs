//! The analysis of synthetic packets, one subject for each file.
//!
//! `peers.rs` makes the packets. The other files are about handshakes, joins, mappings, retransmissions, ends,
//! fallback, options that are missing or malformed (`options.rs`), handovers, faults of the capture (`capture.rs`),
//! captures that begin late (`middle.rs`), limits, and random packets (`random.rs`).

mod again;
mod capture;
mod ending;
mod fallback;
mod handover;
mod handshake;
mod joins;
mod limits;
mod mappings;
mod middle;
mod options;
mod peers;
mod random;
