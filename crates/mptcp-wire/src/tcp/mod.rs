//! TCP (RFC 9293): the header here, its options in [`option`] (one option) and [`area`] (all of them).

pub mod area;
mod flags;
pub mod option;
mod state;

pub use crate::stage::Stage;
pub use area::{Area, Located, Options};
pub use flags::Flags;
pub use option::{SackBlock, TcpOption};
pub use state::State;

use crate::bytes::{Writer, head, tail, u8_at, u16_at, u32_at};
use crate::error::{Error, Header, Result};
use crate::sequence::SequenceNumber;

/// Offsets, and the fixed header's length.
mod field {
    pub(super) const SOURCE_PORT: usize = 0;
    pub(super) const DESTINATION_PORT: usize = 2;
    pub(super) const SEQUENCE: usize = 4;
    pub(super) const ACKNOWLEDGEMENT: usize = 8;
    pub(super) const DATA_OFFSET_FLAGS: usize = 12;
    pub(super) const WINDOW: usize = 14;
    pub(super) const CHECKSUM: usize = 16;
    pub(super) const URGENT: usize = 18;
    pub(super) const OPTIONS: usize = 20;
}

/// Offset of the checksum in the TCP header.
pub const CHECKSUM_OFFSET: usize = field::CHECKSUM;

/// A TCP segment whose header with options is inside the bytes.
#[derive(Clone, Copy, Debug)]
pub struct View<'a> {
    bytes: &'a [u8],
}

impl<'a> View<'a> {
    /// Checks the length and the data offset. Options are not checked: they may be malformed.
    pub fn new_checked(bytes: &'a [u8]) -> Result<Self> {
        let view = Self { bytes };
        Header::Tcp.within(bytes, field::OPTIONS)?;
        if view.header_length() < field::OPTIONS {
            let value = u32::from(u8_at(bytes, field::DATA_OFFSET_FLAGS) >> 4);
            return Err(Error::Field {
                header: Header::Tcp,
                field: "data offset",
                value,
                expected: "at least 5",
            });
        }
        Header::Tcp.within(bytes, view.header_length())?;
        Ok(view)
    }

    /// Port of the sender.
    #[must_use]
    pub fn source_port(&self) -> u16 {
        u16_at(self.bytes, field::SOURCE_PORT)
    }

    /// Port of the receiver.
    #[must_use]
    pub fn destination_port(&self) -> u16 {
        u16_at(self.bytes, field::DESTINATION_PORT)
    }

    /// Sequence number.
    #[must_use]
    pub fn sequence(&self) -> SequenceNumber {
        SequenceNumber(u32_at(self.bytes, field::SEQUENCE))
    }

    /// Acknowledgement number; means something only with [`Flags::ACK`].
    #[must_use]
    pub fn acknowledgement(&self) -> SequenceNumber {
        SequenceNumber(u32_at(self.bytes, field::ACKNOWLEDGEMENT))
    }

    /// The length of the header with its options: 20 to 60.
    #[must_use]
    pub fn header_length(&self) -> usize {
        usize::from(u8_at(self.bytes, field::DATA_OFFSET_FLAGS) >> 4).saturating_mul(4)
    }

    /// The flags.
    #[must_use]
    pub fn flags(&self) -> Flags {
        Flags::from_bits(u16_at(self.bytes, field::DATA_OFFSET_FLAGS))
    }

    /// The window field, before scaling.
    #[must_use]
    pub fn window(&self) -> u16 {
        u16_at(self.bytes, field::WINDOW)
    }

    /// The checksum field.
    #[must_use]
    pub fn checksum(&self) -> u16 {
        u16_at(self.bytes, field::CHECKSUM)
    }

    /// Urgent pointer; means something only with [`Flags::URG`].
    #[must_use]
    pub fn urgent(&self) -> u16 {
        u16_at(self.bytes, field::URGENT)
    }

    /// The bytes of the option area: from the fixed header to the data offset, never further.
    #[must_use]
    pub fn option_bytes(&self) -> &'a [u8] {
        tail(head(self.bytes, self.header_length()), field::OPTIONS)
    }

    /// The options, one after the other.
    #[must_use]
    pub fn options(&self) -> Options<'a> {
        Options::new(self.option_bytes())
    }

    /// What follows the header.
    #[must_use]
    pub fn payload(&self) -> &'a [u8] {
        tail(self.bytes, self.header_length())
    }

    /// Header and payload.
    #[must_use]
    pub fn bytes(&self) -> &'a [u8] {
        self.bytes
    }
}

/// The fields of a TCP header.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Repr {
    /// Port of the sender.
    pub source_port: u16,
    /// Port of the receiver.
    pub destination_port: u16,
    /// Sequence number.
    pub sequence: SequenceNumber,
    /// Acknowledgement number.
    pub acknowledgement: SequenceNumber,
    /// The flags.
    pub flags: Flags,
    /// The window before scaling.
    pub window: u16,
    /// The checksum; [`crate::checksum::tcp`] computes it when the segment is complete.
    pub checksum: u16,
    /// Urgent pointer.
    pub urgent: u16,
    /// The option area; filled up with end-of-list to a multiple of 4.
    pub options: Area,
}

impl Repr {
    /// Reads all fields; options stay bytes.
    #[must_use]
    pub fn parse(view: &View<'_>) -> Self {
        Self {
            source_port: view.source_port(),
            destination_port: view.destination_port(),
            sequence: view.sequence(),
            acknowledgement: view.acknowledgement(),
            flags: view.flags(),
            window: view.window(),
            checksum: view.checksum(),
            urgent: view.urgent(),
            // The data offset cannot name more than 40 bytes of options.
            options: Area::from_bytes(view.option_bytes()).unwrap_or_default(),
        }
    }

    /// The length of the header with its options.
    #[must_use]
    pub fn buffer_length(&self) -> usize {
        field::OPTIONS.saturating_add(self.options.bytes().len().next_multiple_of(4))
    }

    /// Writes the header with its options and returns its length.
    pub fn emit(&self, buffer: &mut [u8]) -> Result<usize> {
        let length = self.buffer_length();
        let mut writer = Writer::new(buffer, length)?;
        writer.put_u16(self.source_port);
        writer.put_u16(self.destination_port);
        writer.put_u32(self.sequence.0);
        writer.put_u32(self.acknowledgement.0);
        // At most 15 words: 20 bytes and 40 of options.
        let words = u16::try_from(length / 4).unwrap_or(5);
        writer.put_u16((words << 12) | self.flags.bits());
        writer.put_u16(self.window);
        writer.put_u16(self.checksum);
        writer.put_u16(self.urgent);
        let options = self.options.bytes();
        writer.put(options);
        writer.put(head(
            &[0; 3],
            length.saturating_sub(field::OPTIONS).saturating_sub(options.len()),
        ));
        Ok(length)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn what_is_emitted_parses_to_the_same(
            header in any::<(u16, u16, u32, u32, u16, u16, u16)>(),
            flags in 0_u16..0x1000,
            options in prop::collection::vec(any::<u8>(), 0..=10).prop_map(|words| words.repeat(4)),
        ) {
            let repr = Repr {
                source_port: header.0,
                destination_port: header.1,
                sequence: SequenceNumber(header.2),
                acknowledgement: SequenceNumber(header.3),
                flags: Flags::from_bits(flags),
                window: header.4,
                checksum: header.5,
                urgent: header.6,
                options: Area::from_bytes(&options).unwrap(),
            };
            let mut buffer = [0xaa; 60];
            let length = repr.emit(&mut buffer).unwrap();
            let view = View::new_checked(&buffer[..length]).unwrap();
            prop_assert_eq!(Repr::parse(&view), repr);
            prop_assert!(view.payload().is_empty());
            prop_assert!(View::new_checked(&buffer[..length - 1]).is_err());
        }
    }

    #[test]
    fn a_data_offset_below_five_words_is_refused() {
        let mut header = [0; 20];
        header[12] = 0x40;
        let error = View::new_checked(&header).unwrap_err();
        assert_eq!(
            error,
            Error::Field {
                header: Header::Tcp,
                field: "data offset",
                value: 4,
                expected: "at least 5"
            }
        );
    }

    #[test]
    fn payload_never_counts_as_options() {
        let mut segment = [0; 28];
        segment[12] = 0x60;
        segment[20..24].fill(1);
        segment[24..28].copy_from_slice(&[30, 4, 0x80, 0]);
        let view = View::new_checked(&segment).unwrap();
        assert_eq!(view.options().filter(|option| option.unwrap().kind() == 30).count(), 0);
        assert_eq!(view.payload().len(), 4);
    }
}
