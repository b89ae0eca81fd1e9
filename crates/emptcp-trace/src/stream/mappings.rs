//! From offsets on a subflow to data sequence numbers.

use super::intervals::{Intervals, Lookup};
use smallvec::SmallVec;

/// At least this many are kept: mappings may precede their data.
const ALWAYS_KEPT: usize = 64;

/// A run of bytes of a subflow and its data sequence number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Resolved {
    /// Offset of the first byte on the subflow.
    pub(crate) start: u64,
    /// Bytes.
    pub(crate) length: u64,
    /// Data sequence number of the first byte, as it was given to [`Mappings::insert`]; none without a mapping.
    pub(crate) dsn: Option<u64>,
}

/// The mappings of one direction of a subflow.
///
/// The first mapping of a byte stays: RFC 8684, 3.3.1, does not allow changes, and Linux (`get_mapping_status`) keeps
/// the mapping that it has. An overlapping later mapping applies only to bytes without one.
#[derive(Clone, Debug, Default)]
pub(crate) struct Mappings {
    // The value is data sequence number minus offset, modulo 2^64. So mappings that continue each other, and the same
    // mapping sent with each segment, are one interval.
    distances: Intervals<u64>,
}

impl Mappings {
    /// Maps `length` bytes from offset `ssn` to the data sequence numbers from `dsn`. Returns whether any byte was
    /// unmapped before.
    #[inline]
    pub(crate) fn insert(&mut self, ssn: u64, dsn: u64, length: u64) -> bool {
        let mut added = false;
        let distance = dsn.wrapping_sub(ssn);
        self.distances
            .fill(ssn, ssn.saturating_add(length), distance, |_, found| {
                added |= found == Lookup::Nothing;
            });
        added
    }

    /// Maps all bytes from offset `ssn` on (an infinite mapping: RFC 8684, 3.7).
    pub(crate) fn insert_infinite(&mut self, ssn: u64, dsn: u64) -> bool {
        self.insert(ssn, dsn, u64::MAX)
    }

    /// Appends to `out`, in order, the mappings of the bytes from offset `start` to before `end`. Bytes below
    /// [`floor`](Self::floor) have no mapping any more.
    #[inline]
    pub(crate) fn resolve(&self, start: u64, end: u64, out: &mut SmallVec<[Resolved; 2]>) {
        let first = out.len();
        self.distances.look(start, end, |range, found| {
            let length = range.end - range.start;
            let dsn = match found {
                Lookup::Value(distance) => Some(range.start.wrapping_add(distance)),
                Lookup::Nothing | Lookup::Forgotten => None,
            };
            match out.get_mut(first..).and_then(<[Resolved]>::last_mut) {
                // Below the floor: no mapping.
                Some(last) if last.dsn.is_none() && dsn.is_none() => last.length += length,
                _ => out.push(Resolved {
                    start: range.start,
                    length,
                    dsn,
                }),
            }
        });
    }

    /// Forgets the mappings of offsets below `offset`.
    #[inline]
    pub(crate) fn forget_below(&mut self, offset: u64) {
        // An infinite mapping has no end.
        self.distances.forget_below(offset.min(u64::MAX - 1));
    }

    /// Drops the lowest mappings when there are more than `limit`, which counts as 64 if it is less. Returns how many.
    #[inline]
    pub(crate) fn shrink(&mut self, limit: usize) -> usize {
        self.distances.shrink(limit.max(ALWAYS_KEPT))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::HashMap;

    fn resolve(mappings: &Mappings, start: u64, end: u64) -> Vec<(u64, u64, Option<u64>)> {
        let mut out = SmallVec::new();
        mappings.resolve(start, end, &mut out);
        out.iter().map(|run| (run.start, run.length, run.dsn)).collect()
    }

    #[test]
    fn a_mapping_sent_with_each_segment_and_one_that_continues_it_take_one_place() {
        let mut mappings = Mappings::default();
        assert_eq!(mappings.distances.len(), 0);
        assert!(mappings.insert(1, 0, 3000));
        assert!(!mappings.insert(1, 0, 3000));
        assert!(mappings.insert(3001, 3000, 1000));
        assert_eq!(mappings.distances.len(), 1);
        assert_eq!(resolve(&mappings, 2901, 3101), [(2901, 200, Some(2900))]);
    }

    #[test]
    fn a_segment_over_two_mappings_and_a_hole_is_resolved_in_pieces() {
        let mut mappings = Mappings::default();
        mappings.insert(1, 5000, 100);
        mappings.insert(151, 9000, 100);
        assert_eq!(
            resolve(&mappings, 51, 301),
            [
                (51, 50, Some(5050)),
                (101, 50, None),
                (151, 100, Some(9000)),
                (251, 50, None)
            ]
        );
    }

    #[test]
    fn the_first_mapping_of_a_byte_stays() {
        let mut mappings = Mappings::default();
        mappings.insert(1, 0, 100);
        assert!(mappings.insert(51, 7000, 100));
        assert_eq!(resolve(&mappings, 1, 151), [(1, 100, Some(0)), (101, 50, Some(7050))]);
    }

    #[test]
    fn an_infinite_mapping_goes_on_and_is_not_forgotten() {
        let mut mappings = Mappings::default();
        mappings.insert(1, 0, 100);
        assert_ne!(mappings.distances.end(), u64::MAX);
        assert!(mappings.insert_infinite(101, 100));
        mappings.forget_below(u64::MAX);
        mappings.forget_below(1 << 40);
        assert_eq!(mappings.distances.end(), u64::MAX);
        assert_eq!(
            resolve(&mappings, u64::MAX - 1, u64::MAX),
            [(u64::MAX - 1, 1, Some(u64::MAX - 2))]
        );
        assert!(!mappings.insert(500, 0, 100));
    }

    #[test]
    fn sixty_four_mappings_stay_whatever_the_limit() {
        let mut mappings = Mappings::default();
        for index in 0..100 {
            mappings.insert(1 + index * 10, index * 100, 10);
        }
        assert_eq!(mappings.shrink(0), 36);
        assert_eq!(mappings.distances.floor(), 361);
        assert_eq!(resolve(&mappings, 351, 371), [(351, 10, None), (361, 10, Some(3600))]);
    }

    proptest! {
        #[test]
        fn every_byte_has_the_data_sequence_number_of_its_first_mapping(
            steps in prop::collection::vec(
                (0_u64..150, prop_oneof![0_u64..4, Just(u64::MAX - 50)], 0_u64..30, 0_u64..150, 0_u64..60, 0_u64..60),
                1..60,
            ),
        ) {
            let mut mappings = Mappings::default();
            let mut model: HashMap<u64, u64> = HashMap::new();
            let mut floor = 0;
            for (ssn, shift, length, start, span, forget) in steps {
                let dsn = shift.wrapping_mul(1000).wrapping_add(ssn);
                let mut added = false;
                for offset in (ssn..ssn + length).filter(|offset| *offset >= floor) {
                    added |= !model.contains_key(&offset);
                    model.entry(offset).or_insert(dsn.wrapping_add(offset - ssn));
                }
                prop_assert_eq!(mappings.insert(ssn, dsn, length), added);
                let runs = resolve(&mappings, start, start + span);
                prop_assert_eq!(runs.iter().map(|run| run.1).sum::<u64>(), span);
                let bytes: Vec<_> = runs.iter().flat_map(|(first, length, dsn)| {
                    (0..*length).map(move |at| (first + at, dsn.map(|dsn| dsn.wrapping_add(at))))
                }).collect();
                let want: Vec<_> = (start..start + span).map(|offset| (offset, model.get(&offset).copied())).collect();
                prop_assert_eq!(bytes, want);
                if forget < 20 {
                    floor = floor.max(forget * 5);
                    mappings.forget_below(floor);
                    model.retain(|offset, _| *offset >= floor);
                }
            }
        }
    }
}
