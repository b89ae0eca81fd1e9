//! The Internet checksum (RFC 1071), the TCP checksum over both pseudo-headers, the DSS checksum (RFC 8684, 3.3.1),
//! and incremental updates (RFC 1624).

use crate::bytes::{head, tail};
use crate::sequence::{DataSequenceNumber, SubflowSequenceNumber};
use crate::types::AddressPair;

/// IP protocol number of TCP.
pub const PROTOCOL_TCP: u8 = 6;

/// Offset of the checksum in the TCP header.
const TCP_CHECKSUM: usize = 16;

/// A one's-complement sum over bytes in pieces; a piece may begin at an odd offset.
#[derive(Clone, Copy, Debug, Default)]
pub struct Sum {
    // Cannot overflow: a piece adds at most 0xffff after folding, and `add` folds.
    folded: u16,
    odd: bool,
}

impl Sum {
    /// Adds the next bytes.
    pub fn add(&mut self, bytes: &[u8]) {
        let piece = sum(bytes);
        self.add_word(if self.odd { piece.swap_bytes() } else { piece });
        self.odd ^= bytes.len() % 2 == 1;
    }

    /// The sum, not complemented; for the pseudo-header, the checksum field of a CHECKSUM_PARTIAL packet.
    #[must_use]
    pub fn partial(self) -> u16 {
        self.folded
    }

    /// The checksum: the complement of the sum.
    #[must_use]
    pub fn checksum(self) -> u16 {
        !self.folded
    }

    fn add_word(&mut self, word: u16) {
        self.folded = fold(u64::from(self.folded).wrapping_add(word.into()));
    }
}

/// The folded sum of 16-bit words; a last odd byte counts as the upper half of a word.
fn sum(bytes: &[u8]) -> u16 {
    let mut total: u64 = 0;
    // 2^48 words would be needed to overflow: no slice is that long.
    let (words, last) = bytes.as_chunks::<2>();
    for word in words {
        total = total.wrapping_add(u16::from_be_bytes(*word).into());
    }
    if let [byte] = last {
        total = total.wrapping_add(u16::from_be_bytes([*byte, 0]).into());
    }
    fold(total)
}

fn fold(mut total: u64) -> u16 {
    loop {
        match u16::try_from(total) {
            Ok(folded) => return folded,
            Err(_) => total = (total & 0xffff).wrapping_add(total >> 16),
        }
    }
}

/// The Internet checksum of `bytes`. Over bytes that contain a right checksum it is 0.
#[must_use]
pub fn internet(bytes: &[u8]) -> u16 {
    !sum(bytes)
}

/// The sum of the pseudo-header (RFC 9293, 3.1; RFC 8200, 8.1) for an upper layer of `length` bytes.
#[must_use]
pub fn pseudo_header(addresses: &AddressPair, protocol: u8, length: u32) -> Sum {
    let mut sum = Sum::default();
    match addresses {
        AddressPair::V4 { source, destination } => {
            sum.add(&source.octets());
            sum.add(&destination.octets());
        }
        AddressPair::V6 { source, destination } => {
            sum.add(&source.octets());
            sum.add(&destination.octets());
        }
    }
    // The words have other positions in the two versions, which does not change the sum.
    sum.add(&length.to_be_bytes());
    sum.add(&[0, protocol]);
    sum
}

/// The correct checksum of a TCP segment (header, options, payload); its current checksum does not matter.
#[must_use]
pub fn tcp(addresses: &AddressPair, segment: &[u8]) -> u16 {
    // A segment longer than 2^32 - 1 bytes does not exist on any wire.
    let length = u32::try_from(segment.len()).unwrap_or(u32::MAX);
    let mut sum = pseudo_header(addresses, PROTOCOL_TCP, length);
    sum.add(head(segment, TCP_CHECKSUM));
    sum.add(&[0, 0]);
    sum.add(tail(segment, TCP_CHECKSUM.saturating_add(2)));
    sum.checksum()
}

/// Whether the checksum of a TCP segment is right.
///
/// ```
/// use mptcp_wire::checksum;
/// use mptcp_wire::types::AddressPair;
///
/// let addresses = AddressPair::new("10.0.0.1".parse().unwrap(), "10.0.0.2".parse().unwrap()).unwrap();
/// let mut segment = [0_u8; 20]; // a TCP header
/// segment[12] = 5 << 4;
/// let value = checksum::tcp(&addresses, &segment);
/// segment[16..18].copy_from_slice(&value.to_be_bytes());
/// assert!(checksum::tcp_is_valid(&addresses, &segment));
/// ```
#[must_use]
pub fn tcp_is_valid(addresses: &AddressPair, segment: &[u8]) -> bool {
    let length = u32::try_from(segment.len()).unwrap_or(u32::MAX);
    let mut sum = pseudo_header(addresses, PROTOCOL_TCP, length);
    sum.add(segment);
    sum.checksum() == 0
}

/// The DSS checksum over `data`, the bytes of the mapping. `length` is the data-level length in the option
/// (one more than `data` when it covers a DATA_FIN). The data sequence number is always summed as 64 bits.
///
/// ```
/// use mptcp_wire::mptcp::Mapping;
/// use mptcp_wire::{DataSequenceNumber, SubflowSequenceNumber, WireDataSequenceNumber, checksum};
///
/// let (sequence, subflow_sequence, data) = (DataSequenceNumber(1 << 40), SubflowSequenceNumber(1), b"hello");
/// let mapping = Mapping {
///     data_sequence: WireDataSequenceNumber::Long(sequence.0),
///     subflow_sequence,
///     length: 5,
///     checksum: Some(checksum::dss(sequence, subflow_sequence, 5, data)),
/// };
/// // A changed byte is detected.
/// assert_ne!(mapping.checksum, Some(checksum::dss(sequence, subflow_sequence, 5, b"jello")));
/// ```
#[must_use]
pub fn dss(sequence: DataSequenceNumber, subflow_sequence: SubflowSequenceNumber, length: u16, data: &[u8]) -> u16 {
    let mut sum = Sum::default();
    sum.add(&sequence.0.to_be_bytes());
    sum.add(&subflow_sequence.0.to_be_bytes());
    sum.add(&length.to_be_bytes());
    sum.add(data);
    sum.checksum()
}

/// The checksum after a change of `old` bytes to `new` bytes at `offset` from the first byte that the checksum covers
/// (RFC 1624, equation 3). Only whether `offset` is odd matters. Unless all covered bytes are zero (never for TCP and
/// IP), the result equals a full computation.
///
/// ```
/// use mptcp_wire::checksum;
///
/// let before = checksum::internet(&[0x45, 0, 0, 40]);
/// let after = checksum::update(before, 3, &[40], &[60]);
/// assert_eq!(after, checksum::internet(&[0x45, 0, 0, 60]));
/// ```
#[must_use]
pub fn update(checksum: u16, offset: usize, old: &[u8], new: &[u8]) -> u16 {
    let place = |word: u16| if offset % 2 == 1 { word.swap_bytes() } else { word };
    let mut result = Sum {
        folded: !checksum,
        odd: false,
    };
    result.add_word(!place(sum(old)));
    result.add_word(place(sum(new)));
    result.checksum()
}

#[cfg(test)]
mod tests {
    use super::*;
    use core::net::{Ipv4Addr, Ipv6Addr};
    use proptest::prelude::*;
    use std::vec::Vec;

    #[test]
    fn the_example_of_rfc_1071_sums_to_ddf2() {
        assert_eq!(sum(&[0x00, 0x01, 0xf2, 0x03, 0xf4, 0xf5, 0xf6, 0xf7]), 0xddf2);
    }

    #[test]
    fn the_example_of_rfc_1624_updates_to_zero() {
        // Section 4: HC = 0xdd2f, a 16-bit field goes from 0x5555 to 0x3285, the right answer is 0x0000.
        assert_eq!(update(0xdd2f, 0, &[0x55, 0x55], &[0x32, 0x85]), 0x0000);
    }

    #[test]
    fn the_dss_checksum_covers_the_pseudo_header_of_rfc_8684() {
        let mut bytes = Vec::new();
        bytes.extend(0x0102_0304_0506_0708_u64.to_be_bytes());
        bytes.extend(9_u32.to_be_bytes());
        bytes.extend(3_u16.to_be_bytes());
        // The wire's checksum field itself is summed as zero.
        bytes.extend([0, 0]);
        bytes.extend(b"abc");
        let expected = internet(&bytes);
        assert_eq!(
            dss(
                DataSequenceNumber(0x0102_0304_0506_0708),
                SubflowSequenceNumber(9),
                3,
                b"abc"
            ),
            expected
        );
    }

    fn addresses() -> impl Strategy<Value = AddressPair> {
        prop_oneof![
            any::<([u8; 4], [u8; 4])>().prop_map(|(source, destination)| AddressPair::V4 {
                source: Ipv4Addr::from(source),
                destination: Ipv4Addr::from(destination)
            }),
            any::<([u8; 16], [u8; 16])>().prop_map(|(source, destination)| AddressPair::V6 {
                source: Ipv6Addr::from(source),
                destination: Ipv6Addr::from(destination)
            }),
        ]
    }

    proptest! {
        #[test]
        fn an_update_at_any_offset_equals_a_computation_from_scratch(
            pair in addresses(),
            mut segment in prop::collection::vec(any::<u8>(), 20..200),
            start in 0_usize..180,
            new in prop::collection::vec(any::<u8>(), 0..24),
        ) {
            let before = tcp(&pair, &segment);
            // The checksum field is not part of what it covers.
            let start = if start < 18 { 18 } else { start }.min(segment.len());
            let end = (start + new.len()).min(segment.len());
            let new = &new[..end - start];
            let old = segment[start..end].to_vec();
            segment[start..end].copy_from_slice(new);
            prop_assert_eq!(update(before, start, &old, new), tcp(&pair, &segment));
        }

        #[test]
        fn pieces_of_any_length_sum_to_the_whole(bytes in prop::collection::vec(any::<u8>(), 0..100), cut in 0_usize..100) {
            let (first, second) = bytes.split_at(cut.min(bytes.len()));
            let mut pieces = Sum::default();
            pieces.add(first);
            pieces.add(second);
            prop_assert_eq!(pieces.checksum(), internet(&bytes));
        }

        #[test]
        fn a_segment_with_its_computed_checksum_is_valid_and_one_flipped_bit_is_noticed(
            pair in addresses(),
            mut segment in prop::collection::vec(any::<u8>(), 20..100),
            bit in 0_usize..160,
        ) {
            let checksum = tcp(&pair, &segment);
            segment[16..18].copy_from_slice(&checksum.to_be_bytes());
            prop_assert!(tcp_is_valid(&pair, &segment));
            segment[bit / 8] ^= 1 << (bit % 8);
            prop_assert!(!tcp_is_valid(&pair, &segment));
        }
    }
}
