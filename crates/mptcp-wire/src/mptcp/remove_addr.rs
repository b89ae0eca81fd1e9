//! REMOVE_ADDR (RFC 8684, 3.4.2). Both versions are the same.

use super::view::begin;
use super::{Subtype, View, field, wrong_length};
use crate::bytes::tail;
use crate::error::{Error, Result};
use crate::list::List;
use crate::types::AddressId;

const NAME: &str = "REMOVE_ADDR";
const EXPECTED: &str = "4 to 40";

/// REMOVE_ADDR: at least one address id.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RemoveAddr {
    address_ids: List<AddressId, 37>,
}

impl RemoveAddr {
    /// [`Error::OptionLength`] when there is no id, or more than 37.
    pub fn new(address_ids: &[AddressId]) -> Result<Self> {
        let length = field::CONTENT.saturating_add(address_ids.len());
        match List::from_slice(address_ids) {
            Ok(address_ids) if !address_ids.is_empty() => Ok(Self { address_ids }),
            _ => Err(Error::OptionLength {
                option: NAME,
                length,
                expected: EXPECTED,
            }),
        }
    }

    /// The ids of the removed addresses.
    #[must_use]
    pub fn address_ids(&self) -> &[AddressId] {
        &self.address_ids
    }

    /// Reads the option.
    pub fn parse(view: &View<'_>) -> Result<Self> {
        let mut address_ids = List::new();
        for id in tail(view.bytes(), field::CONTENT) {
            if address_ids.push(AddressId(*id)).is_err() {
                return wrong_length(NAME, view, EXPECTED);
            }
        }
        match address_ids.is_empty() {
            true => wrong_length(NAME, view, EXPECTED),
            false => Ok(Self { address_ids }),
        }
    }

    /// The length of the option in bytes.
    #[must_use]
    pub fn buffer_length(&self) -> usize {
        field::CONTENT.saturating_add(self.address_ids.len())
    }

    /// Writes the option and returns its length.
    pub fn emit(&self, buffer: &mut [u8]) -> Result<usize> {
        let length = self.buffer_length();
        let mut writer = begin(buffer, length, Subtype::RemoveAddr, 0)?;
        self.address_ids.iter().for_each(|id| writer.put_u8(id.0));
        Ok(length)
    }
}
