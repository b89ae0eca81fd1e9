//! MP_PRIO (RFC 6824, 3.3.8; RFC 8684, 3.3.8).

use super::view::begin;
use super::{Subtype, View, wrong_length};
use crate::bytes::u8_at;
use crate::error::Result;
use crate::types::AddressId;

/// Offsets in the option, and its lengths.
mod field {
    pub(super) const ADDRESS_ID: usize = 3;
    pub(super) const SHORT: usize = 3;
    pub(super) const WITH_ADDRESS_ID: usize = 4;
    pub(super) const BACKUP: u8 = 0x01;
}

/// MP_PRIO.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MpPrio {
    /// B: use the subflow only when there is no other.
    pub backup: bool,
    /// Version 0 only: applies to all subflows of this address instead of the subflow with the option.
    pub address_id: Option<AddressId>,
}

impl MpPrio {
    /// Reads the option. The form with an address id is read in both versions; a version 1 receiver ignores it.
    pub fn parse(view: &View<'_>) -> Result<Self> {
        let address_id = match view.length() {
            field::SHORT => None,
            field::WITH_ADDRESS_ID => Some(AddressId(u8_at(view.bytes(), field::ADDRESS_ID))),
            _ => return wrong_length("MP_PRIO", view, "3, or 4 in version 0"),
        };
        Ok(Self {
            backup: view.nibble() & field::BACKUP != 0,
            address_id,
        })
    }

    /// The length of the option in bytes.
    #[must_use]
    pub fn buffer_length(&self) -> usize {
        if self.address_id.is_some() {
            field::WITH_ADDRESS_ID
        } else {
            field::SHORT
        }
    }

    /// Writes the option and returns its length.
    pub fn emit(&self, buffer: &mut [u8]) -> Result<usize> {
        let length = self.buffer_length();
        let mut writer = begin(
            buffer,
            length,
            Subtype::MpPrio,
            if self.backup { field::BACKUP } else { 0 },
        )?;
        if let Some(id) = self.address_id {
            writer.put_u8(id.0);
        }
        Ok(length)
    }
}
