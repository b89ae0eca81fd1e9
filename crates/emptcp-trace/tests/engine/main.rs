//! What the analysis says about packets made for one thing each.
//!
//! `peers.rs` makes them; the other files are about handshakes, joins, mappings, data sent again, ends, fallback,
//! handovers, limits, and anything at all (`random.rs`).

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
