//! The data plane of the analysis: what is remembered about the bytes of one direction. No packet is read here.
//!
//! In-order data costs a few comparisons in each structure and allocates nothing; memory is taken at the first hole,
//! the first change of subflow or the first sample, and given back when it is not needed any more.
//!
//! # Map
//!
//! * `unwrap.rs`: [`Unwrapper`], TCP sequence numbers as 64-bit offsets from the SYN.
//! * `intervals.rs`: `Intervals`, what the next three are made of.
//! * `ranges.rs`: [`Seen`], which offsets were seen: retransmissions.
//! * `mappings.rs`: [`Mappings`], from offsets on a subflow to data sequence numbers.
//! * `owners.rs`: [`Owners`], which subflows carried a data sequence number: reinjections.
//! * `rtt.rs`: [`RttQueue`], what waits for its acknowledgement. `statistics.rs`: [`RttStatistics`].
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
pub(crate) use ranges::Seen;
pub(crate) use rtt::RttQueue;
pub(crate) use statistics::RttStatistics;
pub(crate) use unwrap::Unwrapper;
