//! The format pcapng: sections of blocks; interfaces, packets, and other blocks that are skipped.

use super::capture::{ByteOrder, LONGEST_PACKET, Record, cut_off, link_of};
use super::clock::Clock;
use super::input::Input;
use crate::{Result, Timestamp};
use mptcp_wire::{LinkType, UnknownLink};

/// Types of blocks.
mod block {
    pub(super) const SECTION_HEADER: u32 = 0x0a0d_0d0a;
    pub(super) const INTERFACE: u32 = 1;
    pub(super) const PACKET: u32 = 2;
    pub(super) const SIMPLE_PACKET: u32 = 3;
    pub(super) const ENHANCED_PACKET: u32 = 6;
}

/// Type and length at the beginning, and the length again at the end.
const FRAMING: usize = 12;
const SECTION_HEADER: usize = 28;
const INTERFACE: usize = 20;
const PACKET: usize = 32;
const SIMPLE_PACKET: usize = 16;
/// Blocks of this length or more are implausible.
const TOO_LONG: usize = 256 << 20;
/// The most bytes that are read of a section header or an interface description, with options.
const LONGEST_DESCRIPTION: usize = 1 << 20;
const MOST_INTERFACES: usize = 1 << 16;

#[derive(Clone, Copy, Debug)]
struct Interface {
    link: std::result::Result<LinkType, UnknownLink>,
    snap_length: u32,
    clock: Clock,
}

/// A file in the format pcapng.
#[derive(Debug)]
pub(super) struct PcapNg {
    order: ByteOrder,
    /// The interfaces of this section.
    interfaces: Vec<Interface>,
    several_interfaces: bool,
    /// Time of the packet before: a simple packet has no time.
    time: Timestamp,
}

impl PcapNg {
    /// The first bytes, in either byte order.
    pub(super) const MAGIC: [u8; 4] = block::SECTION_HEADER.to_be_bytes();

    /// Reads the first section header.
    pub(super) fn new(input: &mut Input) -> Result<Self> {
        let mut this = Self {
            order: ByteOrder::Little,
            interfaces: Vec::new(),
            several_interfaces: false,
            time: Timestamp::default(),
        };
        this.section_header(input)?;
        Ok(this)
    }

    /// Whether any section so far has more than one interface.
    pub(super) fn has_several_interfaces(&self) -> bool {
        self.several_interfaces
    }

    /// The next packet; none at the end.
    #[inline]
    pub(super) fn next(&mut self, input: &mut Input) -> Result<Option<Record>> {
        loop {
            let header = input.fill(8)?;
            if header.len() < 8 {
                return match header {
                    [] => Ok(None),
                    _ => Err(cut_off(input, "block header", 8)),
                };
            }
            let (kind, length) = (self.order.u32_at(header, 0), self.order.u32_at(header, 4) as usize);
            if kind == block::SECTION_HEADER {
                self.section_header(input)?;
                continue;
            }
            if !(FRAMING..TOO_LONG).contains(&length) || !length.is_multiple_of(4) {
                let what = format!(
                    "a block of type {kind:#x} of {length} bytes; lengths are multiples of 4 from 12 to {TOO_LONG}"
                );
                return Err(input.malformed(input.position(), what));
            }
            match kind {
                block::ENHANCED_PACKET | block::PACKET => return self.packet(input, kind, length).map(Some),
                block::SIMPLE_PACKET => return self.simple_packet(input, length).map(Some),
                block::INTERFACE => self.interface(input, length)?,
                _ => self.pass_over(input, length)?,
            }
        }
    }

    /// A section header; its length is in the byte order of its own magic number.
    fn section_header(&mut self, input: &mut Input) -> Result<()> {
        let header = input.fill(16)?;
        if header.len() < 16 {
            return Err(cut_off(input, "section header", SECTION_HEADER as u64));
        }
        self.order = match header.get(8..12) {
            Some([0x1a, 0x2b, 0x3c, 0x4d]) => ByteOrder::Big,
            Some([0x4d, 0x3c, 0x2b, 0x1a]) => ByteOrder::Little,
            _ => {
                let what = "a section header without the byte-order magic number 0x1a2b3c4d";
                return Err(input.malformed(input.position() + 8, what));
            }
        };
        let length = self.order.u32_at(header, 4) as usize;
        let (major, minor) = (self.order.u16_at(header, 12), self.order.u16_at(header, 14));
        if major != 1 {
            let what = format!("pcapng version {major}.{minor}; supported is 1.x");
            return Err(input.malformed(input.position() + 12, what));
        }
        description(input, "section header", SECTION_HEADER, length)?;
        self.ends_with_its_length(input, length)?;
        input.consume(length);
        self.interfaces.clear();
        Ok(())
    }

    fn interface(&mut self, input: &mut Input, length: usize) -> Result<()> {
        description(input, "interface description", INTERFACE, length)?;
        self.ends_with_its_length(input, length)?;
        let block = input.available();
        let options = block.get(16..length.saturating_sub(4)).unwrap_or(&[]);
        let interface = Interface {
            link: link_of(self.order.u16_at(block, 8).into()),
            snap_length: self.order.u32_at(block, 12),
            clock: Clock::from_options(self.order, options),
        };
        if self.interfaces.len() == MOST_INTERFACES {
            let what = format!("more than {MOST_INTERFACES} interfaces in a section");
            return Err(input.malformed(input.position(), what));
        }
        self.interfaces.push(interface);
        self.several_interfaces |= self.interfaces.len() > 1;
        input.consume(length);
        Ok(())
    }

    /// An enhanced packet block, or a packet block as it was before: the interface takes 2 bytes there, and a count of
    /// drops the next 2.
    #[inline]
    fn packet(&mut self, input: &mut Input, kind: u32, length: usize) -> Result<Record> {
        let block = packet_block(input, PACKET, length)?;
        let order = self.order;
        let interface = match kind {
            block::PACKET => order.u16_at(block, 8).into(),
            _ => order.u32_at(block, 8),
        };
        let units = u64::from(order.u32_at(block, 12)) << 32 | u64::from(order.u32_at(block, 16));
        let captured = order.u32_at(block, 20) as usize;
        let original_length = order.u32_at(block, 24);
        let Some(Interface { link, clock, .. }) = self.interfaces.get(interface as usize) else {
            return Err(self.unknown_interface(input, interface));
        };
        if captured > length - PACKET {
            let what = format!("{captured} captured bytes in a packet block of {length} bytes");
            return Err(input.malformed(input.position(), what));
        }
        self.time = clock.time(units);
        let record = Record {
            time: self.time,
            link: *link,
            original_length,
            offset: 28,
            captured,
            length,
        };
        self.ends_with_its_length(input, length)?;
        Ok(record)
    }

    /// A packet of the first interface without a time: it gets that of the packet before it in the file.
    fn simple_packet(&mut self, input: &mut Input, length: usize) -> Result<Record> {
        let block = packet_block(input, SIMPLE_PACKET, length)?;
        let original_length = self.order.u32_at(block, 8);
        let Some(interface) = self.interfaces.first() else {
            return Err(self.unknown_interface(input, 0));
        };
        let limit = match interface.snap_length {
            0 => u32::MAX,
            limit => limit,
        };
        let record = Record {
            time: self.time,
            link: interface.link,
            original_length,
            offset: 12,
            // The block may be longer, by its padding, or shorter, by a snap length that does not hold.
            captured: (original_length.min(limit) as usize).min(length - SIMPLE_PACKET),
            length,
        };
        self.ends_with_its_length(input, length)?;
        Ok(record)
    }

    fn pass_over(&self, input: &mut Input, length: usize) -> Result<()> {
        let start = input.position();
        // All but the length at its end.
        let body = (length - 4) as u64;
        let skipped = input.skip(body)?;
        let end = input.fill(4)?;
        let there = end.len().min(4);
        if there < 4 {
            let what = format!(
                "the file ends {} bytes into a block of {length} bytes; all before it was read",
                skipped + there as u64
            );
            return Err(input.malformed(start, what));
        }
        let again = self.order.u32_at(end, 0) as usize;
        if again != length {
            return Err(input.malformed(start, two_lengths(length, again)));
        }
        input.consume(4);
        Ok(())
    }

    #[inline]
    fn ends_with_its_length(&self, input: &Input, length: usize) -> Result<()> {
        match self.order.u32_at(input.available(), length - 4) as usize {
            again if again == length => Ok(()),
            again => Err(input.malformed(input.position(), two_lengths(length, again))),
        }
    }

    #[cold]
    fn unknown_interface(&self, input: &Input, number: u32) -> crate::Error {
        let described = self.interfaces.len();
        let what = format!("a packet of interface {number}, but the section has described {described} interfaces");
        input.malformed(input.position(), what)
    }
}

/// Reads a whole block that is not a packet and has at least `least` bytes.
fn description(input: &mut Input, name: &str, least: usize, length: usize) -> Result<()> {
    if length < least || length > LONGEST_DESCRIPTION || !length.is_multiple_of(4) {
        let what = format!("a {name} of {length} bytes; it has a multiple of 4 from {least} to {LONGEST_DESCRIPTION}");
        return Err(input.malformed(input.position(), what));
    }
    if input.fill(length)?.len() < length {
        return Err(cut_off(input, name, length as u64));
    }
    Ok(())
}

/// Reads a whole packet block of at least `least` bytes.
#[inline]
fn packet_block(input: &mut Input, least: usize, length: usize) -> Result<&[u8]> {
    if length < least || length > LONGEST_PACKET {
        let what = format!("a packet block of {length} bytes; plausible lengths are {least} to {LONGEST_PACKET}");
        return Err(input.malformed(input.position(), what));
    }
    if input.fill(length)?.len() < length {
        return Err(cut_off(input, "packet block", length as u64));
    }
    Ok(input.available())
}

#[cold]
fn two_lengths(front: usize, end: usize) -> String {
    format!("a block has the length {front} at its beginning and {end} at its end")
}
