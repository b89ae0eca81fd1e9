//! Newtypes of the numbers that maps and events carry.
//!
//! Identities of MPTCP itself (tokens, keys, address ids) are those of `mptcp-wire`.
//!
//! In JSON, flow ids and connection ids are the strings that people see (`0x` and hexadecimal digits): most JSON
//! readers keep numbers as doubles, which are exact only up to 2^53.

use serde::{Deserialize, Serialize, Serializer};
use std::fmt;
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

/// As people see it.
macro_rules! serialize_as_shown {
    ($($name:ident),*) => {$(
        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }
    )*};
}

serialize_as_shown!(FlowId, ConnectionId);

impl Generation {
    /// The bank of chains, rules and plan text that this generation uses: 0 or 1.
    pub fn bank(self) -> u32 {
        self.0 & 1
    }

    /// The generation that follows; 0 is left out, because it means "never resolved" in a flow record.
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
    fn the_generation_after_the_last_is_not_zero() {
        assert!(Generation(u32::MAX).next().is_known());
    }
}
