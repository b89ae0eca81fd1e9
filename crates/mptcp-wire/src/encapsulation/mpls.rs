//! MPLS labels (RFC 3032). Nothing says what follows the last one: it is told by the first bytes.

use super::{Inner, Payload, ip_type, vlan};
use crate::bytes::{tail, u8_at, u16_at, u32_at};
use crate::error::{Header, Result};
use crate::ethernet::EtherType;

/// MPLS, unicast and multicast.
const TYPES: [u16; 2] = [0x8847, 0x8848];
/// Deeper stacks are not read.
const MOST_LABELS: usize = 8;
const LABEL: usize = 4;
const BOTTOM_OF_STACK: u32 = 0x100;
/// RFC 4448: before an Ethernet frame, optional.
const CONTROL_WORD: usize = 4;
const ETHER_TYPE: usize = 12;

pub(crate) fn is_mpls(ether_type: u16) -> bool {
    TYPES.contains(&ether_type)
}

/// None: more labels than are read.
pub(crate) fn open(bytes: &[u8]) -> Result<Option<Inner>> {
    let mut offset: usize = 0;
    for _ in 0..MOST_LABELS {
        let label = tail(bytes, offset);
        Header::Mpls.within(label, LABEL)?;
        offset = offset.saturating_add(LABEL);
        if u32_at(label, 0) & BOTTOM_OF_STACK != 0 {
            return Ok(Some(payload(tail(bytes, offset), offset)));
        }
    }
    Ok(None)
}

fn payload(bytes: &[u8], offset: usize) -> Inner {
    // RFC 4928, section 3: the first four bits are 4 or 6 only for IP. Some pseudowires do not keep to that, so an
    // Ethernet header whose type is known is taken as one where no IP packet can begin.
    let ip = ip_type(bytes.first());
    if ip != EtherType(0) {
        return Inner::new(offset, Payload::Type(ip));
    }
    let control_word = u8_at(bytes, 0) == 0 && is_ethernet(tail(bytes, CONTROL_WORD));
    let skipped = if control_word { CONTROL_WORD } else { 0 };
    Inner::new(offset.saturating_add(skipped), Payload::Ethernet)
}

fn is_ethernet(bytes: &[u8]) -> bool {
    let ether_type = u16_at(bytes, ETHER_TYPE);
    [EtherType::IPV4, EtherType::IPV6].contains(&EtherType(ether_type))
        || vlan::is_tag(ether_type)
        || is_mpls(ether_type)
}
