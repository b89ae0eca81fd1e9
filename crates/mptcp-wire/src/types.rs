//! Identifiers of MPTCP as types of their own, so that a token is never taken for a nonce.

use crate::error::{Error, Result};
use core::fmt;
use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// The version of MPTCP, as in MP_CAPABLE.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
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
}

/// A host's 64-bit key. It authenticates every later subflow, so `Debug` does not show it.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Key(pub [u8; 8]);

impl fmt::Debug for Key {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Key(hidden)")
    }
}

/// Identifies a connection at the host whose key it was made from (RFC 8684, 3.2).
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Token(pub u32);

impl fmt::Debug for Token {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Token({:#010x})", self.0)
    }
}

impl fmt::Display for Token {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{:#010x}", self.0)
    }
}

/// The random number of an MP_JOIN.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Nonce(pub u32);

/// Identifies an address of one host within one connection; 0 is the address of the initial subflow.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct AddressId(pub u8);

/// 64 bits of an HMAC: in the MP_JOIN SYN-ACK and in ADD_ADDR.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct TruncatedHmac(pub u64);

/// 160 bits of an HMAC: in the MP_JOIN third ACK.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct JoinHmac(pub [u8; 20]);

/// Source and destination address, of one IP version by construction.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum AddressPair {
    /// IPv4.
    V4 {
        /// Who sends.
        source: Ipv4Addr,
        /// Who receives.
        destination: Ipv4Addr,
    },
    /// IPv6.
    V6 {
        /// Who sends.
        source: Ipv6Addr,
        /// Who receives.
        destination: Ipv6Addr,
    },
}

impl AddressPair {
    /// [`Error::MixedAddresses`] when the two are not of the same version.
    pub fn new(source: IpAddr, destination: IpAddr) -> Result<Self> {
        match (source, destination) {
            (IpAddr::V4(source), IpAddr::V4(destination)) => Ok(Self::V4 { source, destination }),
            (IpAddr::V6(source), IpAddr::V6(destination)) => Ok(Self::V6 { source, destination }),
            _ => Err(Error::MixedAddresses),
        }
    }

    /// Who sends.
    #[must_use]
    pub fn source(&self) -> IpAddr {
        match *self {
            Self::V4 { source, .. } => source.into(),
            Self::V6 { source, .. } => source.into(),
        }
    }

    /// Who receives.
    #[must_use]
    pub fn destination(&self) -> IpAddr {
        match *self {
            Self::V4 { destination, .. } => destination.into(),
            Self::V6 { destination, .. } => destination.into(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::format;

    #[test]
    fn debug_output_never_shows_a_key() {
        assert_eq!(format!("{:?}", Key([0xab; 8])), "Key(hidden)");
    }

    #[test]
    fn a_token_is_shown_as_eight_hexadecimal_digits() {
        assert_eq!(format!("{}", Token(0xab)), "0x000000ab");
    }

    #[test]
    fn an_address_pair_refuses_two_ip_versions() {
        let v4 = IpAddr::V4(Ipv4Addr::LOCALHOST);
        let v6 = IpAddr::V6(Ipv6Addr::LOCALHOST);
        assert_eq!(AddressPair::new(v4, v6), Err(Error::MixedAddresses));
        assert_eq!(AddressPair::new(v6, v6).unwrap().destination(), v6);
    }
}
