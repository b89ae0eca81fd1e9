//! Subtypes without a defined format: 0x9 to 0xe are not assigned, 0xf (MP_EXPERIMENTAL) is for private use.

use super::view::begin;
use super::{Subtype, View, field, wrong_length};
use crate::error::{Error, Result};
use crate::list::List;

/// An option with private content. Receivers that do not know it ignore it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UnknownSubtype {
    subtype: u8,
    nibble: u8,
    content: List<u8, 37>,
}

impl UnknownSubtype {
    /// `subtype` is 0x9 to 0xf, `nibble` the 4 bits after it, `content` what follows, at most 37 bytes.
    pub fn new(subtype: u8, nibble: u8, content: &[u8]) -> Result<Self> {
        if !(0x9..=0xf).contains(&subtype) {
            let (option, field, expected) = ("unassigned MPTCP subtype", "subtype", "9 to 15");
            return Err(Error::OptionValue {
                option,
                field,
                value: subtype.into(),
                expected,
            });
        }
        Ok(Self {
            subtype,
            nibble: nibble & 0x0f,
            content: List::from_slice(content)?,
        })
    }

    /// The subtype.
    #[must_use]
    pub fn subtype(&self) -> Subtype {
        Subtype::from_number(self.subtype)
    }

    /// The 4 bits after the subtype.
    #[must_use]
    pub fn nibble(&self) -> u8 {
        self.nibble
    }

    /// The content after the byte with the subtype.
    #[must_use]
    pub fn content(&self) -> &[u8] {
        &self.content
    }

    /// Reads the option.
    pub fn parse(view: &View<'_>) -> Result<Self> {
        match Self::new(view.subtype().number(), view.nibble(), view.content()) {
            Err(Error::ListFull { .. }) => wrong_length(view.subtype().name(), view, "3 to 40"),
            result => result,
        }
    }

    /// The length of the option in bytes: 3 to 40.
    #[must_use]
    pub fn buffer_length(&self) -> usize {
        field::CONTENT.saturating_add(self.content.len())
    }

    /// Writes the option and returns its length.
    pub fn emit(&self, buffer: &mut [u8]) -> Result<usize> {
        let length = self.buffer_length();
        let mut writer = begin(buffer, length, self.subtype(), self.nibble)?;
        writer.put(&self.content);
        Ok(length)
    }
}
