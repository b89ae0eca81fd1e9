//! The addresses and ports of a subflow.

use crate::text::InvalidText;
use core::fmt;
use core::net::SocketAddr;
use core::str::FromStr;

/// The addresses and ports that identify a subflow, from the point of view of one side (RFC 8684, 2.2: "4-tuple").
///
/// Both directions of a subflow have the same four-tuple at one host, and the reversed one at the other.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[cfg_attr(feature = "serde", derive(serde::Deserialize, serde::Serialize))]
pub struct FourTuple {
    /// Address and port on this side.
    pub local: SocketAddr,
    /// Address and port on the other side.
    pub remote: SocketAddr,
}

impl FourTuple {
    /// The subflow between two end points.
    #[must_use]
    pub fn new(local: SocketAddr, remote: SocketAddr) -> Self {
        Self { local, remote }
    }

    /// The same subflow from the point of view of the other side.
    #[must_use]
    pub fn reversed(self) -> Self {
        Self {
            local: self.remote,
            remote: self.local,
        }
    }
}

impl fmt::Display for FourTuple {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{} <-> {}", self.local, self.remote)
    }
}

impl FromStr for FourTuple {
    type Err = InvalidText;

    /// Reads `10.0.0.1:4000 <-> 10.0.0.2:80`, and the same with addresses in IPv6.
    fn from_str(text: &str) -> Result<Self, InvalidText> {
        text.split_once(" <-> ")
            .and_then(|(local, remote)| Some(Self::new(local.parse().ok()?, remote.parse().ok()?)))
            .ok_or(InvalidText {
                what: "a four-tuple",
                expected: "two addresses with ports and ` <-> ` between them",
            })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::string::ToString;

    #[test]
    fn a_four_tuple_written_is_read_back() {
        for text in ["10.0.0.1:4000 <-> 10.0.0.2:80", "[2001:db8::1]:80 <-> [2001:db8::2]:1"] {
            assert_eq!(text.parse::<FourTuple>().unwrap().to_string(), text);
        }
        assert!("10.0.0.1:4000 -> 10.0.0.2:80".parse::<FourTuple>().is_err());
    }
}
