//! Capture files: pcap with nanoseconds (draft-ietf-opsawg-pcap), pcapng (draft-ietf-opsawg-pcapng).

use super::{SplitError, Stored};
use mptcp_wire::LinkType;
use std::io::{self, Write};

/// The format of a copy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// pcap, with nanoseconds; one link type.
    Pcap,
    /// pcapng, with nanoseconds; an interface for each link type.
    Pcapng,
}

/// The snap length in the header: longer than any captured frame.
const SNAP_LENGTH: u32 = 262_144;

pub(super) struct Writer<'a, W> {
    format: Format,
    to: &'a mut W,
    links: Vec<LinkType>,
}

impl<'a, W: Write> Writer<'a, W> {
    pub(super) fn new(format: Format, to: &'a mut W) -> Self {
        Self {
            format,
            to,
            links: Vec::new(),
        }
    }

    pub(super) fn write(&mut self, frame: &Stored) -> Result<(), SplitError> {
        let interface = match self.links.iter().position(|link| *link == frame.link) {
            Some(interface) => interface,
            None => self.add(frame)?,
        };
        match self.format {
            Format::Pcap => self.record(frame)?,
            Format::Pcapng => self.enhanced_packet(interface, frame)?,
        }
        Ok(())
    }

    /// A link type that was not there yet: the header of the file, or an interface.
    fn add(&mut self, frame: &Stored) -> Result<usize, SplitError> {
        let number = link_number(frame.link, &frame.bytes);
        match (self.format, self.links.first()) {
            (Format::Pcap, Some(first)) => {
                return Err(SplitError::SeveralLinkTypes {
                    first: *first,
                    second: frame.link,
                });
            }
            (Format::Pcap, None) => self.pcap_header(number)?,
            (Format::Pcapng, first) => {
                if first.is_none() {
                    self.section_header()?;
                }
                self.interface(number)?;
            }
        }
        self.links.push(frame.link);
        Ok(self.links.len() - 1)
    }

    fn words(&mut self, words: &[u32]) -> io::Result<()> {
        words.iter().try_for_each(|word| self.to.write_all(&word.to_le_bytes()))
    }

    fn halves(&mut self, halves: &[u16]) -> io::Result<()> {
        halves
            .iter()
            .try_for_each(|half| self.to.write_all(&half.to_le_bytes()))
    }

    fn pcap_header(&mut self, link: u16) -> io::Result<()> {
        self.words(&[0xa1b2_3c4d])?;
        self.halves(&[2, 4])?;
        self.words(&[0, 0, SNAP_LENGTH, link.into()])
    }

    fn record(&mut self, frame: &Stored) -> io::Result<()> {
        let nanoseconds = frame.time.0.max(0);
        let seconds = u32::try_from(nanoseconds / 1_000_000_000).unwrap_or(u32::MAX);
        // The remainder is below 10^9.
        let rest = (nanoseconds % 1_000_000_000) as u32;
        self.words(&[seconds, rest, captured(frame)?, frame.original_length])?;
        self.to.write_all(&frame.bytes)
    }

    fn section_header(&mut self) -> io::Result<()> {
        self.words(&[0x0a0d_0d0a, 28, 0x1a2b_3c4d])?;
        self.halves(&[1, 0])?;
        // The length of the section is unspecified.
        self.words(&[u32::MAX, u32::MAX, 28])
    }

    fn interface(&mut self, link: u16) -> io::Result<()> {
        self.words(&[1, 32])?;
        self.halves(&[link, 0])?;
        self.words(&[SNAP_LENGTH])?;
        // if_tsresol, one byte: 10^-9 seconds. Padding, and the end of options.
        self.halves(&[9, 1])?;
        self.words(&[9, 0, 32])
    }

    fn enhanced_packet(&mut self, interface: usize, frame: &Stored) -> io::Result<()> {
        let captured = captured(frame)?;
        let padding = captured.wrapping_neg() % 4;
        let length = captured + padding + 32;
        let time = frame.time.0.cast_unsigned();
        let (high, low) = ((time >> 32) as u32, time as u32);
        // There are as many interfaces as link types.
        let interface = interface as u32;
        self.words(&[6, length, interface, high, low, captured, frame.original_length])?;
        self.to.write_all(&frame.bytes)?;
        let zeros = [0; 3];
        self.to.write_all(zeros.get(..padding as usize).unwrap_or_default())?;
        self.words(&[length])
    }
}

/// Its captured length.
fn captured(frame: &Stored) -> io::Result<u32> {
    // Room for the fields around it in a block.
    let length = u32::try_from(frame.bytes.len())
        .ok()
        .filter(|length| *length < u32::MAX - 64);
    length.ok_or_else(|| io::Error::other("a frame of more than 4 GB"))
}

/// The number of a link type in capture files (tcpdump.org/linktypes).
fn link_number(link: LinkType, frame: &[u8]) -> u16 {
    match link {
        // LOOP has its address family in network byte order, NULL in that of the host, which is most often
        // little-endian.
        LinkType::Loopback if frame.first() == Some(&0) => 108,
        LinkType::Loopback => 0,
        LinkType::Ethernet => 1,
        // PPP_HDLC, which may hold Cisco's HDLC; PPP, which may do without address and control.
        LinkType::Ppp if matches!(frame.first(), Some(0x0f | 0x8f)) => 50,
        LinkType::Ppp => 9,
        LinkType::RawIp => 101,
        LinkType::Ieee80211 => 105,
        LinkType::LinuxSll => 113,
        LinkType::Radiotap => 127,
        LinkType::Erf => 197,
        LinkType::LinuxSll2 => 276,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::from_reader;
    use crate::{Next, Source, Timestamp};
    use mptcp_wire::UnknownLink;

    fn stored(nanoseconds: i64, link: LinkType, length: u8) -> Stored {
        Stored {
            time: Timestamp(nanoseconds),
            link,
            original_length: 1500,
            bytes: (0..length).collect(),
        }
    }

    type Link = std::result::Result<LinkType, UnknownLink>;

    fn read(bytes: Vec<u8>) -> Vec<(i64, Link, u32, Vec<u8>)> {
        let mut source = from_reader("copy", io::Cursor::new(bytes)).expect("a capture");
        let mut found = Vec::new();
        while let Next::Frame(frame) = source.next().expect("a packet") {
            found.push((frame.time.0, frame.link, frame.original_length, frame.bytes.to_vec()));
        }
        found
    }

    #[test]
    fn frames_come_back_to_the_nanosecond_and_the_byte() {
        for (format, links) in [
            (Format::Pcap, [LinkType::LinuxSll2; 3]),
            (
                Format::Pcapng,
                [LinkType::Ethernet, LinkType::RawIp, LinkType::Ethernet],
            ),
        ] {
            let frames = [
                (1_700_000_000_123_456_789, 61),
                (1_700_000_000_123_456_790, 64),
                (4_000_000_000_999_999_999, 3),
            ];
            let mut bytes = Vec::new();
            let mut writer = Writer::new(format, &mut bytes);
            for ((time, length), link) in frames.into_iter().zip(links) {
                writer.write(&stored(time, link, length)).expect("memory");
            }
            let expected: Vec<_> = frames
                .into_iter()
                .zip(links)
                .map(|((time, length), link)| (time, Ok(link), 1500, (0..length).collect::<Vec<u8>>()))
                .collect();
            assert_eq!(read(bytes), expected, "{format:?}");
        }
    }

    #[test]
    fn two_link_types_do_not_fit_into_pcap() {
        let mut bytes = Vec::new();
        let mut writer = Writer::new(Format::Pcap, &mut bytes);
        writer.write(&stored(0, LinkType::Ethernet, 60)).expect("memory");
        let error = writer.write(&stored(1, LinkType::RawIp, 60));
        assert!(matches!(error, Err(SplitError::SeveralLinkTypes { .. })), "{error:?}");
    }
}
