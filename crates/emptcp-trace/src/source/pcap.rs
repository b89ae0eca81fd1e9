//! The format of libpcap: a header of 24 bytes, then packets, each after a header of 16 bytes.

use super::capture::{ByteOrder, LONGEST_PACKET, Record, cut_off, link_of};
use super::input::Input;
use crate::{Result, Timestamp};
use mptcp_wire::{LinkType, UnknownLink};

const FILE_HEADER: usize = 24;
const PACKET_HEADER: usize = 16;
/// Kuznetzov's variant adds the interface, the protocol and the packet type to each packet.
const MODIFIED_PACKET_HEADER: usize = 24;

/// The variant of the format, by the first four bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Variant {
    order: ByteOrder,
    /// Nanoseconds per unit of the fraction of a second.
    unit: i64,
    packet_header: usize,
}

/// A file in the format of libpcap.
#[derive(Debug)]
pub(super) struct Pcap {
    variant: Variant,
    link: std::result::Result<LinkType, UnknownLink>,
    /// Before version 2.3 the original length came first.
    lengths_swapped: bool,
}

impl Pcap {
    /// The variant that begins with these bytes.
    pub(super) fn variant(first: &[u8]) -> Option<Variant> {
        let order = match first.first_chunk::<4>()? {
            [0xa1, 0xb2, ..] => ByteOrder::Big,
            [.., 0xb2, 0xa1] => ByteOrder::Little,
            _ => return None,
        };
        let (unit, packet_header) = match order.u32_at(first, 0) {
            0xa1b2_c3d4 => (1000, PACKET_HEADER),
            0xa1b2_3c4d => (1, PACKET_HEADER),
            0xa1b2_cd34 => (1000, MODIFIED_PACKET_HEADER),
            _ => return None,
        };
        Some(Variant {
            order,
            unit,
            packet_header,
        })
    }

    /// Reads the header of the file.
    pub(super) fn new(variant: Variant, input: &mut Input) -> Result<Self> {
        let header = input.fill(FILE_HEADER)?;
        if header.len() < FILE_HEADER {
            return Err(cut_off(input, "pcap file header", FILE_HEADER as u64));
        }
        let order = variant.order;
        let (major, minor) = (order.u16_at(header, 4), order.u16_at(header, 6));
        // The upper half tells whether frames end with a check sequence.
        let link = order.u32_at(header, 20) & 0xffff;
        if major != 2 {
            return Err(input.malformed(4, format!("pcap version {major}.{minor}; supported is 2.x")));
        }
        input.consume(FILE_HEADER);
        Ok(Self {
            variant,
            link: link_of(link),
            lengths_swapped: minor < 3,
        })
    }

    /// The next packet; none at the end.
    #[inline]
    pub(super) fn next(&mut self, input: &mut Input) -> Result<Option<Record>> {
        let Variant {
            order,
            unit,
            packet_header,
        } = self.variant;
        let header = input.fill(packet_header)?;
        if header.len() < packet_header {
            return match header {
                [] => Ok(None),
                _ => Err(cut_off(input, "packet header", packet_header as u64)),
            };
        }
        let seconds = order.u32_at(header, 0);
        let fraction = order.u32_at(header, 4);
        let (mut captured, mut original_length) = (order.u32_at(header, 8), order.u32_at(header, 12));
        if self.lengths_swapped {
            (captured, original_length) = (original_length, captured);
        }
        let captured = captured as usize;
        if captured > LONGEST_PACKET {
            let what = format!("a packet of {captured} captured bytes; more than {LONGEST_PACKET} is implausible");
            return Err(input.malformed(input.position(), what));
        }
        let length = packet_header + captured;
        if input.fill(length)?.len() < length {
            return Err(cut_off(input, "packet record", length as u64));
        }
        Ok(Some(Record {
            time: Timestamp(i64::from(seconds) * 1_000_000_000 + i64::from(fraction) * unit),
            link: self.link,
            original_length,
            offset: packet_header,
            captured,
            length,
        }))
    }
}
