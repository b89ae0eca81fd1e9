//! State about ranges of bytes in one direction. This module reads no packets.
//!
//! In-order data costs a few comparisons in each structure and allocates nothing. Memory is allocated at the first
//! hole, the first change of subflow or the first sample, and released when it is not needed any more.
//!
//! # Map
//!
//! * `unwrap.rs`: [`Unwrapper`], TCP sequence numbers as 64-bit offsets from the SYN.
//! * `intervals.rs`: `Intervals`, the base of the next three.
//! * `ranges.rs`: [`SeenRanges`], which offsets were seen: retransmissions.
//! * `mappings.rs`: [`Mappings`], from offsets on a subflow to data sequence numbers.
//! * `owners.rs`: [`Owners`], which subflows carried a data sequence number: reinjections.
//! * `rtt.rs`: [`RttQueue`], unacknowledged segments. `statistics.rs`: [`RttStatistics`].
//! * `checksum.rs`: [`DssChecksum`].

mod checksum;
mod intervals;
mod mappings;
mod owners;
mod ranges;
mod rtt;
mod statistics;
mod unwrap;

pub(crate) use checksum::DssChecksum;
pub(crate) use mappings::{Mappings, Resolved};
pub(crate) use owners::{Claim, ClaimKind, Owners};
pub(crate) use ranges::SeenRanges;
pub(crate) use rtt::RttQueue;
pub(crate) use statistics::RttStatistics;
pub(crate) use unwrap::Unwrapper;
