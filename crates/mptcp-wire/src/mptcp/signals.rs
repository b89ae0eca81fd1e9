//! MP_FAIL (RFC 8684, 3.7), MP_FASTCLOSE (3.5), MP_TCPRST (3.6).

use super::view::begin;
use super::{Subtype, View, wrong_length};
use crate::bytes::{array_at, u8_at, u64_at};
use crate::error::Result;
use crate::sequence::DataSequenceNumber;
use crate::types::Key;

/// Offsets in the options, and their lengths.
mod field {
    pub(super) const CONTENT: usize = 4;
    pub(super) const FAIL: usize = 12;
    pub(super) const FASTCLOSE: usize = 12;
    pub(super) const REASON: usize = 3;
    pub(super) const RESET: usize = 4;
    pub(super) const TRANSIENT: u8 = 0x01;
}

/// MP_FAIL: a DSS checksum was wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MpFail {
    /// Start of the mapping that failed.
    pub data_sequence: DataSequenceNumber,
}

impl MpFail {
    /// Reads the option.
    pub fn parse(view: &View<'_>) -> Result<Self> {
        match view.length() {
            field::FAIL => Ok(Self {
                data_sequence: DataSequenceNumber(u64_at(view.bytes(), field::CONTENT)),
            }),
            _ => wrong_length("MP_FAIL", view, "12"),
        }
    }

    /// The length of the option in bytes: 12.
    #[must_use]
    pub fn buffer_length(&self) -> usize {
        field::FAIL
    }

    /// Writes the option and returns its length.
    pub fn emit(&self, buffer: &mut [u8]) -> Result<usize> {
        let mut writer = begin(buffer, field::FAIL, Subtype::MpFail, 0)?;
        writer.put_u8(0);
        writer.put_u64(self.data_sequence.0);
        Ok(field::FAIL)
    }
}

/// MP_FASTCLOSE: the connection is aborted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MpFastclose {
    /// The key of the receiver, as proof.
    pub receiver_key: Key,
}

impl MpFastclose {
    /// Reads the option.
    pub fn parse(view: &View<'_>) -> Result<Self> {
        match view.length() {
            field::FASTCLOSE => Ok(Self {
                receiver_key: Key(array_at(view.bytes(), field::CONTENT)),
            }),
            _ => wrong_length("MP_FASTCLOSE", view, "12"),
        }
    }

    /// The length of the option in bytes: 12.
    #[must_use]
    pub fn buffer_length(&self) -> usize {
        field::FASTCLOSE
    }

    /// Writes the option and returns its length.
    pub fn emit(&self, buffer: &mut [u8]) -> Result<usize> {
        let mut writer = begin(buffer, field::FASTCLOSE, Subtype::MpFastclose, 0)?;
        writer.put_u8(0);
        writer.put(&self.receiver_key.0);
        Ok(field::FASTCLOSE)
    }
}

/// Why a subflow is reset (RFC 8684, table 3).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ResetReason(pub u8);

impl ResetReason {
    /// Unspecified error.
    pub const UNSPECIFIED: Self = Self(0);
    /// MPTCP-specific error.
    pub const MPTCP_ERROR: Self = Self(1);
    /// Not enough resources.
    pub const LACK_OF_RESOURCES: Self = Self(2);
    /// A policy forbids the subflow.
    pub const ADMINISTRATIVELY_PROHIBITED: Self = Self(3);
    /// Too much data was outstanding.
    pub const TOO_MUCH_OUTSTANDING_DATA: Self = Self(4);
    /// The path is too slow or too lossy.
    pub const UNACCEPTABLE_PERFORMANCE: Self = Self(5);
    /// A middlebox was detected.
    pub const MIDDLEBOX_INTERFERENCE: Self = Self(6);

    /// The text of RFC 8684; "reserved" for undefined reasons.
    #[must_use]
    pub fn text(self) -> &'static str {
        match self.0 {
            0 => "unspecified error",
            1 => "MPTCP-specific error",
            2 => "lack of resources",
            3 => "administratively prohibited",
            4 => "too much outstanding data",
            5 => "unacceptable performance",
            6 => "middlebox interference",
            _ => "reserved",
        }
    }
}

/// MP_TCPRST, version 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MpTcprst {
    /// T: it may help to try again later.
    pub transient: bool,
    /// Why.
    pub reason: ResetReason,
}

impl MpTcprst {
    /// Reads the option.
    pub fn parse(view: &View<'_>) -> Result<Self> {
        match view.length() {
            field::RESET => Ok(Self {
                transient: view.nibble() & field::TRANSIENT != 0,
                reason: ResetReason(u8_at(view.bytes(), field::REASON)),
            }),
            _ => wrong_length("MP_TCPRST", view, "4"),
        }
    }

    /// The length of the option in bytes: 4.
    #[must_use]
    pub fn buffer_length(&self) -> usize {
        field::RESET
    }

    /// Writes the option and returns its length.
    pub fn emit(&self, buffer: &mut [u8]) -> Result<usize> {
        let nibble = if self.transient { field::TRANSIENT } else { 0 };
        let mut writer = begin(buffer, field::RESET, Subtype::MpTcprst, nibble)?;
        writer.put_u8(self.reason.0);
        Ok(field::RESET)
    }
}
