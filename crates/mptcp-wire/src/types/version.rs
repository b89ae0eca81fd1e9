//! The version of MPTCP.

use crate::text::{InvalidText, numbered};

/// The version of MPTCP, as in MP_CAPABLE.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[cfg_attr(
    feature = "serde",
    derive(serde::Deserialize, serde::Serialize),
    serde(into = "u8", try_from = "u8")
)]
pub enum Version {
    /// RFC 6824: SHA-1, keys in the SYN.
    V0,
    /// RFC 8684: SHA-256, no key in the SYN.
    V1,
}

numbered!(Version, "a version of MPTCP", "0 or 1", 0 V0, 1 V1);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_two_versions_that_exist_have_a_number() {
        for version in [Version::V0, Version::V1] {
            assert_eq!(Version::from_number(version.number()), Some(version));
        }
        assert_eq!(Version::from_number(2), None);
        assert_eq!("1".parse(), Ok(Version::V1));
        assert_eq!("+1".parse::<Version>(), Err(Version::REFUSED));
    }
}
