//! The token of a connection.

use crate::text::{InvalidText, hexadecimal};
use core::fmt;
use core::str::FromStr;

/// Identifies a connection at the host whose key it was made from (RFC 8684, 3.2), as a number in host order.
///
/// The kernel and the structures of emptcp use 0 for an unknown token; see [`known`](Token::known).
#[derive(Clone, Copy, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[cfg_attr(
    feature = "zerocopy",
    derive(zerocopy::FromBytes, zerocopy::Immutable, zerocopy::IntoBytes, zerocopy::KnownLayout)
)]
#[repr(transparent)]
pub struct Token(pub u32);

impl Token {
    /// The token, unless it is 0.
    #[must_use]
    pub fn known(self) -> Option<Self> {
        (self.0 != 0).then_some(self)
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Token({self})")
    }
}

impl fmt::Display for Token {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{:#010x}", self.0)
    }
}

impl FromStr for Token {
    type Err = InvalidText;

    /// Reads `0x` and one to eight hexadecimal digits.
    fn from_str(text: &str) -> Result<Self, InvalidText> {
        hexadecimal(text, 8)
            .and_then(|number| u32::try_from(number).ok())
            .map(Self)
            .ok_or(InvalidText {
                what: "a token",
                expected: "`0x` and up to eight hexadecimal digits",
            })
    }
}

#[cfg(feature = "serde")]
crate::text::serde_as_text!(Token, "a token such as 0x1234abcd", |token| *token);

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::format;
    use std::string::ToString;

    #[test]
    fn a_token_is_shown_as_eight_hexadecimal_digits() {
        assert_eq!(format!("{}", Token(0xab)), "0x000000ab");
        assert_eq!(format!("{:?}", Token(0xab)), "Token(0x000000ab)");
    }

    #[test]
    fn what_is_no_token_is_refused() {
        for text in ["", "1234", "0x", "0x123456789", "0x+1", "abcd", "0x12 ", "0X12"] {
            assert!(text.parse::<Token>().is_err(), "{text}");
        }
    }

    proptest! {
        #[test]
        fn a_token_written_is_read_back(number: u32) {
            prop_assert_eq!(Token(number).to_string().parse(), Ok(Token(number)));
        }
    }
}
