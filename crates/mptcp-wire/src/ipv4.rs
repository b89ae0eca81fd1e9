//! IPv4 (RFC 791).

use crate::bytes::{Writer, array_at, head, set_u16_at, tail, u8_at, u16_at};
use crate::checksum;
use crate::error::{Error, Header, Result};
use crate::list::List;
use core::net::Ipv4Addr;

/// Offsets, and the shortest header.
mod field {
    pub(super) const VERSION_LENGTH: usize = 0;
    pub(super) const TYPE_OF_SERVICE: usize = 1;
    pub(super) const TOTAL_LENGTH: usize = 2;
    pub(super) const IDENTIFICATION: usize = 4;
    pub(super) const FRAGMENT: usize = 6;
    pub(super) const TIME_TO_LIVE: usize = 8;
    pub(super) const PROTOCOL: usize = 9;
    pub(super) const CHECKSUM: usize = 10;
    pub(super) const SOURCE: usize = 12;
    pub(super) const DESTINATION: usize = 16;
    pub(super) const OPTIONS: usize = 20;

    pub(super) const DONT_FRAGMENT: u16 = 0x4000;
    pub(super) const MORE_FRAGMENTS: u16 = 0x2000;
    pub(super) const FRAGMENT_OFFSET: u16 = 0x1fff;
}

/// An IPv4 packet whose header with options is inside the bytes. The payload may be cut off by a capture.
#[derive(Clone, Copy, Debug)]
pub struct View<'a> {
    bytes: &'a [u8],
}

impl<'a> View<'a> {
    /// Checks version, header length and total length.
    pub fn new_checked(bytes: &'a [u8]) -> Result<Self> {
        let view = Self { bytes };
        Header::Ipv4.within(bytes, field::OPTIONS)?;
        let wrong = |field, value, expected| Error::Field {
            header: Header::Ipv4,
            field,
            value,
            expected,
        };
        let version = u8_at(bytes, field::VERSION_LENGTH) >> 4;
        if version != 4 {
            return Err(wrong("version", version.into(), "4"));
        }
        if view.header_length() < field::OPTIONS {
            return Err(wrong(
                "IHL",
                u8_at(bytes, field::VERSION_LENGTH).into(),
                "low nibble at least 5",
            ));
        }
        Header::Ipv4.within(bytes, view.header_length())?;
        let total = view.total_length();
        if total != 0 && usize::from(total) < view.header_length() {
            return Err(wrong("total length", total.into(), "at least the header length"));
        }
        Ok(view)
    }

    /// The length of the header with its options: 20 to 60.
    #[must_use]
    pub fn header_length(&self) -> usize {
        usize::from(u8_at(self.bytes, field::VERSION_LENGTH) & 0x0f).saturating_mul(4)
    }

    /// DSCP and ECN.
    #[must_use]
    pub fn type_of_service(&self) -> u8 {
        u8_at(self.bytes, field::TYPE_OF_SERVICE)
    }

    /// The length of the packet by the header. 0: captured before segmentation offload set it.
    #[must_use]
    pub fn total_length(&self) -> u16 {
        u16_at(self.bytes, field::TOTAL_LENGTH)
    }

    /// Identification, for reassembly.
    #[must_use]
    pub fn identification(&self) -> u16 {
        u16_at(self.bytes, field::IDENTIFICATION)
    }

    /// The DF flag.
    #[must_use]
    pub fn dont_fragment(&self) -> bool {
        u16_at(self.bytes, field::FRAGMENT) & field::DONT_FRAGMENT != 0
    }

    /// The MF flag.
    #[must_use]
    pub fn more_fragments(&self) -> bool {
        u16_at(self.bytes, field::FRAGMENT) & field::MORE_FRAGMENTS != 0
    }

    /// The fragment offset in bytes.
    #[must_use]
    pub fn fragment_offset(&self) -> u16 {
        (u16_at(self.bytes, field::FRAGMENT) & field::FRAGMENT_OFFSET).wrapping_shl(3)
    }

    /// Whether this is a fragment: the first, a middle or the last one.
    #[must_use]
    pub fn is_fragment(&self) -> bool {
        self.more_fragments() || self.fragment_offset() != 0
    }

    /// Time to live.
    #[must_use]
    pub fn time_to_live(&self) -> u8 {
        u8_at(self.bytes, field::TIME_TO_LIVE)
    }

    /// IP protocol number of the payload.
    #[must_use]
    pub fn protocol(&self) -> u8 {
        u8_at(self.bytes, field::PROTOCOL)
    }

    /// The header checksum field.
    #[must_use]
    pub fn checksum(&self) -> u16 {
        u16_at(self.bytes, field::CHECKSUM)
    }

    /// Whether the header checksum is right.
    #[must_use]
    pub fn checksum_is_valid(&self) -> bool {
        checksum::internet(head(self.bytes, self.header_length())) == 0
    }

    /// Source.
    #[must_use]
    pub fn source(&self) -> Ipv4Addr {
        array_at::<4>(self.bytes, field::SOURCE).into()
    }

    /// Destination.
    #[must_use]
    pub fn destination(&self) -> Ipv4Addr {
        array_at::<4>(self.bytes, field::DESTINATION).into()
    }

    /// The option bytes, padding included.
    #[must_use]
    pub fn options(&self) -> &'a [u8] {
        tail(head(self.bytes, self.header_length()), field::OPTIONS)
    }

    /// The available bytes of the payload, without padding of the link layer.
    #[must_use]
    pub fn payload(&self) -> &'a [u8] {
        let packet = match self.total_length() {
            0 => self.bytes,
            total => head(self.bytes, total.into()),
        };
        tail(packet, self.header_length())
    }

    /// The length of the payload by the header: more than [`View::payload`] if the capture truncated it.
    #[must_use]
    pub fn payload_length(&self) -> usize {
        match self.total_length() {
            0 => self.payload().len(),
            total => usize::from(total).saturating_sub(self.header_length()),
        }
    }
}

/// The fields of an IPv4 header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Repr {
    /// Source.
    pub source: Ipv4Addr,
    /// Destination.
    pub destination: Ipv4Addr,
    /// IP protocol number of the payload.
    pub protocol: u8,
    /// Bytes after the header.
    pub payload_length: usize,
    /// DSCP and ECN.
    pub type_of_service: u8,
    /// Identification, for reassembly.
    pub identification: u16,
    /// The DF flag.
    pub dont_fragment: bool,
    /// The MF flag.
    pub more_fragments: bool,
    /// The fragment offset in bytes; a multiple of 8.
    pub fragment_offset: u16,
    /// Time to live.
    pub time_to_live: u8,
    /// Option bytes; filled up with end-of-list to a multiple of 4.
    pub options: List<u8, 40>,
}

impl Repr {
    /// Reads all fields except the checksum.
    #[must_use]
    pub fn parse(view: &View<'_>) -> Self {
        Self {
            source: view.source(),
            destination: view.destination(),
            protocol: view.protocol(),
            payload_length: view.payload_length(),
            type_of_service: view.type_of_service(),
            identification: view.identification(),
            dont_fragment: view.dont_fragment(),
            more_fragments: view.more_fragments(),
            fragment_offset: view.fragment_offset(),
            time_to_live: view.time_to_live(),
            // The header length field cannot name more than 40 bytes of options.
            options: List::from_slice(view.options()).unwrap_or_default(),
        }
    }

    /// The length of the header with its options.
    #[must_use]
    pub fn buffer_length(&self) -> usize {
        field::OPTIONS.saturating_add(self.options.len().next_multiple_of(4))
    }

    /// Writes the header with its checksum and returns its length.
    pub fn emit(&self, buffer: &mut [u8]) -> Result<usize> {
        let length = self.buffer_length();
        let total = length.saturating_add(self.payload_length);
        let total_length = u16::try_from(total).map_err(|_| Error::PacketTooLarge { length: total })?;
        let mut writer = Writer::new(buffer, length)?;
        // At most 15 words: 20 bytes and 40 of options.
        writer.put_u8(0x40 | u8::try_from(length / 4).unwrap_or(5));
        writer.put_u8(self.type_of_service);
        writer.put_u16(total_length);
        writer.put_u16(self.identification);
        writer.put_u16(
            flag(self.dont_fragment, field::DONT_FRAGMENT)
                | flag(self.more_fragments, field::MORE_FRAGMENTS)
                | (self.fragment_offset >> 3),
        );
        writer.put_u8(self.time_to_live);
        writer.put_u8(self.protocol);
        writer.put_u16(0);
        writer.put(&self.source.octets());
        writer.put(&self.destination.octets());
        writer.put(&self.options);
        writer.put(head(
            &[0; 3],
            length.saturating_sub(field::OPTIONS).saturating_sub(self.options.len()),
        ));
        let checksum = checksum::internet(head(buffer, length));
        set_u16_at(buffer, field::CHECKSUM, checksum);
        Ok(length)
    }
}

fn flag(set: bool, mask: u16) -> u16 {
    if set { mask } else { 0 }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn repr() -> impl Strategy<Value = Repr> {
        (
            any::<([u8; 4], [u8; 4], u8, u8, u16, bool, bool, u8)>(),
            0_u16..0x2000,
            0_usize..60_000,
            prop::collection::vec(any::<u8>(), 0..=10).prop_map(|words| words.repeat(4)),
        )
            .prop_map(|(header, offset, payload_length, options)| Repr {
                source: header.0.into(),
                destination: header.1.into(),
                protocol: header.2,
                payload_length,
                type_of_service: header.3,
                identification: header.4,
                dont_fragment: header.5,
                more_fragments: header.6,
                fragment_offset: offset << 3,
                time_to_live: header.7,
                options: List::from_slice(&options).unwrap(),
            })
    }

    proptest! {
        #[test]
        fn what_is_emitted_parses_to_the_same_and_has_a_right_checksum(repr in repr()) {
            let mut buffer = [0; 60];
            let length = repr.emit(&mut buffer).unwrap();
            let view = View::new_checked(&buffer[..length]).unwrap();
            prop_assert!(view.checksum_is_valid());
            prop_assert_eq!(Repr::parse(&view), repr);
            prop_assert!(View::new_checked(&buffer[..length - 1]).is_err());
        }
    }

    #[test]
    fn every_kind_of_fragment_is_recognised() {
        let mut header = [0; 20];
        header[0] = 0x45;
        for (fragment, expected) in [(0x4000_u16, false), (0x2000, true), (0x0001, true), (0x3fff, true)] {
            header[6..8].copy_from_slice(&fragment.to_be_bytes());
            assert_eq!(
                View::new_checked(&header).unwrap().is_fragment(),
                expected,
                "{fragment:#x}"
            );
        }
        assert_eq!(View::new_checked(&header).unwrap().fragment_offset(), 0xfff8);
    }

    #[test]
    fn wrong_version_length_and_total_are_named() {
        let mut header = [0; 20];
        let field_of = |header: &[u8]| match View::new_checked(header).unwrap_err() {
            Error::Field { field, .. } => field,
            _ => "truncated",
        };
        header[0] = 0x65;
        assert_eq!(field_of(&header), "version");
        header[0] = 0x44;
        assert_eq!(field_of(&header), "IHL");
        header[0] = 0x46;
        assert_eq!(field_of(&header), "truncated");
        header[0] = 0x45;
        header[3] = 19;
        assert_eq!(field_of(&header), "total length");
    }

    #[test]
    fn padding_of_the_link_is_not_payload() {
        let mut packet = [0; 46];
        packet[0] = 0x45;
        packet[3] = 30;
        assert_eq!(View::new_checked(&packet).unwrap().payload().len(), 10);
    }
}
