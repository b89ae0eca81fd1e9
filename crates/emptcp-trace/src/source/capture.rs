//! One capture file of either format, packet by packet.

use super::input::{Input, Packing};
use super::pcap::Pcap;
use super::pcapng::PcapNg;
use crate::{Error, Result, Timestamp};
use mptcp_wire::{LinkType, UnknownLink};

/// The longest plausible packet. The longest one of a Linux device is 512 KiB; other readers refuse packets above 256
/// KiB or 128 MiB.
pub(super) const LONGEST_PACKET: usize = 16 << 20;

/// Byte order of a file or section.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ByteOrder {
    /// Most significant first.
    Big,
    /// Least significant first.
    Little,
}

impl ByteOrder {
    /// The number at `at`; 0 past the end: the caller has made sure that the bytes are there.
    #[inline]
    pub(super) fn u16_at(self, bytes: &[u8], at: usize) -> u16 {
        let bytes = array_at(bytes, at);
        match self {
            Self::Big => u16::from_be_bytes(bytes),
            Self::Little => u16::from_le_bytes(bytes),
        }
    }

    /// Likewise.
    #[inline]
    pub(super) fn u32_at(self, bytes: &[u8], at: usize) -> u32 {
        let bytes = array_at(bytes, at);
        match self {
            Self::Big => u32::from_be_bytes(bytes),
            Self::Little => u32::from_le_bytes(bytes),
        }
    }

    /// Likewise.
    #[inline]
    pub(super) fn u64_at(self, bytes: &[u8], at: usize) -> u64 {
        let bytes = array_at(bytes, at);
        match self {
            Self::Big => u64::from_be_bytes(bytes),
            Self::Little => u64::from_le_bytes(bytes),
        }
    }
}

#[inline]
fn array_at<const N: usize>(bytes: &[u8], at: usize) -> [u8; N] {
    let found = bytes.get(at..).and_then(|rest| rest.first_chunk());
    found.copied().unwrap_or([0; N])
}

/// The position of a packet. Its record begins at the first available byte.
#[derive(Clone, Copy, Debug)]
pub(super) struct Record {
    pub(super) time: Timestamp,
    pub(super) link: std::result::Result<LinkType, UnknownLink>,
    pub(super) original_length: u32,
    /// Offset of the packet in the record.
    pub(super) offset: usize,
    /// Captured bytes.
    pub(super) captured: usize,
    /// Length of the whole record.
    pub(super) length: usize,
}

/// The link type with this number.
pub(super) fn link_of(number: u32) -> std::result::Result<LinkType, UnknownLink> {
    LinkType::from_pcap(number).ok_or(UnknownLink(number))
}

#[derive(Debug)]
enum Format {
    Pcap(Pcap),
    PcapNg(PcapNg),
}

/// One capture file.
#[derive(Debug)]
pub(super) struct Capture {
    input: Input,
    format: Format,
    record: Option<Record>,
}

impl Capture {
    /// Reads the header of the file; an error when it is not a capture.
    pub(super) fn new(mut input: Input) -> Result<Self> {
        let first = input.fill(4)?;
        let format = if first.starts_with(&PcapNg::MAGIC) {
            Format::PcapNg(PcapNg::new(&mut input)?)
        } else if let Some(variant) = Pcap::variant(first) {
            Format::Pcap(Pcap::new(variant, &mut input)?)
        } else {
            return Err(refusal(&mut input)?);
        };
        Ok(Self {
            input,
            format,
            record: None,
        })
    }

    /// Moves to the next packet and returns its time; none at the end of the file.
    #[inline]
    pub(super) fn advance(&mut self) -> Result<Option<Timestamp>> {
        if let Some(record) = self.record.take() {
            self.input.consume(record.length);
        }
        self.record = match &mut self.format {
            Format::Pcap(pcap) => pcap.next(&mut self.input)?,
            Format::PcapNg(pcapng) => pcapng.next(&mut self.input)?,
        };
        Ok(self.record.map(|record| record.time))
    }

    /// The packet that [`Capture::advance`] went to, and its bytes.
    #[inline]
    pub(super) fn packet(&self) -> Option<(&Record, &[u8])> {
        let record = self.record.as_ref()?;
        let rest = self.input.available().get(record.offset..)?;
        Some((record, rest.get(..record.captured)?))
    }

    /// Whether it has packets of several interfaces: those are written in batches, not in the order of time.
    pub(super) fn may_be_unordered(&self) -> bool {
        match &self.format {
            Format::Pcap(_) => false,
            Format::PcapNg(pcapng) => pcapng.has_several_interfaces(),
        }
    }
}

/// The error for a record that extends beyond the end of the file.
#[cold]
pub(super) fn cut_off(input: &Input, record: &str, needed: u64) -> Error {
    let there = input.available().len();
    input.malformed(
        input.position(),
        format!("the file ends {there} bytes into a {record} of {needed} bytes; all before it was read"),
    )
}

/// Describes a file that is not a capture.
fn refusal(input: &mut Input) -> Result<Error> {
    const KNOWN: [(&[u8], &str); 9] = [
        (b"\xfd7zXZ\0", "an xz file: decompress it first"),
        (b"BZh", "a bzip2 file: decompress it first"),
        (b"\x04\x22\x4d\x18", "an LZ4 file: decompress it first"),
        (b"PK\x03\x04", "a zip archive: unpack it first"),
        (b"\x1f\x8b", "gzip inside gzip: decompress it once"),
        (
            b"\x28\xb5\x2f\xfd",
            "zstd inside another compression: decompress it once",
        ),
        (b"snoop\0\0\0", "a snoop capture: `editcap -F pcapng` converts it"),
        (b"GMBU", "a Network Monitor capture: `editcap -F pcapng` converts it"),
        (b"\x7fELF", "a program"),
    ];
    let packing = input.packing();
    let first = input.fill(8)?;
    let first = first.get(..8).unwrap_or(first);
    let known = KNOWN.iter().find(|(magic, _)| first.starts_with(magic));
    let what = match known {
        _ if first.is_empty() => "it is empty".to_owned(),
        Some((_, name)) => format!("it is {name}"),
        None => format!("it begins with the bytes \"{}\"", first.escape_ascii()),
    };
    let within = match packing {
        Packing::Plain => String::new(),
        packing => format!(" (inside {})", packing.name()),
    };
    Ok(input.malformed(
        0,
        format!("not a capture: {what}{within}; supported are pcap and pcapng, also compressed by gzip or zstd"),
    ))
}
