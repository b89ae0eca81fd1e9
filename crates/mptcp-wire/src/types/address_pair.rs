//! Source and destination address of one packet.

use crate::error::{Error, Result};
use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Source and destination address, of one IP version by construction.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum AddressPair {
    /// IPv4.
    V4 {
        /// Source.
        source: Ipv4Addr,
        /// Destination.
        destination: Ipv4Addr,
    },
    /// IPv6.
    V6 {
        /// Source.
        source: Ipv6Addr,
        /// Destination.
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

    /// Source.
    #[must_use]
    pub fn source(&self) -> IpAddr {
        match *self {
            Self::V4 { source, .. } => source.into(),
            Self::V6 { source, .. } => source.into(),
        }
    }

    /// Destination.
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

    #[test]
    fn an_address_pair_refuses_two_ip_versions() {
        let v4 = IpAddr::V4(Ipv4Addr::LOCALHOST);
        let v6 = IpAddr::V6(Ipv6Addr::LOCALHOST);
        assert_eq!(AddressPair::new(v4, v6), Err(Error::MixedAddresses));
        assert_eq!(AddressPair::new(v6, v6).unwrap().destination(), v6);
    }
}
