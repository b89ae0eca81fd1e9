//! The protocol field of PPP (RFC 1661), which PPP over Ethernet shares.

use crate::bytes::{u8_at, u16_at};
use crate::error::{Header, Result};
use crate::ethernet::EtherType;

const IPV4: u16 = 0x0021;
const IPV6: u16 = 0x0057;
/// RFC 3032, section 4.1.
const MPLS: u16 = 0x0281;

/// The type of the payload (0 when it is none that is read) and the length of the field.
pub(crate) fn protocol(bytes: &[u8]) -> Result<(EtherType, usize)> {
    // The first byte of a protocol is even and the second odd, so an odd first byte is a compressed protocol field
    // (RFC 1661, section 6.5).
    let (protocol, length) = match u8_at(bytes, 0) {
        compressed if compressed & 1 == 1 => (compressed.into(), 1),
        _ => (u16_at(bytes, 0), 2),
    };
    Header::PointToPoint.within(bytes, length)?;
    let ether_type = match protocol {
        IPV4 => EtherType::IPV4,
        IPV6 => EtherType::IPV6,
        MPLS => EtherType::MPLS,
        _ => EtherType(0),
    };
    Ok((ether_type, length))
}
