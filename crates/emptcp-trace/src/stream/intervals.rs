//! Disjoint intervals of offsets with a value each, in order. The first value that an offset gets stays.

use std::collections::VecDeque;
use std::ops::Range;

/// Memory for fewer elements is not released.
const KEPT: usize = 32;

/// The previous value at some offsets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Lookup<V> {
    /// No value.
    Nothing,
    /// This one.
    Value(V),
    /// Unknown: below the floor.
    Forgotten,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Interval<V> {
    start: u64,
    end: u64,
    value: V,
}

/// The intervals. Adjacent intervals with equal values are merged.
#[derive(Clone, Debug, Default)]
pub(super) struct Intervals<V> {
    // The last interval is stored separately because most data goes there: a connection without holes allocates
    // nothing.
    earlier: VecDeque<Interval<V>>,
    // Empty, at `floor`, when there is none.
    last: Interval<V>,
    floor: u64,
}

impl<V: Copy + Default + PartialEq> Intervals<V> {
    /// Sets `value` at offsets from `start` to before `end` that have none and are not below the floor. Reports the
    /// previous values in order.
    #[inline]
    pub(super) fn fill(&mut self, start: u64, end: u64, value: V, mut visit: impl FnMut(Range<u64>, Lookup<V>)) {
        if start == self.last.end && value == self.last.value && start < end {
            self.last.end = end;
            visit(start..end, Lookup::Nothing);
        } else {
            self.fill_anywhere(start, end, value, visit);
        }
    }

    fn fill_anywhere(&mut self, start: u64, end: u64, value: V, mut visit: impl FnMut(Range<u64>, Lookup<V>)) {
        let mut cursor = start;
        if cursor < end.min(self.floor) {
            cursor = end.min(self.floor);
            visit(start..cursor, Lookup::Forgotten);
        }
        if cursor < end.min(self.last.start) {
            cursor = self.fill_earlier(cursor, end, value, &mut visit);
        }
        if cursor < end.min(self.last.end) {
            let upto = end.min(self.last.end);
            visit(cursor..upto, Lookup::Value(self.last.value));
            cursor = upto;
        }
        if cursor < end {
            self.append(cursor, end, value);
            visit(cursor..end, Lookup::Nothing);
        }
    }

    /// Adds an interval that is not empty and begins at the end of the last one or later.
    fn append(&mut self, start: u64, end: u64, value: V) {
        let last = self.last;
        if last.start < last.end {
            if start == last.end && value == last.value {
                self.last.end = end;
                return;
            }
            self.earlier.push_back(last);
        }
        self.last = Interval { start, end, value };
    }

    /// The part of `fill` below the last interval; returns where it stopped.
    fn fill_earlier(&mut self, start: u64, end: u64, value: V, visit: &mut impl FnMut(Range<u64>, Lookup<V>)) -> u64 {
        let stop = end.min(self.last.start);
        let mut cursor = start;
        let mut index = self.first_beyond(start);
        while cursor < stop {
            match self.earlier.get(index) {
                Some(interval) if interval.start <= cursor => {
                    let upto = interval.end.min(stop);
                    visit(cursor..upto, Lookup::Value(interval.value));
                    cursor = upto;
                    index += 1;
                }
                next => {
                    let upto = next.map_or(stop, |interval| interval.start.min(stop));
                    visit(cursor..upto, Lookup::Nothing);
                    index = self.fill_gap(index, cursor, upto, value);
                    cursor = upto;
                }
            }
        }
        cursor
    }

    /// Fills a gap before the interval at `index`; returns where that interval is then.
    fn fill_gap(&mut self, index: usize, start: u64, end: u64, value: V) -> usize {
        let left = index
            .checked_sub(1)
            .and_then(|left| Some((left, *self.earlier.get(left)?)));
        let left = left.filter(|(_, interval)| interval.end == start && interval.value == value);
        let right = self.earlier.get_mut(index).unwrap_or(&mut self.last);
        let touches_right = right.start == end && right.value == value;
        match left {
            Some((place, interval)) if touches_right => {
                right.start = interval.start;
                self.earlier.remove(place);
                place
            }
            Some((place, _)) => {
                if let Some(interval) = self.earlier.get_mut(place) {
                    interval.end = end;
                }
                index
            }
            None if touches_right => {
                right.start = start;
                index
            }
            None => {
                self.earlier.insert(index, Interval { start, end, value });
                index + 1
            }
        }
    }

    /// Sets `value` at all offsets from `start` to before `end` that are not below the floor.
    pub(super) fn replace(&mut self, start: u64, end: u64, value: V) {
        let start = start.max(self.floor);
        if start >= end {
            return;
        }
        if self.last.start < self.last.end {
            self.earlier.push_back(self.last);
        }
        let first = self.earlier.partition_point(|interval| interval.end <= start);
        let beyond = self.earlier.partition_point(|interval| interval.start < end);
        let before = self
            .earlier
            .get(first)
            .filter(|interval| interval.start < start && start > self.floor);
        let before = before.map(|interval| Interval {
            end: start,
            ..*interval
        });
        let after = beyond.checked_sub(1).and_then(|index| self.earlier.get(index));
        let after = after.filter(|interval| interval.end > end);
        let after = after.map(|interval| Interval {
            start: end,
            ..*interval
        });
        let mut rest = self.earlier.split_off(beyond);
        self.earlier.truncate(first);
        let middle = Interval { start, end, value };
        let next = rest.pop_front();
        for interval in before.into_iter().chain([middle]).chain(after).chain(next) {
            match self.earlier.back_mut() {
                Some(back) if back.end == interval.start && back.value == interval.value => back.end = interval.end,
                _ => self.earlier.push_back(interval),
            }
        }
        self.earlier.append(&mut rest);
        self.last = self.earlier.pop_back().unwrap_or(Interval {
            start: self.floor,
            end: self.floor,
            value,
        });
    }

    /// The first of the earlier intervals that ends after `offset`.
    fn first_beyond(&self, offset: u64) -> usize {
        // Data of several subflows, and holes, end near the end.
        let near = self.earlier.iter().rev().take(4);
        let beyond = near.take_while(|interval| interval.end > offset).count();
        if beyond < 4 {
            self.earlier.len() - beyond
        } else {
            self.earlier.partition_point(|interval| interval.end <= offset)
        }
    }

    /// Reports the values from `start` to before `end`, in order.
    #[inline]
    pub(super) fn look(&self, start: u64, end: u64, mut visit: impl FnMut(Range<u64>, Lookup<V>)) {
        if self.last.start <= start && start < end && end <= self.last.end && self.floor <= start {
            visit(start..end, Lookup::Value(self.last.value));
        } else {
            self.look_anywhere(start, end, visit);
        }
    }

    fn look_anywhere(&self, start: u64, end: u64, mut visit: impl FnMut(Range<u64>, Lookup<V>)) {
        let mut cursor = start;
        if cursor < end.min(self.floor) {
            cursor = end.min(self.floor);
            visit(start..cursor, Lookup::Forgotten);
        }
        let last = (self.last.start < self.last.end).then_some(&self.last);
        for interval in self.earlier.iter().skip(self.first_beyond(cursor)).chain(last) {
            if cursor >= end || interval.start >= end {
                break;
            }
            if interval.end <= cursor {
                continue;
            }
            if cursor < interval.start {
                visit(cursor..interval.start, Lookup::Nothing);
                cursor = interval.start;
            }
            let upto = interval.end.min(end);
            visit(cursor..upto, Lookup::Value(interval.value));
            cursor = upto;
        }
        if cursor < end {
            visit(cursor..end, Lookup::Nothing);
        }
    }

    /// Drops everything below `floor`, which never decreases.
    #[inline]
    pub(super) fn forget_below(&mut self, floor: u64) {
        if floor <= self.floor {
            return;
        }
        self.floor = floor;
        if self.last.end <= floor {
            self.earlier = VecDeque::new();
            self.last = Interval {
                start: floor,
                end: floor,
                value: V::default(),
            };
        } else if self.earlier.front().is_some_and(|first| first.end <= floor) {
            while self.earlier.front().is_some_and(|first| first.end <= floor) {
                self.earlier.pop_front();
            }
            give_back(&mut self.earlier);
        }
    }

    /// Drops the lowest intervals beyond `limit` (the last one always stays). Returns how many.
    #[inline]
    pub(super) fn shrink(&mut self, limit: usize) -> usize {
        let excess = self.len().saturating_sub(limit.max(1));
        if let Some(highest) = excess.checked_sub(1).and_then(|index| self.earlier.get(index)) {
            self.forget_below(highest.end);
        }
        excess
    }

    /// The number of intervals.
    #[inline]
    pub(super) fn len(&self) -> usize {
        self.earlier.len() + usize::from(self.last.start < self.last.end)
    }

    /// Values below are unknown.
    pub(super) fn floor(&self) -> u64 {
        self.floor
    }

    /// Where the first interval begins; the floor when there is none.
    pub(super) fn start(&self) -> u64 {
        self.earlier.front().map_or(self.last.start, |first| first.start)
    }

    /// The end of the last interval; the floor when there is none.
    #[cfg(test)]
    pub(super) fn end(&self) -> u64 {
        self.last.end
    }
}

/// Releases memory when most of it is unused.
pub(super) fn give_back<T>(queue: &mut VecDeque<T>) {
    if queue.capacity() > KEPT && queue.len() < queue.capacity() / 8 {
        queue.shrink_to(queue.len() * 2);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::HashMap;

    #[derive(Clone, Debug)]
    enum Step {
        Fill(u64, u64, u8),
        Look(u64, u64),
        Replace(u64, u64, u8),
        Forget(u64),
        Shrink(usize),
    }

    fn steps() -> impl Strategy<Value = Vec<Step>> {
        let step = prop_oneof![
            12 => (0_u64..150, 0_u64..20, 0_u8..3).prop_map(|(start, length, value)| Step::Fill(start, start + length, value)),
            4 => (0_u64..150, 0_u64..60).prop_map(|(start, length)| Step::Look(start, start + length)),
            2 => (0_u64..150, 0_u64..30, 0_u8..3).prop_map(|(start, length, value)| Step::Replace(start, start + length, value)),
            1 => (0_u64..120).prop_map(Step::Forget),
            1 => (0_usize..12).prop_map(Step::Shrink),
        ];
        prop::collection::vec(step, 1..80)
    }

    fn expected(model: &HashMap<u64, u8>, floor: u64, offset: u64) -> Lookup<u8> {
        match model.get(&offset) {
            _ if offset < floor => Lookup::Forgotten,
            Some(value) => Lookup::Value(*value),
            None => Lookup::Nothing,
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(1000))]
        #[test]
        fn every_offset_has_the_first_value_that_it_got(steps in steps()) {
            let mut intervals = Intervals::default();
            let mut model = HashMap::new();
            let mut floor = 0;
            for step in steps {
                let mut told: Vec<(u64, Lookup<u8>)> = Vec::new();
                let mut visit = |range: Range<u64>, found| {
                    assert!(range.start < range.end, "an empty range");
                    told.extend(range.map(|offset| (offset, found)));
                };
                match step {
                    Step::Fill(start, end, value) => {
                        intervals.fill(start, end, value, &mut visit);
                        let want: Vec<_> = (start..end).map(|offset| (offset, expected(&model, floor, offset))).collect();
                        prop_assert_eq!(&told, &want);
                        for offset in (start..end).filter(|offset| *offset >= floor) {
                            model.entry(offset).or_insert(value);
                        }
                    }
                    Step::Look(start, end) => {
                        intervals.look(start, end, &mut visit);
                        let want: Vec<_> = (start..end).map(|offset| (offset, expected(&model, floor, offset))).collect();
                        prop_assert_eq!(&told, &want);
                    }
                    Step::Replace(start, end, value) => {
                        intervals.replace(start, end, value);
                        for offset in (start..end).filter(|offset| *offset >= floor) {
                            model.insert(offset, value);
                        }
                    }
                    Step::Forget(below) => {
                        intervals.forget_below(below);
                        floor = floor.max(below);
                    }
                    Step::Shrink(limit) => {
                        let before = intervals.len();
                        let dropped = intervals.shrink(limit);
                        prop_assert_eq!(before - dropped, intervals.len());
                        prop_assert!(intervals.len() <= limit.max(1));
                        floor = intervals.floor();
                    }
                }
                prop_assert_eq!(intervals.floor(), floor);
                // In order, disjoint, merged, and not more than needed.
                let all: Vec<_> = intervals.earlier.iter().chain([&intervals.last]).copied().collect();
                for pair in all.windows(2) {
                    prop_assert!(pair[0].start < pair[0].end && pair[0].end <= pair[1].start);
                    prop_assert!(pair[0].end < pair[1].start || pair[0].value != pair[1].value);
                    prop_assert!(pair[0].end > floor);
                }
                prop_assert!(intervals.end() >= floor);
            }
        }
    }

    #[test]
    fn memory_is_given_back() {
        let mut intervals = Intervals::default();
        for index in 0..10_000 {
            intervals.fill(index * 10, index * 10 + 5, (), |_, _| {});
        }
        intervals.forget_below(99_000);
        assert_eq!(intervals.len(), 100);
        assert!(intervals.earlier.capacity() < 1000);
        intervals.forget_below(100_000);
        assert_eq!(intervals.earlier.capacity(), 0);
    }

    #[test]
    fn the_end_of_the_number_space_holds() {
        let mut intervals = Intervals::default();
        intervals.fill(u64::MAX - 1, u64::MAX, (), |_, _| {});
        intervals.fill(0, u64::MAX, (), |_, _| {});
        assert_eq!(intervals.len(), 1);
        intervals.forget_below(u64::MAX);
        intervals.fill(0, u64::MAX, (), |_, found| assert_eq!(found, Lookup::Forgotten));
        assert_eq!(intervals.len(), 0);
    }
}
