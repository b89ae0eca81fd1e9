//! MP_CAPABLE (RFC 6824, 3.1; RFC 8684, 3.1).

use super::view::begin;
use super::{Subtype, View, wrong_length};
use crate::bytes::{array_at, u8_at, u16_at};
use crate::error::{Error, Result};
use crate::stage::Stage;
use crate::types::{Key, Version};

const NAME: &str = "MP_CAPABLE";

/// Offsets in the option, and its lengths.
mod field {
    pub(super) const FLAGS: usize = 3;
    pub(super) const SENDER_KEY: usize = 4;
    pub(super) const RECEIVER_KEY: usize = 12;
    pub(super) const DATA_LENGTH: usize = 20;
    pub(super) const CHECKSUM: usize = 22;

    pub(super) const NO_KEY: usize = 4;
    pub(super) const ONE_KEY: usize = 12;
    pub(super) const TWO_KEYS: usize = 20;
    pub(super) const WITH_DATA: usize = 22;
    pub(super) const WITH_CHECKSUM: usize = 24;
}

/// The flags A to H.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct CapableFlags(pub u8);

impl CapableFlags {
    /// A: DSS checksums are required.
    pub const CHECKSUM_REQUIRED: Self = Self(0x80);
    /// B: extensibility; a receiver that does not know it falls back.
    pub const EXTENSIBILITY: Self = Self(0x40);
    /// C: do not join to the source address and port of this packet (version 1).
    pub const NO_JOIN_TO_THIS_ADDRESS: Self = Self(0x20);
    /// H: HMAC-SHA1 in version 0, HMAC-SHA256 in version 1.
    pub const HMAC: Self = Self(0x01);

    /// Whether all of `flags` are set.
    #[must_use]
    pub fn contains(self, flags: Self) -> bool {
        self.0 & flags.0 == flags.0
    }
}

impl core::ops::BitOr for CapableFlags {
    type Output = Self;

    fn bitor(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}

/// The content of MP_CAPABLE; determines its length.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CapableKeys {
    /// No key: version 1 SYN, 4 bytes.
    None,
    /// The sender's key: version 0 SYN, SYN-ACK of both versions; 12 bytes.
    Sender(Key),
    /// Both keys: third ACK, 20 bytes.
    Both {
        /// Of the sender of this packet.
        sender: Key,
        /// Of its receiver.
        receiver: Key,
    },
    /// Both keys on the first data: version 1, 22 bytes, 24 with a checksum.
    BothWithData {
        /// Of the sender of this packet.
        sender: Key,
        /// Of its receiver.
        receiver: Key,
        /// Data-level length, bytes; the mapping begins at IDSN + 1.
        data_length: u16,
        /// DSS checksum.
        checksum: Option<u16>,
    },
}

/// MP_CAPABLE.
///
/// ```
/// use mptcp_wire::mptcp::{CapableFlags, CapableKeys, MpCapable, View};
/// use mptcp_wire::tcp::Stage;
/// use mptcp_wire::{Key, Version};
///
/// // The first three segments of a connection of version 1 carry no key, the server's, both.
/// let option = |keys| MpCapable { version: Version::V1, flags: CapableFlags::HMAC, keys };
/// let (client, server) = (Key([1; 8]), Key([2; 8]));
/// let syn = option(CapableKeys::None);
/// let ack = option(CapableKeys::Both { sender: client, receiver: server });
/// assert_eq!((syn.buffer_length(), ack.buffer_length()), (4, 20));
///
/// let mut bytes = [0; 20];
/// let length = ack.emit(&mut bytes).unwrap();
/// let read = MpCapable::parse(&View::new_checked(&bytes[..length]).unwrap()).unwrap();
/// assert_eq!((read, read.receiver_key()), (ack, Some(server)));
/// assert!(read.check_stage(Stage::Syn).is_err());
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MpCapable {
    /// The version that the sender requests, or has chosen.
    pub version: Version,
    /// Flags A to H.
    pub flags: CapableFlags,
    /// The keys and data length; a version 0 option has one or two keys and no data length.
    pub keys: CapableKeys,
}

impl MpCapable {
    /// Reads the option. Its length determines its content; [`MpCapable::check_stage`] checks whether that is right for
    /// the packet.
    pub fn parse(view: &View<'_>) -> Result<Self> {
        let bytes = view.bytes();
        let version = match view.nibble() {
            0 => Version::V0,
            1 => Version::V1,
            other => {
                let (field, expected) = ("version", "0 or 1");
                return Err(Error::OptionValue {
                    option: NAME,
                    field,
                    value: other.into(),
                    expected,
                });
            }
        };
        let sender = Key(array_at(bytes, field::SENDER_KEY));
        let receiver = Key(array_at(bytes, field::RECEIVER_KEY));
        let data_length = u16_at(bytes, field::DATA_LENGTH);
        let keys = match (version, view.length()) {
            (Version::V1, field::NO_KEY) => CapableKeys::None,
            (_, field::ONE_KEY) => CapableKeys::Sender(sender),
            (_, field::TWO_KEYS) => CapableKeys::Both { sender, receiver },
            (Version::V1, field::WITH_DATA) => CapableKeys::BothWithData {
                sender,
                receiver,
                data_length,
                checksum: None,
            },
            (Version::V1, field::WITH_CHECKSUM) => {
                let checksum = Some(u16_at(bytes, field::CHECKSUM));
                CapableKeys::BothWithData {
                    sender,
                    receiver,
                    data_length,
                    checksum,
                }
            }
            (Version::V0, _) => return wrong_length("MP_CAPABLE version 0", view, "12 or 20"),
            (Version::V1, _) => return wrong_length("MP_CAPABLE version 1", view, "4, 12, 20, 22 or 24"),
        };
        Ok(Self {
            version,
            flags: CapableFlags(u8_at(bytes, field::FLAGS)),
            keys,
        })
    }

    /// Whether the option has the right form for its version at `stage` of the handshake.
    pub fn check_stage(&self, stage: Stage) -> Result<()> {
        let expected = match (stage, self.version, self.keys) {
            (Stage::Syn, Version::V1, CapableKeys::None)
            | (Stage::Syn, Version::V0, CapableKeys::Sender(_))
            | (Stage::SynAck, _, CapableKeys::Sender(_))
            | (Stage::Ack, _, CapableKeys::Both { .. })
            | (Stage::Ack, Version::V1, CapableKeys::BothWithData { .. }) => return Ok(()),
            (Stage::Syn, Version::V1, _) => "4 in a version 1 SYN",
            (Stage::Syn, Version::V0, _) => "12 in a version 0 SYN",
            (Stage::SynAck, _, _) => "12 in a SYN-ACK",
            (Stage::Ack, Version::V0, _) => "20 in a version 0 third ACK",
            (Stage::Ack, Version::V1, _) => "20, 22 or 24 in a version 1 third ACK",
        };
        Err(Error::OptionLength {
            option: NAME,
            length: self.buffer_length(),
            expected,
        })
    }

    /// The sender's key, where the option has it.
    #[must_use]
    pub fn sender_key(&self) -> Option<Key> {
        match self.keys {
            CapableKeys::None => None,
            CapableKeys::Sender(sender)
            | CapableKeys::Both { sender, .. }
            | CapableKeys::BothWithData { sender, .. } => Some(sender),
        }
    }

    /// The receiver's key, where the option has it.
    #[must_use]
    pub fn receiver_key(&self) -> Option<Key> {
        match self.keys {
            CapableKeys::None | CapableKeys::Sender(_) => None,
            CapableKeys::Both { receiver, .. } | CapableKeys::BothWithData { receiver, .. } => Some(receiver),
        }
    }

    /// The bytes that the option takes.
    #[must_use]
    pub fn buffer_length(&self) -> usize {
        match self.keys {
            CapableKeys::None => field::NO_KEY,
            CapableKeys::Sender(_) => field::ONE_KEY,
            CapableKeys::Both { .. } => field::TWO_KEYS,
            CapableKeys::BothWithData { checksum: None, .. } => field::WITH_DATA,
            CapableKeys::BothWithData { checksum: Some(_), .. } => field::WITH_CHECKSUM,
        }
    }

    /// Writes the option and returns its length. An error for forms that version 0 does not have: no key, or a data
    /// length.
    pub fn emit(&self, buffer: &mut [u8]) -> Result<usize> {
        let length = self.buffer_length();
        if self.version == Version::V0 && !matches!(length, field::ONE_KEY | field::TWO_KEYS) {
            return Err(Error::OptionLength {
                option: "MP_CAPABLE version 0",
                length,
                expected: "12 or 20",
            });
        }
        let mut writer = begin(buffer, length, Subtype::MpCapable, self.version.number())?;
        writer.put_u8(self.flags.0);
        if let Some(key) = self.sender_key() {
            writer.put(&key.0);
        }
        if let Some(key) = self.receiver_key() {
            writer.put(&key.0);
        }
        if let CapableKeys::BothWithData {
            data_length, checksum, ..
        } = self.keys
        {
            writer.put_u16(data_length);
            if let Some(checksum) = checksum {
                writer.put_u16(checksum);
            }
        }
        Ok(length)
    }
}
