//! Any MPTCP option in place.

use super::{KIND, field};
use crate::bytes::{Writer, tail, u8_at};
use crate::error::{Error, Result};
use core::fmt;

/// The subtype of an MPTCP option (RFC 8684, table 2).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Subtype {
    /// 0x0.
    MpCapable,
    /// 0x1.
    MpJoin,
    /// 0x2.
    Dss,
    /// 0x3.
    AddAddr,
    /// 0x4.
    RemoveAddr,
    /// 0x5.
    MpPrio,
    /// 0x6.
    MpFail,
    /// 0x7.
    MpFastclose,
    /// 0x8, version 1 only.
    MpTcprst,
    /// 0xf, private use.
    MpExperimental,
    /// 0x9 to 0xe, not assigned.
    Unknown(u8),
}

impl Subtype {
    /// From the lower 4 bits of a number.
    #[must_use]
    pub fn from_number(number: u8) -> Self {
        match number & 0x0f {
            0x0 => Self::MpCapable,
            0x1 => Self::MpJoin,
            0x2 => Self::Dss,
            0x3 => Self::AddAddr,
            0x4 => Self::RemoveAddr,
            0x5 => Self::MpPrio,
            0x6 => Self::MpFail,
            0x7 => Self::MpFastclose,
            0x8 => Self::MpTcprst,
            0xf => Self::MpExperimental,
            number => Self::Unknown(number),
        }
    }

    /// The number, 0x0 to 0xf.
    #[must_use]
    pub fn number(self) -> u8 {
        match self {
            Self::MpCapable => 0x0,
            Self::MpJoin => 0x1,
            Self::Dss => 0x2,
            Self::AddAddr => 0x3,
            Self::RemoveAddr => 0x4,
            Self::MpPrio => 0x5,
            Self::MpFail => 0x6,
            Self::MpFastclose => 0x7,
            Self::MpTcprst => 0x8,
            Self::MpExperimental => 0xf,
            Self::Unknown(number) => number & 0x0f,
        }
    }

    /// The name in RFC 8684.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::MpCapable => "MP_CAPABLE",
            Self::MpJoin => "MP_JOIN",
            Self::Dss => "DSS",
            Self::AddAddr => "ADD_ADDR",
            Self::RemoveAddr => "REMOVE_ADDR",
            Self::MpPrio => "MP_PRIO",
            Self::MpFail => "MP_FAIL",
            Self::MpFastclose => "MP_FASTCLOSE",
            Self::MpTcprst => "MP_TCPRST",
            Self::MpExperimental => "MP_EXPERIMENTAL",
            Self::Unknown(_) => "unassigned MPTCP subtype",
        }
    }
}

impl fmt::Display for Subtype {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.name())
    }
}

/// An MPTCP option in place. Kind, length and subtype are inside the bytes; nothing else is checked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct View<'a> {
    bytes: &'a [u8],
}

impl<'a> View<'a> {
    /// `bytes` are the whole option. An error for another kind, a length byte other than the length of `bytes`, and
    /// fewer than the 3 bytes that contain a subtype.
    pub fn new_checked(bytes: &'a [u8]) -> Result<Self> {
        let found = u8_at(bytes, 0);
        if found != KIND {
            let (option, field, expected) = ("MPTCP option", "kind", "30");
            return Err(Error::OptionValue {
                option,
                field,
                value: found.into(),
                expected,
            });
        }
        let length = u8_at(bytes, field::LENGTH);
        if usize::from(length) != bytes.len() {
            return Err(Error::OptionOverrun {
                kind: found,
                length,
                room: bytes.len(),
            });
        }
        match bytes.len() {
            length @ 0..field::CONTENT => Err(Error::OptionLength {
                option: "MPTCP option",
                length,
                expected: "at least 3",
            }),
            _ => Ok(Self { bytes }),
        }
    }

    /// The length, kind and length byte included: at least 3.
    #[must_use]
    pub fn length(&self) -> usize {
        self.bytes.len()
    }

    /// The subtype.
    #[must_use]
    pub fn subtype(&self) -> Subtype {
        Subtype::from_number(u8_at(self.bytes, field::SUBTYPE) >> 4)
    }

    /// The 4 bits after the subtype: a version, an IP version, or flags.
    #[must_use]
    pub fn nibble(&self) -> u8 {
        u8_at(self.bytes, field::SUBTYPE) & 0x0f
    }

    /// What follows the byte with the subtype.
    #[must_use]
    pub fn content(&self) -> &'a [u8] {
        tail(self.bytes, field::CONTENT)
    }

    /// The whole option.
    #[must_use]
    pub fn bytes(&self) -> &'a [u8] {
        self.bytes
    }
}

/// Begins an option of `length` bytes; only the lower 4 bits of `nibble` count.
pub(super) fn begin(buffer: &mut [u8], length: usize, subtype: Subtype, nibble: u8) -> Result<Writer<'_>> {
    let mut writer = Writer::new(buffer, length)?;
    // At most 40, as every content is bounded.
    writer.put(&[
        KIND,
        u8::try_from(length).unwrap_or(u8::MAX),
        (subtype.number() << 4) | (nibble & 0x0f),
    ]);
    Ok(writer)
}
