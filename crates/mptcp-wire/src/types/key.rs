//! The key of a host.

use crate::text::{InvalidText, hexadecimal};
use core::fmt;
use core::str::FromStr;

/// A host's 64-bit key, in network order. It authenticates every later subflow, so `Debug` does not show it and there
/// is no `Display`: use [`Key::reveal`] to get it as text. `Serialize` does show it.
///
/// ```
/// use mptcp_wire::Key;
///
/// let key: Key = "0x0123456789abcdef".parse().unwrap();
/// assert_eq!(format!("{key:?}"), "Key(hidden)");
/// assert_eq!(key.reveal().to_string(), "0x0123456789abcdef");
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
#[cfg_attr(
    feature = "zerocopy",
    derive(zerocopy::FromBytes, zerocopy::Immutable, zerocopy::IntoBytes, zerocopy::KnownLayout)
)]
#[repr(transparent)]
pub struct Key(pub [u8; 8]);

impl Key {
    /// The key as text that can be shown: `0x` and sixteen hexadecimal digits.
    #[must_use]
    pub fn reveal(self) -> RevealedKey {
        RevealedKey(self)
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Key(hidden)")
    }
}

impl FromStr for Key {
    type Err = InvalidText;

    /// Reads `0x` and one to sixteen hexadecimal digits.
    fn from_str(text: &str) -> Result<Self, InvalidText> {
        hexadecimal(text, 16)
            .map(|number| Self(number.to_be_bytes()))
            .ok_or(InvalidText {
                what: "a key",
                expected: "`0x` and up to sixteen hexadecimal digits",
            })
    }
}

#[cfg(feature = "serde")]
crate::text::serde_as_text!(Key, "a key such as 0x0123456789abcdef", |key| key.reveal());

/// A [`Key`] whose `Display` shows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RevealedKey(Key);

impl fmt::Display for RevealedKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{:#018x}", u64::from_be_bytes(self.0.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::format;
    use std::string::ToString;

    #[test]
    fn debug_output_never_shows_a_key() {
        assert_eq!(format!("{:?}", Key([0xab; 8])), "Key(hidden)");
        assert_eq!(format!("{:?}", Key([0xab; 8]).reveal()), "RevealedKey(Key(hidden))");
    }

    proptest! {
        #[test]
        fn a_key_written_is_read_back(bytes: [u8; 8]) {
            prop_assert_eq!(Key(bytes).reveal().to_string().parse(), Ok(Key(bytes)));
        }
    }
}
