//! A set of byte ranges.

use std::collections::BTreeMap;

/// Ranges that do not touch, start to end.
#[derive(Clone, Debug, Default)]
pub(super) struct Intervals(BTreeMap<u64, u64>);

impl Intervals {
    pub(super) fn insert(&mut self, mut start: u64, mut end: u64) {
        if start >= end {
            return;
        }
        while let Some((&other, &until)) = self.0.range(..=end).next_back()
            && until >= start
        {
            self.0.remove(&other);
            start = start.min(other);
            end = end.max(until);
        }
        self.0.insert(start, end);
    }

    /// The first number that is missing.
    pub(super) fn complete(&self) -> u64 {
        self.0.get(&0).copied().unwrap_or(0)
    }
}
