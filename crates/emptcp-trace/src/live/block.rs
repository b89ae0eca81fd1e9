//! Packets in a block of the ring (`struct tpacket_block_desc` and `struct tpacket3_hdr` of `linux/if_packet.h`), read
//! with bounds checks: no content of the ring can cause a panic.

use crate::{Span, Timestamp};
use std::ops::Range;

/// Offsets in the head of a block.
mod head {
    pub(super) const PACKETS: usize = 12;
    pub(super) const FIRST: usize = 16;
}

/// Offsets from where a packet's header begins.
mod packet {
    pub(super) const NEXT: usize = 0;
    pub(super) const SECONDS: usize = 4;
    pub(super) const NANOSECONDS: usize = 8;
    pub(super) const CAPTURED: usize = 12;
    pub(super) const LENGTH: usize = 16;
    pub(super) const DATA: usize = 24;
    /// `struct sockaddr_ll` follows the header, which has 48 bytes.
    pub(super) const PROTOCOL: usize = 48 + 2;
    pub(super) const DEVICE_TYPE: usize = 48 + 8;
    pub(super) const KIND: usize = 48 + 10;
}

/// A packet in a block.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Captured {
    pub(super) time: Timestamp,
    /// Of the whole packet, from the network header on.
    pub(super) length: u32,
    /// The captured bytes, as a range in the block.
    pub(super) bytes: Range<usize>,
    pub(super) ether_type: u16,
    /// ARPHRD of the device.
    pub(super) device_type: u16,
    /// `PACKET_HOST`, `PACKET_OUTGOING`...
    pub(super) kind: u8,
}

/// A position in a block.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Cursor {
    offset: usize,
    left: u32,
}

impl Cursor {
    /// Before the first packet of `block`.
    pub(super) fn begin(block: &[u8]) -> Self {
        Self {
            offset: word(block, head::FIRST).unwrap_or(0) as usize,
            left: word(block, head::PACKETS).unwrap_or(0),
        }
    }

    /// The next packet; none when there are no more, or the block is invalid from here on.
    pub(super) fn next(&mut self, block: &[u8]) -> Option<Captured> {
        self.left = self.left.checked_sub(1)?;
        let header = block.get(self.offset..)?;
        let (seconds, nanoseconds) = (word(header, packet::SECONDS)?, word(header, packet::NANOSECONDS)?);
        let begin = self.offset.checked_add(half(header, packet::DATA)?.into())?;
        let end = begin.checked_add(word(header, packet::CAPTURED)? as usize)?;
        let [protocol, device_type] = [packet::PROTOCOL, packet::DEVICE_TYPE].map(|offset| half(header, offset));
        let found = Captured {
            time: Timestamp(i64::from(nanoseconds)) + Span::from_seconds(seconds.into()),
            length: word(header, packet::LENGTH)?,
            bytes: (end <= block.len()).then_some(begin..end)?,
            // This field is in network byte order.
            ether_type: u16::from_be(protocol?),
            device_type: device_type?,
            kind: *header.get(packet::KIND)?,
        };
        self.offset = self.offset.checked_add(word(header, packet::NEXT)? as usize)?;
        Some(found)
    }
}

fn word(bytes: &[u8], offset: usize) -> Option<u32> {
    bytes
        .get(offset..)?
        .first_chunk()
        .map(|bytes| u32::from_ne_bytes(*bytes))
}

fn half(bytes: &[u8], offset: usize) -> Option<u16> {
    bytes
        .get(offset..)?
        .first_chunk()
        .map(|bytes| u16::from_ne_bytes(*bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn block() -> Vec<u8> {
        let mut block = vec![0; 48 + 2 * 128];
        let mut put = |offset: usize, bytes: &[u8]| block[offset..offset + bytes.len()].copy_from_slice(bytes);
        put(head::PACKETS, &2_u32.to_ne_bytes());
        put(head::FIRST, &48_u32.to_ne_bytes());
        for (number, begin) in [48, 48 + 128].into_iter().enumerate() {
            put(begin + packet::NEXT, &128_u32.to_ne_bytes());
            put(begin + packet::SECONDS, &(7 + number as u32).to_ne_bytes());
            put(begin + packet::CAPTURED, &3_u32.to_ne_bytes());
            put(begin + packet::LENGTH, &1500_u32.to_ne_bytes());
            put(begin + packet::DATA, &80_u16.to_ne_bytes());
            put(begin + packet::PROTOCOL, &0x0800_u16.to_be_bytes());
            put(begin + packet::KIND, &[4]);
            put(begin + 80, &[1, 2, 3]);
        }
        block
    }

    #[test]
    fn packets_are_found_one_after_the_other() {
        let block = block();
        let mut cursor = Cursor::begin(&block);
        for seconds in [7, 8] {
            let found = cursor.next(&block).unwrap();
            assert_eq!(found.time, Timestamp(seconds * 1_000_000_000));
            assert_eq!(
                (&block[found.bytes], found.length, found.ether_type, found.kind),
                (&[1, 2, 3][..], 1500, 0x0800, 4)
            );
        }
        assert_eq!(cursor.next(&block), None);
    }

    #[test]
    fn a_block_that_makes_no_sense_has_no_packets() {
        for length in 0..48 + 128 {
            let block = &block()[..length];
            let mut cursor = Cursor::begin(block);
            assert!(cursor.next(block).is_none() || length >= 48 + 83);
        }
        let mut block = block();
        block[head::FIRST..][..4].copy_from_slice(&u32::MAX.to_ne_bytes());
        assert_eq!(Cursor::begin(&block).next(&block), None);
    }
}
