//! Which bytes of one direction of a subflow were seen.

use super::intervals::{Intervals, Lookup};
use smallvec::SmallVec;
use std::ops::Range;

/// Offsets that were seen, above a floor; those below the floor count as seen.
#[derive(Clone, Debug, Default)]
pub(crate) struct SeenRanges {
    ranges: Intervals<()>,
}

impl SeenRanges {
    /// Nothing seen.
    pub(crate) fn new() -> Self {
        Self::default()
    }

    /// Marks the offsets from `start` to before `end` as seen. Adds those that are new to `gaps`, in order, and returns
    /// how many are not.
    #[inline]
    pub(crate) fn insert(&mut self, start: u64, end: u64, gaps: &mut SmallVec<[Range<u64>; 2]>) -> u64 {
        let mut before = 0;
        self.ranges.fill(start, end, (), |range, found| match found {
            Lookup::Nothing => gaps.push(range),
            Lookup::Value(()) | Lookup::Forgotten => before += range.end - range.start,
        });
        before
    }

    /// Whether there is a hole between what was seen.
    #[inline]
    pub(crate) fn has_holes(&self) -> bool {
        self.ranges.len() > 1 || self.ranges.len() == 1 && self.ranges.start() > self.floor().max(1)
    }

    /// How many of the offsets from `start` to before `end` were not seen.
    pub(crate) fn missing(&self, start: u64, end: u64) -> u64 {
        let mut missing = 0;
        self.ranges.look(start, end, |range, found| {
            if found == Lookup::Nothing {
                missing += range.end - range.start;
            }
        });
        missing
    }

    /// Raises the floor: what lies below counts as seen and takes no memory.
    #[inline]
    pub(crate) fn forget_below(&mut self, floor: u64) {
        self.ranges.forget_below(floor);
    }

    /// Raises the floor above the lowest ranges when there are more than `limit`. Returns how many were dropped: holes
    /// below them are not known any more.
    #[inline]
    pub(crate) fn shrink(&mut self, limit: usize) -> usize {
        self.ranges.shrink(limit)
    }

    /// Below, everything counts as seen.
    pub(crate) fn floor(&self) -> u64 {
        self.ranges.floor()
    }

    /// How many ranges there are.
    pub(crate) fn len(&self) -> usize {
        self.ranges.len()
    }

    /// Whether there is no range.
    pub(crate) fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::HashSet;

    #[test]
    fn a_hole_that_is_filled_is_new_and_what_surrounds_it_is_not() {
        let mut seen = SeenRanges::new();
        let mut gaps = SmallVec::new();
        assert_eq!(seen.insert(1, 100, &mut gaps), 0);
        assert_eq!(seen.insert(200, 300, &mut gaps), 0);
        gaps.clear();
        assert_eq!(seen.insert(50, 250, &mut gaps), 100);
        assert_eq!((gaps.len(), &gaps[0]), (1, &(100..200)));
        assert_eq!((seen.len(), seen.ranges.end()), (1, 300));
    }

    #[test]
    fn dropping_the_lowest_ranges_keeps_the_hole_above_them() {
        let mut seen = SeenRanges::new();
        let mut gaps = SmallVec::new();
        for start in [1, 21, 41] {
            seen.insert(start, start + 10, &mut gaps);
        }
        assert_eq!(seen.shrink(3), 0);
        assert_eq!(seen.shrink(1), 2);
        gaps.clear();
        assert_eq!(seen.insert(1, 51, &mut gaps), 40);
        assert_eq!((gaps.len(), &gaps[0]), (1, &(31..41)));
    }

    proptest! {
        #[test]
        fn every_byte_is_new_once(
            steps in prop::collection::vec((0_u64..200, 0_u64..40, prop::option::weighted(0.1, 0_u64..150)), 1..60),
        ) {
            let mut seen = SeenRanges::new();
            let mut model: HashSet<u64> = HashSet::new();
            for (start, length, floor) in steps {
                let mut gaps = SmallVec::new();
                let before = seen.insert(start, start + length, &mut gaps);
                let new: Vec<u64> = (start..start + length).filter(|offset| model.insert(*offset)).collect();
                prop_assert_eq!(before, length - new.len() as u64);
                prop_assert_eq!(gaps.into_iter().flatten().collect::<Vec<_>>(), new);
                if let Some(floor) = floor {
                    seen.forget_below(floor);
                    model.extend(0..floor);
                }
            }
            prop_assert_eq!(seen.is_empty(), seen.ranges.end() == seen.floor());
        }
    }
}
