//! VXLAN (RFC 7348), and its Generic Protocol Extension (draft-ietf-nvo3-vxlan-gpe).

use super::{Inner, Payload};
use crate::bytes::u8_at;
use crate::error::{Header, Result};

const LENGTH: usize = 8;
/// The flag I: the network identifier is valid.
const IDENTIFIER: u8 = 0x08;
/// The flag P of the extension: the next protocol is given.
const PROTOCOL: u8 = 0x04;
const NEXT_PROTOCOL: usize = 3;

/// None: not VXLAN.
pub(crate) fn open(bytes: &[u8]) -> Result<Option<Inner>> {
    Header::Vxlan.within(bytes, LENGTH)?;
    let valid = u8_at(bytes, 0) & IDENTIFIER != 0;
    Ok(valid.then(|| Inner::new(LENGTH, Payload::Ethernet)))
}

/// None: not VXLAN-GPE, or another protocol than IP and Ethernet in it.
pub(crate) fn open_gpe(bytes: &[u8]) -> Result<Option<Inner>> {
    Header::Vxlan.within(bytes, LENGTH)?;
    if u8_at(bytes, 0) & PROTOCOL == 0 {
        return open(bytes);
    }
    Ok(match u8_at(bytes, NEXT_PROTOCOL) {
        1 => Some(Inner::of_type(LENGTH, 0x0800)),
        2 => Some(Inner::of_type(LENGTH, 0x86dd)),
        3 => Some(Inner::new(LENGTH, Payload::Ethernet)),
        _ => None,
    })
}
