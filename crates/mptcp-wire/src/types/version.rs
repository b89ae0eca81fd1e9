//! The version of MPTCP.

use super::text::InvalidText;
use core::fmt;
use core::str::FromStr;

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

impl Version {
    /// The number in MP_CAPABLE.
    #[must_use]
    pub fn number(self) -> u8 {
        match self {
            Self::V0 => 0,
            Self::V1 => 1,
        }
    }

    /// The version with this number, if there is one.
    #[must_use]
    pub fn from_number(number: u8) -> Option<Self> {
        match number {
            0 => Some(Self::V0),
            1 => Some(Self::V1),
            _ => None,
        }
    }
}

const REFUSED: InvalidText = InvalidText {
    what: "a version of MPTCP",
    expected: "0 or 1",
};

impl From<Version> for u8 {
    fn from(version: Version) -> Self {
        version.number()
    }
}

impl TryFrom<u8> for Version {
    type Error = InvalidText;

    fn try_from(number: u8) -> Result<Self, InvalidText> {
        Self::from_number(number).ok_or(REFUSED)
    }
}

impl fmt::Display for Version {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}", self.number())
    }
}

impl FromStr for Version {
    type Err = InvalidText;

    fn from_str(text: &str) -> Result<Self, InvalidText> {
        match text {
            "0" => Ok(Self::V0),
            "1" => Ok(Self::V1),
            _ => Err(REFUSED),
        }
    }
}

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
        assert_eq!("+1".parse::<Version>(), Err(REFUSED));
    }
}
