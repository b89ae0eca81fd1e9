//! The version of IP.

use crate::text::{InvalidText, numbered};
use core::net::IpAddr;

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

numbered!(IpVersion, "a version of IP", "4 or 6", 4 V4, 6 V6);

impl From<IpAddr> for IpVersion {
    fn from(address: IpAddr) -> Self {
        match address {
            IpAddr::V4(_) => Self::V4,
            IpAddr::V6(_) => Self::V6,
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
            assert_eq!(text.parse::<IpVersion>(), Err(IpVersion::REFUSED), "{text}");
        }
    }
}
