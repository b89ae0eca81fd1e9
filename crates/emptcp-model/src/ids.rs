//! Ids that emptcp assigns: of subflows, connections, policies and policy sets.
//!
//! Identities of MPTCP itself (tokens, keys, address ids) are those of `mptcp-wire`.
//!
//! In JSON, flow ids and connection ids are strings as in text output (`0x` and hexadecimal digits): most JSON readers
//! keep numbers as doubles, which are exact only up to 2^53.

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use std::{fmt, str::FromStr};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

macro_rules! id {
    ($(#[$doc:meta])* $name:ident($inner:ty), $format:literal) => {
        $(#[$doc])*
        #[derive(
            Clone, Copy, Debug, Default, Eq, FromBytes, Hash, Immutable, IntoBytes, KnownLayout, Ord, PartialEq,
            PartialOrd,
        )]
        #[repr(transparent)]
        pub struct $name(pub $inner);

        impl $name {
            /// Zero means that it is not known (yet).
            pub fn is_known(self) -> bool {
                self.0 != 0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, $format, self.0)
            }
        }
    };
}

id!(
    /// A subflow's number, unique while the instance lives; the key of elements' per-flow state.
    FlowId(u64),
    "{:#018x}"
);
id!(
    /// A connection's key in `emptcp_connections`.
    ConnectionId(u64),
    "{:#018x}"
);
id!(
    /// A policy's stable number: unchanged as long as the policy itself is.
    #[derive(Deserialize, Serialize)]
    #[serde(transparent)]
    PolicyId(u32),
    "{}"
);
id!(
    /// The number of a policy set; its low bit is the bank that is in force.
    #[derive(Deserialize, Serialize)]
    #[serde(transparent)]
    Generation(u32),
    "{}"
);

/// Text that is not `0x` and one to sixteen hexadecimal digits.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct InvalidId;

impl fmt::Display for InvalidId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("this is not an id: expected `0x` and up to sixteen hexadecimal digits")
    }
}

impl std::error::Error for InvalidId {}

fn hexadecimal(text: &str) -> Result<u64, InvalidId> {
    let digits = text.strip_prefix("0x").ok_or(InvalidId)?;
    // `from_str_radix` alone would accept a sign.
    if !digits.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return Err(InvalidId);
    }
    u64::from_str_radix(digits, 16).map_err(|_| InvalidId)
}

/// As in text output.
macro_rules! as_text {
    ($($name:ident),*) => {$(
        impl FromStr for $name {
            type Err = InvalidId;

            fn from_str(text: &str) -> Result<Self, InvalidId> {
                hexadecimal(text).map(Self)
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                struct Text;

                impl de::Visitor<'_> for Text {
                    type Value = $name;

                    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                        f.write_str("an id such as 0x0000000000000007")
                    }

                    fn visit_str<E: de::Error>(self, text: &str) -> Result<$name, E> {
                        text.parse().map_err(|_| E::invalid_value(de::Unexpected::Str(text), &self))
                    }
                }

                deserializer.deserialize_str(Text)
            }
        }
    )*};
}

as_text!(FlowId, ConnectionId);

impl Generation {
    /// The bank of chains, rules and plan text that this generation uses: 0 or 1.
    pub fn bank(self) -> u32 {
        self.0 & 1
    }

    /// The next generation; 0 is skipped, because it means "never resolved" in a flow record.
    pub fn next(self) -> Self {
        match self.0.wrapping_add(1) {
            0 => Self(2),
            next => Self(next),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_generations_in_a_row_never_share_a_bank() {
        for generation in [0, 1, 2, 77, u32::MAX - 1] {
            let generation = Generation(generation);
            assert_ne!(generation.bank(), generation.next().bank());
        }
    }

    #[test]
    fn an_id_written_is_read_back_and_other_text_is_refused() {
        let id = FlowId(0x12ab);
        assert_eq!(id.to_string().parse(), Ok(id));
        for text in ["12ab", "0x", "0x+1", "0x12345678123456789", "-1"] {
            assert_eq!(text.parse::<FlowId>(), Err(InvalidId), "{text}");
        }
    }

    #[test]
    fn the_generation_after_the_last_is_not_zero() {
        assert!(Generation(u32::MAX).next().is_known());
    }
}
