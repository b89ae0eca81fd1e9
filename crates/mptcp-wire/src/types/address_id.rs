//! Address identifiers.

use crate::text::{InvalidText, decimal};
use core::fmt;
use core::str::FromStr;

/// Identifies an address of one host within one connection; 0 is the address of the initial subflow.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[cfg_attr(feature = "serde", derive(serde::Deserialize, serde::Serialize), serde(transparent))]
#[cfg_attr(
    feature = "zerocopy",
    derive(zerocopy::FromBytes, zerocopy::Immutable, zerocopy::IntoBytes, zerocopy::KnownLayout)
)]
#[repr(transparent)]
pub struct AddressId(pub u8);

impl fmt::Display for AddressId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, formatter)
    }
}

impl FromStr for AddressId {
    type Err = InvalidText;

    /// Reads a number from 0 to 255.
    fn from_str(text: &str) -> Result<Self, InvalidText> {
        decimal(text).map(Self).ok_or(InvalidText {
            what: "an address id",
            expected: "a number from 0 to 255",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::string::ToString;

    #[test]
    fn an_address_id_written_is_read_back_and_a_larger_number_is_refused() {
        assert_eq!(AddressId(255).to_string().parse(), Ok(AddressId(255)));
        assert!("256".parse::<AddressId>().is_err());
        assert!("".parse::<AddressId>().is_err());
    }
}
