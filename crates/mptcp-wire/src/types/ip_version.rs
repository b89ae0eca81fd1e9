//! The version of IP.

use super::text::InvalidText;
use core::fmt;
use core::net::IpAddr;
use core::str::FromStr;

/// The version of IP.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[cfg_attr(
    feature = "serde",
    derive(serde::Deserialize, serde::Serialize),
    serde(into = "u8", try_from = "u8")
)]
pub enum IpVersion {
    /// RFC 791.
    V4,
    /// RFC 8200.
    V6,
}

impl IpVersion {
    /// The number in the header: 4 or 6.
    #[must_use]
    pub fn number(self) -> u8 {
        match self {
            Self::V4 => 4,
            Self::V6 => 6,
        }
    }

    /// The version with this number, if there is one.
    #[must_use]
    pub fn from_number(number: u8) -> Option<Self> {
        match number {
            4 => Some(Self::V4),
            6 => Some(Self::V6),
            _ => None,
        }
    }
}

const REFUSED: InvalidText = InvalidText {
    what: "a version of IP",
    expected: "4 or 6",
};

impl From<IpVersion> for u8 {
    fn from(version: IpVersion) -> Self {
        version.number()
    }
}

impl TryFrom<u8> for IpVersion {
    type Error = InvalidText;

    fn try_from(number: u8) -> Result<Self, InvalidText> {
        Self::from_number(number).ok_or(REFUSED)
    }
}

impl From<IpAddr> for IpVersion {
    fn from(address: IpAddr) -> Self {
        match address {
            IpAddr::V4(_) => Self::V4,
            IpAddr::V6(_) => Self::V6,
        }
    }
}

impl fmt::Display for IpVersion {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}", self.number())
    }
}

impl FromStr for IpVersion {
    type Err = InvalidText;

    fn from_str(text: &str) -> Result<Self, InvalidText> {
        match text {
            "4" => Ok(Self::V4),
            "6" => Ok(Self::V6),
            _ => Err(REFUSED),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::string::ToString;

    #[test]
    fn a_version_of_ip_written_is_read_back() {
        for version in [IpVersion::V4, IpVersion::V6] {
            assert_eq!(version.to_string().parse(), Ok(version));
        }
        for text in ["5", "04", "v4", ""] {
            assert_eq!(text.parse::<IpVersion>(), Err(REFUSED), "{text}");
        }
    }
}
