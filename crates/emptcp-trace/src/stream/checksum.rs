//! The DSS checksum of a mapping whose bytes come in several segments (RFC 8684, 3.3.1).

use super::ranges::SeenRanges;
use mptcp_wire::checksum::Sum;
use smallvec::SmallVec;

/// The sum over one mapping, as far as its bytes were seen.
#[derive(Clone, Debug)]
pub(crate) struct DssChecksum {
    sum: Sum,
    seen: SeenRanges,
    length: u64,
    missing: u64,
}

impl DssChecksum {
    /// For a mapping with these fields. `dsn` is the whole data sequence number (not an offset), also when 4 bytes of
    /// it travel; the others are as in the option.
    pub(crate) fn begin(dsn: u64, ssn: u32, length: u16, checksum: u16) -> Self {
        let mut sum = Sum::default();
        sum.add(&dsn.to_be_bytes());
        sum.add(&ssn.to_be_bytes());
        sum.add(&length.to_be_bytes());
        sum.add(&checksum.to_be_bytes());
        Self {
            sum,
            seen: SeenRanges::new(),
            length: length.into(),
            missing: length.into(),
        }
    }

    /// The mapping covers a DATA_FIN, which is counted in its length and is no byte.
    pub(crate) fn with_data_fin(mut self) -> Self {
        self.length = self.length.saturating_sub(1);
        self.missing = self.length;
        self
    }

    /// `length` bytes from `offset` within the mapping were seen, in any order; `sum` is their one's-complement sum,
    /// folded and not complemented, as if they began at an even offset. The same bytes again change nothing.
    pub(crate) fn feed(&mut self, offset: u64, length: u32, sum: u16) {
        let end = offset.saturating_add(length.into());
        if end > self.length {
            // The sum covers bytes outside the mapping, so these bytes stay missing.
            return;
        }
        let mut gaps = SmallVec::new();
        // The sum of a partly overlapping piece cannot be split: its new bytes stay missing too.
        if self.seen.insert(offset, end, &mut gaps) == 0 {
            let word = if offset % 2 == 1 { sum.swap_bytes() } else { sum };
            self.sum.add(&word.to_be_bytes());
            self.missing = self.missing.saturating_sub(length.into());
        }
    }

    /// Whether the checksum is right; none while bytes are missing. When pieces overlapped in part there never is one.
    pub(crate) fn verdict(&self) -> Option<bool> {
        // Over bytes that hold a right checksum the checksum is 0.
        (self.missing == 0).then(|| self.sum.checksum() == 0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use mptcp_wire::checksum::{dss, internet};
    use mptcp_wire::sequence::{DataSequenceNumber, SubflowSequenceNumber};
    use proptest::prelude::*;

    fn right(dsn: u64, ssn: u32, length: u16, data: &[u8]) -> u16 {
        dss(DataSequenceNumber(dsn), SubflowSequenceNumber(ssn), length, data)
    }

    #[test]
    fn a_data_fin_alone_has_no_bytes_to_wait_for() {
        let sum = DssChecksum::begin(7, 0, 1, right(7, 0, 1, b"")).with_data_fin();
        assert_eq!(sum.verdict(), Some(true));
        let sum = DssChecksum::begin(8, 0, 1, right(7, 0, 1, b"")).with_data_fin();
        assert_eq!(sum.verdict(), Some(false));
    }

    #[test]
    fn a_mapping_with_a_data_fin_has_one_byte_less() {
        let mut sum = DssChecksum::begin(7, 1, 4, right(7, 1, 4, b"abc")).with_data_fin();
        sum.feed(0, 3, !internet(b"abc"));
        assert_eq!(sum.verdict(), Some(true));
    }

    #[test]
    fn bytes_that_are_missing_or_muddled_give_no_verdict() {
        let whole = right(7, 1, 6, b"abcdef");
        let mut sum = DssChecksum::begin(7, 1, 6, whole);
        sum.feed(0, 3, !internet(b"abc"));
        assert_eq!(sum.verdict(), None);
        sum.feed(2, 4, !internet(b"cdef"));
        assert_eq!(sum.verdict(), None);
        let mut sum = DssChecksum::begin(7, 1, 2, whole);
        sum.feed(0, 3, !internet(b"abc"));
        assert_eq!(sum.verdict(), None);
        let mut sum = DssChecksum::begin(7, 1, 6, whole);
        sum.feed(0, 6, !internet(b"abcdef"));
        sum.feed(6, 2, !internet(b"gh"));
        assert_eq!(sum.verdict(), Some(true));
    }

    proptest! {
        #[test]
        fn pieces_of_any_length_in_any_order_give_the_verdict_on_the_whole(
            dsn: u64,
            ssn: u32,
            data in prop::collection::vec(any::<u8>(), 1..200),
            cuts in prop::collection::vec((0_usize..200, any::<u32>()), 0..8),
            repeated in any::<prop::sample::Index>(),
            wrong in prop::option::of((0_usize..200, 1_u8..255)),
        ) {
            let length = u16::try_from(data.len()).unwrap();
            let mut sum = DssChecksum::begin(dsn, ssn, length, right(dsn, ssn, length, &data));
            let mut data = data;
            if let Some((place, flip)) = wrong {
                let place = place % data.len();
                data[place] ^= flip;
            }
            let mut edges: Vec<usize> = cuts.iter().map(|cut| cut.0 % data.len()).chain([0, data.len()]).collect();
            edges.sort_unstable();
            edges.dedup();
            let mut pieces: Vec<(usize, usize)> = edges.windows(2).map(|pair| (pair[0], pair[1])).collect();
            pieces.sort_by_key(|piece| cuts.get(piece.0 % 8).map(|cut| cut.1));
            pieces.push(pieces[repeated.index(pieces.len())]);
            for (index, (start, end)) in pieces.iter().enumerate() {
                prop_assert_eq!(sum.verdict().is_none(), index < pieces.len() - 1);
                sum.feed(*start as u64, (end - start) as u32, !internet(&data[*start..*end]));
            }
            prop_assert_eq!(sum.verdict(), Some(wrong.is_none()));
        }
    }
}
