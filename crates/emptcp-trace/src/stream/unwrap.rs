//! Unwrapping of TCP sequence numbers.

use mptcp_wire::sequence::SequenceNumber;

/// Turns 32-bit sequence numbers of one direction of a subflow into 64-bit offsets from its SYN: the SYN has 0, the
/// first byte of payload 1. Each number is taken as the one nearest to the highest seen, as a receiver would.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Unwrapper {
    initial: SequenceNumber,
    highest: u64,
}

impl Unwrapper {
    /// With the sequence number of the SYN. When it was not captured: one less than the first number seen.
    pub(crate) fn new(initial: SequenceNumber) -> Self {
        Self { initial, highest: 0 }
    }

    /// The sequence number of the SYN.
    pub(crate) fn initial(&self) -> SequenceNumber {
        self.initial
    }

    /// The offset of `number`; later numbers are taken relative to it if it is the highest. None when it lies before
    /// the SYN.
    #[inline]
    pub(crate) fn unwrap(&mut self, number: SequenceNumber) -> Option<u64> {
        let offset = self.peek(number)?;
        self.highest = self.highest.max(offset);
        Some(offset)
    }

    /// The offset of `number`, without storing it: for acknowledgements of the other side and for untrusted numbers,
    /// such as those of a RST.
    #[inline]
    pub(crate) fn peek(&self, number: SequenceNumber) -> Option<u64> {
        // Both sides modulo 2^32, so the upper half of `highest` does not matter.
        let ahead = number.0.wrapping_sub(self.initial.0).wrapping_sub(self.highest as u32);
        self.highest.checked_add_signed(i64::from(ahead.cast_signed()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_syn_is_0_and_the_first_byte_1_also_when_the_initial_number_is_the_last() {
        let mut unwrapper = Unwrapper::new(SequenceNumber(u32::MAX));
        assert_eq!(unwrapper.unwrap(SequenceNumber(u32::MAX)), Some(0));
        assert_eq!(unwrapper.unwrap(SequenceNumber(0)), Some(1));
        assert_eq!((unwrapper.highest, unwrapper.initial().0), (1, u32::MAX));
    }

    #[test]
    fn what_lies_before_the_syn_has_no_offset() {
        let mut unwrapper = Unwrapper::new(SequenceNumber(1000));
        assert_eq!(unwrapper.unwrap(SequenceNumber(999)), None);
        assert_eq!(unwrapper.unwrap(SequenceNumber(2000)), Some(1000));
        assert_eq!(unwrapper.unwrap(SequenceNumber(999)), None);
    }

    #[test]
    fn a_number_that_was_peeked_at_is_not_remembered() {
        let unwrapper = Unwrapper::new(SequenceNumber(0));
        assert_eq!(unwrapper.peek(SequenceNumber(0x7000_0000)), Some(0x7000_0000));
        assert_eq!(unwrapper.peek(SequenceNumber(0x9000_0000)), None);
    }

    proptest! {
        #[test]
        fn offsets_survive_any_number_of_wraps_and_reordering(
            initial in any::<u32>(),
            steps in prop::collection::vec((0_u64..0x7fff_ffff, 0_u64..0x7fff_ffff), 1..50),
        ) {
            let mut unwrapper = Unwrapper::new(SequenceNumber(initial));
            let number = |offset: u64| SequenceNumber(initial.wrapping_add(offset as u32));
            let mut highest = 0_u64;
            for (forward, back) in steps {
                highest += forward;
                prop_assert_eq!(unwrapper.unwrap(number(highest)), Some(highest));
                if let Some(old) = highest.checked_sub(back) {
                    prop_assert_eq!(unwrapper.unwrap(number(old)), Some(old));
                }
                prop_assert_eq!(unwrapper.highest, highest);
            }
        }
    }
}
