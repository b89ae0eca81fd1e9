//! Identifiers as text: parse errors, and the same form for serde.

/// Text that cannot be parsed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("this is not {what}: expected {expected}")]
pub struct InvalidText {
    /// The expected object, with its article: `a token`.
    pub what: &'static str,
    /// The form that is accepted.
    pub expected: &'static str,
}

/// The digits after `0x`, at most `most` of them.
pub(crate) fn hexadecimal(text: &str, most: usize) -> Option<u64> {
    let digits = text.strip_prefix("0x")?;
    // `from_str_radix` alone would take a sign.
    let fits = (1..=most).contains(&digits.len()) && digits.bytes().all(|byte| byte.is_ascii_hexdigit());
    fits.then(|| u64::from_str_radix(digits, 16).ok()).flatten()
}

/// A number in decimal digits alone.
pub(crate) fn decimal<T: core::str::FromStr>(text: &str) -> Option<T> {
    text.bytes()
        .all(|byte| byte.is_ascii_digit())
        .then(|| text.parse().ok())
        .flatten()
}

/// A version that is a number in a header: the number as text, and both ways between them.
macro_rules! numbered {
    ($name:ident, $what:literal, $expected:literal, $($number:literal $variant:ident),+) => {
        impl $name {
            const REFUSED: InvalidText = InvalidText {
                what: $what,
                expected: $expected,
            };

            /// The number in the header.
            #[must_use]
            pub fn number(self) -> u8 {
                match self {
                    $(Self::$variant => $number,)+
                }
            }

            /// The version with this number, if there is one.
            #[must_use]
            pub fn from_number(number: u8) -> Option<Self> {
                match number {
                    $($number => Some(Self::$variant),)+
                    _ => None,
                }
            }
        }

        impl From<$name> for u8 {
            fn from(version: $name) -> Self {
                version.number()
            }
        }

        impl TryFrom<u8> for $name {
            type Error = InvalidText;

            fn try_from(number: u8) -> Result<Self, InvalidText> {
                Self::from_number(number).ok_or(Self::REFUSED)
            }
        }

        impl core::fmt::Display for $name {
            fn fmt(&self, formatter: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
                core::fmt::Display::fmt(&self.number(), formatter)
            }
        }

        impl core::str::FromStr for $name {
            type Err = InvalidText;

            /// Reads the number, one digit.
            fn from_str(text: &str) -> Result<Self, InvalidText> {
                match text {
                    $(stringify!($number) => Ok(Self::$variant),)+
                    _ => Err(Self::REFUSED),
                }
            }
        }
    };
}

pub(crate) use numbered;

/// `Serialize` by what the expression shows, `Deserialize` by `FromStr`.
#[cfg(feature = "serde")]
macro_rules! serde_as_text {
    ($name:ident, $expected:literal, |$value:ident| $shown:expr) => {
        impl serde::Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> core::result::Result<S::Ok, S::Error> {
                let $value = self;
                serializer.collect_str(&$shown)
            }
        }

        impl<'de> serde::Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> core::result::Result<Self, D::Error> {
                struct Text;

                impl serde::de::Visitor<'_> for Text {
                    type Value = $name;

                    fn expecting(&self, formatter: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
                        formatter.write_str($expected)
                    }

                    fn visit_str<E: serde::de::Error>(self, text: &str) -> core::result::Result<$name, E> {
                        text.parse()
                            .map_err(|_| E::invalid_value(serde::de::Unexpected::Str(text), &self))
                    }
                }

                deserializer.deserialize_str(Text)
            }
        }
    };
}

#[cfg(feature = "serde")]
pub(crate) use serde_as_text;
