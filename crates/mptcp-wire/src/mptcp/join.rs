//! MP_JOIN (RFC 8684, 3.2): three forms, distinguished by length. Both versions are the same.

use super::view::begin;
use super::{Subtype, View, wrong_length};
use crate::bytes::{array_at, u8_at, u32_at, u64_at};
use crate::error::{Error, Result};
use crate::stage::Stage;
use crate::types::{AddressId, JoinHmac, Nonce, Token, TruncatedHmac};

/// Offsets in the option, and its lengths.
mod field {
    pub(super) const ADDRESS_ID: usize = 3;
    pub(super) const TOKEN: usize = 4;
    pub(super) const SYN_NONCE: usize = 8;
    pub(super) const TRUNCATED_HMAC: usize = 4;
    pub(super) const SYN_ACK_NONCE: usize = 12;
    pub(super) const HMAC: usize = 4;

    pub(super) const SYN: usize = 12;
    pub(super) const SYN_ACK: usize = 16;
    pub(super) const ACK: usize = 24;

    pub(super) const BACKUP: u8 = 0x01;
}

/// MP_JOIN.
///
/// ```
/// use mptcp_wire::mptcp::MpJoin;
/// use mptcp_wire::tcp::{Area, TcpOption};
/// use mptcp_wire::{AddressId, Key, Nonce, Version, crypto};
///
/// // The SYN of a further subflow names the connection by the token of the host that it goes to.
/// let server = Key([2; 8]);
/// let join = MpJoin::Syn {
///     backup: true,
///     address_id: AddressId(1),
///     token: crypto::derive(Version::V1, server).token,
///     nonce: Nonce(0x0102_0304),
/// };
/// let mut options = Area::new();
/// options.push(&TcpOption::MaximumSegmentSize(1460)).unwrap();
/// options.push(&TcpOption::Mptcp(join.into())).unwrap();
/// assert_eq!(options.bytes().len(), 4 + 12);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MpJoin {
    /// In the SYN, 12 bytes.
    Syn {
        /// B: use this subflow only when there is no other.
        backup: bool,
        /// Of the sender's address.
        address_id: AddressId,
        /// The receiver's token.
        token: Token,
        /// The sender's nonce.
        nonce: Nonce,
    },
    /// In the SYN-ACK, 16 bytes.
    SynAck {
        /// B: use this subflow only when there is no other.
        backup: bool,
        /// Of the sender's address.
        address_id: AddressId,
        /// The sender's HMAC, leftmost 64 bits.
        hmac: TruncatedHmac,
        /// The sender's nonce.
        nonce: Nonce,
    },
    /// In the third ACK, 24 bytes.
    Ack {
        /// The sender's HMAC, leftmost 160 bits.
        hmac: JoinHmac,
    },
}

impl MpJoin {
    /// Reads the option. Its length determines the form; [`MpJoin::check_stage`] checks whether that is right for the
    /// packet.
    pub fn parse(view: &View<'_>) -> Result<Self> {
        let bytes = view.bytes();
        let backup = view.nibble() & field::BACKUP != 0;
        let address_id = AddressId(u8_at(bytes, field::ADDRESS_ID));
        match view.length() {
            field::SYN => Ok(Self::Syn {
                backup,
                address_id,
                token: Token(u32_at(bytes, field::TOKEN)),
                nonce: Nonce(u32_at(bytes, field::SYN_NONCE)),
            }),
            field::SYN_ACK => Ok(Self::SynAck {
                backup,
                address_id,
                hmac: TruncatedHmac(u64_at(bytes, field::TRUNCATED_HMAC)),
                nonce: Nonce(u32_at(bytes, field::SYN_ACK_NONCE)),
            }),
            field::ACK => Ok(Self::Ack {
                hmac: JoinHmac(array_at(bytes, field::HMAC)),
            }),
            _ => wrong_length("MP_JOIN", view, "12, 16 or 24"),
        }
    }

    /// Whether the option has the right form for `stage` of the handshake.
    pub fn check_stage(&self, stage: Stage) -> Result<()> {
        let expected = match (stage, self) {
            (Stage::Syn, Self::Syn { .. }) | (Stage::SynAck, Self::SynAck { .. }) | (Stage::Ack, Self::Ack { .. }) => {
                return Ok(());
            }
            (Stage::Syn, _) => "12 in a SYN",
            (Stage::SynAck, _) => "16 in a SYN-ACK",
            (Stage::Ack, _) => "24 in a third ACK",
        };
        Err(Error::OptionLength {
            option: "MP_JOIN",
            length: self.buffer_length(),
            expected,
        })
    }

    /// The bytes that the option takes.
    #[must_use]
    pub fn buffer_length(&self) -> usize {
        match self {
            Self::Syn { .. } => field::SYN,
            Self::SynAck { .. } => field::SYN_ACK,
            Self::Ack { .. } => field::ACK,
        }
    }

    /// Writes the option and returns its length.
    pub fn emit(&self, buffer: &mut [u8]) -> Result<usize> {
        let length = self.buffer_length();
        let nibble = match self {
            Self::Syn { backup: true, .. } | Self::SynAck { backup: true, .. } => field::BACKUP,
            _ => 0,
        };
        let mut writer = begin(buffer, length, Subtype::MpJoin, nibble)?;
        match self {
            Self::Syn {
                address_id,
                token,
                nonce,
                ..
            } => {
                writer.put_u8(address_id.0);
                writer.put_u32(token.0);
                writer.put_u32(nonce.0);
            }
            Self::SynAck {
                address_id,
                hmac,
                nonce,
                ..
            } => {
                writer.put_u8(address_id.0);
                writer.put_u64(hmac.0);
                writer.put_u32(nonce.0);
            }
            Self::Ack { hmac } => {
                writer.put_u8(0);
                writer.put(&hmac.0);
            }
        }
        Ok(length)
    }
}
