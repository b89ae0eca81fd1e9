//! One TCP option: options that are common with MPTCP by name, all others as bytes.

use crate::bytes::{Writer, tail, u8_at, u16_at, u32_at};
use crate::error::{Error, Result};
use crate::list::List;
use crate::mptcp;
use crate::sequence::SequenceNumber;

/// Option kinds (IANA "TCP Option Kind Numbers").
pub mod kind {
    /// End of option list.
    pub const END_OF_LIST: u8 = 0;
    /// No operation.
    pub const NO_OPERATION: u8 = 1;
    /// Maximum segment size.
    pub const MAXIMUM_SEGMENT_SIZE: u8 = 2;
    /// Window scale.
    pub const WINDOW_SCALE: u8 = 3;
    /// SACK permitted.
    pub const SACK_PERMITTED: u8 = 4;
    /// SACK.
    pub const SACK: u8 = 5;
    /// Timestamps.
    pub const TIMESTAMPS: u8 = 8;
    /// Multipath TCP.
    pub const MPTCP: u8 = crate::mptcp::KIND;
}

/// Offsets in the options read here.
mod field {
    pub(super) const LENGTH: usize = 1;
    pub(super) const CONTENT: usize = 2;
    pub(super) const TIMESTAMP_ECHO: usize = 6;
    pub(super) const SACK_BLOCK: usize = 8;
}

/// Bytes that were received out of order: from `left` to before `right`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct SackBlock {
    /// First byte.
    pub left: SequenceNumber,
    /// One past the last byte.
    pub right: SequenceNumber,
}

/// A TCP option.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TcpOption {
    /// End of option list.
    EndOfList,
    /// No operation: padding between options.
    NoOperation,
    /// Maximum segment size, bytes (RFC 9293).
    MaximumSegmentSize(u16),
    /// Window scale: the shift in the option (RFC 7323; above 14 counts as 14).
    WindowScale(u8),
    /// The sender of this SYN understands SACK (RFC 2018).
    SackPermitted,
    /// SACK blocks (RFC 2018), one to four.
    Sack(List<SackBlock, 4>),
    /// Timestamps (RFC 7323).
    Timestamps {
        /// TSval.
        value: u32,
        /// TSecr.
        echo_reply: u32,
    },
    /// Multipath TCP.
    Mptcp(mptcp::MptcpOption),
    /// Anything else.
    Unknown {
        /// Option kind.
        kind: u8,
        /// The content after kind and length.
        content: List<u8, 38>,
    },
}

impl TcpOption {
    /// Reads one option: `bytes` are the whole option, as the iterator over the option area returns it.
    pub fn parse(bytes: &[u8]) -> Result<Self> {
        let length = bytes.len();
        let expect = |option, expected: usize, text| match length == expected {
            true => Ok(()),
            false => Err(Error::OptionLength {
                option,
                length,
                expected: text,
            }),
        };
        let content = tail(bytes, field::CONTENT);
        match u8_at(bytes, 0) {
            kind::END_OF_LIST => expect("end of option list", 1, "1").map(|()| Self::EndOfList),
            kind::NO_OPERATION => expect("no operation", 1, "1").map(|()| Self::NoOperation),
            kind if usize::from(u8_at(bytes, field::LENGTH)) != length || length < 2 => Err(Error::OptionOverrun {
                kind,
                length: u8_at(bytes, field::LENGTH),
                room: length,
            }),
            kind::MAXIMUM_SEGMENT_SIZE => {
                expect("maximum segment size", 4, "4").map(|()| Self::MaximumSegmentSize(u16_at(bytes, field::CONTENT)))
            }
            kind::WINDOW_SCALE => {
                expect("window scale", 3, "3").map(|()| Self::WindowScale(u8_at(bytes, field::CONTENT)))
            }
            kind::SACK_PERMITTED => expect("SACK permitted", 2, "2").map(|()| Self::SackPermitted),
            kind::SACK => sack(content).map(Self::Sack),
            kind::TIMESTAMPS => expect("timestamps", 10, "10").map(|()| Self::Timestamps {
                value: u32_at(bytes, field::CONTENT),
                echo_reply: u32_at(bytes, field::TIMESTAMP_ECHO),
            }),
            kind::MPTCP => mptcp::View::new_checked(bytes)
                .and_then(|view| mptcp::MptcpOption::parse(&view))
                .map(Self::Mptcp),
            kind => match List::from_slice(content) {
                Ok(content) => Ok(Self::Unknown { kind, content }),
                Err(_) => Err(Error::OptionLength {
                    option: "unknown TCP option",
                    length,
                    expected: "2 to 40",
                }),
            },
        }
    }

    /// The bytes that the option takes.
    #[must_use]
    pub fn buffer_length(&self) -> usize {
        match self {
            Self::EndOfList | Self::NoOperation => 1,
            Self::MaximumSegmentSize(_) => 4,
            Self::WindowScale(_) => 3,
            Self::SackPermitted => 2,
            Self::Sack(blocks) => blocks.len().saturating_mul(field::SACK_BLOCK).saturating_add(2),
            Self::Timestamps { .. } => 10,
            Self::Mptcp(option) => option.buffer_length(),
            Self::Unknown { content, .. } => content.len().saturating_add(2),
        }
    }

    /// Writes the option and returns its length.
    pub fn emit(&self, buffer: &mut [u8]) -> Result<usize> {
        let length = self.buffer_length();
        let mut writer = Writer::new(buffer, length)?;
        // At most 40, as every content is bounded.
        let length_byte = u8::try_from(length).unwrap_or(u8::MAX);
        match self {
            Self::EndOfList => writer.put_u8(kind::END_OF_LIST),
            Self::NoOperation => writer.put_u8(kind::NO_OPERATION),
            Self::MaximumSegmentSize(size) => {
                writer.put(&[kind::MAXIMUM_SEGMENT_SIZE, length_byte]);
                writer.put_u16(*size);
            }
            Self::WindowScale(shift) => writer.put(&[kind::WINDOW_SCALE, length_byte, *shift]),
            Self::SackPermitted => writer.put(&[kind::SACK_PERMITTED, length_byte]),
            Self::Sack(blocks) => {
                writer.put(&[kind::SACK, length_byte]);
                for block in blocks.iter() {
                    writer.put_u32(block.left.0);
                    writer.put_u32(block.right.0);
                }
            }
            Self::Timestamps { value, echo_reply } => {
                writer.put(&[kind::TIMESTAMPS, length_byte]);
                writer.put_u32(*value);
                writer.put_u32(*echo_reply);
            }
            Self::Mptcp(option) => return option.emit(buffer),
            Self::Unknown { kind, content } => {
                writer.put(&[*kind, length_byte]);
                writer.put(content);
            }
        }
        Ok(length)
    }
}

impl<T: Into<mptcp::MptcpOption>> From<T> for TcpOption {
    fn from(option: T) -> Self {
        Self::Mptcp(option.into())
    }
}

fn sack(content: &[u8]) -> Result<List<SackBlock, 4>> {
    let (blocks, rest) = content.as_chunks::<8>();
    let mut list = List::new();
    let fits = !blocks.is_empty()
        && rest.is_empty()
        && blocks.iter().all(|block| {
            let block = SackBlock {
                left: SequenceNumber(u32_at(block, 0)),
                right: SequenceNumber(u32_at(block, 4)),
            };
            list.push(block).is_ok()
        });
    match fits {
        true => Ok(list),
        false => {
            let length = content.len().saturating_add(2);
            Err(Error::OptionLength {
                option: "SACK",
                length,
                expected: "10, 18, 26 or 34",
            })
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn option() -> impl Strategy<Value = TcpOption> {
        let block = any::<(u32, u32)>().prop_map(|(left, right)| SackBlock {
            left: SequenceNumber(left),
            right: SequenceNumber(right),
        });
        prop_oneof![
            Just(TcpOption::EndOfList),
            Just(TcpOption::NoOperation),
            Just(TcpOption::SackPermitted),
            any::<u16>().prop_map(TcpOption::MaximumSegmentSize),
            any::<u8>().prop_map(TcpOption::WindowScale),
            any::<(u32, u32)>().prop_map(|(value, echo_reply)| TcpOption::Timestamps { value, echo_reply }),
            prop::collection::vec(block, 1..=4).prop_map(|blocks| TcpOption::Sack(List::from_slice(&blocks).unwrap())),
            (31_u8.., prop::collection::vec(any::<u8>(), 0..=38)).prop_map(|(kind, content)| TcpOption::Unknown {
                kind,
                content: List::from_slice(&content).unwrap()
            }),
        ]
    }

    proptest! {
        #[test]
        fn what_is_emitted_parses_to_the_same(option in option()) {
            let mut buffer = [0; 40];
            let length = option.emit(&mut buffer).unwrap();
            prop_assert_eq!(length, option.buffer_length());
            prop_assert_eq!(TcpOption::parse(&buffer[..length]), Ok(option));
            prop_assert!(option.emit(&mut buffer[..length - 1]).is_err());
        }

        #[test]
        fn parsing_any_bytes_gives_an_option_that_emits_them_or_an_error(bytes in prop::collection::vec(any::<u8>(), 0..=42)) {
            if let Ok(option) = TcpOption::parse(&bytes)
                && !matches!(option, TcpOption::Mptcp(_))
            {
                let mut buffer = [0; 40];
                let length = option.emit(&mut buffer).unwrap();
                prop_assert_eq!(&buffer[..length], &bytes[..]);
            }
        }
    }

    #[test]
    fn a_wrong_length_names_the_option_and_what_was_expected() {
        for (bytes, option, expected) in [
            (&[2, 3, 0][..], "maximum segment size", "4"),
            (&[3, 4, 0, 0], "window scale", "3"),
            (&[4, 3, 0], "SACK permitted", "2"),
            (&[5, 2], "SACK", "10, 18, 26 or 34"),
            (&[8, 4, 0, 0], "timestamps", "10"),
        ] {
            let length = bytes.len();
            assert_eq!(
                TcpOption::parse(bytes),
                Err(Error::OptionLength {
                    option,
                    length,
                    expected
                })
            );
        }
    }
}
